/* A server killed with SIGKILL starts again on its port at once (man 7 socket, SO_REUSEADDR; man 7 ip): what of its old
 * connections stands in the way, and what does not. */
#include "t.h"

static int on = 1;

static int try_bind(int port, int reuse) {
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    if (reuse) setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int r = bind(s, (struct sockaddr *)&a, sizeof a), e = errno;
    close(s);
    errno = e;
    return r;
}

/* A server process; the port is read through a pipe. It serves one connection after the other by echo. */
static pid_t server(int *port, int reuse) {
    int t[2];
    must("pipe", pipe(t));
    pid_t k = fork();
    if (k == 0) {
        alarm(8);
        int l = socket(AF_INET, SOCK_STREAM, 0);
        if (reuse) setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        struct sockaddr_in a = in4("127.0.0.1", *port);
        int32_t r = bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 8) < 0 ? -errno : port_of(l);
        if (write(t[1], &r, sizeof r) < 0 || r < 0) _exit(1);
        for (;;) {
            int c = accept(l, NULL, NULL);
            char b[64];
            ssize_t n = read(c, b, sizeof b);
            if (n > 0) n = write(c, b, (size_t)n);
        }
    }
    int32_t r = 0;
    must("port", read(t[0], &r, sizeof r));
    close(t[0]);
    close(t[1]);
    if (r < 0) {
        fact("server did not start: %s", ename(-r));
        reap("server", k);
        return -1;
    }
    *port = r;
    return k;
}

static int talk(const char *label, int port) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    char b[8] = "";
    if (res(label, connect(c, (struct sockaddr *)&a, sizeof a)) < 0) {
        close(c);
        return -1;
    }
    must("write", write(c, "ping", 4));
    res("  answer", read(c, b, sizeof b));
    return c;
}

static void stop(pid_t k) {
    kill(k, SIGKILL);
    reap("  killed", k);
}

int main(void) {
    alarm(9);
    signal(SIGPIPE, SIG_IGN);
    char b[8];

    /* No connection was ever made: the port is free. */
    int port = 0;
    pid_t k = server(&port, 0);
    stop(k);
    res("no connections, bind", try_bind(port, 0));

    /* The client's connection is still open, and its port is in FIN_WAIT2 on the dead server's side. */
    port = 0;
    k = server(&port, 1);
    int c = talk("connect", port);
    stop(k);
    res("client still open, bind", try_bind(port, 0));
    res("client still open, bind with SO_REUSEADDR", try_bind(port, 1));
    k = server(&port, 1);
    int d = talk("connect to the new server", port);
    res("the old connection", read(c, b, sizeof b));
    res("its write", write(c, "x", 1));
    sleep_ms(10);
    res("its next write", write(c, "x", 1));
    must("write", write(d, "unread", 6));
    close(c);

    /* Killed and started five times in a row, with clients that stay. */
    int keep[5], good = 0;
    for (int i = 0; i < 5; i++) {
        kill(k, SIGKILL);
        waitpid(k, NULL, 0);
        k = server(&port, 1);
        keep[i] = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = in4("127.0.0.1", port);
        must("connect", connect(keep[i], (struct sockaddr *)&a, sizeof a));
        must("write", write(keep[i], "ping", 4));
        good += read(keep[i], b, sizeof b) == 4;
    }
    fact("five restarts: served %d", good);
    int ends = 0;
    for (int i = 0; i < 4; i++) ends += recv(keep[i], b, sizeof b, MSG_DONTWAIT) == 0;
    fact("of the four earlier ones at their end: %d, the last: %s", ends, poll_text(keep[4], POLLIN, 30));

    /* While the port is listened on, SO_REUSEADDR does not help. */
    res("bind with SO_REUSEADDR beside the live server", try_bind(port, 1));
    stop(k);
    int e = talk("connect to nobody", port);
    fact("gave %d", e);

    /* Killed while clients wait in its queue: they are reset, the port is free. */
    int l = listener4(&port, 4);
    struct sockaddr_in a = in4("127.0.0.1", port);
    k = fork();
    if (k == 0) {
        alarm(8);
        for (;;) pause();
    }
    close(l);
    int q = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(q, (struct sockaddr *)&a, sizeof a));
    must("write", write(q, "hello?", 6));
    stop(k);
    res("client in the queue", read(q, b, sizeof b));
    res("bind", try_bind(port, 0));
    return 0;
}
