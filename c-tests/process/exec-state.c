/* What a socket keeps over exec, all of it living with the open description and not with the process: file status flags,
 * options, half-read data, the peer's half-close, queued connections and datagrams, an epoll instance with its
 * registrations (man 2 execve: descriptors stay open except those marked close-on-exec). */
#include "t.h"

static int opt(int fd, int level, int name) {
    int v = -1;
    socklen_t l = sizeof v;
    return getsockopt(fd, level, name, &v, &l) < 0 ? -errno : v;
}

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

/* 10 connection, 11 its peer, 12 listener, 13 UDP, 14 bound only, 15 epoll, 16 unconnected, 17 half-closed connection,
 * 18 connected UDP, 19 the UDP socket's sender. */
static int second(void) {
    alarm(8);
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    fact("O_NONBLOCK: %d, descriptor flags %d", !!(fcntl(10, F_GETFL) & O_NONBLOCK), fcntl(10, F_GETFD));
    fact("nodelay %d keepalive %d oob-inline %d", opt(10, IPPROTO_TCP, TCP_NODELAY), opt(10, SOL_SOCKET, SO_KEEPALIVE),
         opt(10, SOL_SOCKET, SO_OOBINLINE));
    struct timeval tv = {0, 0};
    socklen_t tl = sizeof tv;
    res("SO_RCVTIMEO", getsockopt(11, SOL_SOCKET, SO_RCVTIMEO, &tv, &tl));
    fact("is %ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
    fact("type %d, domain %d, protocol %d", opt(10, SOL_SOCKET, SO_TYPE), opt(10, SOL_SOCKET, SO_DOMAIN),
         opt(10, SOL_SOCKET, SO_PROTOCOL));
    fact("rest of the data: %s", hear(10));
    res("then", recv(10, &a, 1, 0));
    must("write", write(10, "between both ends", 17));
    fact("its peer in the same process: %s", hear(11));
    long t = now_ms();
    res("read under SO_RCVTIMEO", read(11, &a, 1));
    fact("after 40..1000 ms: %d", now_ms() - t >= 40 && now_ms() - t < 1000);

    fact("listening %d, connections waiting: %s", opt(12, SOL_SOCKET, SO_ACCEPTCONN), poll_text(12, POLLIN, 0));
    for (int i = 0; i < 2; i++) {
        int c = (int)ok("accept", accept(12, NULL, NULL));
        fact("it says: %s", hear(c));
        close(c);
    }
    fact("connections waiting: %s", poll_text(12, POLLIN, 0));

    fact("datagram 1: %s", hear(13));
    fact("datagram 2: %s", hear(13));
    res("getpeername", getpeername(18, (struct sockaddr *)&a, &l));
    res("connected UDP sends", send(18, "more", 4, 0));
    fact("datagram 3: %s", hear(13));

    fact("bound only: has a port %d", port_of(14) != 0);
    res("listen on it", listen(14, 3));
    l = sizeof a;
    must("getsockname", getsockname(14, (struct sockaddr *)&a, &l));
    res("connect the unconnected one", connect(16, (struct sockaddr *)&a, sizeof a));
    fact("half-closed: %s", hear(17));
    fact("half-closed: %s", hear(17));

    struct epoll_event ev[4];
    fact("epoll: %d", epoll_wait(15, ev, 4, 0));
    must("write", write(11, "wake", 4));
    int n = epoll_wait(15, ev, 4, 1000);
    unsigned long long data = n > 0 ? ev[0].data.u64 : 0;
    fact("epoll after data: %d, data %llx, events %x", n, data, n > 0 ? ev[0].events : 0);
    ev[0].events = EPOLLOUT;
    res("modify the old registration", epoll_ctl(15, EPOLL_CTL_MOD, 10, ev));
    n = epoll_wait(15, ev, 4, 1000);
    fact("epoll: %d, events %x", n, n > 0 ? ev[0].events : 0);
    res("remove it", epoll_ctl(15, EPOLL_CTL_DEL, 10, NULL));
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "second")) return second();
    if (argc == 2) {
        /* A program in between, so that the state goes over two execs. */
        fact("in between: %s", poll_text(10, POLLIN, 0));
        char b[4];
        fact("reads %zd", read(10, b, 4));
        execl("/proc/self/exe", "self", "second", (char *)NULL);
        return 100;
    }
    alarm(8);
    int port, p[2], q[2], on = 1;
    dup2(listener4(&port, 4), 12);
    tcp_pair(p);
    dup2(p[0], 10);
    dup2(p[1], 11);
    setsockopt(10, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(10, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(10, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    struct timeval tv = {0, 52000};
    setsockopt(11, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    fcntl(10, F_SETFL, O_NONBLOCK);
    must("write", write(11, "0123456789", 10));
    tcp_pair(q);
    dup2(q[1], 17);
    must("write", write(q[0], "last words", 10));
    shutdown(q[0], SHUT_WR);
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int i = 0; i < 2; i++) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        must("write", write(c, i ? "second" : "first", i ? 6 : 5));
    }
    /* UDP at 13 and 18, TCP at 14 and 16. */
    for (int n = 13; n <= 18; n++)
        if (n != 15 && n != 17) dup2((int)must("socket", socket(AF_INET, n % 5 == 3 ? SOCK_DGRAM : SOCK_STREAM, 0)), n);
    a = in4("127.0.0.1", 0);
    must("bind", bind(13, (struct sockaddr *)&a, sizeof a));
    must("bind", bind(14, (struct sockaddr *)&a, sizeof a));
    socklen_t l = sizeof a;
    must("getsockname", getsockname(13, (struct sockaddr *)&a, &l));
    must("connect", connect(18, (struct sockaddr *)&a, sizeof a));
    must("send", send(18, "one", 3, 0));
    must("send", send(18, "two", 3, 0));
    dup2((int)must("epoll", epoll_create1(0)), 15);
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = 0x123456789abcdefULL}};
    /* Registered under 10 for the connection; the data before the exec is read by then. */
    must("epoll_ctl", epoll_ctl(15, EPOLL_CTL_ADD, 10, &ev));
    execl("/proc/self/exe", "self", "between", (char *)NULL);
    return 100;
}
