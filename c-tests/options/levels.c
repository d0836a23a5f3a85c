/* Levels that a socket does not have, and what each says to getting and setting: EOPNOTSUPP, ENOPROTOOPT; v4 and v6
 * differ (man 2 setsockopt: ENOPROTOOPT; net/ipv4/ip_sockglue.c returns EOPNOTSUPP for a foreign level to the
 * getter). */
#include "opt.h"

int main(void) {
    alarm(8);
    static const struct { const char *name; int level; } levels[] = {
        {"IPPROTO_IP", 0}, {"SOL_SOCKET", 1}, {"level 2", 2}, {"IPPROTO_TCP", 6}, {"IPPROTO_UDP", 17},
            {"IPPROTO_IPV6", 41}, {"IPPROTO_ICMPV6", 58},
        {"IPPROTO_SCTP", 132}, {"IPPROTO_RAW", 255}, {"SOL_PACKET", 263}, {"SOL_NETLINK", 270}, {"SOL_TLS", 282},
            {"level 1000", 1000}, {"level -1", -1},
        {"level INT_MIN", LOW}, {"level INT_MAX", HIGH}};
    char *volatile bad = (char *)8;
    for (int k = 0; k < 4; k++)
        for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
            /* An option that no level has. */
            int fd = opt_socket(k), v = 1, level = levels[i].level;
            socklen_t l = 4;
            const char *g = getsockopt(fd, level, 1234, &v, &l) ? ename(errno) : "0";
            const char *s = setsockopt(fd, level, 1234, &v, 4) ? ename(errno) : "0";
            l = 0;
            const char *g0 = getsockopt(fd, level, 1234, &v, &l) ? ename(errno) : "0";
            const char *s0 = setsockopt(fd, level, 1234, &v, 0) ? ename(errno) : "0";
            l = (socklen_t)-1;
            const char *gn = getsockopt(fd, level, 1234, &v, &l) ? ename(errno) : "0";
            const char *sn = setsockopt(fd, level, 1234, &v, (socklen_t)-1) ? ename(errno) : "0";
            const char *gb = getsockopt(fd, level, 1234, &v, (socklen_t *)bad) ? ename(errno) : "0";
            const char *sb = setsockopt(fd, level, 1234, bad, 4) ? ename(errno) : "0";
            fact("%s %s: get %s, set %s; length 0: %s, %s; length -1: %s, %s; bad pointer: %s, %s", kind_name[k],
                 levels[i].name, g, s, g0, s0, gn, sn, gb, sb);
            close(fd);
        }
    /* Options asked for at the wrong level. */
    static const struct { const char *name; int level, opt; } wrong[] = {
        {"TCP_NODELAY on udp", IPPROTO_TCP, TCP_NODELAY}, {"UDP_CORK on tcp", IPPROTO_UDP, UDP_CORK},
            {"IPV6_V6ONLY on v4", IPPROTO_IPV6, IPV6_V6ONLY},
        {"SO_KEEPALIVE at the tcp level", IPPROTO_TCP, SO_KEEPALIVE}, {"IP_TTL at the v6 level", IPPROTO_IPV6, IP_TTL},
            {"IP_TTL at the ip level", IPPROTO_IP, IP_TTL}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (int k = 0; k < 4; k++) {
            int fd = opt_socket(k);
            const char *g = opt_get(fd, wrong[i].level, wrong[i].opt);
            const char *s = opt_set(fd, wrong[i].level, wrong[i].opt, 1) ? ename(errno) : "ok";
            fact("%s %s: get %s, set %s", kind_name[k], wrong[i].name, g, s);
            close(fd);
        }
    return 0;
}
