/* Blocked senders and a signal handler: EINTR when nothing was taken and there is no SA_RESTART, a restart with it, the
 * count when some of it was taken, whatever the flags (man 7 signal, man 2 send). */
#include "t.h"


enum { SEND, WRITE, WRITEV, SENDMSG, SENDTO, CALLS };
static const char *names[] = {"send", "write", "writev", "sendmsg", "sendto"};

static volatile sig_atomic_t signals;
static int p[2];
static char big[8 << 20];

static void handler(int s) {
    (void)s;
    signals++;
}

static long call(int which, size_t n) {
    struct iovec v = {big, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    switch (which) {
    case SEND: return send(p[0], big, n, 0);
    case WRITE: return write(p[0], big, n);
    case WRITEV: return writev(p[0], &v, 1);
    case SENDMSG: return sendmsg(p[0], &m, 0);
    default: return sendto(p[0], big, n, 0, NULL, 0);
    }
}

static pid_t helper(int drain) {
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        static char b[65536];
        close(p[0]);
        await_sleep(getppid());
        kill(getppid(), SIGUSR1);
        sleep_ms(40);
        if (drain)
            while (read(p[1], b, sizeof b) > 0) {}
        _exit(0);
    }
    return k;
}

int main(void) {
    alarm(9);
    signal(SIGPIPE, SIG_IGN);
    int full[1 + CALLS][2];
    for (int i = 0; i <= CALLS; i++) tcp_pair(full[i]);
    stuff_all(full, 1 + CALLS);
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGUSR1, &sa, NULL);
        for (int which = 0; which < CALLS; which++) {
            const char *how = restart ? "SA_RESTART" : "no flags";
            /* Nothing fits: the call has taken nothing when the signal comes. What nobody reads stays full. */
            memcpy(p, full[restart ? 1 + which : 0], sizeof p);
            signals = 0;
            pid_t k = helper(restart);
            if (restart) close(p[1]);
            long r = call(which, 1);
            fact("%s %s, full: %ld %s, signals %d", names[which], how, r, r < 0 ? ename(errno) : "ok", (int)signals);
            if (restart) close(p[0]);
            int st;
            waitpid(k, &st, 0);

            /* Part of it went: the count comes back, also with SA_RESTART. */
            tcp_pair(p);
            int small = 65536;
            setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
            setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
            signals = 0;
            k = helper(0);
            r = call(which, sizeof big);
            fact("%s %s, part of it taken: %s, signals %d", names[which], how,
                 r < 0 ? ename(errno) : r > 0 && r < (long)sizeof big ? "a count between" : "all", (int)signals);
            close(p[0]);
            close(p[1]);
            waitpid(k, &st, 0);
        }
    }
    return 0;
}
