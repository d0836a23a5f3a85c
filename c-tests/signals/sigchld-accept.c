/* The forking server of the textbooks: accept in a loop, a child for each connection, SIGCHLD reaped in a handler while
 * accept sleeps (man 2 accept EINTR, man 2 wait). */
#include "t.h"

static volatile sig_atomic_t reaped, bad;

static void on_child(int s) {
    (void)s;
    int keep = errno, st;
    while (waitpid(-1, &st, WNOHANG) > 0) {
        reaped++;
        if (st != 0) bad++;
    }
    errno = keep;
}

enum { CLIENTS = 12 };

static void clients(int port) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    int wrong = 0;
    for (int i = 0; i < CLIENTS; i++) {
        char out[32], in[32] = "";
        int c = socket(AF_INET, SOCK_STREAM, 0), n = snprintf(out, sizeof out, "request %d\n", i);
        if (connect(c, (struct sockaddr *)&a, sizeof a) < 0 || write(c, out, (size_t)n) != n) wrong++;
        if (recv(c, in, (size_t)n, MSG_WAITALL) != n || memcmp(in, out, (size_t)n)) wrong++;
        /* The end of stream comes when the child has gone; its SIGCHLD follows. */
        if (read(c, in, 1) != 0) wrong++;
        close(c);
        if (i % 3 == 0) sleep_ms(40);
    }
    _exit(wrong ? 1 : 0);
}

static void run(int flags) {
    int port, l = listener4(&port, 8), interrupted = 0, other = 0, served = 0;
    struct sigaction sa = {.sa_handler = on_child, .sa_flags = flags}, old;
    reaped = bad = 0;
    pid_t k = fork();
    if (k == 0) {
        alarm(6);
        close(l);
        clients(port);
    }
    sigaction(SIGCHLD, &sa, &old);
    while (served < CLIENTS) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        int c = accept(l, (struct sockaddr *)&from, &len);
        if (c < 0) {
            if (errno == EINTR) interrupted++;
            else other++;
            if (other) break;
            continue;
        }
        served++;
        pid_t w = fork();
        if (w == 0) {
            alarm(5);
            close(l);
            char b[64];
            ssize_t n = read(c, b, sizeof b);
            _exit(n > 0 && write(c, b, (size_t)n) == n ? 0 : 1);
        }
        close(c);
    }
    for (int i = 0; i < 2000 && reaped < CLIENTS + 1; i++) sleep_ms(1);
    fact("%s: served %d, reaped %d, ended badly %d, other errors %d", flags & SA_RESTART ? "SA_RESTART" : "no flags", served,
         (int)reaped, (int)bad, other);
    fact("  accept was interrupted: %s", interrupted ? "yes" : "no");
    sigaction(SIGCHLD, &old, NULL);
    close(l);
}

int main(void) {
    alarm(9);
    run(SA_RESTART);
    run(0);
    run(SA_RESTART | SA_NOCLDSTOP);
    /* SIG_IGN: the kernel reaps, wait tells ECHILD. */
    signal(SIGCHLD, SIG_IGN);
    int p[2];
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) _exit(write(p[1], "x", 1) == 1 ? 0 : 1);
    close(p[1]);
    char b[4];
    res("read from the child", read(p[0], b, 4));
    res("end", read(p[0], b, 4));
    res("waitpid with SIGCHLD ignored", waitpid(k, NULL, 0));
    return 0;
}
