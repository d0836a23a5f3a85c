/* A listener is readable exactly while its queue holds a connection (`man 7 tcp`, accept), whoever looks how often: by
 * poll, select and a duplicate, here and in a child, after a connection was taken, closed or reset by its connector,
 * and after a shutdown and a second listen. */
#include "ready.h"

static int l, other, port;

/* What poll, select and a poll of the duplicate say of the listener, each twice. */
static void looks(const char *when) {
    char said[7] = "";
    for (int i = 0; i < 2; i++) {
        struct pollfd f = {l, POLLIN, 0}, g = {other, POLLIN, 0};
        struct timeval tv = {0, 0};
        fd_set r;
        FD_ZERO(&r);
        FD_SET(l, &r);
        said[3 * i] = poll(&f, 1, 0) == 1 ? 'y' : 'n';
        said[3 * i + 1] = select(l + 1, &r, NULL, NULL, &tv) == 1 ? 'y' : 'n';
        said[3 * i + 2] = poll(&g, 1, 0) == 1 ? 'y' : 'n';
    }
    fact("%s: %s", when, said);
}

static int client(void) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

static void take(void) { close((int)must("accept", accept(l, NULL, NULL))); }

int main(void) {
    alarm(8);
    l = listener4(&port, 4);
    other = dup(l);
    looks("new");
    int c = client();
    looks("one");
    int d = client();
    looks("two");
    take();
    looks("one taken");
    take();
    looks("both taken");
    close(c);
    close(d);
    looks("both closed");

    /* Two looks at one queue, in two processes. */
    int go[2], done[2];
    char b = 0;
    must("pipe", pipe(go));
    must("pipe", pipe(done));
    pid_t k = fork();
    if (k == 0) {
        while (read(go[0], &b, 1) == 1 && b != 'q') {
            if (b == 'c') close(client());
            if (b == 'l') looks("child looks");
            if (b == 't') take();
            if (write(done[1], "d", 1) != 1) _exit(1);
        }
        _exit(0);
    }
    const char *steps = "lclcltltclt";
    for (const char *s = steps; *s; s++) {
        if (write(go[1], s, 1) != 1 || read(done[0], &b, 1) != 1) return 1;
        fact("child did %c", *s);
        looks("parent looks");
    }
    if (write(go[1], "q", 1) != 1) return 1;
    reap("child", k);

    must("shutdown", shutdown(l, SHUT_RD));
    must("listen again", listen(l, 4));
    struct sockaddr_in now;
    socklen_t size = sizeof now;
    must("getsockname", getsockname(l, (struct sockaddr *)&now, &size));
    port = ntohs(now.sin_port);
    looks("listens again");
    c = client();
    looks("one");
    take();
    looks("taken");

    /* What waits beside a listener is told with it, and without it. */
    int p[2];
    tcp_pair(p);
    for (int i = 0; i < 3; i++) {
        struct pollfd f[2] = {{l, POLLIN, 0}, {p[0], POLLIN, 0}};
        put(p[1], "x");
        await(p[0], POLLIN);
        fact("a byte: %d %d", poll(f, 2, -1), f[0].revents == 0);
        if (i == 1) {
            client();
            fact("and a connection: %d", poll(f, 2, -1));
            take();
        }
        drain(p[0]);
        fact("neither: %d", poll(f, 2, 0));
    }
    return 0;
}
