/* bind of datagram sockets: what it takes, which pairs of sockets exclude each other
 * (man 2 bind, man 7 ip, man 7 socket: SO_REUSEADDR). */
#include "dg.h"

static int sock(int family, int reuseaddr, int reuseport) {
    int fd = socket(family, SOCK_DGRAM, 0);
    if (reuseaddr) set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuseport) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return fd;
}

static int bnd(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    struct sockaddr_in6 a6 = in6(ip, port);
    return strchr(ip, ':') ? bind(fd, SA(&a6), sizeof a6) : bind(fd, SA(&a), sizeof a);
}

/* One socket holds (ip1, options1); may another have (ip2, options2) on the same port? */
static void pair(const char *ip1, int ra1, int rp1, const char *ip2, int ra2, int rp2) {
    int port = free_port(), a = sock(strchr(ip1, ':') ? AF_INET6 : AF_INET, ra1, rp1),
        b = sock(strchr(ip2, ':') ? AF_INET6 : AF_INET, ra2, rp2);
    must("first", bnd(a, ip1, port));
    int e = bnd(b, ip2, port) ? errno : 0;
    fact("%s%s%s, then %s%s%s: %s", ip1, ra1 ? " +addr" : "", rp1 ? " +port" : "", ip2, ra2 ? " +addr" : "",
         rp2 ? " +port" : "", ename(e));
    close(a), close(b);
}

int main(void) {
    alarm(8);
    static const char *ips[] = {"127.0.0.1", "0.0.0.0", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1"};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++) pair(ips[i], 0, 0, ips[k], 0, 0);
    for (int o = 0; o < 16; o++) pair("127.0.0.1", o & 1, o >> 1 & 1, "127.0.0.1", o >> 2 & 1, o >> 3 & 1);
    pair("127.0.0.1", 1, 0, "0.0.0.0", 1, 0);
    pair("127.0.0.1", 0, 1, "0.0.0.0", 0, 1);
    pair("::", 1, 0, "0.0.0.0", 1, 0);
    pair("::", 0, 1, "127.0.0.1", 0, 1);

    struct sockaddr_in a = in4("127.0.0.1", 0);
    struct sockaddr_storage big;
    memset(&big, 0, sizeof big);
    memcpy(&big, &a, sizeof a);
    int f;
    res("length 15", bind(f = sock(AF_INET, 0, 0), SA(&a), 15));
    res("length 128", bind(f, SA(&big), 128));
    res("bound twice", bind(f, SA(&a), sizeof a));
    res("length 129", bind(f = sock(AF_INET, 0, 0), SA(&big), 129));
    res("NULL", bind(f, NULL, 16));
    a.sin_family = AF_UNSPEC;
    res("AF_UNSPEC 127.0.0.1", bind(f, SA(&a), sizeof a));
    a.sin_addr.s_addr = 0;
    res("AF_UNSPEC 0.0.0.0", bind(f, SA(&a), sizeof a));
    a.sin_family = AF_INET6;
    res("AF_INET6", bind(f = sock(AF_INET, 0, 0), SA(&a), sizeof a));
    a = in4("198.51.100.3", 0);
    res("an address of nobody", bind(f, SA(&a), sizeof a));
    fact("port after a bind that failed: %d", port_of(f));
    res("IP_FREEBIND", set(f, IPPROTO_IP, IP_FREEBIND, 1));
    res("with it", bind(f, SA(&a), sizeof a));
    a = in4("224.0.0.5", 0);
    res("a group", bind(sock(AF_INET, 0, 0), SA(&a), sizeof a));
    a = in4("240.0.0.5", 0);
    res("240.0.0.5", bind(sock(AF_INET, 0, 0), SA(&a), sizeof a));
    f = sock(AF_INET, 0, 0);
    res("127.255.255.255", bnd(f, "127.255.255.255", 0));
    int r = udp4("0.0.0.0");
    put4(f, "x", "127.0.0.1", port_of(r));
    got("sent from a socket bound to a broadcast address", r, port_of(f), 0);

    /* The port is free at once when the socket is closed; a dup holds it. */
    int p = free_port();
    f = udp4p("127.0.0.1", p);
    int d = dup(f);
    close(f);
    res("closed, a dup left", bnd(sock(AF_INET, 0, 0), "127.0.0.1", p));
    close(d);
    int g = sock(AF_INET, 0, 0);
    res("all closed", bnd(g, "127.0.0.1", p));
    /* UDP and TCP ports are different things. */
    int t = socket(AF_INET, SOCK_STREAM, 0);
    a = in4("127.0.0.1", p);
    ok("TCP on the same port", bind(t, SA(&a), sizeof a));
    /* Queued datagrams die with their socket. */
    put4(r, "lost", "127.0.0.1", p);
    wait_in(g);
    close(g);
    g = udp4p("127.0.0.1", p);
    quiet("a new socket on the port", g);
    int many[50], distinct = 1;
    for (int i = 0; i < 50; i++) {
        many[i] = udp4("127.0.0.1");
        for (int k = 0; k < i; k++) if (port_of(many[k]) == port_of(many[i])) distinct = 0;
    }
    fact("50 automatic ports are different: %d", distinct);
    return 0;
}
