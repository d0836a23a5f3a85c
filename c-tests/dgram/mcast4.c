/* IPv4 multicast on the loopback interface: join, leave, who gets a copy, and the sender's options
 * (man 7 ip: IP_ADD_MEMBERSHIP, IP_MULTICAST_IF, _TTL, _LOOP, _ALL; RFC 3678 for the MCAST_ calls). */
#include "dg.h"

/* Membership counts for the whole host, so each run has a group of its own. */
static char G[32];

static int member(const char *ip, int port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in a = in4(ip, port);
    must("bind", bind(fd, SA(&a), sizeof a));
    return fd;
}

static int join(int fd, int op, const char *group, const char *ifaddr) {
    struct ip_mreq m;
    inet_pton(AF_INET, group, &m.imr_multiaddr);
    inet_pton(AF_INET, ifaddr, &m.imr_interface);
    return setsockopt(fd, IPPROTO_IP, op, &m, sizeof m);
}

static int joinn(int fd, int op, const char *group, const char *ifaddr, int index) {
    struct ip_mreqn m;
    inet_pton(AF_INET, group, &m.imr_multiaddr);
    inet_pton(AF_INET, ifaddr, &m.imr_address);
    m.imr_ifindex = index;
    return setsockopt(fd, IPPROTO_IP, op, &m, sizeof m);
}

static int joing(int fd, int op, const char *group, unsigned index) {
    struct group_req r;
    memset(&r, 0, sizeof r);
    r.gr_interface = index;
    struct sockaddr_in a = in4(group, 0);
    memcpy(&r.gr_group, &a, sizeof a);
    return setsockopt(fd, IPPROTO_IP, op, &r, sizeof r);
}

