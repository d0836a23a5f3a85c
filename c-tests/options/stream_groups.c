/* A stream may be in groups, which it never hears (man 7 ip; RFC 3678): by all options but the oldest two, which are EPROTO.
 * What it joined is not inherited by what it accepts. */
#include "t.h"

static int fd4, fd6;

static struct group_req request(int family, const char *group, unsigned index) {
    struct group_req g;
    memset(&g, 0, sizeof g);
    g.gr_interface = index;
    struct sockaddr_in a = in4("0.0.0.0", 0);
    struct sockaddr_in6 b = in6("::", 0);
    if (family == AF_INET) a = in4(group, 0), memcpy(&g.gr_group, &a, sizeof a);
    else b = in6(group, 0), memcpy(&g.gr_group, &b, sizeof b);
    return g;
}

static void group(const char *label, int fd, int level, int name, const char *which, unsigned index) {
    struct group_req g = request(level == IPPROTO_IP ? AF_INET : AF_INET6, which, index);
    res(label, setsockopt(fd, level, name, &g, sizeof g));
}

static void source(const char *label, int name, const char *from) {
    struct ip_mreq_source m;
    memset(&m, 0, sizeof m);
    inet_pton(AF_INET, "224.0.2.9", &m.imr_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &m.imr_interface);
    inet_pton(AF_INET, from, &m.imr_sourceaddr);
    res(label, setsockopt(fd4, IPPROTO_IP, name, &m, sizeof m));
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 4);
    group("listener joins", l, IPPROTO_IP, MCAST_JOIN_GROUP, "224.0.0.0", 1);
    group("listener joins again", l, IPPROTO_IP, MCAST_JOIN_GROUP, "224.0.0.0", 1);
    fd4 = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect", connect(fd4, (struct sockaddr *)&a, sizeof a));
    int c = accept(l, NULL, NULL);
    group("accepted one leaves", c, IPPROTO_IP, MCAST_LEAVE_GROUP, "224.0.0.0", 1);
    group("accepted one joins", c, IPPROTO_IP, MCAST_JOIN_GROUP, "224.0.0.0", 1);
    group("listener leaves", l, IPPROTO_IP, MCAST_LEAVE_GROUP, "224.0.0.0", 1);
    group("listener leaves again", l, IPPROTO_IP, MCAST_LEAVE_GROUP, "224.0.0.0", 1);
    group("no group", l, IPPROTO_IP, MCAST_JOIN_GROUP, "127.0.0.1", 1);
    group("no interface", l, IPPROTO_IP, MCAST_JOIN_GROUP, "224.0.0.5", 12345);
    struct group_req g = request(AF_INET, "224.0.0.5", 1);
    res("too short", setsockopt(l, IPPROTO_IP, MCAST_JOIN_GROUP, &g, sizeof g - 1));
    res("level IPv6", setsockopt(l, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof g));

    source("add a source", IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.9");
    source("the same again", IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.9");
    source("block it", IP_BLOCK_SOURCE, "127.0.0.9");
    source("drop it", IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.9");
    source("drop it again", IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.9");
    struct ip_mreqn m;
    memset(&m, 0, sizeof m);
    inet_pton(AF_INET, "224.0.2.9", &m.imr_multiaddr);
    m.imr_ifindex = 1;
    res("IP_ADD_MEMBERSHIP", setsockopt(fd4, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
    res("IP_DROP_MEMBERSHIP", setsockopt(fd4, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));

    fd6 = socket(AF_INET6, SOCK_STREAM, 0);
    group("v6 joins", fd6, IPPROTO_IPV6, MCAST_JOIN_GROUP, "ff02::7", 1);
    group("v6 joins again", fd6, IPPROTO_IPV6, MCAST_JOIN_GROUP, "ff02::7", 1);
    group("v6 joins one of IPv4", fd6, IPPROTO_IP, MCAST_JOIN_GROUP, "224.0.2.9", 1);
    group("v6 leaves", fd6, IPPROTO_IPV6, MCAST_LEAVE_GROUP, "ff02::7", 1);
    group("v6 leaves again", fd6, IPPROTO_IPV6, MCAST_LEAVE_GROUP, "ff02::7", 1);
    return 0;
}
