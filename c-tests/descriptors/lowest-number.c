/* The lowest free number is given, whatever makes the descriptor, and nothing that the socket layer keeps for itself takes
 * one of the low numbers (POSIX 2.14 File Descriptor Allocation). */
#include "t.h"

static int base;

/* Numbers relative to the first free one at the start. */
static void num(const char *label, int fd) {
    if (fd < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: base + %d", label, fd - base);
}

int main(void) {
    alarm(8);
    base = dup(0);
    close(base);
    int s[10];
    for (int i = 0; i < 6; i++) {
        s[i] = socket(AF_INET, i % 2 ? SOCK_DGRAM : SOCK_STREAM, 0);
        num(i % 2 ? "UDP" : "TCP", s[i]);
    }
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(s[0], (struct sockaddr *)&a, sizeof a));
    must("listen", listen(s[0], 8));
    must("bind", bind(s[1], (struct sockaddr *)&a, sizeof a));
    int port = port_of(s[0]);
    a = in4("127.0.0.1", port);
    must("connect", connect(s[2], (struct sockaddr *)&a, sizeof a));
    /* bind, listen, connect take no number that would show. */
    num("dup after bind, listen and connect", s[6] = dup(0));
    num("accept", s[7] = accept(s[0], NULL, NULL));
    must("write", write(s[2], "data", 4));
    char b[8];
    must("read", read(s[7], b, 8));
    must("connect", connect(s[3], (struct sockaddr *)&a, sizeof a));
    if (send(s[3], "x", 1, 0) < 0) return 1;
    poll_text(s[7], POLLIN, 10);
    num("dup after data, UDP connect and poll", s[8] = dup(0));

    close(s[4]);
    num("open after a close in the middle", s[4] = open("/dev/null", O_RDWR));
    close(s[5]);
    close(s[1]);
    num("socket after two closes", s[1] = socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(s[1], (struct sockaddr *)&a, sizeof a));
    num("accept", s[5] = accept(s[0], NULL, NULL));
    close(s[2]);
    close(s[7]);
    int pi[2];
    must("pipe", pipe(pi));
    num("pipe, reading end", pi[0]);
    num("pipe, writing end", pi[1]);
    close(pi[0]);
    num("dup", s[2] = dup(s[0]));
    close(pi[1]);
    num("epoll", s[7] = epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN};
    must("epoll_ctl", epoll_ctl(s[7], EPOLL_CTL_ADD, s[0], &ev));
    must("epoll_wait", epoll_wait(s[7], &ev, 1, 10));
    num("dup after an epoll wait", s[9] = dup(0));
    close(s[9]);
    num("F_DUPFD from base + 1", s[9] = fcntl(s[0], F_DUPFD, base + 1));
    num("F_DUPFD from base + 20", fcntl(s[0], F_DUPFD, base + 20));
    num("F_DUPFD from base + 20", fcntl(s[0], F_DUPFD_CLOEXEC, base + 20));
    close(base + 20);
    num("and after its close", fcntl(s[0], F_DUPFD, base + 20));

    /* A fork, and an accept that finds nothing, use up none either. */
    pid_t k = fork();
    if (k == 0) {
        int f = dup(0);
        _exit(f == s[9] + 1 ? 0 : 1);
    }
    reap("child's next number is the parent's", k);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    res("accept of nothing", accept(s[0], NULL, NULL));
    num("next", dup(0));

    /* With 0 closed, a socket is 0. */
    int save = fcntl(0, F_DUPFD, 60);
    close(0);
    fact("socket with 0 closed: %d", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(0, (struct sockaddr *)&a, sizeof a));
    close(2);
    fact("accept with 2 closed: %d", accept(s[0], NULL, NULL));
    must("write", write(0, "zero to two", 11));
    char t[16] = "";
    res("read from 2", read(2, t, sizeof t - 1));
    fact("it got: %s", t);
    must("dup2", dup2(save, 0));
    res("read from 2 when 0 is replaced", read(2, t, sizeof t));

    /* Many at once, then each second one closed: the holes are filled from below. */
    int first = dup(1), bad = 0, many[100];
    close(first);
    for (int i = 0; i < 100; i++) many[i] = socket(AF_INET, i & 1 ? SOCK_STREAM : SOCK_DGRAM, 0);
    for (int i = 0; i < 100; i += 2) close(many[i]);
    int before = -1;
    for (int i = 0; i < 50; i++) {
        int f = socket(AF_INET, SOCK_STREAM, 0);
        bad += f != many[2 * i] || f <= before;
        before = f;
    }
    fact("holes filled out of order: %d", bad);
    return 0;
}
