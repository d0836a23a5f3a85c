/* Two connections never have the same two names: connect(2) from a bound socket to where another one with its name is connected
 * to is EADDRNOTAVAIL, and the socket may go on to connect elsewhere (__inet_check_established). Which addresses meet which: the
 * wildcard of an IPv4 socket and an IPv6 socket whose address is connect's choice (inet_rcv_saddr_equal), and who listens at
 * the v4-mapped wildcard is reached by IPv4 alone (`man 2 connect`, `man 7 ipv6`). */
#include "t.h"

static int reusable(int family, int option) {
    int on = 1, s = (int)must("socket", socket(family, SOCK_STREAM, 0));
    must("setsockopt", setsockopt(s, SOL_SOCKET, option, &on, sizeof on));
    return s;
}

static int listens(int family, const char *ip, struct sockaddr_storage *a, socklen_t *n) {
    int l = (int)must("socket", socket(family, SOCK_STREAM, 0));
    struct sockaddr_in four = in4(family == AF_INET ? ip : "0.0.0.0", 0);
    struct sockaddr_in6 six = in6(family == AF_INET ? "::" : ip, 0);
    *n = family == AF_INET ? sizeof four : sizeof six;
    memcpy(a, family == AF_INET ? (void *)&four : (void *)&six, *n);
    must("bind", bind(l, (struct sockaddr *)a, *n));
    must("listen", listen(l, 4));
    must("getsockname", getsockname(l, (struct sockaddr *)a, n));
    return l;
}

static void twice(int family, const char *ip, int option, const char *how) {
    struct sockaddr_storage one, other, name;
    socklen_t n;
    int l = listens(family, ip, &one, &n), m = listens(family, ip, &other, &n);
    int a = reusable(family, option), b = reusable(family, option);
    /* A port of its own, which no connection of somebody else shares. */
    memcpy(&name, &one, n);
    if (family == AF_INET) ((struct sockaddr_in *)&name)->sin_port = 0;
    else ((struct sockaddr_in6 *)&name)->sin6_port = 0;
    must("bind", bind(a, (struct sockaddr *)&name, n));
    must("connect", connect(a, (struct sockaddr *)&one, n));
    must("getsockname", getsockname(a, (struct sockaddr *)&name, &n));
    fact("-- %s, %s", ip, how);
    res("bind to the name of a connection", bind(b, (struct sockaddr *)&name, n));
    res("connect to where it is connected to", connect(b, (struct sockaddr *)&one, n));
    res("again", connect(b, (struct sockaddr *)&one, n));
    res("connect elsewhere", connect(b, (struct sockaddr *)&other, n));
    fact("names: %s", port_of(a) == port_of(b) ? "one port" : "two");
    close(a), close(b), close(l), close(m);
}

/* Can a socket of that address be bound to the port? In vain a few times means no: somebody else may have one of the ports. */
static int fits(const char *ip, int port) {
    int family = strchr(ip, ':') ? AF_INET6 : AF_INET, s = (int)must("socket", socket(family, SOCK_STREAM, 0));
    struct sockaddr_in four = in4(family == AF_INET ? ip : "0.0.0.0", port);
    struct sockaddr_in6 six = in6(family == AF_INET ? "::" : ip, port);
    int r = family == AF_INET ? bind(s, (struct sockaddr *)&four, sizeof four) : bind(s, (struct sockaddr *)&six, sizeof six);
    close(s);
    return r == 0;
}

static void meets(int bound) {
    static const char *const ips[] = {"0.0.0.0", "127.0.0.1", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::", "::1"};
    int yes[6] = {0};
    for (int turn = 0; turn < 4; turn++) {
        struct sockaddr_storage a;
        struct sockaddr_in6 own = in6("::1", 0);
        socklen_t n;
        int l = listens(AF_INET6, "::1", &a, &n), c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
        if (bound) must("bind", bind(c, (struct sockaddr *)&own, sizeof own));
        must("connect", connect(c, (struct sockaddr *)&a, n));
        for (int i = 0; i < 6; i++) yes[i] |= fits(ips[i], port_of(c));
        close(c), close(l);
    }
    for (int i = 0; i < 6; i++) fact("%s beside ::1 %s: %s", ips[i], bound ? "of bind" : "of connect", yes[i] ? "0" : "EADDRINUSE");
}

int main(void) {
    alarm(8);
    twice(AF_INET, "127.77.4.1", SO_REUSEADDR, "SO_REUSEADDR");
    twice(AF_INET, "127.77.4.1", SO_REUSEPORT, "SO_REUSEPORT");
    twice(AF_INET6, "::1", SO_REUSEADDR, "SO_REUSEADDR");
    twice(AF_INET6, "::ffff:127.77.4.1", SO_REUSEADDR, "SO_REUSEADDR");

    fact("-- which addresses meet");
    meets(0);
    meets(1);

    fact("-- the v4-mapped wildcard");
    struct sockaddr_storage a;
    socklen_t n;
    int l = listens(AF_INET6, "::ffff:0.0.0.0", &a, &n), port = port_of(l);
    struct sockaddr_in four = in4("127.0.0.1", port);
    struct sockaddr_in6 six = in6("::1", port), mapped = in6("::ffff:127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("127.0.0.1", connect(c, (struct sockaddr *)&four, sizeof four));
    close(c);
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    res("::ffff:127.0.0.1", connect(c, (struct sockaddr *)&mapped, sizeof mapped));
    close(c);
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    res("::1", connect(c, (struct sockaddr *)&six, sizeof six));
    close(c);
    close(l);

    fact("-- bound to the v4-mapped wildcard, refused");
    struct sockaddr_in6 any = in6("::ffff:0.0.0.0", 0);
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    must("bind", bind(c, (struct sockaddr *)&any, sizeof any));
    res("connect", connect(c, (struct sockaddr *)&mapped, sizeof mapped));
    n = sizeof a;
    must("getsockname", getsockname(c, (struct sockaddr *)&a, &n));
    fact("name: %s", addr_text((struct sockaddr *)&a, port_of(c), 0));
    close(c);
    return 0;
}