int main(void) {
    alarm(8);
    int lo = (int)if_nametoindex("lo"), port = free_port(), s = udp4("127.0.0.1"), sp = port_of(s);
    snprintf(G, sizeof G, "239.5.%d.%d", port >> 8, port & 255);
    int a = member("0.0.0.0", port), b = member("0.0.0.0", port), g = member(G, port), h = member("127.0.0.1", port);
    fact("bound to the group: %d", port_of(g) == port);
    res("IP_MULTICAST_TTL", get(s, IPPROTO_IP, IP_MULTICAST_TTL));
    res("IP_MULTICAST_LOOP", get(s, IPPROTO_IP, IP_MULTICAST_LOOP));
    res("IP_MULTICAST_ALL", get(s, IPPROTO_IP, IP_MULTICAST_ALL));
    struct in_addr i = {.s_addr = 1};
    socklen_t l = sizeof i;
    getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, &l);
    fact("IP_MULTICAST_IF %s len %d", inet_ntoa(i), (int)l);
    i.s_addr = htonl(INADDR_LOOPBACK);
    res("set IP_MULTICAST_IF to 127.0.0.1", setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i));
    getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, &l);
    fact("IP_MULTICAST_IF %s", inet_ntoa(i));
    inet_pton(AF_INET, "198.51.100.9", &i);
    res("to an address of nobody", setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i));
    struct ip_mreqn mi = {.imr_ifindex = 4711};
    res("to an index of nobody", setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &mi, sizeof mi));
    mi.imr_ifindex = lo;
    res("to lo by index", setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &mi, sizeof mi));
    getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, &l);
    fact("IP_MULTICAST_IF %s", inet_ntoa(i));
    res("with 3 bytes", setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, 3));
    i.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i);

    res("nobody has joined, send", put4(s, "zero", G, port));
    quiet("wildcard", a);
    quiet("bound to the group", g);
    res("a joins", join(a, IP_ADD_MEMBERSHIP, G, "127.0.0.1"));
    res("twice", join(a, IP_ADD_MEMBERSHIP, G, "127.0.0.1"));
    res("twice, by index", joinn(a, IP_ADD_MEMBERSHIP, G, "0.0.0.0", lo));
    res("twice, MCAST_JOIN_GROUP", joing(a, MCAST_JOIN_GROUP, G, (unsigned)lo));
    res("send", put4(s, "one", G, port));
    got("a, which joined", a, sp, 0);
    got("b, which did not (IP_MULTICAST_ALL)", b, sp, 0);
    got("g, bound to the group, not joined", g, sp, 0);
    quiet("h, bound to 127.0.0.1", h);
    res("b sets IP_MULTICAST_ALL 0", set(b, IPPROTO_IP, IP_MULTICAST_ALL, 0));
    res("IP_MULTICAST_ALL 2", set(g, IPPROTO_IP, IP_MULTICAST_ALL, 2));
    put4(s, "two", G, port);
    got("a", a, sp, 0);
    quiet("b", b);
    got("g", g, sp, 0);
    res("b joins by mreqn", joinn(b, IP_ADD_MEMBERSHIP, G, "127.0.0.1", 0));
    put4(s, "three", G, port);
    got("a", a, sp, 0);
    got("b", b, sp, 0);
    got("g", g, sp, 0);
    put4(s, "other group", "239.6.0.8", port);
    quiet("a, another group that nobody joined", a);

    res("IP_MULTICAST_LOOP 0", set(s, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
    res("send", put4(s, "loop off", G, port));
    got("a on lo all the same", a, sp, 0);
    got("b", b, sp, 0);
    got("g", g, sp, 0);
    set(s, IPPROTO_IP, IP_MULTICAST_LOOP, 1);

    set(a, IPPROTO_IP, IP_RECVTTL, 1);
    set(a, IPPROTO_IP, IP_PKTINFO, 1);
    res("IP_MULTICAST_TTL 7", set(s, IPPROTO_IP, IP_MULTICAST_TTL, 7));
    res("IP_MULTICAST_TTL 0", set(s, IPPROTO_IP, IP_MULTICAST_TTL, 0));
    res("IP_MULTICAST_TTL 256", set(s, IPPROTO_IP, IP_MULTICAST_TTL, 256));
    res("IP_MULTICAST_TTL -1", set(s, IPPROTO_IP, IP_MULTICAST_TTL, -1));
    res("now", get(s, IPPROTO_IP, IP_MULTICAST_TTL));
    set(s, IPPROTO_IP, IP_MULTICAST_TTL, 7);
    put4(s, "ttl", G, port);
    char d[16], c[256];
    struct iovec v = {d, 16};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    wait_in(a);
    recvmsg(a, &m, 0);
    for (struct cmsghdr *k = CMSG_FIRSTHDR(&m); k; k = CMSG_NXTHDR(&m, k)) {
        struct in_pktinfo p;
        char t[2][32];
        if (k->cmsg_type == IP_TTL) fact("received with TTL %d", *(int *)CMSG_DATA(k));
        if (k->cmsg_type != IP_PKTINFO) continue;
        memcpy(&p, CMSG_DATA(k), sizeof p);
        fact("to the group %d spec_dst %s on lo %d", !strcmp(inet_ntop(AF_INET, &p.ipi_addr, t[0], 32), G),
             inet_ntop(AF_INET, &p.ipi_spec_dst, t[1], 32), p.ipi_ifindex == lo);
    }
    got("b", b, sp, 0);
    got("g", g, sp, 0);

    res("a leaves", join(a, IP_DROP_MEMBERSHIP, G, "127.0.0.1"));
    res("a leaves again", join(a, IP_DROP_MEMBERSHIP, G, "127.0.0.1"));
    res("leaves what it never joined", join(a, IP_DROP_MEMBERSHIP, "239.6.0.9", "127.0.0.1"));
    set(a, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    put4(s, "four", G, port);
    quiet("a", a);
    got("b", b, sp, 0);
    got("g", g, sp, 0);
    close(b);
    put4(s, "five", G, port);
    quiet("the last member has closed: g", g);
    res("join what is no group", join(a, IP_ADD_MEMBERSHIP, "127.0.0.1", "127.0.0.1"));
    res("join on a foreign interface", join(a, IP_ADD_MEMBERSHIP, G, "198.51.100.9"));
    res("join on an index of nobody", joinn(a, IP_ADD_MEMBERSHIP, G, "0.0.0.0", 4711));
    res("join with 7 bytes", setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, c, 7));
    res("MCAST_JOIN_GROUP", joing(a, MCAST_JOIN_GROUP, G, (unsigned)lo));
    put4(s, "six", G, port);
    got("a", a, sp, 0);
    res("MCAST_LEAVE_GROUP", joing(a, MCAST_LEAVE_GROUP, G, (unsigned)lo));
    res("MCAST_LEAVE_GROUP again", joing(a, MCAST_LEAVE_GROUP, G, (unsigned)lo));
    res("MCAST_JOIN_GROUP, a v6 group", setsockopt(a, IPPROTO_IP, MCAST_JOIN_GROUP, &(struct group_req){
        .gr_group.ss_family = AF_INET6}, sizeof(struct group_req)));
    /* Connected to a group: it sends there; answers come from elsewhere, so they are not heard. */
    join(a, IP_ADD_MEMBERSHIP, G, "127.0.0.1");
    res("connect to the group", con4(s, G, port));
    struct sockaddr_in pa = {0};
    l = sizeof pa;
    res("getpeername", getpeername(s, SA(&pa), &l));
    fact("is the group %d", !strcmp(inet_ntoa(pa.sin_addr), G) && ntohs(pa.sin_port) == port);
    name("is", s, sp, 0);
    res("send", send(s, "seven", 5, 0));
    got("a", a, sp, 0);
    put4(h, "reply", "127.0.0.1", sp);
    quiet("a reply", s);
    return 0;
}
