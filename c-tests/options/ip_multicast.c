/* Multicast options of IPPROTO_IP and IPPROTO_IPV6 that take addresses and interfaces: which lengths, which errors;
 * and one group joined on loopback (man 7 ip: IP_ADD_MEMBERSHIP, IP_MULTICAST_IF; RFC 3493 5.2). */
#include "opt.h"
#include <net/if.h>

static const char *addr(int fd) {
    static char o[40];
    struct in_addr a = {0};
    socklen_t l = sizeof a;
    if (getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a, &l) < 0) return ename(errno);
    snprintf(o, sizeof o, "%s length %d", inet_ntoa(a), (int)l);
    return o;
}

int main(void) {
    alarm(8);
    char l[96];
    int lo = (int)if_nametoindex("lo");
    struct in_addr any = {0}, me = {htonl(0x7F000001)}, foreign = {htonl(0xCB007107)};
    for (int k = 0; k < 4; k++) {
        int fd = opt_socket(k);
        const char *who = kind_name[k];
#define R(name, e) (snprintf(l, sizeof l, "%s %s", who, name), res(l, (e)))
        fact("%s IP_MULTICAST_IF default: %s", who, addr(fd));
        R("IP_MULTICAST_IF 127.0.0.1", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &me, sizeof me));
        fact("%s reads: %s", who, addr(fd));
        R("IP_MULTICAST_IF an address of nobody", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &foreign, sizeof foreign));
        R("IP_MULTICAST_IF length 3", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &me, 3));
        struct ip_mreqn n = {{0}, me, 0};
        R("IP_MULTICAST_IF mreqn by address", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n));
        n.imr_address = any;
        n.imr_ifindex = lo;
        R("IP_MULTICAST_IF mreqn by index", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n));
        fact("%s reads: %s", who, addr(fd));
        n.imr_ifindex = 999999;
        R("IP_MULTICAST_IF no such index", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof n));
        R("IP_MULTICAST_IF any again", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &any, sizeof any));
        struct ip_mreqn j = {{htonl(0xEFFF0101)}, {htonl(0x7F000001)}, 0};
        R("join on 127.0.0.1", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &j, 8));
        R("join again", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &j, 8));
        R("leave", setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &j, 8));
        R("leave again", setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &j, 8));
        R("join with length 7", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &j, 7));
        j.imr_multiaddr = me;
        R("join what is no group", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &j, sizeof j));
        j.imr_multiaddr.s_addr = htonl(0xEFFF0101);
        j.imr_address = foreign;
        R("join on an address of nobody", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &j, sizeof j));
        if (k & 1) {
            R("IPV6_MULTICAST_IF lo", opt_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo));
            fact("%s reads lo: %s", who, opt_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF) == lo ? "yes" : "no");
            R("IPV6_MULTICAST_IF no such index", opt_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, 999999));
            R("IPV6_MULTICAST_IF -1", opt_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, -1));
            R("IPV6_MULTICAST_IF 0", opt_set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, 0));
            struct ipv6_mreq m = {.ipv6mr_interface = (unsigned)lo};
            inet_pton(AF_INET6, "ff02::4321", &m.ipv6mr_multiaddr);
            R("IPV6_JOIN_GROUP", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
            R("IPV6_JOIN_GROUP again", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
            R("IPV6_LEAVE_GROUP", setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m));
            R("IPV6_LEAVE_GROUP again", setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m));
            R("IPV6_JOIN_GROUP length 19", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, 19));
            m.ipv6mr_interface = 999999;
            R("IPV6_JOIN_GROUP no such index", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
            inet_pton(AF_INET6, "::1", &m.ipv6mr_multiaddr);
            R("IPV6_JOIN_GROUP what is no group", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
        }
#undef R
        close(fd);
    }
    return 0;
}
