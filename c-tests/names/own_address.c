/* A machine's own address beside loopback: what is sent there stays on the machine, a socket bound to the wildcard is
 * reached by it, and the source without a choice is that address itself (man 7 ip: INADDR_ANY; RFC 1122, 3.2.1.3; RFC
 * 6724, rule 1). A listener on a loopback address alone is not reached. */
#include "t.h"
#include <ifaddrs.h>
#include <net/if.h>

static struct sockaddr_storage own[2];
static int have[2], interface;

static void find_own(void) {
    struct ifaddrs *list;
    must("getifaddrs", getifaddrs(&list));
    for (struct ifaddrs *a = list; a; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_flags & IFF_LOOPBACK || !(a->ifa_flags & IFF_UP)) continue;
        if (a->ifa_addr->sa_family == AF_INET && !have[0]) {
            memcpy(&own[0], a->ifa_addr, sizeof(struct sockaddr_in));
            have[0] = 1;
            interface = (int)if_nametoindex(a->ifa_name);
        }
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a->ifa_addr;
        if (a->ifa_addr->sa_family == AF_INET6 && !have[1] && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) {
            memcpy(&own[1], v6, sizeof *v6);
            have[1] = 1;
            interface = (int)if_nametoindex(a->ifa_name);
        }
    }
    freeifaddrs(list);
}

static socklen_t size_of(const struct sockaddr_storage *a) {
    return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The own address as a destination, for a socket of `family`: IPv4 is v4-mapped on an IPv6 socket. */
static struct sockaddr_storage to_own(int v6, int family, int port) {
    struct sockaddr_storage to = own[v6];
    if (!v6 && family == AF_INET6) {
        struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
        mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&mapped.sin6_addr.s6_addr[12], &((struct sockaddr_in *)&own[0])->sin_addr, 4);
        memset(&to, 0, sizeof to);
        memcpy(&to, &mapped, sizeof mapped);
    }
    ((struct sockaddr_in *)&to)->sin_port = htons((uint16_t)port);
    return to;
}

static const char *what(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
        if (have[0] && v4->sin_addr.s_addr == ((struct sockaddr_in *)&own[0])->sin_addr.s_addr) return "own";
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127 ? "loopback" : v4->sin_addr.s_addr == 0 ? "any" : "other";
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        if (have[0] && !memcmp(&v6->s6_addr[12], &((struct sockaddr_in *)&own[0])->sin_addr, 4)) return "own, mapped";
        return v6->s6_addr[12] == 127 ? "loopback, mapped" : "other, mapped";
    }
    if (have[1] && !memcmp(v6, &((struct sockaddr_in6 *)&own[1])->sin6_addr, 16)) return "own";
    return IN6_IS_ADDR_LOOPBACK(v6) ? "loopback" : IN6_IS_ADDR_UNSPECIFIED(v6) ? "any" : "other";
}

static void names(const char *label, int fd) {
    struct sockaddr_storage a, b;
    socklen_t la = sizeof a, lb = sizeof b;
    must("getsockname", getsockname(fd, (struct sockaddr *)&a, &la));
    fact("%s: local %s, peer %s", label, what(&a), getpeername(fd, (struct sockaddr *)&b, &lb) ? "none" : what(&b));
}

