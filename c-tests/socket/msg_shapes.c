/* Odd message headers: vectors too long or none, zero lengths, names and control with strange lengths (man 2 sendmsg:
 * EMSGSIZE, EINVAL; man 2 readv: IOV_MAX). */
#include "t.h"
#include <limits.h>

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int p[2];
    tcp_pair(p);
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    static struct iovec iov[1100];
    char buf[4096], l[96];
    for (int i = 0; i < 1100; i++) iov[i] = (struct iovec){buf, 1};
    static const long counts[] = {0, 1, 1023, 1024, 1025, 1100, -1, (1L << 32) + 1};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        long n = counts[i];
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
        snprintf(l, sizeof l, "stream sendmsg of %ld parts", n);
        res(l, sendmsg(p[0], &m, MSG_DONTWAIT));
        snprintf(l, sizeof l, "stream recvmsg of %ld parts", n);
        struct pollfd pf = {p[1], POLLIN, 0};
        if (n >= 1 && n <= 1024) poll(&pf, 1, 2000);
        if (n <= 1) res(l, recvmsg(p[1], &m, MSG_DONTWAIT));
        else ok(l, recvmsg(p[1], &m, MSG_DONTWAIT));
        while (recv(p[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {}
        if (n < 1100 && n >= -1) {
            snprintf(l, sizeof l, "stream writev of %ld parts", n);
            res(l, writev(p[0], iov, (int)n));
            snprintf(l, sizeof l, "stream readv of %ld parts", n);
            pf.revents = 0;
            if (n >= 1 && n <= 1024) poll(&pf, 1, 2000);
            fcntl(p[1], F_SETFL, O_NONBLOCK);
            ok(l, readv(p[1], iov, (int)n));
            fcntl(p[1], F_SETFL, 0);
            while (recv(p[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {}
        }
        m = (struct msghdr){.msg_iov = iov, .msg_iovlen = (size_t)n, .msg_name = &a, .msg_namelen = sizeof a};
        snprintf(l, sizeof l, "dgram sendmsg of %ld parts", n);
        res(l, sendmsg(u, &m, MSG_DONTWAIT));
        snprintf(l, sizeof l, "dgram received after it");
        res(l, recv(u, buf, sizeof buf, MSG_DONTWAIT));
    }
    /* Lengths of the parts. */
    struct iovec v[3] = {{buf, 0}, {NULL, 0}, {buf, 3}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
    res("empty parts before a full one", sendmsg(p[0], &m, 0));
    res("received", recv(p[1], buf, sizeof buf, 0));
    v[1] = (struct iovec){buf, (size_t)-1};
    res("a part of length -1", sendmsg(p[0], &m, 0));
    res("writev with it", writev(p[0], v, 3));
    res("recvmsg with it", recvmsg(p[1], &m, MSG_DONTWAIT));
    v[1] = (struct iovec){NULL, 0};
    /* Names: the length of a stream's name is not looked at, a datagram's is. */
    static const int nl[] = {0, 1, 15, 16, 128, 129, 1000, -1};
    for (unsigned i = 0; i < sizeof nl / sizeof *nl; i++) {
        char room[1024];
        memset(room, 0, sizeof room);
        memcpy(room, &a, sizeof a);
        struct iovec one = {buf, 1};
        m = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_name = room, .msg_namelen = (socklen_t)nl[i]};
        snprintf(l, sizeof l, "dgram sendmsg name length %d", nl[i]);
        res(l, sendmsg(u, &m, 0));
        while (recv(u, buf, sizeof buf, MSG_DONTWAIT) >= 0) {}
        snprintf(l, sizeof l, "stream sendmsg name length %d", nl[i]);
        res(l, sendmsg(p[0], &m, 0));
        must("sendto", sendto(u, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
        memset(room, 0, sizeof room);
        m.msg_flags = -1;
        long r = recvmsg(u, &m, MSG_DONTWAIT);
        fact("dgram recvmsg name length %d: %ld %s, name length after %d, flags %s", nl[i], r, r < 0 ? ename(errno) : "0",
             (int)m.msg_namelen, r < 0 ? "-" : m.msg_flags == 0 ? "0" : "other");
        while (recv(u, buf, sizeof buf, MSG_DONTWAIT) >= 0) {}
    }
    while (recv(p[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {}
    must("send", send(p[0], "abc", 3, 0));
    struct pollfd pf = {p[1], POLLIN, 0};
    poll(&pf, 1, 2000);
    struct iovec one = {buf, 8};
    m = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_name = &a, .msg_namelen = sizeof a, .msg_control = l,
        .msg_controllen = 64};
    res("stream recvmsg with a name", recvmsg(p[1], &m, 0));
    fact("name length after %d, control length after %d, flags %d", (int)m.msg_namelen, (int)m.msg_controllen,
         m.msg_flags);
    /* sendto on a connected stream takes the address and does not look at it. */
    struct sockaddr_in other = in4("127.0.0.1", 9);
    res("stream sendto with another address", sendto(p[0], "x", 1, 0, (struct sockaddr *)&other, sizeof other));
    other.sin_family = 99;
    res("stream sendto with a foreign family", sendto(p[0], "x", 1, 0, (struct sockaddr *)&other, sizeof other));
    res("stream sendto with length 129", sendto(p[0], "x", 1, 0, (struct sockaddr *)buf, 129));
    res("stream sendto with length 3", sendto(p[0], "x", 1, 0, (struct sockaddr *)buf, 3));
    /* Control that is not well formed. */
    union { char b[64]; struct cmsghdr h; } c;
    memset(&c, 0, sizeof c);
    c.h.cmsg_len = 4;
    c.h.cmsg_level = IPPROTO_IP;
    m = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_name = &a, .msg_namelen = sizeof a, .msg_control = c.b,
        .msg_controllen = 16};
    a = in4("127.0.0.1", port_of(u));
    res("dgram control header too short", sendmsg(u, &m, 0));
    c.h.cmsg_len = 40;
    res("dgram control header longer than the control", sendmsg(u, &m, 0));
    c.h.cmsg_len = 16;
    c.h.cmsg_type = 999;
    res("dgram control of an unknown type", sendmsg(u, &m, 0));
    c.h.cmsg_level = 999;
    res("dgram control of an unknown level", sendmsg(u, &m, 0));
    m.msg_controllen = 3;
    res("dgram control shorter than a header", sendmsg(u, &m, 0));
    /* A mark is for whoever may set it on the socket, too, and has four bytes (sock_cmsg_send). */
    int mark = 0, allowed = setsockopt(u, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0;
    for (int length = 0; length <= 8; length += 4) {
        c.h.cmsg_len = CMSG_LEN((size_t)length);
        c.h.cmsg_level = SOL_SOCKET;
        c.h.cmsg_type = SO_MARK;
        m.msg_controllen = CMSG_SPACE((size_t)length);
        for (int i = 0; i < 2; i++) {
            long r = sendmsg(i ? p[0] : u, &m, 0);
            int e = r < 0 ? errno : 0, wanted = !allowed ? EPERM : length == 4 ? 0 : EINVAL;
            fact("%s with a mark of %d bytes: %s", i ? "stream" : "dgram", length, e == wanted ? "as for the option" : ename(e));
        }
    }
    return 0;
}
