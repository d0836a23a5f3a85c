/* A peer process killed with SIGKILL wakes whoever waits for it, in every call that can wait, with an end of stream, or
 * with ECONNRESET when it left data unread (man 2 recv, man 2 poll, man 7 tcp). */
#include "t.h"

enum { READ, RECVMSG, POLL, SELECT, EPOLL, CALLS };
static const char *names[] = {"read", "recvmsg", "poll", "select", "epoll_wait"};

static void show(const char *what, long r) {
    fact("  %s: %ld %s", what, r, r < 0 ? ename(errno) : "ok");
}

static void wait_for(int call, int fd) {
    char b[64];
    if (call == READ) show("read", read(fd, b, sizeof b));
    if (call == RECVMSG) {
        struct iovec v = {b, sizeof b};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        show("recvmsg", recvmsg(fd, &m, MSG_WAITALL));
        fact("  flags: %x", m.msg_flags);
    }
    if (call == POLL) fact("  poll: %s", poll_text(fd, POLLIN | POLLRDHUP, 3000));
    if (call == SELECT) {
        fd_set r, e;
        FD_ZERO(&r);
        FD_ZERO(&e);
        FD_SET(fd, &r);
        FD_SET(fd, &e);
        int n = select(fd + 1, &r, NULL, &e, &(struct timeval){3, 0});
        fact("  select: %d, readable %d, exceptional %d", n, !!FD_ISSET(fd, &r), !!FD_ISSET(fd, &e));
    }
    if (call == EPOLL) {
        int ep = epoll_create1(0);
        struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET}, got = {.events = 0};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        int n = epoll_wait(ep, &got, 1, 3000);
        fact("  epoll_wait: %d, events %x", n, got.events);
        close(ep);
    }
    if (call < POLL) return;
    show("then read", read(fd, b, sizeof b));
}

/* A child that kills itself a little after its peer has begun to wait. */
static pid_t doomed(int p[2], int ms) {
    pid_t k = fork();
    if (k == 0) {
        close(p[0]);
        sleep_ms(ms);
        kill(getpid(), SIGKILL);
    }
    close(p[1]);
    return k;
}

int main(void) {
    alarm(9);
    signal(SIGPIPE, SIG_IGN);
    for (int call = 0; call < CALLS; call++)
        for (int unread = 0; unread < 2; unread++) {
            int p[2];
            tcp_pair(p);
            if (unread) must("write", write(p[0], "unread", 6));
            fact("%s, %s", names[call], unread ? "data unread" : "nothing unread");
            long t = now_ms();
            pid_t k = doomed(p, 60);
            wait_for(call, p[0]);
            t = now_ms() - t;
            fact("  woke after the kill and within 1000 ms: %d", t >= 50 && t < 1060);
            reap("  peer", k);
            close(p[0]);
        }

    /* A sender that waits for room. What it had not sent is lost, and the reset is told once. */
    int p[2];
    tcp_pair(p);
    stuff(p);
    fact("send into a full connection");
    pid_t k = doomed(p, 60);
    long t = now_ms();
    show("send", send(p[0], "x", 1, 0));
    fact("  within 1000 ms: %d", now_ms() - t < 1060);
    show("again", send(p[0], "x", 1, 0));
    show("read", read(p[0], (char[8]){0}, 8));
    reap("  peer", k);
    close(p[0]);

    tcp_pair(p);
    stuff(p);
    fact("poll for room in a full connection");
    fact("  before: %s", poll_text(p[0], POLLOUT, 0));
    k = doomed(p, 60);
    fact("  poll: %s", poll_text(p[0], POLLOUT, 3000));
    reap("  peer", k);
    close(p[0]);

    /* Half a message of MSG_WAITALL: the part comes first, the end after it. */
    tcp_pair(p);
    must("write", write(p[1], "half", 4));
    fact("MSG_WAITALL with half of it there");
    k = doomed(p, 60);
    char b[8];
    show("recv", recv(p[0], b, 8, MSG_WAITALL));
    show("recv", recv(p[0], b, 8, MSG_WAITALL));
    reap("  peer", k);

    /* Several processes of ours wait for one dead peer. */
    tcp_pair(p);
    pid_t w[3];
    for (int i = 0; i < 3; i++)
        if ((w[i] = fork()) == 0) {
            close(p[1]);
            alarm(4);
            _exit(read(p[0], b, 8) == 0 ? 0 : 1);
        }
    k = doomed(p, 60);
    for (int i = 0; i < 3; i++) reap("one of three waiting processes", w[i]);
    reap("peer", k);
    return 0;
}
