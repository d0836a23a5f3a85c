/* TCP_INQ (`man 7 tcp`, linux/tcp.h): with it on, recvmsg tells in a control message (TCP_CM_INQ) how many bytes are
 * left to read. */
#include "stream.h"
#ifndef TCP_INQ
#define TCP_INQ 36
#define TCP_CM_INQ TCP_INQ
#endif

static void get(const char *label, int fd, size_t len, int flags, size_t room) {
    char b[64];
    union { char b[128]; struct cmsghdr h; } u;
    struct iovec v = {b, len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = room};
    ssize_t r = recvmsg(fd, &m, flags);
    if (r < 0) { fact("%s: -1 %s, controllen %zu", label, ename(errno), m.msg_controllen); return; }
    struct cmsghdr *c = room ? CMSG_FIRSTHDR(&m) : NULL;
    int left = -1;
    if (c && c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ) memcpy(&left, CMSG_DATA(c), sizeof left);
    fact("%s: %zd, flags %#x, controllen %zu, cmsg_len %zu, left %d", label, r, (unsigned)m.msg_flags, m.msg_controllen,
         c ? c->cmsg_len : 0, left);
}

int main(void) {
    alarm(8);
    int p[2], v = -1;
    socklen_t l = sizeof v;
    tcp_pair(p);
    res("get", getsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, &l));
    fact("by default %d", v);
    must("send", send(p[0], "0123456789", 10, 0));
    await(p[1], POLLIN);
    get("off", p[1], 1, 0, 128);
    v = 1;
    res("set 1", setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, sizeof v));
    getsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, &l);
    fact("now %d", v);
    get("3 of 9", p[1], 3, 0, 128);
    get("peek", p[1], 2, MSG_PEEK, 128);
    get("no room", p[1], 1, 0, 0);
    get("too little room", p[1], 1, 0, 8);
    get("room for the header only", p[1], 1, 0, 16);
    get("room for part of the number", p[1], 1, 0, 18);
    get("the rest", p[1], 10, 0, 128);
    get("nothing", p[1], 10, MSG_DONTWAIT, 128);
    must("send", send(p[0], "01", 2, 0));
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    get("one before the end", p[1], 1, 0, 128);
    get("the last", p[1], 1, 0, 128);
    get("the end", p[1], 1, 0, 128);
    v = 2;
    res("set 2", setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, sizeof v));
    v = -1;
    res("set -1", setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, sizeof v));
    v = 0;
    res("set 0", setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &v, sizeof v));
    get("off again", p[1], 1, 0, 128);
    return 0;
}