static int bound(int family, int type, int only, int loop) {
    int s = (int)must("socket", socket(family, type, 0));
    struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
    if (loop) ((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (family == AF_INET6) must("V6ONLY", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only));
    must("bind", bind(s, (struct sockaddr *)&a, size_of(&a)));
    if (type == SOCK_STREAM) must("listen", listen(s, 4));
    return s;
}

static void stream(const char *label, int v6, int from, int at, int only, int loop, int source) {
    int l = bound(at, SOCK_STREAM, only, loop), c = (int)must("socket", socket(from, SOCK_STREAM, 0));
    struct sockaddr_storage to = to_own(v6, from, port_of(l));
    if (source) {
        struct sockaddr_in s = in4("127.0.0.1", 0);
        must("bind source", bind(c, (struct sockaddr *)&s, sizeof s));
    }
    char text[128], byte = 'x';
    snprintf(text, sizeof text, "%s connect", label);
    if (res(text, connect(c, (struct sockaddr *)&to, size_of(&to))) == 0) {
        int a = (int)must("accept", accept(l, 0, 0));
        names("  client", c);
        names("  accepted", a);
        must("send", send(c, &byte, 1, 0));
        fact("  got %zd", recv(a, &byte, 1, 0));
        close(a);
    }
    close(c);
    close(l);
}

static void datagram(const char *label, int v6, int from, int at) {
    int r = bound(at, SOCK_DGRAM, 0, 0), c = (int)must("socket", socket(from, SOCK_DGRAM, 0)), on = 1;
    struct sockaddr_storage to = to_own(v6, from, port_of(r)), source;
    socklen_t length = sizeof source;
    char byte = 'x', space[256];
    must("PKTINFO", setsockopt(r, at == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                               at == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on));
    fact("%s", label);
    res("  sendto", sendto(c, &byte, 1, 0, (struct sockaddr *)&to, size_of(&to)));
    struct pollfd p = {.fd = r, .events = POLLIN};
    if (poll(&p, 1, 2000) != 1) {
        fact("  nothing came");
        return;
    }
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_name = &source, .msg_namelen = length, .msg_iov = &v, .msg_iovlen = 1,
                       .msg_control = space, .msg_controllen = sizeof space};
    ssize_t n = recvmsg(r, &m, 0);
    fact("  got %zd from %s", n, what(&source));
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        struct sockaddr_storage info = {.ss_family = (sa_family_t)(h->cmsg_level == IPPROTO_IP ? AF_INET : AF_INET6)};
        int index;
        if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *i = (struct in_pktinfo *)CMSG_DATA(h);
            ((struct sockaddr_in *)&info)->sin_addr = i->ipi_addr;
            index = i->ipi_ifindex;
        } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *i = (struct in6_pktinfo *)CMSG_DATA(h);
            ((struct sockaddr_in6 *)&info)->sin6_addr = i->ipi6_addr;
            index = (int)i->ipi6_ifindex;
        } else {
            continue;
        }
        fact("  told: to %s, through %s", what(&info), index == interface ? "its interface" : index == 1 ? "loopback" : "?");
    }
    /* The answer says where it comes from, as servers with several addresses do. */
    res("  answer with the same source", sendmsg(r, &m, 0));
    length = sizeof source;
    n = recvfrom(c, &byte, 1, 0, (struct sockaddr *)&source, &length);
    fact("  answered %zd from %s", n, what(&source));

    int k = (int)must("socket", socket(from, SOCK_DGRAM, 0));
    res("  connect", connect(k, (struct sockaddr *)&to, size_of(&to)));
    names("  connected", k);
    must("send", send(k, &byte, 1, 0));
    length = sizeof source;
    n = recvfrom(r, &byte, 1, 0, (struct sockaddr *)&source, &length);
    fact("  got %zd from %s", n, what(&source));
    must("sendto", sendto(r, &byte, 1, 0, (struct sockaddr *)&source, length));
    fact("  answered %zd", recv(k, &byte, 1, 0));
    close(r);
    must("send", send(k, &byte, 1, 0));
    res("  after its close", recv(k, &byte, 1, 0));
    close(k);
    close(c);
}

int main(void) {
    alarm(8);
    find_own();
    if (have[0]) {
        stream("tcp4", 0, AF_INET, AF_INET, 0, 0, 0);
        stream("tcp4 to a dual listener", 0, AF_INET, AF_INET6, 0, 0, 0);
        stream("tcp6 mapped", 0, AF_INET6, AF_INET, 0, 0, 0);
        stream("tcp4 to an IPv6 listener", 0, AF_INET, AF_INET6, 1, 0, 0);
        stream("tcp4 to a listener on loopback", 0, AF_INET, AF_INET, 0, 1, 0);
        stream("tcp4 from loopback", 0, AF_INET, AF_INET, 0, 0, 1);
        datagram("udp4", 0, AF_INET, AF_INET);
        datagram("udp4 to a dual socket", 0, AF_INET, AF_INET6);
        datagram("udp6 mapped", 0, AF_INET6, AF_INET);
    }
    if (have[1]) {
        stream("tcp6", 1, AF_INET6, AF_INET6, 0, 0, 0);
        datagram("udp6", 1, AF_INET6, AF_INET6);
    }
    return 0;
}
