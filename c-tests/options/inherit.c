/* What an accepted socket takes over from its listener, and what not (man 7 socket, man 7 tcp; accept(2): "not
 * inherited" applies to the file status flags only, the options of the protocol are copied). */
#include "opt.h"

static const struct { const char *name; int level, opt, v; } T[] = {
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1}, {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1},
        {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1},
    {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1}, {"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1},
        {"SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1},
    {"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3}, {"SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 9},
        {"SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1},
    {"SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, 1}, {"SO_NO_CHECK", SOL_SOCKET, SO_NO_CHECK, 1},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1}, {"TCP_CORK", IPPROTO_TCP, TCP_CORK, 1},
        {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 111},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 22}, {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 4},
        {"TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 3},
    {"TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 17}, {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 12345},
        {"TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 7777},
    {"TCP_INQ", IPPROTO_TCP, TCP_INQ, 1}, {"TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1},
        {"TCP_SAVE_SYN", IPPROTO_TCP, TCP_SAVE_SYN, 0},
    {"TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, 3}, {"TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
    {"IP_TOS", IPPROTO_IP, IP_TOS, 0x10}, {"IP_TTL", IPPROTO_IP, IP_TTL, 44}, {"IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 1},
        {"IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, 1},
    {"IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, 2}, {"IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, 1},
        {"IP_MINTTL", IPPROTO_IP, IP_MINTTL, 1}, {"IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP, 0},
    {"IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1}, {"IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 55},
        {"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0x20},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1}, {"IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
        {"IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, 2}};
enum { N = sizeof T / sizeof *T };

/* when 0: before listen; 1: after listen, before the client; 2: after the client connected, before accept. */
static void run(int v6, int when) {
    static const char *const at[] = {"set before listen", "set before connect", "set before accept"};
    int l = opt_socket(v6), c = opt_socket(v6);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    struct sockaddr_in6 b = in6("::1", 0);
    for (int step = 0; step < 3; step++) {
        if (step == 0) must("bind", v6 ? bind(l, (struct sockaddr *)&b, sizeof b)
                            : bind(l, (struct sockaddr *)&a, sizeof a));
        if (step == 1) must("listen", listen(l, 2));
        if (step == 2) {
            a.sin_port = b.sin6_port = htons((uint16_t)port_of(l));
            must("connect", v6 ? connect(c, (struct sockaddr *)&b, sizeof b)
                 : connect(c, (struct sockaddr *)&a, sizeof a));
            struct pollfd p = {l, POLLIN, 0};
            poll(&p, 1, 2000);
        }
        if (step == when) {
            for (int i = 0; i < N; i++) opt_set(l, T[i].level, T[i].opt, T[i].v);
            struct linger lg = {1, 12};
            struct timeval tv = {6, 0};
            setsockopt(l, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
            setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
            setsockopt(l, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
        }
    }
    int s = (int)must("accept", accept(l, NULL, NULL));
    for (int i = 0; i < N; i++) {
        if (T[i].level == IPPROTO_IPV6 && !v6) continue;
        fact("v%d, %s: %s listener %s, accepted %s", v6 ? 6 : 4, at[when], T[i].name, opt_get(l, T[i].level, T[i].opt),
             opt_get(s, T[i].level, T[i].opt));
    }
    struct linger lg = {-1, -1};
    struct timeval r = {-1, -1}, w = {-1, -1};
    socklen_t n = sizeof lg;
    getsockopt(s, SOL_SOCKET, SO_LINGER, &lg, &n);
    n = sizeof r;
    getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &r, &n);
    getsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &w, &n);
    fact("v%d, %s: accepted SO_LINGER %d %d, SO_RCVTIMEO %ld s, SO_SNDTIMEO %ld s", v6 ? 6 : 4, at[when], lg.l_onoff,
         lg.l_linger, (long)r.tv_sec, (long)w.tv_sec);
    /* No linger on the close of this one. */
    struct linger off = {0, 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    setsockopt(l, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    close(s);
    close(c);
    close(l);
}

int main(void) {
    alarm(8);
    for (int v6 = 0; v6 < 2; v6++)
        for (int when = 0; when < 3; when++) run(v6, when);
    return 0;
}
