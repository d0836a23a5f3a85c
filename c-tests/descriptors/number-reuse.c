/* A number that was a socket and is opened again as anything else meets nothing of the socket: no option, no flag, no
 * readiness, no data (POSIX: the lowest free number is given). */
#include "t.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end");
    else b[n] = 0;
    return b;
}

enum { FILE_, PIPE, EVENTFD, EPOLL, ACCEPTED, PAIR, TIMERFD, MEMFD, SIGNALFD, INOTIFY, NEWTCP, NEWUDP, DIR_, KINDS };
static const char *names[] = {"open", "pipe", "eventfd", "epoll", "accept", "socketpair", "timerfd", "memfd",
                              "signalfd", "inotify", "socket TCP", "socket UDP", "open a directory"};

static int make(int kind, int l, int extra[2]) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    switch (kind) {
    case FILE_: return open("/dev/zero", O_RDONLY);
    case PIPE: return pipe(extra) < 0 ? -1 : extra[0];
    case EVENTFD: return eventfd(0, 0);
    case EPOLL: return epoll_create1(0);
    case ACCEPTED: return accept(l, NULL, NULL);
    case PAIR: return socketpair(AF_UNIX, SOCK_STREAM, 0, extra) < 0 ? -1 : extra[0];
    case TIMERFD: return timerfd_create(CLOCK_MONOTONIC, 0);
    case MEMFD: return memfd_create("m", 0);
    case SIGNALFD: return signalfd(-1, &s, 0);
    case INOTIFY: return inotify_init1(0);
    case NEWTCP: return socket(AF_INET, SOCK_STREAM, 0);
    case NEWUDP: return socket(AF_INET, SOCK_DGRAM, 0);
    default: return open("/", O_RDONLY | O_DIRECTORY);
    }
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    for (int k = 0; k < KINDS; k++) {
        int port, l = listener4(&port, 4), p[2], on = 1, extra[2] = {-1, -1};
        /* The socket before: connected, non-blocking, with options, data in it and closed by its peer. */
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", port);
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        tcp_pair(p);
        setsockopt(p[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        fcntl(p[0], F_SETFL, O_NONBLOCK);
        fcntl(p[0], F_SETFD, FD_CLOEXEC);
        must("write", write(p[1], "stale", 5));
        close(p[1]);
        poll_text(p[0], POLLIN, 1000);
        /* The lowest free number has to be the one of the old socket. */
        int hole[8], n = 0, old = p[0];
        while ((hole[n] = dup(l)) < old) n++;
        close(hole[n]);
        close(old);
        int f = make(k, l, extra);
        struct stat st;
        fact("%s: the same number %d, descriptor flags %d, O_NONBLOCK %d", names[k], f == old, fcntl(f, F_GETFD),
             !!(fcntl(f, F_GETFL) & O_NONBLOCK));
        fact("  socket %d, fstat %d", fstat(f, &st) == 0 && S_ISSOCK(st.st_mode), fstat(f, &st));
        int v = -1;
        socklen_t len = sizeof v;
        int r = getsockopt(f, SOL_SOCKET, SO_KEEPALIVE, &v, &len);
        fact("  keepalive: %s %d", r < 0 ? ename(errno) : "is", r < 0 ? 0 : v);
        fact("  poll: %s", poll_text(f, POLLIN, 0));
        fact("  recv: %s", recv(f, &v, 1, MSG_DONTWAIT) < 0 ? ename(errno) : "data");
        if (k == PIPE) {
            must("write", write(extra[1], "in the pipe", 11));
            fact("  read: %s", hear(f));
        } else if (k == PAIR) {
            must("write", write(extra[1], "in the pair", 11));
            fact("  read: %s", hear(f));
            must("write", write(f, "back", 4));
            fact("  other: %s", hear(extra[1]));
        } else if (k == ACCEPTED) {
            must("write", write(c, "accepted", 8));
            fact("  read: %s", hear(f));
            must("write", write(f, "back", 4));
            fact("  other: %s", hear(c));
        } else if (k == EVENTFD) {
            uint64_t one = 1;
            res("  write", write(f, &one, sizeof one));
            res("  read", read(f, &one, sizeof one));
        } else if (k == MEMFD) {
            res("  write", write(f, "mem", 3));
            res("  lseek", lseek(f, 0, SEEK_SET));
            fact("  read: %s", hear(f));
        } else if (k == EPOLL) {
            struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = l}};
            res("  add", epoll_ctl(f, EPOLL_CTL_ADD, l, &ev));
            res("  wait", epoll_wait(f, &ev, 1, 1000));
        } else if (k == TIMERFD) {
            struct itimerspec it = {.it_value = {0, 1000000}};
            uint64_t x;
            res("  settime", timerfd_settime(f, 0, &it, NULL));
            res("  read", read(f, &x, sizeof x));
        } else if (k == FILE_) {
            char z[4] = "xxx";
            res("  read", read(f, z, 3));
            fact("  zero: %d", z[0] == 0 && z[2] == 0);
        } else if (k == NEWTCP || k == NEWUDP) {
            res("  connect", connect(f, (struct sockaddr *)&a, sizeof a));
        }
        close(f);
        fact("  closed: %s", fcntl(f, F_GETFD) < 0 ? ename(errno) : "open");
        if (extra[0] >= 0) close(extra[1]);
        close(c);
        close(l);
        while (n-- > 0) close(hole[n]);
    }
    return 0;
}
