/* Destinations that mean this host: any, every address of 127/8, mapped ones, and the names both ends then have; and
 * some that lead nowhere (man 7 ip; RFC 1122 3.2.1.3; net/ipv4/route.c: a connect to 0.0.0.0 goes to loopback). */
#include "t.h"

static int A, B;

static void go(const char *label, int lfd, int cfam, const char *ip) {
    int c = (int)must("socket", socket(cfam, SOCK_STREAM, 0));
    struct sockaddr_in a = in4(cfam == AF_INET ? ip : "0.0.0.0", A);
    struct sockaddr_in6 a6 = in6(cfam == AF_INET6 ? ip : "::", A);
    long r = res(label, cfam == AF_INET ? connect(c, (struct sockaddr *)&a, sizeof a)
                 : connect(c, (struct sockaddr *)&a6, sizeof a6));
    if (r < 0) { close(c); return; }
    B = port_of(c);
    struct sockaddr_storage n, p;
    socklen_t l = sizeof n;
    getsockname(c, (struct sockaddr *)&n, &l);
    l = sizeof p;
    getpeername(c, (struct sockaddr *)&p, &l);
    fact("%s: client %s -> %s", label, addr_text((struct sockaddr *)&n, A, B), addr_text((struct sockaddr *)&p, A, B));
    struct pollfd pf = {lfd, POLLIN, 0};
    poll(&pf, 1, 2000);
    l = sizeof p;
    int s = (int)must("accept", accept(lfd, (struct sockaddr *)&p, &l));
    l = sizeof n;
    getsockname(s, (struct sockaddr *)&n, &l);
    fact("%s: server %s <- %s", label, addr_text((struct sockaddr *)&n, A, B), addr_text((struct sockaddr *)&p, A, B));
    close(s);
    close(c);
}

int main(void) {
    alarm(8);
    int l = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in6 any = in6("::", 0);
    must("bind", bind(l, (struct sockaddr *)&any, sizeof any));
    must("listen", listen(l, 16));
    A = port_of(l);
    fact("a listener on ::, both families");
    static const char *v4[] = {"127.0.0.1", "0.0.0.0", "127.1.2.3", "127.255.255.254", "127.0.0.2"};
    for (unsigned i = 0; i < sizeof v4 / sizeof *v4; i++) go(v4[i], l, AF_INET, v4[i]);
    static const char *v6[] = {"::1", "::", "::ffff:127.0.0.1", "::ffff:127.4.5.6", "::ffff:0.0.0.0"};
    for (unsigned i = 0; i < sizeof v6 / sizeof *v6; i++) go(v6[i], l, AF_INET6, v6[i]);
    /* Broadcast and multicast addresses are refused for streams. */
    go("255.255.255.255", l, AF_INET, "255.255.255.255");
    go("127.255.255.255", l, AF_INET, "127.255.255.255");
    go("127.0.0.0", l, AF_INET, "127.0.0.0");
    go("224.0.0.1", l, AF_INET, "224.0.0.1");
    go("ff02::1", l, AF_INET6, "ff02::1");
    int only = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    close(l);
    must("v6only", setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)));
    must("bind", bind(only, (struct sockaddr *)&any, sizeof any));
    must("listen", listen(only, 16));
    A = port_of(only);
    fact("a listener on ::, v6 only");
    go("::1 ", only, AF_INET6, "::1");
    go("127.0.0.1 ", only, AF_INET, "127.0.0.1");
    go("::ffff:127.0.0.1 ", only, AF_INET6, "::ffff:127.0.0.1");
    close(only);
    /* The client side V6ONLY. */
    l = listener4(&A, 4);
    int c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    must("v6only", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)));
    struct sockaddr_in6 m = in6("::ffff:127.0.0.1", A);
    res("v6 only client to a mapped address", connect(c, (struct sockaddr *)&m, sizeof m));
    must("not v6only", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)));
    res("the same client without V6ONLY", connect(c, (struct sockaddr *)&m, sizeof m));
    res("V6ONLY on a connected socket", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)));
    close(c);
    /* Bound ends that do not fit the destination. */
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in6 one = in6("::1", 0);
    must("bind", bind(c, (struct sockaddr *)&one, sizeof one));
    res("bound to ::1, to a mapped address", connect(c, (struct sockaddr *)&m, sizeof m));
    close(c);
    c = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in6 mm = in6("::ffff:127.0.0.1", 0), to = in6("::1", A);
    must("bind", bind(c, (struct sockaddr *)&mm, sizeof mm));
    res("bound to a mapped address, to ::1", connect(c, (struct sockaddr *)&to, sizeof to));
    res("then to a mapped address", connect(c, (struct sockaddr *)&m, sizeof m));
    close(c);
    c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("v4 socket, v6 address", connect(c, (struct sockaddr *)&to, sizeof to));
    close(c);
    /* A listener on one address only. */
    struct sockaddr_in z = in4("127.0.0.6", 0);
    int l6 = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("bind", bind(l6, (struct sockaddr *)&z, sizeof z));
    must("listen", listen(l6, 4));
    A = port_of(l6);
    fact("a listener on 127.0.0.6");
    go("its address", l6, AF_INET, "127.0.0.6");
    go("127.0.0.1 instead", l6, AF_INET, "127.0.0.1");
    go("0.0.0.0 instead", l6, AF_INET, "0.0.0.0");
    return 0;
}
