/* IPv6 multicast memberships and the sender's options (man 7 ipv6: IPV6_ADD_MEMBERSHIP; RFC 3493 5.2, RFC 3678). Linux has no
 * ff00::/8 route on the loopback interface, so nothing can be sent to a group there; a v4 group on a v6 socket works. */
#include "dg.h"

#define G "ff02::5:6"
#define MULTICAST_ALL 29 /* IPV6_MULTICAST_ALL, in the kernel's header only */

static unsigned lo;

static int join(int fd, int op, const char *group, unsigned index) {
    struct ipv6_mreq m;
    memset(&m, 0, sizeof m);
    inet_pton(AF_INET6, group, &m.ipv6mr_multiaddr);
    m.ipv6mr_interface = index;
    return setsockopt(fd, IPPROTO_IPV6, op, &m, sizeof m);
}

static int joing(int fd, int op, const char *group, unsigned index) {
    struct group_req r;
    memset(&r, 0, sizeof r);
    r.gr_interface = index;
    struct sockaddr_in6 a = in6(group, 0);
    memcpy(&r.gr_group, &a, sizeof a);
    return setsockopt(fd, IPPROTO_IPV6, op, &r, sizeof r);
}

static int source(int fd, int op, const char *src) {
    struct group_source_req q;
    struct sockaddr_in6 g = in6(G, 0), s = in6(src, 0);
    memset(&q, 0, sizeof q);
    q.gsr_interface = lo;
    memcpy(&q.gsr_group, &g, sizeof g);
    memcpy(&q.gsr_source, &s, sizeof s);
    return setsockopt(fd, IPPROTO_IPV6, op, &q, sizeof q);
}

static long put(int fd, const char *s, int port, unsigned scope) {
    struct sockaddr_in6 a = in6(G, port);
    a.sin6_scope_id = scope;
    return sendto(fd, s, strlen(s), 0, SA(&a), sizeof a);
}

