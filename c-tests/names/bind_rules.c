/* The rules of one bind() (man 2 bind, man 7 ip, man 7 ipv6; net/ipv4/af_inet.c __inet_bind, net/ipv6/af_inet6.c). */
#include "t.h"

static int type;

static void b4(const char *label, int fd, const char *ip, int port, int family, int len) {
    struct sockaddr_in a = in4(ip, port);
    char l[128], room[64] = {0};
    a.sin_family = (sa_family_t)family;
    memcpy(room, &a, sizeof a);
    snprintf(l, sizeof l, "%s %s", type == SOCK_STREAM ? "tcp" : "udp", label);
    long r = res(l, bind(fd, (struct sockaddr *)room, (socklen_t)len));
    struct sockaddr_storage ss;
    socklen_t sl = sizeof ss;
    if (r == 0 && getsockname(fd, (struct sockaddr *)&ss, &sl) == 0) fact("%s: now %s", l,
        addr_text((struct sockaddr *)&ss, 0, 0));
}

static void b6(const char *label, int fd, const char *ip, int port, int scope) {
    struct sockaddr_in6 a = in6(ip, port);
    char l[128];
    a.sin6_scope_id = (uint32_t)scope;
    snprintf(l, sizeof l, "%s %s", type == SOCK_STREAM ? "tcp" : "udp", label);
    long r = res(l, bind(fd, (struct sockaddr *)&a, sizeof a));
    struct sockaddr_storage ss;
    socklen_t sl = sizeof ss;
    if (r == 0 && getsockname(fd, (struct sockaddr *)&ss, &sl) == 0) fact("%s: now %s", l,
        addr_text((struct sockaddr *)&ss, 0, 0));
}

static int s4(void) { return (int)must("socket", socket(AF_INET, type, 0)); }
static int s6(void) { return (int)must("socket", socket(AF_INET6, type, 0)); }

int main(void) {
    alarm(8);
    for (int t = 0; t < 2; t++) {
        type = t ? SOCK_DGRAM : SOCK_STREAM;
        int s = s4();
        b4("loopback port 0", s, "127.0.0.1", 0, AF_INET, 16);
        b4("bound already, same", s, "127.0.0.1", port_of(s), AF_INET, 16);
        b4("bound already, other address", s, "127.0.0.2", 0, AF_INET, 16);
        b4("bound already, wildcard", s, "0.0.0.0", 0, AF_INET, 16);
        b4("bound already, length 8", s, "127.0.0.1", 0, AF_INET, 8);
        close(s);
        b4("127.1.2.3", s4(), "127.1.2.3", 0, AF_INET, 16);
        b4("127.255.255.254", s4(), "127.255.255.254", 0, AF_INET, 16);
        b4("127.0.0.0", s4(), "127.0.0.0", 0, AF_INET, 16);
        b4("127.255.255.255", s4(), "127.255.255.255", 0, AF_INET, 16);
        b4("wildcard", s4(), "0.0.0.0", 0, AF_INET, 16);
        b4("0.0.0.1", s4(), "0.0.0.1", 0, AF_INET, 16);
        b4("an address of nobody 203.0.113.7", s4(), "203.0.113.7", 0, AF_INET, 16);
        b4("8.8.8.8", s4(), "8.8.8.8", 0, AF_INET, 16);
        b4("limited broadcast", s4(), "255.255.255.255", 0, AF_INET, 16);
        b4("multicast 224.0.0.251", s4(), "224.0.0.251", 0, AF_INET, 16);
        b4("class E 240.0.0.1", s4(), "240.0.0.1", 0, AF_INET, 16);
        b4("AF_UNSPEC with any", s4(), "0.0.0.0", 0, AF_UNSPEC, 16);
        b4("AF_UNSPEC with loopback", s4(), "127.0.0.1", 0, AF_UNSPEC, 16);
        b4("AF_UNIX", s4(), "127.0.0.1", 0, AF_UNIX, 16);
        b4("AF_INET6 on a v4 socket", s4(), "127.0.0.1", 0, AF_INET6, 28);
        b4("AF_INET on a v6 socket, length 16", s6(), "127.0.0.1", 0, AF_INET, 16);
        b4("AF_INET on a v6 socket, length 28", s6(), "127.0.0.1", 0, AF_INET, 28);
        b4("AF_UNSPEC on a v6 socket", s6(), "0.0.0.0", 0, AF_UNSPEC, 28);
        /* After a failure the socket is as fresh as before. */
        s = s4();
        b4("a failure first", s, "203.0.113.7", 0, AF_INET, 16);
        b4("then a good one", s, "127.0.0.1", 0, AF_INET, 16);
        close(s);
        b6("::1", s6(), "::1", 0, 0);
        b6("::", s6(), "::", 0, 0);
        b6("::ffff:127.0.0.1", s6(), "::ffff:127.0.0.1", 0, 0);
        b6("::ffff:127.9.9.9", s6(), "::ffff:127.9.9.9", 0, 0);
        b6("::ffff:0.0.0.0", s6(), "::ffff:0.0.0.0", 0, 0);
        b6("::ffff:203.0.113.7", s6(), "::ffff:203.0.113.7", 0, 0);
        b6("2001:db8::1", s6(), "2001:db8::1", 0, 0);
        b6("::2", s6(), "::2", 0, 0);
        b6("::127.0.0.1 (compatible)", s6(), "::127.0.0.1", 0, 0);
        b6("multicast ff02::1", s6(), "ff02::1", 0, 0);
        b6("link local without a scope", s6(), "fe80::1", 0, 0);
        b6("link local with a scope of no device", s6(), "fe80::1", 0, 99999);
        b6("::1 with scope 1", s6(), "::1", 0, 1);
        b6("::1 with scope 99999", s6(), "::1", 0, 99999);
        s = s6();
        int on = 1;
        must("V6ONLY", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
        b6("v6only: ::ffff:127.0.0.1", s, "::ffff:127.0.0.1", 0, 0);
        b6("v6only: ::", s, "::", 0, 0);
        on = 0;
        res("V6ONLY changed after bind", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
        close(s);
        s = s6();
        b6("two binds: first", s, "::1", 0, 0);
        b6("two binds: second", s, "::1", 0, 0);
        close(s);
        s = s4();
        must("IP_FREEBIND", setsockopt(s, IPPROTO_IP, IP_FREEBIND, &(int){1}, sizeof(int)));
        b4("free bind to 203.0.113.7", s, "203.0.113.7", 0, AF_INET, 16);
        close(s);
    }
    return 0;
}
