/* IP_FREEBIND, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE, IPV6_ADDRFORM, scope ids and flow
 * information (`man 7 ip`, `man 7 ipv6`, RFC 3493, RFC 6437). */
#include "../stream/stream.h"
#include "opt.h"

#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#define IPV6_FLOWINFO_SEND 33
#endif

static int bind4(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return bind(fd, (struct sockaddr *)&a, sizeof a);
}
static int bind6(int fd, const char *ip, int port, unsigned scope, unsigned flow) {
    struct sockaddr_in6 a = in6(ip, port);
    a.sin6_scope_id = scope;
    a.sin6_flowinfo = htonl(flow);
    return bind(fd, (struct sockaddr *)&a, sizeof a);
}
static int con4(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}
static int con6(int fd, const char *ip, int port, unsigned scope, unsigned flow) {
    struct sockaddr_in6 a = in6(ip, port);
    a.sin6_scope_id = scope;
    a.sin6_flowinfo = htonl(flow);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}
static void name6(const char *label, int fd, int peer) {
    struct sockaddr_in6 a;
    socklen_t l = sizeof a;
    memset(&a, 0, sizeof a);
    if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &l)) fact("%s: %s", label, ename(errno));
    else fact("%s: length %u family %d scope %u flow %x", label, l, a.sin6_family, a.sin6_scope_id, ntohl(a.sin6_flowinfo));
}

int main(void) {
    alarm(8);
    for (int k = 0; k < 4; k++) {
        if (k & 1) continue;
        int fd = opt_socket(k);
        fact("%s", kind_name[k]);
        res("bind without a port", (opt_set(fd, IPPROTO_IP, 24, 1), bind4(fd, "127.0.0.1", 0)));
        fact("port %s", port_of(fd) ? "chosen" : "0");
        if (k == 0) res("listen", listen(fd, 1)), fact("port %s", port_of(fd) ? "chosen" : "0");
        close(fd);
        fd = opt_socket(k);
        unsigned range = 40000 | 40003u << 16;
        res("range", setsockopt(fd, IPPROTO_IP, 51, &range, 4));
        res("bind in a range", bind4(fd, "127.0.0.1", 0));
        fact("in it: %s", port_of(fd) >= 40000 && port_of(fd) <= 40003 ? "yes" : "no");
        int more[6], i, e = 0;
        for (i = 0; i < 6; i++) {
            more[i] = opt_socket(k);
            setsockopt(more[i], IPPROTO_IP, 51, &range, 4);
            if (bind4(more[i], "127.0.0.1", 0)) { e = errno; break; }
        }
        fact("until %s", ename(e));
        for (int j = 0; j < i; j++) close(more[j]);
        close(fd);
        fd = opt_socket(k);
        range = 10 | 20u << 16;
        setsockopt(fd, IPPROTO_IP, 51, &range, 4);
        res("a range outside the system's", bind4(fd, "127.0.0.1", 0));
        fact("port %s", port_of(fd) >= 1024 ? "the system's" : "low");
        close(fd);
        fd = opt_socket(k);
        range = 0;
        res("IP_FREEBIND", opt_set(fd, IPPROTO_IP, IP_FREEBIND, 1));
        res("bind to loopback all the same", bind4(fd, "127.9.9.9", 0));
        close(fd);
    }
    /* A port in the range at connect. */
    int port, l = listener4(&port, 8), c = opt_socket(0), s;
    unsigned range = 40010 | 40013u << 16;
    setsockopt(c, IPPROTO_IP, 51, &range, 4);
    res("connect from a range", con4(c, "127.0.0.1", port));
    fact("in it: %s", port_of(c) >= 40010 && port_of(c) <= 40013 ? "yes" : "no");
    s = accept(l, NULL, NULL);
    close(s);
    close(c);
    c = opt_socket(0);
    opt_set(c, IPPROTO_IP, 24, 1);
    bind4(c, "127.0.0.5", 0);
    res("connect, address without a port", con4(c, "127.0.0.1", port));
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    getsockname(c, (struct sockaddr *)&a, &n);
    fact("from %s", addr_text((struct sockaddr *)&a, port, 0));
    close(c);

    /* IPv6 that turns into IPv4. */
    int l6 = opt_socket(1);
    int off = 0;
    setsockopt(l6, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    must("bind6", bind6(l6, "::", 0, 0, 0));
    must("listen", listen(l6, 8));
    c = opt_socket(1);
    res("mapped connect", con6(c, "::ffff:127.0.0.1", port_of(l6), 0, 0));
    s = accept(l6, NULL, NULL);
    fact("IPV6_ADDRFORM reads %s", opt_get(c, IPPROTO_IPV6, IPV6_ADDRFORM));
    fact("to AF_INET6: %s", opt_set(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET6) ? ename(errno) : "0");
    fact("to AF_INET: %s", opt_set(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET) ? ename(errno) : "0");
    fact("SO_DOMAIN %s", opt_get(c, SOL_SOCKET, SO_DOMAIN));
    name6("name", c, 0);
    name6("peer", c, 1);
    res("send", send(c, "form", 4, 0));
    await(s, POLLIN);
    fact_recv("recv", s, 10, 0);
    fact("an IPv6 option then: %s", opt_get(c, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
    close(c);
    close(s);

    /* Scopes: only for link-local addresses. */
    c = opt_socket(1);
    res("connect ::1 with scope 1", con6(c, "::1", port_of(l6), 1, 0));
    name6("name", c, 0);
    name6("peer", c, 1);
    s = accept(l6, NULL, NULL);
    name6("accepted", s, 1);
    close(s);
    close(c);
    c = opt_socket(1);
    res("bind ::1 with scope 7", bind6(c, "::1", 0, 7, 0));
    name6("name", c, 0);
    close(c);
    for (int k = 1; k < 4; k += 2) {
        c = opt_socket(k);
        res("bind fe80::9 without a scope", bind6(c, "fe80::9", 0, 0, 0));
        res("bind fe80::9 with scope 1", bind6(c, "fe80::9", 0, 1, 0));
        res("bind fe80::9 with scope 999", bind6(c, "fe80::9", 0, 999, 0));
        res("connect fe80::9 without a scope", con6(c, "fe80::9", 9, 0, 0));
        close(c);
    }
    /* Flow labels. */
    for (int k = 1; k < 4; k += 2) {
        int to = k == 1 ? l6 : opt_socket(3);
        if (k == 3) must("bind6", bind6(to, "::1", 0, 0, 0));
        c = opt_socket(k);
        res("connect with a flow, not asked to send it", con6(c, "::1", port_of(to), 0, 0x12345));
        name6("peer", c, 1);
        name6("name", c, 0);
        fact("IPV6_FLOWINFO reads %s", opt_get(c, IPPROTO_IPV6, IPV6_FLOWINFO));
        close(c);
        c = opt_socket(k);
        opt_set(c, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1);
        res("connect with a class that it is asked to send", con6(c, "::1", port_of(to), 0, 0x3400000));
        name6("peer", c, 1);
        name6("name", c, 0);
        if (k == 1) {
            s = accept(l6, NULL, NULL);
            while (s >= 0 && (name6("accepted's name", s, 0), name6("accepted's peer", s, 1), close(s), nonblock(l6, 1), s = accept(l6, NULL, NULL)) >= 0) {}
        }
        close(c);
    }
    return 0;
}
