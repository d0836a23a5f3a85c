/* getsockopt(2) into memory that is not there: EFAULT, and the length is told first at all levels but SOL_SOCKET. And which
 * options that setsockopt(2) refuses are read before (do_ip_setsockopt, do_ipv6_setsockopt). */
#include "t.h"
#include <sys/mman.h>

int main(void) {
    alarm(8);
    char *guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const struct { const char *label; int type, level, name; } of[] = {
        {"SO_OOBINLINE", SOCK_STREAM, SOL_SOCKET, SO_OOBINLINE}, {"SO_TYPE", SOCK_DGRAM, SOL_SOCKET, SO_TYPE},
        {"SO_LINGER", SOCK_STREAM, SOL_SOCKET, SO_LINGER},       {"IP_TOS", SOCK_STREAM, IPPROTO_IP, IP_TOS},
        {"IP_TTL", SOCK_DGRAM, IPPROTO_IP, IP_TTL},              {"IP_MTU_DISCOVER", SOCK_DGRAM, IPPROTO_IP, IP_MTU_DISCOVER},
        {"TCP_NODELAY", SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},  {"TCP_KEEPIDLE", SOCK_STREAM, IPPROTO_TCP, TCP_KEEPIDLE},
        {"UDP_CORK", SOCK_DGRAM, IPPROTO_UDP, UDP_CORK},         {"IPV6_V6ONLY", SOCK_DGRAM, IPPROTO_IPV6, IPV6_V6ONLY},
        {"IPV6_TCLASS", SOCK_STREAM, IPPROTO_IPV6, IPV6_TCLASS}};
    for (unsigned i = 0; i < sizeof of / sizeof *of; i++) {
        int s = socket(AF_INET6, of[i].type, 0);
        for (socklen_t given = 0; given < 10; given += 3) {
            socklen_t n = given;
            int r = getsockopt(s, of[i].level, of[i].name, guard, &n);
            fact("%s, length %u: %s, length after %u", of[i].label, given, r ? ename(errno) : "0", n);
        }
        close(s);
    }
    static const struct { const char *label; int level, name; } refused[] = {
        {"IP_HDRINCL", IPPROTO_IP, IP_HDRINCL},         {"IP_NODEFRAG", IPPROTO_IP, IP_NODEFRAG},
        {"IP_ROUTER_ALERT", IPPROTO_IP, IP_ROUTER_ALERT}, {"IP_PKTOPTIONS", IPPROTO_IP, IP_PKTOPTIONS},
        {"IPV6_JOIN_GROUP", IPPROTO_IPV6, IPV6_JOIN_GROUP}, {"MCAST_JOIN_GROUP", IPPROTO_IPV6, MCAST_JOIN_GROUP},
        {"IPV6_CHECKSUM", IPPROTO_IPV6, IPV6_CHECKSUM}, {"MCAST_JOIN_GROUP of IP", IPPROTO_IP, MCAST_JOIN_GROUP}};
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        int s = socket(AF_INET6, SOCK_DGRAM, 0);
        for (socklen_t n = 0; n < 16; n += n == 0 ? 1 : 3)
            for (int null = 0; null < 2; null++) {
                int r = setsockopt(s, refused[i].level, refused[i].name, null ? NULL : guard, n);
                fact("%s, length %u, %s: %s", refused[i].label, n, null ? "null" : "nowhere", r ? ename(errno) : "0");
            }
        close(s);
    }
    return 0;
}
