/* ppoll, pselect, epoll_pwait and epoll_pwait2 take a signal mask for the time of the wait (`man 2 ppoll`, `man 2
 * pselect`, `man 2 epoll_pwait`): a signal that is blocked outside and pending ends the wait with EINTR; afterwards
 * the mask is the old one. */
#include "ready.h"

static volatile sig_atomic_t hits;
static void on_usr1(int s) { (void)s; hits++; }
static sigset_t open_mask, blocked;
static int p[2], ep;

/* The set with the socket alone. */
static fd_set *one(void) {
    static fd_set s;
    FD_ZERO(&s);
    FD_SET(p[0], &s);
    return &s;
}

static int blocked_now(void) {
    sigset_t m;
    sigprocmask(SIG_BLOCK, NULL, &m);
    return sigismember(&m, SIGUSR1);
}
static void told(const char *label, long n) {
    int e = errno;
    fact("%s: %ld %s, handler %d, blocked afterwards %d", label, n, n < 0 ? ename(e) : "", (int)hits, blocked_now());
    hits = 0;
}

int main(void) {
    alarm(8);
    struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    sigemptyset(&open_mask);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    tcp_pair(p);
    ep = ep_new();
    add(ep, p[0], EPOLLIN, 1);
    struct pollfd f = {p[0], POLLIN, 0};
    struct epoll_event e;
    struct timespec two = {2, 0}, zero = {0, 0};

    raise(SIGUSR1);
    told("blocked and pending, poll", poll(&f, 1, 20));
    told("ppoll", ppoll(&f, 1, &two, &open_mask));
    raise(SIGUSR1);
    told("pselect", pselect(p[0] + 1, one(), NULL, NULL, &two, &open_mask));
    raise(SIGUSR1);
    told("epoll_pwait", epoll_pwait(ep, &e, 1, 2000, &open_mask));
    raise(SIGUSR1);
    told("epoll_pwait2", epoll_pwait2(ep, &e, 1, &two, &open_mask));
    raise(SIGUSR1);
    told("ppoll without a mask", ppoll(&f, 1, &(struct timespec){0, 20000000}, NULL));
    told("pselect, mask that blocks", pselect(p[0] + 1, one(), NULL, NULL, &(struct timespec){0, 20000000}, &blocked));
    told("epoll_pwait, mask that blocks", epoll_pwait(ep, &e, 1, 20, &blocked));
    told("ppoll, time 0", ppoll(&f, 1, &zero, &open_mask));

    /* Data and a signal at once: the data wins, the signal stays pending until the mask allows it. */
    put(p[1], "x");
    await(p[0], POLLIN);
    raise(SIGUSR1);
    told("data and a signal, ppoll", ppoll(&f, 1, &two, &open_mask));
    told("data and a signal, epoll_pwait", epoll_pwait(ep, &e, 1, 2000, &open_mask));
    told("data and a signal, pselect", pselect(p[0] + 1, one(), NULL, NULL, &two, &open_mask));
    drain(p[0]);
    told("signal alone again, ppoll", ppoll(&f, 1, &(struct timespec){0, 20000000}, &open_mask));

    /* A signal that comes from another process during the wait. */
    pid_t me = getpid(), k;
    static const char *const names[] = {"ppoll", "pselect", "epoll_pwait", "epoll_pwait2"};
    for (int i = 0; i < 4; i++) {
        k = fork();
        if (k == 0) { sleep_ms(60); kill(me, SIGUSR1); _exit(0); }
        long n = i == 0 ? ppoll(&f, 1, &two, &open_mask) : i == 1 ? pselect(p[0] + 1, one(), NULL, NULL, &two, &open_mask)
                 : i == 2 ? epoll_pwait(ep, &e, 1, 2000, &open_mask) : epoll_pwait2(ep, &e, 1, &two, &open_mask);
        told(names[i], n);
        reap("child", k);
    }
    long t = now_ms();
    res("epoll_pwait2, 50 ms", epoll_pwait2(ep, &e, 1, &(struct timespec){0, 50000000}, NULL));
    t = now_ms() - t;
    fact("slept: %s", t >= 49 && t < 1000 ? "yes" : "no");
    res("epoll_pwait2, 1.5 billion nanoseconds", epoll_pwait2(ep, &e, 1, &(struct timespec){0, 1500000000}, NULL));
    put(p[1], "x");
    res("epoll_pwait2, no time, data", epoll_pwait2(ep, &e, 1, NULL, NULL));
    return 0;
}
