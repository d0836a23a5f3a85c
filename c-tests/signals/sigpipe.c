/* SIGPIPE on a connection that cannot be sent on (man 2 send, man 7 socket): by default it kills, ignored it is EPIPE,
 * MSG_NOSIGNAL suppresses it for one call; the reset itself raises no signal. */
#include "t.h"
#include <sys/sendfile.h>

enum { SEND, WRITE, WRITEV, SENDMSG, SENDTO, SENDMMSG, SENDFILE, DPRINTF, CALLS };
static const char *names[] = {"send", "write", "writev", "sendmsg", "sendto", "sendmmsg", "sendfile", "dprintf"};

static volatile sig_atomic_t count, to_me;

static void handler(int s, siginfo_t *i, void *c) {
    (void)s;
    (void)c;
    count++;
    to_me = i->si_pid == getpid() || i->si_pid == 0;
}

static long call(int which, int fd, int flags) {
    struct iovec v = {(void *)(uintptr_t)"x", 1};
    struct mmsghdr mm = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
    switch (which) {
    case SEND: return send(fd, "x", 1, flags);
    case WRITE: return write(fd, "x", 1);
    case WRITEV: return writev(fd, &v, 1);
    case SENDMSG: return sendmsg(fd, &mm.msg_hdr, flags);
    case SENDTO: return sendto(fd, "x", 1, flags, NULL, 0);
    case SENDMMSG: return sendmmsg(fd, &mm, 1, flags);
    case SENDFILE: {
        int f = open("/proc/self/exe", O_RDONLY);
        long r = sendfile(fd, f, NULL, 10);
        int e = errno;
        close(f);
        errno = e;
        return r;
    }
    default: return dprintf(fd, "x");
    }
}

/* A connection whose own side is shut, or whose peer has gone and has answered with a reset. */
static int dead(int gone) {
    int p[2];
    tcp_pair(p);
    if (gone) {
        close(p[1]);
        must("first", send(p[0], "x", 1, MSG_NOSIGNAL));
        sleep_ms(5);
    } else {
        shutdown(p[0], SHUT_WR);
    }
    return p[0];
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_DFL);
    for (int which = 0; which < CALLS; which++) {
        pid_t k = fork();
        if (k == 0) {
            alarm(4);
            call(which, dead(0), 0);
            _exit(0);
        }
        reap(names[which], k);
    }
    for (int which = 0; which < CALLS; which++)
        for (int gone = 0; gone < 2; gone++) {
            signal(SIGPIPE, SIG_IGN);
            int fd = dead(gone);
            long r = call(which, fd, 0);
            fact("%s, %s, ignored: %ld %s", names[which], gone ? "peer gone" : "own side shut", r, ename(errno));
            close(fd);
            struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
            sigaction(SIGPIPE, &sa, NULL);
            count = 0;
            fd = dead(gone);
            r = call(which, fd, 0);
            int e = errno;
            fact("  handled: %ld %s, signals %d, from this process %d", r, ename(e), (int)count, (int)to_me);
            count = 0;
            if (which == SEND || which == SENDMSG || which == SENDTO || which == SENDMMSG) {
                r = call(which, fd, MSG_NOSIGNAL);
                e = errno;
                fact("  MSG_NOSIGNAL: %ld %s, signals %d", r, ename(e), (int)count);
            }
            close(fd);
        }

    /* Blocked, it is pending for the thread; sigtimedwait takes it. */
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGPIPE);
    sigprocmask(SIG_BLOCK, &s, NULL);
    int fd = dead(0);
    res("blocked: send", send(fd, "x", 1, 0));
    sigset_t pend;
    sigpending(&pend);
    fact("pending: %d", sigismember(&pend, SIGPIPE));
    fact("sigtimedwait: %d", sigtimedwait(&s, NULL, &(struct timespec){0, 0}) == SIGPIPE);
    res("send with MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
    sigpending(&pend);
    fact("pending: %d", sigismember(&pend, SIGPIPE));
    res("send of 0 bytes", send(fd, "", 0, 0));
    fact("sigtimedwait: %d", sigtimedwait(&s, NULL, &(struct timespec){0, 0}) == SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &s, NULL);

    /* The error of a reset comes first and raises nothing; after it the pipe is broken. */
    int p[2];
    tcp_pair(p);
    must("write", write(p[0], "unread", 6));
    close(p[1]);
    poll_text(p[0], POLLIN, 1000);
    count = 0;
    res("send on a reset connection", send(p[0], "x", 1, 0));
    fact("signals %d", (int)count);
    res("send again", send(p[0], "x", 1, 0));
    fact("signals %d", (int)count);
    int l, port;
    l = listener4(&port, 1);
    count = 0;
    res("send on a listener", send(l, "x", 1, 0));
    fact("signals %d", (int)count);
    count = 0;
    res("send on a fresh socket", send((int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), "x", 1, 0));
    fact("signals %d", (int)count);
    return 0;
}
