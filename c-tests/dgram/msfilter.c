/* IP_MSFILTER, MCAST_MSFILTER and the source options of both families, set and read, and what they let through
 * (RFC 3376, RFC 3678; `man 7 ip`). */
#include "dg.h"

#define GROUP "239.1.2.3"
#define GROUP6 "ff15::1:2"
/* linux/in.h, whose names collide with glibc's. */
struct ip4filter { uint32_t group, interface, mode, count, sources[8]; };

static void show(const char *label, int fd, const char *group) {
    struct ip4filter f;
    memset(&f, 0, sizeof f);
    inet_pton(AF_INET, group, &f.group);
    inet_pton(AF_INET, "127.0.0.1", &f.interface);
    f.count = 8;
    socklen_t l = sizeof f;
    if (getsockopt(fd, IPPROTO_IP, IP_MSFILTER, &f, &l) < 0) {
        fact("%s: %s", label, ename(errno));
        return;
    }
    char b[8][20] = {"", "", "", "", "", "", "", ""};
    for (unsigned i = 0; i < f.count && i < 8; i++) inet_ntop(AF_INET, &f.sources[i], b[i], 20);
    fact("%s: %s, %u sources %s %s %s, length %u", label, f.mode == MCAST_INCLUDE ? "include" : f.mode == MCAST_EXCLUDE ? "exclude" : "?", f.count, b[0], b[1], b[2], l);
}

static void show_full(const char *label, int fd, int level, struct sockaddr *group, size_t glen, unsigned room) {
    unsigned char raw[2000];
    struct group_filter *f = (struct group_filter *)raw;
    memset(raw, 0, sizeof raw);
    f->gf_interface = 1;
    memcpy(&f->gf_group, group, glen);
    f->gf_numsrc = room;
    socklen_t l = GROUP_FILTER_SIZE(room);
    if (getsockopt(fd, level, MCAST_MSFILTER, f, &l) < 0) {
        fact("%s: %s", label, ename(errno));
        return;
    }
    char text[64] = "";
    for (unsigned i = 0; i < f->gf_numsrc && i < room && i < 4; i++) {
        char a[50];
        struct sockaddr *s = (struct sockaddr *)&f->gf_slist[i];
        inet_ntop(s->sa_family, s->sa_family == AF_INET ? (void *)&((struct sockaddr_in *)s)->sin_addr : (void *)&((struct sockaddr_in6 *)s)->sin6_addr, a, sizeof a);
        strncat(text, " ", sizeof text - strlen(text) - 1);
        strncat(text, a, sizeof text - strlen(text) - 1);
    }
    fact("%s: mode %u, %u sources%s", label, f->gf_fmode, f->gf_numsrc, text);
}

static int set_filter(int fd, const char *group, int mode, int n, const char *a, const char *b, socklen_t length) {
    struct ip4filter f;
    memset(&f, 0, sizeof f);
    inet_pton(AF_INET, group, &f.group);
    inet_pton(AF_INET, "127.0.0.1", &f.interface);
    f.mode = (uint32_t)mode;
    f.count = (uint32_t)n;
    if (a) inet_pton(AF_INET, a, &f.sources[0]);
    if (b) inet_pton(AF_INET, b, &f.sources[1]);
    return setsockopt(fd, IPPROTO_IP, IP_MSFILTER, &f, length ? length : 16 + 4 * (unsigned)n);
}

static int source4(int fd, int opt, const char *group, const char *source) {
    struct ip_mreq_source m;
    memset(&m, 0, sizeof m);
    inet_pton(AF_INET, group, &m.imr_multiaddr);
    inet_pton(AF_INET, "127.0.0.1", &m.imr_interface);
    inet_pton(AF_INET, source, &m.imr_sourceaddr);
    return setsockopt(fd, IPPROTO_IP, opt, &m, sizeof m);
}

