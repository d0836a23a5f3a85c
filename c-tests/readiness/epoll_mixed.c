/* Descriptors of many kinds in one epoll instance, one poll and one select: TCP and UDP sockets, a socket pair,
 * pipes, eventfd, timerfd, signalfd, inotify. Each tells of itself and none of another. */
#include "ready.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

int main(void) {
    alarm(8);
    int p[2], u[2], q[2], ep = ep_new();
    char b[512], dir[] = "/tmp/sockhop-test-XXXXXX";
    tcp_pair(p);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
    must("pipe", pipe(q));
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(udp, (struct sockaddr *)&a, sizeof a));
    int ev = (int)must("eventfd", eventfd(0, EFD_NONBLOCK));
    int tm = (int)must("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    sigset_t m;
    sigemptyset(&m);
    sigaddset(&m, SIGUSR1);
    sigprocmask(SIG_BLOCK, &m, NULL);
    int sg = (int)must("signalfd", signalfd(-1, &m, SFD_NONBLOCK)), in = (int)must("inotify", inotify_init1(IN_NONBLOCK));
    if (!mkdtemp(dir)) return 1;
    must("watch", inotify_add_watch(in, dir, IN_CREATE));
    int port, l = listener4(&port, 4);

    int fds[9] = {p[0], u[0], q[0], udp, ev, tm, sg, in, l};
    for (int i = 0; i < 9; i++) add(ep, fds[i], EPOLLIN, (uint64_t)i + 1);
    fact("nothing: %s", ep_text(ep, 0));
    put(p[1], "x");
    fact("1 TCP: %s", ep_text(ep, 1000));
    put(u[1], "x");
    fact("2 socket pair: %s", ep_text(ep, 1000));
    must("write", write(q[1], "x", 1));
    fact("3 pipe: %s", ep_text(ep, 1000));
    a = in4("127.0.0.1", port_of(udp));
    must("sendto", sendto(udp, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    await(udp, POLLIN);
    fact("4 UDP: %s", ep_text(ep, 1000));
    must("write", eventfd_write(ev, 1));
    fact("5 eventfd: %s", ep_text(ep, 1000));
    struct itimerspec it = {.it_value = {0, 20000000}};
    must("settime", timerfd_settime(tm, 0, &it, NULL));
    await(tm, POLLIN);
    fact("6 timerfd: %s", ep_text(ep, 1000));
    raise(SIGUSR1);
    fact("7 signalfd: %s", ep_text(ep, 1000));
    snprintf(b, sizeof b, "%s/file", dir);
    int f = open(b, O_CREAT | O_WRONLY, 0600);
    close(f);
    unlink(b);
    rmdir(dir);
    fact("8 inotify: %s", ep_text(ep, 1000));
    a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(l, POLLIN);
    fact("9 listener: %s", ep_text(ep, 1000));

    struct pollfd pf[9];
    fd_set r;
    int top = 0;
    FD_ZERO(&r);
    for (int i = 0; i < 9; i++) {
        pf[i] = (struct pollfd){fds[i], POLLIN, 0};
        FD_SET(fds[i], &r);
        if (fds[i] > top) top = fds[i];
    }
    res("poll", poll(pf, 9, 0));
    struct timeval tv = {0, 0};
    res("select", select(top + 1, &r, NULL, NULL, &tv));

    /* Taken away one by one. */
    must("read", read(q[0], b, 1));
    must("read", recv(p[0], b, 1, 0));
    fact("without TCP and pipe: %s", ep_text(ep, 0));
    eventfd_t v;
    eventfd_read(ev, &v);
    must("read", read(tm, b, 8));
    must("read", read(sg, b, sizeof(struct signalfd_siginfo)));
    must("read", read(in, b, sizeof b));
    fact("without eventfd, timer, signal and inotify: %s", ep_text(ep, 0));
    must("read", recv(u[0], b, 1, 0));
    must("read", recv(udp, b, 1, 0));
    ok("accept", accept(l, NULL, NULL));
    fact("nothing: %s", ep_text(ep, 0));

    /* A wait on all of them, woken by each kind in turn. */
    pid_t k = fork();
    if (k == 0) {
        static const int order[] = {0, 2, 4, 1, 3};
        for (int i = 0; i < 5; i++) {
            sleep_ms(50);
            int w = order[i];
            a = in4("127.0.0.1", port_of(udp));
            if (w == 0) put(p[1], "y");
            else if (w == 1) put(u[1], "y");
            else if (w == 2) must("write", write(q[1], "y", 1));
            else if (w == 3) must("sendto", sendto(udp, "y", 1, 0, (struct sockaddr *)&a, sizeof a));
            else eventfd_write(ev, 1);
        }
        _exit(0);
    }
    for (int i = 0; i < 5; i++) {
        struct epoll_event e;
        int n = epoll_wait(ep, &e, 1, 2000);
        fact("woken: %d by %llu", n, n == 1 ? (unsigned long long)e.data.u64 : 0ULL);
        if (n == 1) must("read", read(fds[e.data.u64 - 1], b, 8));
    }
    reap("child", k);
    return 0;
}
