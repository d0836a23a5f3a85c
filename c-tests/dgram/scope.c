/* Addresses of one link only (man 7 ipv6: sin6_scope_id; RFC 4007, inet6_bind, ip6_datagram_connect): bind and connect want an
 * interface, and bind the socket to it, also when they fail in the end. A group of the interface may be bound. */
#include "dg.h"

static void told(const char *label, int s, long r) {
    int e = errno;
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    char ip[64] = "";
    if (getsockname(s, SA(&a), &n) == 0) inet_ntop(AF_INET6, &a.sin6_addr, ip, sizeof ip);
    fact("%s: %s, name %s%%%u, device %ld", label, r < 0 ? ename(e) : "0", ip, a.sin6_scope_id, get(s, SOL_SOCKET, SO_BINDTOIFINDEX));
}

static long at(int (*call)(int, const struct sockaddr *, socklen_t), int s, const char *ip, int port, unsigned scope, socklen_t n) {
    struct sockaddr_in6 a = in6(ip, port);
    a.sin6_scope_id = scope;
    return call(s, SA(&a), n);
}

int main(void) {
    alarm(8);
    unsigned lo = if_nametoindex("lo");
    static const char *const groups[] = {"ff02::1:2", "ff01::77", "ff05::7", "fe80::1"};
    for (unsigned i = 0; i < 4; i++) {
        fact("%s", groups[i]);
        /* A group of all links is connected to through whatever interface the machine has. */
        for (int how = 0; how < (i == 2 ? 1 : 2); how++) {
            int (*call)(int, const struct sockaddr *, socklen_t) = how ? connect : bind;
            const char *label = how ? "  connect" : "  bind";
            int s = socket(AF_INET6, SOCK_DGRAM, 0), t = socket(AF_INET6, SOCK_DGRAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0);
            told(label, s, at(call, s, groups[i], how ? 9 : 0, 0, 28));
            told(label, s, at(call, s, groups[i], how ? 9 : 0, lo, 24));
            told(label, s, at(call, s, groups[i], how ? 9 : 0, lo, 28));
            if (i != 2) told(label, t, at(call, t, groups[i], how ? 9 : 0, 12345, 28));
            set(u, SOL_SOCKET, SO_BINDTOIFINDEX, (int)lo);
            told(label, u, at(call, u, groups[i], how ? 9 : 0, 0, 28));
            close(s), close(t), close(u);
        }
    }
    int s = socket(AF_INET6, SOCK_DGRAM, 0), r = udp6("::1"), p;
    told("bind", s, at(bind, s, "ff02::1:2", 0, lo, 28));
    told("bind again", s, at(bind, s, "::1", 0, 0, 28));
    p = port_of(s);
    res("it sends", put6(s, "from a group's", "::1", port_of(r)));
    got("from", r, p, 0);
    res("to mapped", put6(s, "x", "::ffff:127.0.0.1", port_of(r)));
    told("disconnect", s, discon(s));
    int t = socket(AF_INET6, SOCK_DGRAM, 0);
    told("the same again", t, at(bind, t, "ff02::1:2", p, lo, 28));
    told("the wildcard", t, at(bind, t, "::", p, 0, 28));
    return 0;
}
