/* Pointers that lead nowhere: EFAULT, and what the call has done by then (man 2 of each call). Three kinds: an
 * address that is never mapped, a page without any access, a page that may only be read. */
#include "t.h"
#include <sys/mman.h>

static char *volatile bad = (char *)8;
static char *none, *rdonly;

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    rdonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const char *kind[] = {"unmapped", "no access"};
    char l[96], buf[64] = "x";
    int port, lst = listener4(&port, 16);
    int p[2];
    tcp_pair(p);
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    int fresh = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    socklen_t len;
    for (int k = 0; k < 2; k++) {
        char *b = k ? none : bad;
#define F(name, expr) (snprintf(l, sizeof l, "%s: %s", kind[k], name), res(l, (long)(expr)))
        F("bind", bind(fresh, (struct sockaddr *)b, 16));
        F("connect", connect(fresh, (struct sockaddr *)b, 16));
        F("getsockname address", (len = 16, getsockname(p[0], (struct sockaddr *)b, &len)));
        F("getsockname length", getsockname(p[0], (struct sockaddr *)buf, (socklen_t *)b));
        F("getsockname address, length 0", (len = 0, getsockname(p[0], (struct sockaddr *)b, &len)));
        F("getpeername address", (len = 16, getpeername(p[0], (struct sockaddr *)b, &len)));
        F("getpeername length", getpeername(p[0], (struct sockaddr *)buf, (socklen_t *)b));
        F("send", send(p[0], b, 10, 0));
        F("send of nothing", send(p[0], b, 0, 0));
        F("write", write(p[0], b, 10));
        F("sendto dgram data", sendto(u, b, 10, 0, (struct sockaddr *)&a, sizeof a));
        F("sendto dgram of nothing", sendto(u, b, 0, 0, (struct sockaddr *)&a, sizeof a));
        F("recv of that", recv(u, buf, sizeof buf, MSG_DONTWAIT));
        F("sendto dgram address", sendto(u, buf, 1, 0, (struct sockaddr *)b, 16));
        F("sendmsg header", sendmsg(p[0], (struct msghdr *)b, 0));
        struct msghdr m = {.msg_iov = (struct iovec *)b, .msg_iovlen = 1};
        F("sendmsg vector", sendmsg(p[0], &m, 0));
        struct iovec v[2] = {{buf, 1}, {b, 5}};
        m.msg_iov = v;
        m.msg_iovlen = 2;
        F("sendmsg second part", sendmsg(p[0], &m, 0));
        F("sendmsg dgram second part", (m.msg_name = &a, m.msg_namelen = sizeof a, sendmsg(u, &m, 0)));
        F("nothing of it arrives, stream", recv(p[1], buf, sizeof buf, MSG_DONTWAIT));
        F("nothing of it arrives, dgram", recv(u, buf, sizeof buf, MSG_DONTWAIT));
        m.msg_name = b;
        m.msg_namelen = 16;
        m.msg_iovlen = 1;
        F("sendmsg dgram address", sendmsg(u, &m, 0));
        m.msg_name = NULL;
        m.msg_control = b;
        m.msg_controllen = 24;
        F("sendmsg control", sendmsg(u, &m, 0));
        F("recvmsg header", recvmsg(p[1], (struct msghdr *)b, MSG_DONTWAIT));
        while (recv(p[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {}
        must("send", send(p[0], "hello", 5, 0));
        struct pollfd pf = {p[1], POLLIN, 0};
        poll(&pf, 1, 2000);
        F("recv", recv(p[1], b, 10, MSG_DONTWAIT));
        F("recv of nothing", recv(p[1], b, 0, MSG_DONTWAIT));
        F("read", read(p[1], b, 10));
        F("recv peek", recv(p[1], b, 10, MSG_PEEK | MSG_DONTWAIT));
        F("after these the bytes are there", recv(p[1], buf, sizeof buf, MSG_DONTWAIT));
        must("sendto", sendto(u, "gone?", 5, 0, (struct sockaddr *)&a, sizeof a));
        F("recv dgram", recv(u, b, 10, MSG_DONTWAIT));
        F("the datagram after that", recv(u, buf, sizeof buf, MSG_DONTWAIT));
        must("sendto", sendto(u, "gone?", 5, 0, (struct sockaddr *)&a, sizeof a));
        F("recvfrom dgram address", (len = 16, recvfrom(u, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)b, &len)));
        F("the datagram after that", recv(u, buf, sizeof buf, MSG_DONTWAIT));
        must("sendto", sendto(u, "gone?", 5, 0, (struct sockaddr *)&a, sizeof a));
        F("recvfrom dgram length", recvfrom(u, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&a, (socklen_t *)b));
        F("the datagram after that", recv(u, buf, sizeof buf, MSG_DONTWAIT));
        a = in4("127.0.0.1", port_of(u));
        F("setsockopt value", setsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, b, 4));
        F("getsockopt value", (len = 4, getsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, b, &len)));
        F("getsockopt length", getsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, buf, (socklen_t *)b));
        F("ioctl FIONREAD", ioctl(p[0], FIONREAD, b));
        F("ioctl FIONBIO", ioctl(p[0], FIONBIO, b));
        F("readv vector", readv(p[1], (struct iovec *)b, 1));
        F("writev vector", writev(p[0], (struct iovec *)b, 1));
        F("poll", poll((struct pollfd *)b, 1, 0));
        /* accept: the connection is gone although the call failed. */
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in to = in4("127.0.0.1", port);
        must("connect", connect(c, (struct sockaddr *)&to, sizeof to));
        struct pollfd lp = {lst, POLLIN, 0};
        poll(&lp, 1, 2000);
        F("accept address", (len = 16, accept4(lst, (struct sockaddr *)b, &len, SOCK_NONBLOCK)));
        lp.revents = 0;
        fact("%s: connections left to accept: %d", kind[k], poll(&lp, 1, 0));
        poll_text(c, POLLIN, 2000);
        F("the client reads its end", recv(c, buf, sizeof buf, MSG_DONTWAIT));
        close(c);
#undef F
    }
    /* A page that may be read but not written. */
    must("send", send(p[0], "hello", 5, 0));
    struct pollfd pf = {p[1], POLLIN, 0};
    poll(&pf, 1, 2000);
    res("read-only page: recv", recv(p[1], rdonly, 10, MSG_DONTWAIT));
    res("read-only page: getsockname", (len = 16, getsockname(p[0], (struct sockaddr *)rdonly, &len)));
    res("read-only page: getsockopt", (len = 4, getsockopt(p[0], SOL_SOCKET, SO_TYPE, rdonly, &len)));
    res("read-only page: send", send(p[0], rdonly, 10, 0));
    res("the receiver gets all that was sent", recv(p[1], buf, 15, MSG_WAITALL));
    return 0;
}
