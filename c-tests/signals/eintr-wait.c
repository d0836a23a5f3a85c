/* poll, select, epoll_wait and their kin are never restarted, SA_RESTART or not (man 7 signal); on interruption nothing is
 * said of readiness, and a longer wait afterwards finds what is there. */
#include "t.h"

enum { POLL, PPOLL, SELECT, PSELECT, EPOLL, EPOLL_PWAIT, POLL_MIXED, CALLS };
static const char *names[] = {"poll", "ppoll", "select", "pselect", "epoll_wait", "epoll_pwait", "poll of socket and pipe"};

static volatile sig_atomic_t signals;
static int p[2], pi[2], ep;

static void handler(int s) {
    (void)s;
    signals++;
}

static long call(int which, int ms, int *untouched) {
    struct pollfd pf[2] = {{p[0], POLLIN, 0x55}, {pi[0], POLLIN, 0x55}};
    struct epoll_event ev = {.events = 0x55};
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000L};
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000L};
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    long n = -2;
    switch (which) {
    case POLL: n = poll(pf, 1, ms); break;
    case PPOLL: n = ppoll(pf, 1, &ts, NULL); break;
    case SELECT: n = select(p[0] + 1, &r, NULL, NULL, &tv); break;
    case PSELECT: n = pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL); break;
    case EPOLL: n = epoll_wait(ep, &ev, 1, ms); break;
    case EPOLL_PWAIT: n = epoll_pwait(ep, &ev, 1, ms, NULL); break;
    case POLL_MIXED: n = poll(pf, 2, ms); break;
    }
    int e = errno;
    *untouched = FD_ISSET(p[0], &r);
    errno = e;
    return n;
}

int main(void) {
    alarm(9);
    tcp_pair(p);
    must("pipe", pipe(pi));
    ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
    for (int which = 0; which < CALLS; which++)
        for (int restart = 0; restart < 2; restart++) {
            struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
            sigaction(SIGUSR1, &sa, NULL);
            signals = 0;
            pid_t k = fork();
            if (k == 0) {
                alarm(5);
                sleep_ms(30);
                kill(getppid(), SIGUSR1);
                sleep_ms(60);
                _exit(write(p[1], "data", 4) == 4 ? 0 : 1);
            }
            int set;
            long start = now_ms(), r = call(which, 3000, &set);
            int e = errno;
            long t = now_ms() - start;
            fact("%s %s: %ld %s, signals %d, within 1000 ms %d", names[which], restart ? "SA_RESTART" : "no flags", r,
                 r < 0 ? ename(e) : "ok", (int)signals, t < 1000);
            if (which == SELECT || which == PSELECT) fact("  the set is as it was: %d", set);
            r = call(which, 3000, &set);
            fact("  again: %ld", r);
            must("read", read(p[0], (char[8]){0}, 8));
            int st;
            waitpid(k, &st, 0);
            r = call(which, 0, &set);
            fact("  nothing left: %ld", r);
        }

    /* A signal that is ignored or blocked interrupts nothing. */
    for (int which = 0; which < 2; which++) {
        sigset_t s;
        sigemptyset(&s);
        sigaddset(&s, SIGUSR1);
        if (which) sigprocmask(SIG_BLOCK, &s, NULL);
        else signal(SIGUSR1, SIG_IGN);
        pid_t k = fork();
        if (k == 0) {
            sleep_ms(20);
            kill(getppid(), SIGUSR1);
            _exit(0);
        }
        int set;
        long start = now_ms();
        long r = call(POLL, 100, &set);
        fact("%s: poll %ld after at least 95 ms %d", which ? "blocked" : "ignored", r, now_ms() - start >= 95);
        struct sigaction sa = {.sa_handler = handler};
        sigaction(SIGUSR1, &sa, NULL);
        signals = 0;
        sigprocmask(SIG_UNBLOCK, &s, NULL);
        fact("  handler ran when unblocked: %d", (int)signals);
        waitpid(k, NULL, 0);
    }

    /* Readiness at the moment of the signal wins. */
    must("write", write(p[1], "x", 1));
    raise(SIGUSR1);
    int set;
    fact("ready when the signal has come: %ld", call(POLL, 1000, &set));
    return 0;
}
