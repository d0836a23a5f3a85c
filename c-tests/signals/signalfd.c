/* A signalfd and sockets in one poll, select and epoll: signals as readable events beside connections (man 2 signalfd). */
#include "t.h"
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static const char *signal_in(int sf) {
    static char t[64];
    struct signalfd_siginfo si;
    ssize_t n = read(sf, &si, sizeof si);
    if (n < 0) return ename(errno);
    snprintf(t, sizeof t, "%s from %s", si.ssi_signo == SIGUSR1 ? "SIGUSR1" : si.ssi_signo == SIGCHLD ? "SIGCHLD" : "other",
             si.ssi_pid == (uint32_t)getpid() ? "myself" : "a child");
    return t;
}

int main(void) {
    alarm(8);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGCHLD);
    sigprocmask(SIG_BLOCK, &s, NULL);
    int port, l = listener4(&port, 4), p[2], sf = (int)must("signalfd", signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC));
    tcp_pair(p);
    int ep = (int)must("epoll", epoll_create1(0)), tf = (int)must("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
    int all[] = {l, p[0], sf, tf};
    static const char *names[] = {"listener", "connection", "signalfd", "timerfd"};
    for (int i = 0; i < 4; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data = {.u32 = (uint32_t)i}};
        must("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, all[i], &ev));
    }
    fact("nothing at first: %s", signal_in(sf));
    for (int round = 0; round < 5; round++) {
        /* One event at a time, then all together. */
        struct sockaddr_in a = in4("127.0.0.1", port);
        int c = -1;
        if (round == 0 || round == 4) {
            c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
            must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        }
        if (round == 1 || round == 4) must("write", write(p[1], "data", 4));
        if (round == 2 || round == 4) raise(SIGUSR1);
        if (round == 3 || round == 4) {
            struct itimerspec it = {.it_value = {0, 1}};
            timerfd_settime(tf, 0, &it, NULL);
        }
        sleep_ms(5);
        struct epoll_event ev[8];
        int n = epoll_wait(ep, ev, 8, 2000), seen[4] = {0};
        for (int i = 0; i < n; i++) seen[ev[i].data.u32]++;
        fact("round %d: epoll_wait %d", round, n);
        for (int i = 0; i < 4; i++)
            if (seen[i]) fact("  %s", names[i]);
        struct pollfd pf[4];
        for (int i = 0; i < 4; i++) pf[i] = (struct pollfd){all[i], POLLIN, 0};
        n = poll(pf, 4, 2000);
        fact("  poll %d: %x %x %x %x", n, pf[0].revents, pf[1].revents, pf[2].revents, pf[3].revents);
        fd_set r;
        FD_ZERO(&r);
        for (int i = 0; i < 4; i++) FD_SET(all[i], &r);
        n = select(tf + 1, &r, NULL, NULL, &(struct timeval){2, 0});
        fact("  select %d", n);
        if (seen[0]) close((int)must("accept", accept(l, NULL, NULL)));
        if (seen[1]) must("read", read(p[0], (char[8]){0}, 8));
        if (seen[2]) fact("  %s", signal_in(sf));
        if (seen[3]) must("read", read(tf, &(uint64_t){0}, 8));
        if (c >= 0) close(c);
        fact("  afterwards: %d", epoll_wait(ep, ev, 8, 0));
    }

    /* A child that ends wakes the loop, and a connection made by it is there too. */
    pid_t k = fork();
    if (k == 0) {
        struct sockaddr_in a = in4("127.0.0.1", port);
        int c = socket(AF_INET, SOCK_STREAM, 0);
        sleep_ms(20);
        _exit(connect(c, (struct sockaddr *)&a, sizeof a) == 0 && write(c, "bye", 3) == 3 ? 7 : 1);
    }
    int accepted = 0, child = 0;
    while (!(accepted && child)) {
        struct epoll_event ev[4];
        int n = epoll_wait(ep, ev, 4, 2000);
        if (n <= 0) break;
        for (int i = 0; i < n; i++) {
            if (ev[i].data.u32 == 0) {
                int c = accept(l, NULL, NULL);
                char b[8];
                accepted = read(c, b, sizeof b) == 3;
                close(c);
            } else if (ev[i].data.u32 == 2) {
                fact("%s", signal_in(sf));
                child = 1;
            }
        }
    }
    fact("accepted %d, child %d", accepted, child);
    reap("child", k);
    /* Blocking read of the signalfd while the connection has data: only the signal counts. */
    fcntl(sf, F_SETFL, 0);
    must("write", write(p[1], "data", 4));
    k = fork();
    if (k == 0) {
        sleep_ms(30);
        kill(getppid(), SIGUSR1);
        sleep_ms(30);
        _exit(0);
    }
    fact("blocking read: %s", signal_in(sf));
    reap("child", k);
    return 0;
}
