/* Which of two things that are wrong with a datagram is told (man 7 udp, man 7 ipv6: udp_sendmsg, udpv6_sendmsg), and that a
 * datagram is made, its bytes read, also where nobody gets it. */
#include "dg.h"

static char big[65536];

static long flagged6(int fd, size_t n, int flags, const char *ip, int port) {
    struct sockaddr_in6 a = in6(ip, port);
    return sendto(fd, big, n, flags, SA(&a), sizeof a);
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), p = port_of(r), gone = free_port();
    int s = socket(AF_INET6, SOCK_DGRAM, 0), only = socket(AF_INET6, SOCK_DGRAM, 0);
    res("v6 to mapped, MSG_OOB", flagged6(s, 1, MSG_OOB, "::ffff:127.0.0.1", p));
    res("v6 to mapped, MSG_OOB, too long", flagged6(s, 65536, MSG_OOB, "::ffff:127.0.0.1", p));
    res("v6 to mapped, MSG_OOB, port 0", flagged6(s, 1, MSG_OOB, "::ffff:127.0.0.1", 0));
    res("v6 to mapped broadcast, MSG_OOB", flagged6(s, 1, MSG_OOB, "::ffff:127.255.255.255", p));
    set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    res("V6ONLY to mapped, port 0", flagged6(only, 1, 0, "::ffff:127.0.0.1", 0));
    res("V6ONLY to mapped, too long", flagged6(only, 65536, 0, "::ffff:127.0.0.1", p));
    res("v6 to ::1, MSG_OOB, port 0", flagged6(s, 1, MSG_OOB, "::1", 0));

    /* The mapped wildcard is an IPv4 address as a source. */
    int any = socket(AF_INET6, SOCK_DGRAM, 0), r6 = udp6("::1");
    struct sockaddr_in6 a = in6("::ffff:0.0.0.0", 0);
    res("bind to the mapped wildcard", bind(any, SA(&a), sizeof a));
    name("bound", any, 0, 0);
    res("to ::1", put6(any, "x", "::1", port_of(r6)));
    res("connect to ::1", con6(any, "::1", port_of(r6)));
    res("to mapped", put6(any, "mapped", "::ffff:127.0.0.1", p));
    got("arrives", r, port_of(any), 0);
    struct sockaddr_in x = in4("0.0.0.0", port_of(any));
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    res("0.0.0.0 on its port", bind(other, SA(&x), sizeof x));

    /* An address of no length is one that is too short; the socket is bound by then. A group wants no way through lo. */
    int late = socket(AF_INET, SOCK_DGRAM, 0), local = udp6("::1");
    struct sockaddr_in x0 = in4("127.0.0.1", p);
    res("length 0", sendto(late, "x", 1, 0, SA(&x0), 0));
    fact("bound: %s", port_of(late) ? "yes" : "no");
    set(local, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)if_nametoindex("lo"));
    res("to a group on lo", put6(local, "x", "ff02::1", p));

    /* What is held back stays so through a shutdown and a connect. */
    int held = socket(AF_INET, SOCK_DGRAM, 0);
    set(held, SOL_UDP, UDP_CORK, 1);
    res("held back", put4(held, "held", "127.0.0.1", gone));
    res("shutdown", shutdown(held, SHUT_WR));
    res("connect", con4(held, "127.0.0.1", p));
    res("send", send(held, "x", 1, 0));

    /* What was too long over IPv4 is told with the port of the peer. */
    for (int connected = 0; connected < 2; connected++) {
        int e = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in from;
        struct iovec v = {big, 10};
        char c[200];
        struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
        set(e, IPPROTO_IP, IP_RECVERR, 1);
        if (connected) con4(e, "127.0.0.1", p);
        struct sockaddr_in y = in4("127.0.0.1", gone);
        res("too long", sendto(e, big, 65508, 0, SA(&y), sizeof y));
        res("told", recvmsg(e, &h, MSG_ERRQUEUE));
        fact("of %s", addr_text(SA(&from), p, gone));
    }

    /* Bytes that cannot be read. */
    x = in4("127.0.0.1", p);
    res("bad bytes to somebody", sendto(other, (void *)8, 10, 0, SA(&x), sizeof x));
    x = in4("127.0.0.1", gone);
    res("bad bytes to nobody", sendto(other, (void *)8, 10, 0, SA(&x), sizeof x));
    res("good bytes to nobody", sendto(other, big, 10, 0, SA(&x), sizeof x));
    quiet("nothing more came", r);
    return 0;
}
