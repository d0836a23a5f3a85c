/* pselect, ppoll, epoll_pwait and epoll_pwait2 with a mask that unblocks a pending signal: they end with EINTR at once and
 * the old mask is back; ready descriptors are told before the signal is looked at (man 2 pselect, man 2 epoll_wait). */
#include "t.h"

enum { PPOLL, PSELECT, EPOLL_PWAIT, EPOLL_PWAIT2, CALLS };
static const char *names[] = {"ppoll", "pselect", "epoll_pwait", "epoll_pwait2"};

static volatile sig_atomic_t signals;
static int p[2], ep;

static void handler(int s) {
    (void)s;
    signals++;
}

static long call(int which, int ms, const sigset_t *mask) {
    struct pollfd pf = {p[0], POLLIN, 0};
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000L};
    struct epoll_event ev;
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    switch (which) {
    case PPOLL: return ppoll(&pf, 1, &ts, mask);
    case PSELECT: return pselect(p[0] + 1, &r, NULL, NULL, &ts, mask);
    case EPOLL_PWAIT: return epoll_pwait(ep, &ev, 1, ms, mask);
    default: return epoll_pwait2(ep, &ev, 1, &ts, mask);
    }
}

static void show(const char *label, long r, long start, int expect_ms) {
    int e = errno;
    long t = now_ms() - start;
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    fact("  %s: %ld %s, signals %d, %s, SIGUSR1 blocked afterwards %d", label, r, r < 0 ? ename(e) : "ok", (int)signals,
         t >= expect_ms && t < expect_ms + 1500 ? "in time" : "not in time", sigismember(&now, SIGUSR1));
}

int main(void) {
    alarm(9);
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    sigset_t block, none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    tcp_pair(p);
    ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
    for (int which = 0; which < CALLS; which++) {
        fact("%s", names[which]);
        signals = 0;
        raise(SIGUSR1);
        long start = now_ms();
        show("a signal is pending, mask empty", call(which, 4000, &none), start, 0);
        signals = 0;
        raise(SIGUSR1);
        start = now_ms();
        show("a signal is pending, no mask", call(which, 60, NULL), start, 55);
        start = now_ms();
        show("the same, all blocked", call(which, 60, &all), start, 55);
        start = now_ms();
        long r = call(which, 0, &none);
        show("the same, timeout 0, mask empty", r, start, 0);
        if (!signals) {
            sigset_t pend;
            sigpending(&pend);
            fact("  still pending: %d", sigismember(&pend, SIGUSR1));
            call(which, 1000, &none);
        }
        signals = 0;
        raise(SIGUSR1);
        must("write", write(p[1], "x", 1));
        poll_text(p[0], POLLIN, 1000);
        start = now_ms();
        r = call(which, 4000, &none);
        show("data and a pending signal", r, start, 0);
        if (!signals) call(which, 0, &none);
        must("read", read(p[0], (char[2]){0}, 1));
        if (!signals) call(which, 1000, &none);
        fact("  in the end the handler ran: %d", (int)signals);

        /* The signal comes during the wait. */
        signals = 0;
        pid_t k = fork();
        if (k == 0) {
            sleep_ms(30);
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        start = now_ms();
        show("a signal during the wait", call(which, 4000, &none), start, 25);
        waitpid(k, NULL, 0);
        /* Data comes during the wait, the mask blocks all. */
        signals = 0;
        k = fork();
        if (k == 0) {
            kill(getppid(), SIGUSR1);
            sleep_ms(30);
            _exit(write(p[1], "y", 1) == 1 ? 0 : 1);
        }
        start = now_ms();
        show("data during the wait, all blocked", call(which, 4000, &all), start, 25);
        waitpid(k, NULL, 0);
        must("read", read(p[0], (char[2]){0}, 1));
        signals = 0;
        call(which, 1000, &none);
        fact("  the signal was kept: %d", (int)signals);
    }
    return 0;
}
