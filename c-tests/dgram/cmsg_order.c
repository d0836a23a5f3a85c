/* The order of control messages when all are asked for, and what happens when there is too little room: what fits stays, the
 * first that does not fit is cut, MSG_CTRUNC is set (man 3 cmsg, man 2 recv). */
#include "cmsg.h"

int main(void) {
    alarm(8);
    int r = udp4("0.0.0.0"), s = udp4("127.0.0.1"), sp = port_of(s), rp = port_of(r), drops = 0;
    static const int v4[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR, IP_RECVFRAGSIZE};
    static const int v6[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, 74, 11, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT};
    for (unsigned i = 0; i < sizeof v4 / sizeof *v4; i++) set(r, IPPROTO_IP, v4[i], 1);
    set(r, SOL_SOCKET, SO_TIMESTAMP, 1);
    set(r, SOL_SOCKET, SO_RXQ_OVFL, 1);
    /* One drop, so that SO_RXQ_OVFL has something to say. */
    set(r, SOL_SOCKET, SO_RCVBUF, 1);
    for (int i = 0; i < 50; i++) put4(s, "fill", "127.0.0.1", rp);
    sleep_ms(20);
    while (recv(r, (char[9]){0}, 9, MSG_DONTWAIT) >= 0) drops++;
    fact("some were dropped: %d", drops < 50);
    set(r, SOL_SOCKET, SO_RCVBUF, 100000);
    put4(s, "all", "127.0.0.1", rp);
    char data[16], c[1024];
    struct iovec v = {data, 16};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    wait_in(r);
    recvmsg(r, &h, 0);
    fact("v4, controllen %zu", h.msg_controllen);
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
        if (m->cmsg_type == SO_RXQ_OVFL && m->cmsg_level == SOL_SOCKET)
            fact("    SO_RXQ_OVFL right: %d", *(int *)CMSG_DATA(m) == 50 - drops);
        else cmsg_fact(m, rp, sp);
    }
    set(r, SOL_SOCKET, SO_RXQ_OVFL, 0);
    size_t rooms[] = {0, 1, 15, 16, 17, 20, 31, 32, 33, 47, 48, 64, 72, 100, 200, 512};
    for (unsigned i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        char t[40];
        put4(s, "room", "127.0.0.1", rp);
        snprintf(t, sizeof t, "room %zu", rooms[i]);
        show(t, r, rooms[i], 0, sp, rp);
    }
    h = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = NULL, .msg_controllen = 100};
    put4(s, "null", "127.0.0.1", rp);
    wait_in(r);
    res("msg_control NULL with controllen 100", recvmsg(r, &h, 0));
    fact("controllen %zu flags %s", h.msg_controllen, h.msg_flags & MSG_CTRUNC ? "CTRUNC" : "0");
    put4(s, "plain", "127.0.0.1", rp);
    got("recvfrom instead", r, sp, 0);
    set(r, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    put4(s, "ns", "127.0.0.1", rp);
    show("SO_TIMESTAMPNS replaces SO_TIMESTAMP", r, 512, 0, sp, rp);
    close(r), close(s);

    r = udp6("::"), s = udp6("::1"), sp = port_of(s), rp = port_of(r);
    for (unsigned i = 0; i < sizeof v6 / sizeof *v6; i++) set(r, IPPROTO_IPV6, v6[i], 1);
    for (unsigned i = 0; i < sizeof v4 / sizeof *v4; i++) set(r, IPPROTO_IP, v4[i], 1);
    set(r, SOL_SOCKET, SO_TIMESTAMP, 1);
    put6(s, "six", "::1", rp);
    show("v6", r, 1024, 0, sp, rp);
    int q = udp4("127.0.0.1");
    put4(q, "four", "127.0.0.1", rp);
    show("v4 on the v6 socket", r, 1024, 0, port_of(q), rp);
    return 0;
}
