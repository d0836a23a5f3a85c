/* IPv6, v4-mapped addresses and one socket for both families (man 7 ipv6: IPV6_V6ONLY; RFC 3493 3.7). */
#include "dg.h"

static void v6only(int on, int port) {
    int s = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 a = in6("::", port);
    struct sockaddr_in a4 = in4("0.0.0.0", port);
    set(s, IPPROTO_IPV6, IPV6_V6ONLY, on);
    fact("V6ONLY %ld", get(s, IPPROTO_IPV6, IPV6_V6ONLY));
    res("bind ::", bind(s, SA(&a), sizeof a));
    res("change V6ONLY after bind", set(s, IPPROTO_IPV6, IPV6_V6ONLY, !on));
    int t = socket(AF_INET, SOCK_DGRAM, 0);
    res("0.0.0.0 on the same port", bind(t, SA(&a4), sizeof a4));
    close(t);
    int c = socket(AF_INET, SOCK_DGRAM, 0), c6 = socket(AF_INET6, SOCK_DGRAM, 0);
    con4(c, "127.0.0.1", port);
    res("v4 client sends", send(c, "v4", 2, 0));
    fact("v4 client sees %s", poll_text(c, POLLIN, on ? 1000 : 40));
    if (!on) {
        got("at the server", s, port_of(c), 0);
        res("answer to the mapped address", put6(s, "answer", "::ffff:127.0.0.1", port_of(c)));
        got("at the v4 client", c, port, 0);
        struct sockaddr_in d = in4("127.0.0.1", port_of(c));
        res("answer with a sockaddr_in on the v6 socket", sendto(s, "in", 2, 0, SA(&d), sizeof d));
        got("at the v4 client", c, port, 0);
    } else {
        res("send to a mapped address", put6(s, "x", "::ffff:127.0.0.1", port));
        res("connect to a mapped address", con6(s, "::ffff:127.0.0.1", port));
        res("connect to a sockaddr_in", con4(s, "127.0.0.1", port));
    }
    res("v6 client sends", put6(c6, "v6", "::1", port));
    got("at the server", s, port_of(c6), 0);
    close(c), close(c6), close(s);
}

int main(void) {
    alarm(8);
    v6only(0, free_port());
    v6only(1, free_port());

    int r4 = udp4("127.0.0.1"), r6 = udp6("::1"), p4 = port_of(r4), p6 = port_of(r6);
    int s = socket(AF_INET6, SOCK_DGRAM, 0);
    res("unbound v6 to mapped", put6(s, "a", "::ffff:127.0.0.1", p4));
    name("binds", s, 0, 0);
    got("at v4", r4, port_of(s), 0);
    res("the same socket to ::1", put6(s, "b", "::1", p6));
    got("at v6", r6, port_of(s), 0);
    res("connect to mapped", con6(s, "::ffff:127.0.0.1", p4));
    name("connected", s, 0, 0);
    peer("connected", s, p4, 0);
    res("send", send(s, "c", 1, 0));
    got("at v4", r4, port_of(s), 0);
    res("connected to mapped, sent to ::1", put6(s, "d", "::1", p6));
    quiet("at v6", r6);
    res("connected to mapped, connect to ::1", con6(s, "::1", p6));
    name("connected", s, 0, 0);
    res("disconnect", discon(s));
    res("disconnected, connect to ::1", con6(s, "::1", p6));
    res("connected to ::1, sent to mapped", put6(s, "e", "::ffff:127.0.0.1", p4));
    got("at v4", r4, port_of(s), 0);
    close(s);

    s = socket(AF_INET6, SOCK_DGRAM, 0);
    res("connect with a sockaddr_in", con4(s, "127.0.0.1", p4));
    peer("it", s, p4, 0);
    close(s);

    s = udp6("::ffff:127.0.0.1");
    name("bound to mapped", s, 0, 0);
    res("bound to mapped, sent to ::1", put6(s, "f", "::1", p6));
    res("bound to mapped, sent to mapped", put6(s, "g", "::ffff:127.0.0.1", p4));
    got("at v4", r4, port_of(s), 0);
    close(s);
    s = udp6("::1");
    res("bound to ::1, sent to mapped", put6(s, "h", "::ffff:127.0.0.1", p4));
    quiet("at v4", r4);
    struct sockaddr_in a4 = in4("127.0.0.1", p4);
    res("bound to ::1, sent to a sockaddr_in", sendto(s, "i", 1, 0, SA(&a4), sizeof a4));
    quiet("at v4", r4);
    close(s);

    s = udp6("::");
    res("sent to ::", put6(s, "j", "::", p6));
    got("at ::1", r6, port_of(s), 0);
    res("sent to ::ffff:0.0.0.0", put6(s, "k", "::ffff:0.0.0.0", p4));
    got("at v4", r4, port_of(s), 0);
    res("connect to ::", con6(s, "::", p6));
    peer("is", s, p6, 0);
    close(s);
    s = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 a6 = in6("::1", 0);
    res("bind with a sockaddr_in", bind(s, SA(&a4), sizeof a4));
    res("bind with 24 bytes", bind(s, SA(&a6), 24));
    res("bind with 23 bytes", bind(s, SA(&a6), 23));
    close(s);
    s = socket(AF_INET6, SOCK_DGRAM, 0);
    a6 = in6("2001:db8::1", 0);
    res("bind to a foreign address", bind(s, SA(&a6), sizeof a6));
    a6 = in6("::ffff:192.0.2.77", 0);
    res("bind to a foreign mapped address", bind(s, SA(&a6), sizeof a6));
    a6 = in6("::1", p6);
    res("send with 27 bytes of address", sendto(s, "l", 1, 0, SA(&a6), 27));
    res("send with 24 bytes of address", sendto(s, "m", 1, 0, SA(&a6), 24));
    res("send with 23 bytes of address", sendto(s, "n", 1, 0, SA(&a6), 23));
    int v4 = socket(AF_INET, SOCK_DGRAM, 0);
    res("v4 socket, v6 address", sendto(v4, "o", 1, 0, SA(&a6), sizeof a6));
    return 0;
}
