/* RLIMIT_NOFILE on sockets (man 2 getrlimit): EMFILE from socket, accept and dup; accept that fails leaves the connection in
 * the queue; descriptors above a lowered limit stay open. */
#include "t.h"
#include <sys/resource.h>

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static void limit(rlim_t n) {
    struct rlimit r;
    must("getrlimit", getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = n;
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &r));
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 8), p[2], c[3], un[2];
    tcp_pair(p);
    must("dup2", dup2(p[0], 100));
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, un));
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int i = 0; i < 3; i++) {
        char m[16];
        c[i] = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c[i], (struct sockaddr *)&a, sizeof a));
        must("write", write(c[i], m, (size_t)snprintf(m, sizeof m, "client %d", i)));
    }
    int ep = (int)must("epoll_create1", epoll_create1(0));
    int low = ep + 1;

    /* No number is left below the limit. */
    limit((rlim_t)low);
    res("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("socket UDP", socket(AF_INET, SOCK_DGRAM, 0));
    res("dup", dup(l));
    res("dup2 to the limit", dup2(l, low));
    res("dup2 to 100, which is open", dup2(l, 100));
    res("dup3 to the limit", dup3(l, low, O_CLOEXEC));
    res("F_DUPFD", fcntl(l, F_DUPFD, 0));
    res("F_DUPFD from the limit", fcntl(l, F_DUPFD, low));
    res("open", open("/dev/null", O_RDONLY));
    res("accept", accept(l, NULL, NULL));
    res("accept again", accept4(l, NULL, NULL, SOCK_NONBLOCK));
    fact("the connections still wait: %s", poll_text(l, POLLIN, 0));
    struct epoll_event ev = {.events = EPOLLIN};
    res("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev));
    res("epoll_wait", epoll_wait(ep, &ev, 1, 0));
    struct pollfd two[2] = {{l, POLLIN, 0}, {100, POLLIN, 0}};
    res("poll with one above the limit", poll(two, 2, 0));

    /* 100 is above the limit and works on. */
    must("write", write(100, "above", 5));
    fact("peer of 100: %s", hear(p[1]));
    must("write", write(p[1], "down", 4));
    fact("100: %s", hear(100));
    must("write", write(p[0], "established", 11));
    fact("others work on: %s", hear(p[1]));

    /* A descriptor that is sent over has no number to come to. */
    char cb[CMSG_SPACE(sizeof(int))] = {0}, byte = 'f';
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &p[0], sizeof(int));
    must("sendmsg", sendmsg(un[0], &m, 0));
    m.msg_controllen = sizeof cb;
    res("receive a descriptor", recvmsg(un[1], &m, 0));
    fact("MSG_CTRUNC %d", !!(m.msg_flags & MSG_CTRUNC));

    /* One number becomes free: exactly one accept gets through, and it is the first of the queue. */
    close(un[0]);
    int s = (int)ok("accept with one free number", accept(l, NULL, NULL));
    fact("it is the freed number: %d, it says %s", s == un[0], hear(s));
    res("accept", accept(l, NULL, NULL));
    close(s);
    s = (int)ok("accept after close", accept(l, NULL, NULL));
    fact("it says %s", hear(s));
    limit(256);
    int t = (int)ok("accept with the limit raised", accept(l, NULL, NULL));
    fact("it says %s", hear(t));
    fact("the connections that failed lost nothing: %s", poll_text(c[2], POLLIN, 0));

    /* A limit of 0: what is open works, nothing new can be made. */
    limit(0);
    must("write", write(t, "limit 0", 7));
    fact("client: %s", hear(c[2]));
    res("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("poll", poll((struct pollfd[1]){{l, POLLIN, 0}}, 1, 0));
    close(p[1]);
    fact("peer closed: %s", hear(p[0]));
    limit(256);
    ok("socket when raised", socket(AF_INET, SOCK_STREAM, 0));
    return 0;
}
