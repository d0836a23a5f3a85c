/* Source filters of multicast memberships: join for one source, block a source (RFC 3678; man 7 ip: IP_ADD_SOURCE_MEMBERSHIP,
 * IP_BLOCK_SOURCE, IP_MSFILTER). */
#include "dg.h"

/* Membership counts for the whole host, so each run has a group of its own. */
static char G[32];

static int r, s1, s2, port;

static int op(int o, const char *source) {
    struct ip_mreq_source m;
    inet_pton(AF_INET, G, &m.imr_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &m.imr_interface);
    inet_pton(AF_INET, source, &m.imr_sourceaddr);
    return setsockopt(r, IPPROTO_IP, o, &m, sizeof m);
}

static int gop(int o, const char *source) {
    struct group_source_req q;
    struct sockaddr_in g = in4(G, 0), s = in4(source, 0);
    memset(&q, 0, sizeof q);
    q.gsr_interface = if_nametoindex("lo");
    memcpy(&q.gsr_group, &g, sizeof g);
    memcpy(&q.gsr_source, &s, sizeof s);
    return setsockopt(r, IPPROTO_IP, o, &q, sizeof q);
}

static int any(int o) {
    struct ip_mreq m;
    inet_pton(AF_INET, G, &m.imr_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &m.imr_interface);
    return setsockopt(r, IPPROTO_IP, o, &m, sizeof m);
}

static void hears(const char *label) {
    put4(s1, "1", G, port);
    put4(s2, "2", G, port);
    char seen[8] = "", b[4];
    int n = 0;
    while (n < 4 && poll(&(struct pollfd){r, POLLIN, 0}, 1, 50) > 0 && recv(r, b, 4, 0) == 1) seen[n++] = b[0];
    fact("%s: hears \"%s\"", label, seen);
}

static void filter(void) {
    char raw[IP_MSFILTER_SIZE(8)];
    struct ip_msfilter *f = (struct ip_msfilter *)raw;
    memset(raw, 0, sizeof raw);
    inet_pton(AF_INET, G, &f->imsf_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &f->imsf_interface);
    f->imsf_numsrc = 8;
    socklen_t l = sizeof raw;
    if (getsockopt(r, IPPROTO_IP, IP_MSFILTER, f, &l) < 0) fact("    filter: -1 %s", ename(errno));
    else
        fact("    filter: mode %s, %u sources, len %d", f->imsf_fmode == MCAST_INCLUDE ? "include" : "exclude", f->imsf_numsrc, (int)l);
}

int main(void) {
    alarm(8);
    struct in_addr i = {htonl(INADDR_LOOPBACK)};
    r = udp4("0.0.0.0"), port = port_of(r);
    snprintf(G, sizeof G, "239.7.%d.%d", port >> 8, port & 255);
    s1 = udp4("127.0.0.1"), s2 = udp4("127.0.0.2");
    setsockopt(s1, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i);
    setsockopt(s2, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i);
    filter();
    res("leave a source that was not joined", op(IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"));
    res("block a source without a membership", op(IP_BLOCK_SOURCE, "127.0.0.1"));
    res("join for 127.0.0.1", op(IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"));
    hears("one source");
    filter();
    res("the same again", op(IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"));
    res("block on an include membership", op(IP_BLOCK_SOURCE, "127.0.0.1"));
    res("any-source join on top", any(IP_ADD_MEMBERSHIP));
    res("join for 127.0.0.2 too", op(IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.2"));
    hears("two sources");
    filter();
    res("leave 127.0.0.1", op(IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"));
    hears("the other one");
    res("leave 127.0.0.1 again", op(IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1"));
    res("leave 127.0.0.2", op(IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.2"));
    hears("none left");
    filter();
    res("leave the group", any(IP_DROP_MEMBERSHIP));

    res("any-source join", any(IP_ADD_MEMBERSHIP));
    hears("all");
    filter();
    res("join for a source on top", op(IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1"));
    res("block 127.0.0.2", op(IP_BLOCK_SOURCE, "127.0.0.2"));
    hears("one blocked");
    res("block it again", op(IP_BLOCK_SOURCE, "127.0.0.2"));
    filter();
    res("unblock one that is not", op(IP_UNBLOCK_SOURCE, "127.0.0.1"));
    res("unblock", op(IP_UNBLOCK_SOURCE, "127.0.0.2"));
    hears("all");
    res("leave the group", any(IP_DROP_MEMBERSHIP));

    res("MCAST_JOIN_SOURCE_GROUP 127.0.0.2", gop(MCAST_JOIN_SOURCE_GROUP, "127.0.0.2"));
    hears("one source");
    res("MCAST_LEAVE_SOURCE_GROUP", gop(MCAST_LEAVE_SOURCE_GROUP, "127.0.0.2"));
    res("MCAST_BLOCK_SOURCE", gop(MCAST_BLOCK_SOURCE, "127.0.0.2"));
    any(IP_ADD_MEMBERSHIP);
    res("MCAST_BLOCK_SOURCE", gop(MCAST_BLOCK_SOURCE, "127.0.0.1"));
    hears("one blocked");
    /* The filter as a whole. */
    char raw[IP_MSFILTER_SIZE(1)];
    struct ip_msfilter *f = (struct ip_msfilter *)raw;
    memset(raw, 0, sizeof raw);
    inet_pton(AF_INET, G, &f->imsf_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &f->imsf_interface);
    f->imsf_fmode = MCAST_INCLUDE;
    f->imsf_numsrc = 1;
    inet_pton(AF_INET, "127.0.0.1", &f->imsf_slist[0]);
    res("IP_MSFILTER include 127.0.0.1", setsockopt(r, IPPROTO_IP, IP_MSFILTER, f, sizeof raw));
    hears("one source");
    filter();
    res("IP_MSFILTER with a short length", setsockopt(r, IPPROTO_IP, IP_MSFILTER, f, 15));
    return 0;
}
