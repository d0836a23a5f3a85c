/* The fields of sockaddr_in6 beside address and port: flow information and scope, as given and as read back; V6ONLY
 * and its lifetime (man 7 ipv6; RFC 3493 3.3, 5.3). */
#include "t.h"

static void put(const char *label, const struct sockaddr_in6 *a) {
    char ip[64];
    inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof ip);
    fact("%s: %s port %s flowinfo 0x%x scope %u", label, ip, a->sin6_port ? "yes" : "0", ntohl(a->sin6_flowinfo),
         a->sin6_scope_id);
}

static void name(const char *label, int fd, int peer) {
    struct sockaddr_in6 a;
    socklen_t l = sizeof a;
    memset(&a, 0xEE, sizeof a);
    if ((peer ? getpeername(fd, (struct sockaddr *)&a, &l) : getsockname(fd, (struct sockaddr *)&a,
        &l)) < 0) fact("%s: -1 %s", label, ename(errno));
    else put(label, &a);
}

int main(void) {
    alarm(8);
    int l = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in6 a = in6("::1", 0);
    a.sin6_flowinfo = htonl(0x12345);
    a.sin6_scope_id = 7;
    res("bind with flow and scope", bind(l, (struct sockaddr *)&a, sizeof a));
    name("bound", l, 0);
    must("listen", listen(l, 8));
    int c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    a.sin6_port = htons((uint16_t)port_of(l));
    res("connect with flow and scope", connect(c, (struct sockaddr *)&a, sizeof a));
    name("client", c, 0);
    name("client's peer", c, 1);
    struct sockaddr_in6 f;
    socklen_t fl = sizeof f;
    int s = (int)must("accept", accept(l, (struct sockaddr *)&f, &fl));
    put("accept's address", &f);
    name("accepted", s, 0);
    name("accepted's peer", s, 1);
    close(s);
    close(c);
    /* The first 24 bytes are enough: no scope field. */
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    a.sin6_flowinfo = 0;
    res("connect with 24 bytes", connect(c, (struct sockaddr *)&a, 24));
    name("its peer", c, 1);
    close(c);
    int u = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0)), w = (int)must("socket",
        socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 z = in6("::1", 0);
    must("bind", bind(u, (struct sockaddr *)&z, sizeof z));
    z.sin6_port = htons((uint16_t)port_of(u));
    z.sin6_scope_id = 9;
    z.sin6_flowinfo = htonl(0xFF);
    res("udp sendto with scope and flow", sendto(w, "x", 1, 0, (struct sockaddr *)&z, sizeof z));
    fl = sizeof f;
    char b[4];
    memset(&f, 0xEE, sizeof f);
    res("udp recvfrom", recvfrom(u, b, sizeof b, 0, (struct sockaddr *)&f, &fl));
    put("from", &f);
    res("udp connect with scope", connect(w, (struct sockaddr *)&z, sizeof z));
    name("udp peer", w, 1);
    /* V6ONLY. */
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        const char *who = type == SOCK_STREAM ? "tcp" : "udp";
        int v, on = 1, off = 0;
        socklen_t vl = sizeof v;
        c = (int)must("socket", socket(AF_INET6, type, 0));
        getsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &v, &vl);
        fact("%s default V6ONLY %d", who, v);
        res("on", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
        res("off", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
        struct sockaddr_in6 any = in6("::", 0);
        must("bind", bind(c, (struct sockaddr *)&any, sizeof any));
        res("on after bind", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
        res("off after bind", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
        getsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &v, &vl);
        fact("%s V6ONLY still %d", who, v);
        close(c);
        c = (int)must("socket", socket(AF_INET6, type, 0));
        setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        struct sockaddr_in6 m = in6("::ffff:127.0.0.1", 0);
        res("v6 only: bind to a mapped address", bind(c, (struct sockaddr *)&m, sizeof m));
        close(c);
        c = (int)must("socket", socket(AF_INET, type, 0));
        res("V6ONLY on a v4 socket", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
        close(c);
    }
    /* A listener that was dual-stack hands its V6ONLY on. */
    int v;
    socklen_t vl = sizeof v;
    int o = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    setsockopt(o, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    struct sockaddr_in6 one = in6("::1", 0);
    must("bind", bind(o, (struct sockaddr *)&one, sizeof one));
    must("listen", listen(o, 2));
    one.sin6_port = htons((uint16_t)port_of(o));
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    must("connect", connect(c, (struct sockaddr *)&one, sizeof one));
    s = (int)must("accept", accept(o, NULL, NULL));
    getsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &v, &vl);
    fact("accepted from a V6ONLY listener: V6ONLY %d", v);
    return 0;
}
