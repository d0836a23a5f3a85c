/* daemon(3) with a listener, and with a connection on 0, 1 and 2 that it replaces by /dev/null. */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static int dial(int port) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 8);
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0), to;
    socklen_t len = sizeof to;
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    must("getsockname", getsockname(u, (struct sockaddr *)&to, &len));

    pid_t k = fork();
    if (k == 0) {
        if (daemon(0, 0) < 0) _exit(1);
        alarm(8);
        /* Two connections: the first asks where the descriptors lead, the second ends the daemon. */
        int c = accept(l, NULL, NULL);
        struct stat s0, nul;
        if (fstat(0, &s0) < 0 || stat("/dev/null", &nul) < 0) _exit(2);
        dprintf(c, "null %d, leader %d", s0.st_rdev == nul.st_rdev, getsid(0) != getppid() && getpgrp() == getsid(0));
        close(c);
        char b[32];
        struct sockaddr_in from;
        socklen_t fl = sizeof from;
        ssize_t n = recvfrom(u, b, sizeof b, 0, (struct sockaddr *)&from, &fl);
        sendto(u, b, (size_t)(n > 0 ? n : 0), 0, (struct sockaddr *)&from, fl);
        c = accept(l, NULL, NULL);
        dprintf(c, "bye");
        _exit(0);
    }
    reap("the process that called daemon", k);
    close(l);
    close(u);
    int c = dial(port);
    fact("daemon says: %s", hear(c));
    fact("then: %s", hear(c));
    close(c);
    int v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("connect", connect(v, (struct sockaddr *)&to, sizeof to));
    must("send", send(v, "datagram", 8, 0));
    fact("daemon's datagram: %s", hear(v));
    c = dial(port);
    fact("daemon says: %s", hear(c));
    fact("then: %s", hear(c));
    sleep_ms(50);
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    a = in4("127.0.0.1", port);
    res("connect when the daemon has gone", connect(d, (struct sockaddr *)&a, sizeof a));

    /* A connection on 0, 1 and 2: daemon(0, 0) drops it, daemon(0, 1) keeps it. */
    for (int keep = 0; keep < 2; keep++) {
        int p[2];
        tcp_pair(p);
        if ((k = fork()) == 0) {
            for (int i = 0; i < 3; i++) dup2(p[1], i);
            close(p[0]);
            close(p[1]);
            if (daemon(0, keep) < 0) _exit(1);
            alarm(8);
            printf("printed by the daemon");
            fflush(stdout);
            sleep_ms(keep ? 0 : 300);
            _exit(0);
        }
        close(p[1]);
        reap("the process that called daemon", k);
        long t = now_ms();
        fact("noclose %d: %s", keep, hear(p[0]));
        fact("noclose %d: then %s", keep, hear(p[0]));
        if (!keep) fact("at once: %d", now_ms() - t < 250);
        close(p[0]);
    }
    return 0;
}
