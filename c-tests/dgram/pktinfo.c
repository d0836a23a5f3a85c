/* Where a datagram was sent to, and with which address it is answered: IP_PKTINFO, IPV6_RECVPKTINFO, IP_RECVORIGDSTADDR, both ways
 * (man 7 ip, man 7 ipv6; RFC 3542 6). */
#include "cmsg.h"

static int s, r, sp, rp;

static void info4(const char *label, const char *spec, const char *addr, int index) {
    struct in_pktinfo p = {.ipi_ifindex = index};
    inet_pton(AF_INET, spec, &p.ipi_spec_dst);
    inet_pton(AF_INET, addr, &p.ipi_addr);
    struct sockaddr_in to = in4("127.0.0.1", rp);
    if (res(label, put_cmsg(s, "x", &to, sizeof to, IPPROTO_IP, IP_PKTINFO, &p, sizeof p)) > 0) got("    at the other end", r, sp, 0);
}

static void info6(const char *label, const char *addr, unsigned index, const char *dest) {
    struct in6_pktinfo p = {.ipi6_ifindex = index};
    inet_pton(AF_INET6, addr, &p.ipi6_addr);
    struct sockaddr_in6 to = in6(dest, rp);
    if (res(label, put_cmsg(s, "x", &to, sizeof to, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof p)) > 0) got("    at the other end", r, sp, 0);
}

int main(void) {
    alarm(8);
    int lo = (int)if_nametoindex("lo");
    r = udp4("0.0.0.0"), rp = port_of(r), s = udp4("0.0.0.0"), sp = port_of(s);
    fact("defaults: IP_PKTINFO %ld IP_RECVORIGDSTADDR %ld", get(r, IPPROTO_IP, IP_PKTINFO), get(r, IPPROTO_IP, IP_RECVORIGDSTADDR));
    put4(s, "a", "127.0.0.1", rp);
    wait_in(r);
    res("IP_PKTINFO after the datagram came", set(r, IPPROTO_IP, IP_PKTINFO, 1));
    show("that one", r, 512, 0, sp, rp);
    put4(s, "b", "127.0.0.1", rp);
    show("to 127.0.0.1", r, 512, 0, sp, rp);
    put4(s, "c", "127.9.8.7", rp);
    show("to 127.9.8.7, peeked", r, 512, MSG_PEEK, sp, rp);
    show("to 127.9.8.7", r, 512, 0, sp, rp);
    put4(s, "d", "0.0.0.0", rp);
    show("to 0.0.0.0", r, 512, 0, sp, rp);
    set(r, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    put4(s, "e", "127.0.0.2", rp);
    show("and IP_RECVORIGDSTADDR", r, 512, 0, sp, rp);
    set(r, IPPROTO_IP, IP_PKTINFO, 0);
    put4(s, "f", "127.0.0.2", rp);
    show("IP_RECVORIGDSTADDR only", r, 512, 0, sp, rp);
    set(r, IPPROTO_IP, IP_RECVORIGDSTADDR, 0);
    put4(s, "g", "127.0.0.2", rp);
    show("all off", r, 512, 0, sp, rp);

    info4("source 127.0.0.5", "127.0.0.5", "0.0.0.0", 0);
    info4("source 127.0.0.5 on lo", "127.0.0.5", "0.0.0.0", lo);
    info4("ipi_addr does not count", "0.0.0.0", "127.0.0.6", 0);
    info4("nothing but lo", "0.0.0.0", "0.0.0.0", lo);
    info4("an interface of nobody", "127.0.0.5", "0.0.0.0", 4711);
    info4("an address of nobody", "198.51.100.7", "0.0.0.0", 0);
    info4("a group as source", "239.1.1.1", "0.0.0.0", 0);
    name("that changed nothing", s, sp, rp);
    close(s);
    s = udp4("127.0.0.8"), sp = port_of(s);
    info4("source 127.0.0.5 from a socket bound to 127.0.0.8", "127.0.0.5", "0.0.0.0", 0);
    info4("none from a socket bound to 127.0.0.8", "0.0.0.0", "0.0.0.0", 0);
    con4(s, "127.0.0.1", rp);
    struct in_pktinfo p = {.ipi_spec_dst.s_addr = inet_addr("127.0.0.5")};
    res("on a connected socket", put_cmsg(s, "conn", NULL, 0, IPPROTO_IP, IP_PKTINFO, &p, sizeof p));
    got("    at the other end", r, sp, 0);
    close(s), close(r);

    r = udp6("::"), rp = port_of(r), s = udp6("::"), sp = port_of(s);
    set(r, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set(r, IPPROTO_IPV6, 74, 1);
    put6(s, "a", "::1", rp);
    show("v6", r, 512, 0, sp, rp);
    put6(s, "b", "::ffff:127.0.0.3", rp);
    show("mapped", r, 512, 0, sp, rp);
    set(r, IPPROTO_IP, IP_PKTINFO, 1);
    set(r, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    put6(s, "c", "::ffff:127.0.0.3", rp);
    show("mapped, with the v4 options too", r, 512, 0, sp, rp);
    put6(s, "d", "::1", rp);
    show("v6, with the v4 options too", r, 512, 0, sp, rp);
    set(r, IPPROTO_IPV6, IPV6_RECVPKTINFO, 0);
    set(r, IPPROTO_IPV6, IPV6_2292PKTINFO, 1);
    put6(s, "e", "::1", rp);
    show("IPV6_2292PKTINFO", r, 512, 0, sp, rp);
    info6("v6 source ::1", "::1", 0, "::1");
    info6("v6 source ::1 on lo", "::1", (unsigned)lo, "::1");
    info6("v6 source ::", "::", (unsigned)lo, "::1");
    info6("v6 source of nobody", "2001:db8::7", 0, "::1");
    info6("v6 interface of nobody", "::1", 4711, "::1");
    info6("mapped source to mapped", "::ffff:127.0.0.5", 0, "::ffff:127.0.0.1");
    info6("mapped source to ::1", "::ffff:127.0.0.5", 0, "::1");
    info6("::1 to mapped", "::1", 0, "::ffff:127.0.0.1");
    struct in_pktinfo q = {.ipi_spec_dst.s_addr = inet_addr("127.0.0.5")};
    struct sockaddr_in6 to = in6("::ffff:127.0.0.1", rp);
    res("IP_PKTINFO on a v6 socket to mapped", put_cmsg(s, "x", &to, sizeof to, IPPROTO_IP, IP_PKTINFO, &q, sizeof q));
    got("    at the other end", r, sp, 0);
    return 0;
}