static int sender(const char *ip) {
    int fd = udp4(ip);
    struct in_addr i;
    inet_pton(AF_INET, "127.0.0.1", &i);
    must("IP_MULTICAST_IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &i, sizeof i));
    return fd;
}

static void hears(const char *label, int fd, int port, int a, int b) {
    char buf[20];
    put4(a, "a", GROUP, port);
    put4(b, "b", GROUP, port);
    char got[20] = "";
    while (poll(&(struct pollfd){fd, POLLIN, 0}, 1, 30) == 1 && recv(fd, buf, sizeof buf, 0) > 0) strncat(got, buf, 1);
    fact("%s: hears '%s'", label, got);
}

int main(void) {
    alarm(8);
    int fd = udp4("0.0.0.0"), port = port_of(fd), a = sender("127.0.0.7"), b = sender("127.0.0.8");
    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    show("not a member", fd, GROUP);
    show("not a group", fd, "10.0.0.1");
    res("filter before joining", set_filter(fd, GROUP, MCAST_EXCLUDE, 1, "127.0.0.7", NULL, 0));
    res("join 127.0.0.7", source4(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "127.0.0.7"));
    show("one source", fd, GROUP);
    hears("one source", fd, port, a, b);
    res("the same again", source4(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "127.0.0.7"));
    res("join 127.0.0.8", source4(fd, IP_ADD_SOURCE_MEMBERSHIP, GROUP, "127.0.0.8"));
    show("two sources", fd, GROUP);
    hears("two sources", fd, port, a, b);
    res("block in include mode", source4(fd, IP_BLOCK_SOURCE, GROUP, "127.0.0.7"));
    res("drop 127.0.0.7", source4(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "127.0.0.7"));
    hears("one left", fd, port, a, b);
    res("drop one that is not there", source4(fd, IP_DROP_SOURCE_MEMBERSHIP, GROUP, "127.0.0.7"));
    res("filter exclude 127.0.0.8", set_filter(fd, GROUP, MCAST_EXCLUDE, 1, "127.0.0.8", NULL, 0));
    show("excluded", fd, GROUP);
    hears("excluded", fd, port, a, b);
    res("block 127.0.0.7", source4(fd, IP_BLOCK_SOURCE, GROUP, "127.0.0.7"));
    show("both blocked", fd, GROUP);
    hears("both blocked", fd, port, a, b);
    res("unblock 127.0.0.8", source4(fd, IP_UNBLOCK_SOURCE, GROUP, "127.0.0.8"));
    hears("one blocked", fd, port, a, b);
    res("unblock it again", source4(fd, IP_UNBLOCK_SOURCE, GROUP, "127.0.0.8"));
    res("filter include both", set_filter(fd, GROUP, MCAST_INCLUDE, 2, "127.0.0.7", "127.0.0.8", 0));
    hears("include both", fd, port, a, b);
    struct sockaddr_in g4 = in4(GROUP, 0);
    show_full("MCAST_MSFILTER", fd, IPPROTO_IP, SA(&g4), sizeof g4, 4);
    show_full("MCAST_MSFILTER, little room", fd, IPPROTO_IP, SA(&g4), sizeof g4, 1);
    res("filter exclude none", set_filter(fd, GROUP, MCAST_EXCLUDE, 0, NULL, NULL, 0));
    show("all", fd, GROUP);
    hears("all", fd, port, a, b);
    res("filter include none", set_filter(fd, GROUP, MCAST_INCLUDE, 0, NULL, NULL, 0));
    show("left by it", fd, GROUP);
    hears("left by it", fd, port, a, b);
    res("bad mode", set_filter(fd, GROUP, 7, 0, NULL, NULL, 0));
    res("too short", set_filter(fd, GROUP, MCAST_EXCLUDE, 0, NULL, NULL, 12));
    res("fewer sources than said", set_filter(fd, GROUP, MCAST_EXCLUDE, 2, "127.0.0.7", NULL, 20));
    res("too many", set_filter(fd, GROUP, MCAST_EXCLUDE, 0x1fffffff, "127.0.0.7", NULL, 20));
    res("not a group", set_filter(fd, "10.0.0.1", MCAST_EXCLUDE, 0, NULL, NULL, 0));
    socklen_t l = 8;
    struct ip4filter f;
    memset(&f, 0, sizeof f);
    res("get, too short", getsockopt(fd, IPPROTO_IP, IP_MSFILTER, &f, &l));

    /* MCAST_MSFILTER sets, too. */
    unsigned char raw[1000];
    struct group_filter *gf = (struct group_filter *)raw;
    memset(raw, 0, sizeof raw);
    struct group_req join;
    memset(&join, 0, sizeof join);
    join.gr_interface = 1;
    memcpy(&join.gr_group, &g4, sizeof g4);
    res("MCAST_JOIN_GROUP", setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &join, sizeof join));
    gf->gf_interface = 1;
    memcpy(&gf->gf_group, &g4, sizeof g4);
    gf->gf_fmode = MCAST_EXCLUDE;
    gf->gf_numsrc = 1;
    struct sockaddr_in from = in4("127.0.0.7", 0);
    memcpy(&gf->gf_slist[0], &from, sizeof from);
    res("MCAST_MSFILTER set", setsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, gf, GROUP_FILTER_SIZE(1)));
    show_full("then", fd, IPPROTO_IP, SA(&g4), sizeof g4, 4);
    hears("then", fd, port, a, b);
    gf->gf_numsrc = 3;
    res("fewer than said", setsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, gf, GROUP_FILTER_SIZE(1)));
    res("too short", setsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, gf, 10));

    /* IPv6 */
    int s6 = udp6("::"), p6 = port_of(s6), t6 = udp6("::1");
    set(s6, IPPROTO_IPV6, 29, 0);
    unsigned one = 1;
    must("IPV6_MULTICAST_IF", setsockopt(t6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &one, sizeof one));
    struct sockaddr_in6 g6 = in6(GROUP6, 0), src = in6("::1", 0);
    show_full("v6, not a member", s6, IPPROTO_IPV6, SA(&g6), sizeof g6, 4);
    struct group_source_req sr;
    memset(&sr, 0, sizeof sr);
    sr.gsr_interface = 1;
    memcpy(&sr.gsr_group, &g6, sizeof g6);
    memcpy(&sr.gsr_source, &src, sizeof src);
    res("v6 join source", setsockopt(s6, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &sr, sizeof sr));
    show_full("v6", s6, IPPROTO_IPV6, SA(&g6), sizeof g6, 4);
    char buf[20];
    put6(t6, "x", GROUP6, p6);
    fact("v6 hears: %s", poll(&(struct pollfd){s6, POLLIN, 0}, 1, 100) == 1 && recv(s6, buf, 20, 0) == 1 ? "yes" : "no");
    memset(raw, 0, sizeof raw);
    gf->gf_interface = 1;
    memcpy(&gf->gf_group, &g6, sizeof g6);
    gf->gf_fmode = MCAST_EXCLUDE;
    gf->gf_numsrc = 1;
    memcpy(&gf->gf_slist[0], &src, sizeof src);
    res("v6 exclude it", setsockopt(s6, IPPROTO_IPV6, MCAST_MSFILTER, gf, GROUP_FILTER_SIZE(1)));
    show_full("v6", s6, IPPROTO_IPV6, SA(&g6), sizeof g6, 4);
    put6(t6, "x", GROUP6, p6);
    fact("v6 hears: %s", poll(&(struct pollfd){s6, POLLIN, 0}, 1, 40) == 1 ? "yes" : "no");
    res("v6 leave source", setsockopt(s6, IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, &sr, sizeof sr));
    res("v6 unblock", setsockopt(s6, IPPROTO_IPV6, MCAST_UNBLOCK_SOURCE, &sr, sizeof sr));
    put6(t6, "x", GROUP6, p6);
    fact("v6 hears: %s", poll(&(struct pollfd){s6, POLLIN, 0}, 1, 100) == 1 && recv(s6, buf, 20, 0) == 1 ? "yes" : "no");
    res("v6 block", setsockopt(s6, IPPROTO_IPV6, MCAST_BLOCK_SOURCE, &sr, sizeof sr));
    res("v6 block again", setsockopt(s6, IPPROTO_IPV6, MCAST_BLOCK_SOURCE, &sr, sizeof sr));
    show_full("v6", s6, IPPROTO_IPV6, SA(&g6), sizeof g6, 4);
    return 0;
}
