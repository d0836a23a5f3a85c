/* SCM_TXTIME, the time at which a packet is to leave, is for sockets with SO_TXTIME (`man 8 tc-etf`; sock_cmsg_send); the
 * loopback interface keeps nothing back, so the bytes are there at once. */
#include "t.h"
#include <linux/net_tstamp.h>

static ssize_t send_at(int s, uint64_t when, size_t length) {
    union { struct cmsghdr h; char b[64]; } c;
    memset(&c, 0, sizeof c);
    c.h.cmsg_level = SOL_SOCKET;
    c.h.cmsg_type = SCM_TXTIME;
    c.h.cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(&c.h), &when, length);
    struct iovec v = {"12345", 5};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(length)};
    return sendmsg(s, &m, MSG_NOSIGNAL);
}

int main(void) {
    alarm(8);
    int stream[2], r = socket(AF_INET, SOCK_DGRAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
    tcp_pair(stream);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(r, (struct sockaddr *)&a, sizeof a));
    a = in4("127.0.0.1", port_of(r));
    must("connect", connect(u, (struct sockaddr *)&a, sizeof a));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t later = (uint64_t)(now.tv_sec + 60) * 1000000000u;
    for (int i = 0; i < 2; i++) {
        int s = i ? stream[0] : u, far = i ? stream[1] : r;
        char b[16];
        fact("-- %s", i ? "a stream" : "datagrams");
        res("without SO_TXTIME", send_at(s, later, 8));
        struct sock_txtime t = {.clockid = CLOCK_MONOTONIC, .flags = 0};
        res("SO_TXTIME", setsockopt(s, SOL_SOCKET, SO_TXTIME, &t, sizeof t));
        res("with it", send_at(s, later, 8));
        res("received at once", recv(far, b, sizeof b, 0));
        res("a time that is too short", send_at(s, later, 4));
    }
    return 0;
}