int main(void) {
    alarm(8);
    lo = if_nametoindex("lo");
    int a = udp6("::"), port = port_of(a), s = udp6("::1");
    fact("IPV6_MULTICAST_HOPS %ld LOOP %ld IF %ld ALL %ld", get(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
         get(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), get(s, IPPROTO_IPV6, IPV6_MULTICAST_IF), get(s, IPPROTO_IPV6, MULTICAST_ALL));
    res("IPV6_MULTICAST_IF lo", set(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)lo));
    fact("is lo: %d", get(s, IPPROTO_IPV6, IPV6_MULTICAST_IF) == (long)lo);
    res("IPV6_MULTICAST_IF of nobody", set(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, 4711));
    fact("is lo: %d", get(s, IPPROTO_IPV6, IPV6_MULTICAST_IF) == (long)lo);
    res("IPV6_MULTICAST_LOOP 0", set(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0));
    res("is", get(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP));
    res("IPV6_MULTICAST_LOOP 2", set(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 2));
    res("IPV6_MULTICAST_LOOP 1", set(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1));
    int hops[] = {0, 9, 255, 256, -1, -2};
    for (unsigned i = 0; i < sizeof hops / sizeof *hops; i++) {
        char t[40];
        snprintf(t, sizeof t, "IPV6_MULTICAST_HOPS %d", hops[i]);
        res(t, set(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops[i]));
        fact("is %ld", get(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
    }
    res("IPV6_MULTICAST_ALL 0", set(s, IPPROTO_IPV6, MULTICAST_ALL, 0));
    res("is", get(s, IPPROTO_IPV6, MULTICAST_ALL));

    res("join", join(a, IPV6_ADD_MEMBERSHIP, G, lo));
    res("twice", join(a, IPV6_ADD_MEMBERSHIP, G, lo));
    res("twice, MCAST_JOIN_GROUP", joing(a, MCAST_JOIN_GROUP, G, lo));
    res("another", joing(a, MCAST_JOIN_GROUP, "ff02::5:7", lo));
    res("send to the group on lo", put(s, "x", port, lo));
    res("send to the group, IPV6_MULTICAST_IF lo", put(s, "x", port, 0));
    res("connect to the group", con6(s, G, port));
    quiet("nothing arrives", a);
    res("leave", join(a, IPV6_DROP_MEMBERSHIP, G, lo));
    res("leave again", join(a, IPV6_DROP_MEMBERSHIP, G, lo));
    res("MCAST_LEAVE_GROUP of the other", joing(a, MCAST_LEAVE_GROUP, "ff02::5:7", lo));
    res("MCAST_LEAVE_GROUP of the other again", joing(a, MCAST_LEAVE_GROUP, "ff02::5:7", lo));
    res("join what is no group", join(a, IPV6_ADD_MEMBERSHIP, "::1", lo));
    res("join a mapped v4 group", join(a, IPV6_ADD_MEMBERSHIP, "::ffff:239.1.2.3", lo));
    res("join on an index of nobody", join(a, IPV6_ADD_MEMBERSHIP, G, 4711));
    res("join with 19 bytes", setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &(struct ipv6_mreq){0}, 19));
    res("leave a source that was not joined", source(a, MCAST_LEAVE_SOURCE_GROUP, "::1"));
    res("block a source without a membership", source(a, MCAST_BLOCK_SOURCE, "::1"));
    res("join for a source", source(a, MCAST_JOIN_SOURCE_GROUP, "::1"));
    res("again", source(a, MCAST_JOIN_SOURCE_GROUP, "::1"));
    res("any-source join on top", join(a, IPV6_ADD_MEMBERSHIP, G, lo));
    res("leave the source", source(a, MCAST_LEAVE_SOURCE_GROUP, "::1"));
    res("join", join(a, IPV6_ADD_MEMBERSHIP, G, lo));
    res("block a source", source(a, MCAST_BLOCK_SOURCE, "::1"));
    res("again", source(a, MCAST_BLOCK_SOURCE, "::1"));
    res("unblock", source(a, MCAST_UNBLOCK_SOURCE, "::1"));
    res("unblock again", source(a, MCAST_UNBLOCK_SOURCE, "::1"));

    /* A v4 group on a v6 socket, through the v4 level. */
    char g4[32];
    snprintf(g4, sizeof g4, "239.8.%d.%d", port >> 8, port & 255);
    struct ip_mreqn n = {.imr_ifindex = (int)lo};
    inet_pton(AF_INET, g4, &n.imr_multiaddr);
    int s4 = udp4("127.0.0.1");
    setsockopt(s4, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n);
    put4(s4, "before", g4, port);
    quiet("before the join", a);
    res("IP_ADD_MEMBERSHIP on a v6 socket", setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &n, sizeof n));
    res("v4 send", put4(s4, "v4", g4, port));
    got("v6 member of a v4 group", a, port_of(s4), 0);
    set(a, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    put4(s4, "info", g4, port);
    char d[16], c[256], t[64], want[64];
    struct iovec v = {d, 16};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    snprintf(want, sizeof want, "::ffff:%s", g4);
    wait_in(a);
    res("recvmsg", recvmsg(a, &m, MSG_DONTWAIT));
    for (struct cmsghdr *k = CMSG_FIRSTHDR(&m); k; k = CMSG_NXTHDR(&m, k)) {
        struct in6_pktinfo p;
        if (k->cmsg_level != IPPROTO_IPV6 || k->cmsg_type != IPV6_PKTINFO) continue;
        memcpy(&p, CMSG_DATA(k), sizeof p);
        fact("to the mapped group %d on lo %d", !strcmp(inet_ntop(AF_INET6, &p.ipi6_addr, t, 64), want), p.ipi6_ifindex == lo);
    }
    int s6 = udp6("::ffff:127.0.0.1");
    setsockopt(s6, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n);
    res("sent to the mapped group by a v6 socket", put6(s6, "mapped", want, port));
    got("received", a, port_of(s6), 0);
    res("IP_DROP_MEMBERSHIP", setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &n, sizeof n));
    put4(s4, "after", g4, port);
    quiet("after leaving", a);
    return 0;
}
