/* Type of service, traffic class, time to live and hop limit as options and as control messages, sent and received
 * (man 7 ip: IP_TOS, IP_RECVTOS, IP_TTL, IP_RECVTTL; RFC 3542 6.3, 6.5). */
#include "cmsg.h"

static int s, r, sp;
static struct sockaddr_in to;
static struct sockaddr_in6 to6;

static void c4(const char *label, int type, int v, size_t len) {
    if (res(label, put_cmsg(s, "x", &to, sizeof to, IPPROTO_IP, type, &v, len)) > 0) show("    received", r, 512, 0, sp, 0);
}

static void c6(const char *label, int type, int v, size_t len) {
    if (res(label, put_cmsg(s, "x", &to6, sizeof to6, IPPROTO_IPV6, type, &v, len)) > 0) show("    received", r, 512, 0, sp, 0);
}

static void opt(const char *label, int level, int type, int v) {
    res(label, set(s, level, type, v));
    fact("    is %ld", get(s, level, type));
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), sp = port_of(s);
    to = in4("127.0.0.1", port_of(r));
    set(r, IPPROTO_IP, IP_RECVTOS, 1);
    set(r, IPPROTO_IP, IP_RECVTTL, 1);
    put4(s, "x", "127.0.0.1", port_of(r));
    show("plain", r, 512, 0, sp, 0);
    opt("IP_TOS 0x10", IPPROTO_IP, IP_TOS, 0x10);
    opt("IP_TTL 33", IPPROTO_IP, IP_TTL, 33);
    put4(s, "x", "127.0.0.1", port_of(r));
    show("options", r, 512, 0, sp, 0);
    opt("IP_TOS 0xff", IPPROTO_IP, IP_TOS, 0xff);
    opt("IP_TOS 0x1b8", IPPROTO_IP, IP_TOS, 0x1b8);
    opt("IP_TOS -1", IPPROTO_IP, IP_TOS, -1);
    opt("IP_TTL 0", IPPROTO_IP, IP_TTL, 0);
    opt("IP_TTL 256", IPPROTO_IP, IP_TTL, 256);
    opt("IP_TTL 255", IPPROTO_IP, IP_TTL, 255);
    opt("IP_TTL -1", IPPROTO_IP, IP_TTL, -1);
    opt("IP_TOS 0x10", IPPROTO_IP, IP_TOS, 0x10);
    c4("cmsg IP_TOS 0x28", IP_TOS, 0x28, 4);
    c4("cmsg IP_TOS 0x28 of one byte", IP_TOS, 0x28, 1);
    c4("cmsg IP_TOS of two bytes", IP_TOS, 0x28, 2);
    c4("cmsg IP_TOS 0x03 (ECN)", IP_TOS, 3, 4);
    c4("cmsg IP_TOS 256", IP_TOS, 256, 4);
    c4("cmsg IP_TOS -1", IP_TOS, -1, 4);
    c4("cmsg IP_TTL 5", IP_TTL, 5, 4);
    c4("cmsg IP_TTL 255", IP_TTL, 255, 4);
    c4("cmsg IP_TTL 0", IP_TTL, 0, 4);
    c4("cmsg IP_TTL 256", IP_TTL, 256, 4);
    c4("cmsg IP_TTL of one byte", IP_TTL, 5, 1);
    put4(s, "x", "127.0.0.1", port_of(r));
    show("the options again", r, 512, 0, sp, 0);
    close(r), close(s);

    r = udp6("::"), s = udp6("::"), sp = port_of(s);
    to6 = in6("::1", port_of(r));
    set(r, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set(r, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    put6(s, "x", "::1", port_of(r));
    show("v6 plain", r, 512, 0, sp, 0);
    fact("defaults: TCLASS %ld UNICAST_HOPS %ld", get(s, IPPROTO_IPV6, IPV6_TCLASS), get(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
    opt("IPV6_TCLASS 0x21", IPPROTO_IPV6, IPV6_TCLASS, 0x21);
    opt("IPV6_TCLASS 256", IPPROTO_IPV6, IPV6_TCLASS, 256);
    opt("IPV6_TCLASS -1", IPPROTO_IPV6, IPV6_TCLASS, -1);
    opt("IPV6_TCLASS 0x20", IPPROTO_IPV6, IPV6_TCLASS, 0x20);
    opt("IPV6_UNICAST_HOPS 7", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
    opt("IPV6_UNICAST_HOPS 256", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256);
    opt("IPV6_UNICAST_HOPS 0", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0);
    opt("IPV6_UNICAST_HOPS 7", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
    put6(s, "x", "::1", port_of(r));
    show("options", r, 512, 0, sp, 0);
    c6("cmsg IPV6_TCLASS 0x44", IPV6_TCLASS, 0x44, 4);
    c6("cmsg IPV6_TCLASS -1", IPV6_TCLASS, -1, 4);
    c6("cmsg IPV6_TCLASS 256", IPV6_TCLASS, 256, 4);
    c6("cmsg IPV6_TCLASS of one byte", IPV6_TCLASS, 1, 1);
    c6("cmsg IPV6_HOPLIMIT 3", IPV6_HOPLIMIT, 3, 4);
    c6("cmsg IPV6_HOPLIMIT -1", IPV6_HOPLIMIT, -1, 4);
    c6("cmsg IPV6_HOPLIMIT 0", IPV6_HOPLIMIT, 0, 4);
    c6("cmsg IPV6_HOPLIMIT 256", IPV6_HOPLIMIT, 256, 4);
    /* v4 datagrams on the v6 socket. */
    to6 = in6("::ffff:127.0.0.1", port_of(r));
    set(s, IPPROTO_IP, IP_TOS, 0x08);
    set(s, IPPROTO_IP, IP_TTL, 44);
    res("mapped", put6(s, "x", "::ffff:127.0.0.1", port_of(r)));
    show("with the v6 options of the receiver", r, 512, 0, sp, 0);
    set(r, IPPROTO_IP, IP_RECVTOS, 1);
    set(r, IPPROTO_IP, IP_RECVTTL, 1);
    put6(s, "x", "::ffff:127.0.0.1", port_of(r));
    show("with the v4 options too", r, 512, 0, sp, 0);
    put6(s, "x", "::1", port_of(r));
    show("v6 with the v4 options too", r, 512, 0, sp, 0);
    c6("cmsg IPV6_TCLASS to mapped", IPV6_TCLASS, 0x44, 4);
    int v = 0x0c;
    res("cmsg IP_TOS to mapped", put_cmsg(s, "x", &to6, sizeof to6, IPPROTO_IP, IP_TOS, &v, 4));
    show("    received", r, 512, 0, sp, 0);
    return 0;
}
