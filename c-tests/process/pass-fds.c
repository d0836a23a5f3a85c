/* SCM_RIGHTS (man 7 unix): listeners, connections and UDP sockets sent over a unix socket, within a process and between
 * two; a passed descriptor is the same socket, with its data, flags and options, and lives while it is in flight. */
#include "t.h"

static int un[2];

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static ssize_t give(int via, int fd) {
    char c[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {(void *)(uintptr_t)"f", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(via, &m, 0);
}

static int take(int via, int flags) {
    char c[CMSG_SPACE(sizeof(int))] = {0}, b;
    struct iovec v = {&b, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    if (recvmsg(via, &m, flags) < 0) return -1;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int fd = -1;
    if (h && h->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(h), sizeof fd);
    return fd;
}

int main(void) {
    alarm(8);
    int p[2], port, on = 1, v = 0;
    socklen_t l = sizeof v;
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, un));

    /* In one process: another number for the same socket. */
    tcp_pair(p);
    must("write", write(p[0], "before ", 7));
    setsockopt(p[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    fcntl(p[1], F_SETFD, FD_CLOEXEC);
    res("send a connection", give(un[0], p[1]));
    int g = (int)ok("receive it", take(un[1], 0));
    fact("another number: %d, descriptor flags %d", g != p[1], fcntl(g, F_GETFD));
    fact("nonblocking %d", !!(fcntl(g, F_GETFL) & O_NONBLOCK));
    getsockopt(g, IPPROTO_TCP, TCP_NODELAY, &v, &l);
    fact("nodelay %d", v);
    fcntl(g, F_SETFL, 0);
    fact("O_NONBLOCK cleared in the first too: %d", !(fcntl(p[1], F_GETFL) & O_NONBLOCK));
    fact("data sent before: %s", hear(g));
    must("write", write(p[0], "both", 4));
    fact("first number reads: %s", hear(p[1]));
    close(p[1]);
    fact("peer after close of the first: %s", poll_text(p[0], POLLIN, 30));
    must("write", write(g, "alive", 5));
    fact("peer: %s", hear(p[0]));
    res("pass with MSG_CMSG_CLOEXEC", give(un[0], g));
    int g2 = (int)ok("receive", take(un[1], MSG_CMSG_CLOEXEC));
    fact("descriptor flags %d", fcntl(g2, F_GETFD));
    close(g2);
    close(g);
    fact("peer after the last close: %s", hear(p[0]));
    close(p[0]);

    /* Sent and closed before receipt: the socket lives in flight. Its peer writes meanwhile. */
    tcp_pair(p);
    must("give", give(un[0], p[1]));
    close(p[1]);
    fact("in flight, peer sees: %s", poll_text(p[0], POLLIN | POLLRDHUP, 50));
    must("write", write(p[0], "sent while in flight", 20));
    g = (int)ok("receive", take(un[1], 0));
    fact("reads: %s", hear(g));
    close(g);
    close(p[0]);

    /* In flight when the carrying pair is closed: gone with it, and its peer sees that. */
    int un2[2];
    tcp_pair(p);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, un2));
    must("give", give(un2[0], p[1]));
    close(p[1]);
    close(un2[0]);
    close(un2[1]);
    fact("carrier closed: %s", poll_text(p[0], POLLIN | POLLRDHUP, 1000));
    close(p[0]);

    /* Received without room for control data: thrown away, and the peer sees the end. */
    tcp_pair(p);
    must("give", give(un[0], p[1]));
    close(p[1]);
    fact("plain read of the message: %s", hear(un[1]));
    fact("peer: %s", poll_text(p[0], POLLIN | POLLRDHUP, 1000));
    close(p[0]);

    /* To a child that was started before the sockets were made. */
    pid_t k = fork();
    if (k == 0) {
        alarm(8);
        close(un[0]);
        int ls = take(un[1], 0), c = take(un[1], 0), u = take(un[1], 0);
        char b[64];
        ssize_t n = read(c, b, sizeof b);
        if (n <= 0 || write(c, b, (size_t)n) != n) _exit(1);
        int a = accept(ls, NULL, NULL);
        if (a < 0 || write(a, "accepted by the child", 21) != 21) _exit(2);
        struct sockaddr_in from;
        l = sizeof from;
        n = recvfrom(u, b, sizeof b, 0, (struct sockaddr *)&from, &l);
        if (n < 0 || sendto(u, b, (size_t)n, 0, (struct sockaddr *)&from, l) != n) _exit(3);
        /* And one the other way: a connection that the child made. */
        int s = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in to;
        l = sizeof to;
        if (getsockname(ls, (struct sockaddr *)&to, &l) < 0 || connect(s, (struct sockaddr *)&to, l) < 0) _exit(4);
        if (give(un[1], s) != 1) _exit(5);
        _exit(0);
    }
    close(un[1]);
    int ls = listener4(&port, 4), u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    l = sizeof a;
    must("getsockname", getsockname(u, (struct sockaddr *)&a, &l));
    tcp_pair(p);
    must("give", give(un[0], ls) + give(un[0], p[1]) + give(un[0], u));
    close(p[1]);
    close(u);
    must("write", write(p[0], "echo", 4));
    fact("child's echo: %s", hear(p[0]));
    int w = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(w, (struct sockaddr *)&a, sizeof a));
    a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("child's accept: %s", hear(c));
    must("send", send(w, "datagram", 8, 0));
    fact("child's datagram: %s", hear(w));
    g = (int)ok("receive the child's connection", take(un[0], 0));
    reap("child", k);
    int s = (int)ok("accept it from the listener", accept(ls, NULL, NULL));
    must("write", write(g, "made by the child", 17));
    fact("it says: %s", hear(s));
    fact("the echoed connection ended: %s", hear(p[0]));
    return 0;
}
