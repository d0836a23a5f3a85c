/* The int options of IPPROTO_IPV6 on v6 sockets (and what v4 sockets say to them): defaults, ranges, lengths (man 7
 * ipv6; RFC 3493, 3542; net/ipv6/ipv6_sockglue.c). */
#include "opt.h"
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(IPV6_V6ONLY), ALL, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(IPV6_UNICAST_HOPS), ALL, {LOW, -2, -1, 0, 1, 64, 255, 256, HIGH, END}},
        {O(IPV6_MULTICAST_HOPS), ALL, {LOW, -2, -1, 0, 1, 255, 256, END}},
        {O(IPV6_MULTICAST_LOOP), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_MULTICAST_ALL), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_TCLASS), V6, {LOW, -2, -1, 0, 1, 2, 3, 4, 0x10, 0x13, 0xB8, 255, 256, HIGH, END}},
        {O(IPV6_MTU_DISCOVER), V6, {-1, 0, 1, 2, 3, 4, 5, 6, END}},
        {O(IPV6_MTU), V6, {-1, 0, 1, 1279, 1280, 1500, END}},
        {O(IPV6_DONTFRAG), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_AUTOFLOWLABEL), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVPKTINFO), ALL, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVHOPLIMIT), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVTCLASS), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVRTHDR), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVHOPOPTS), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVDSTOPTS), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVPATHMTU), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVERR), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_RECVFRAGSIZE), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_ORIGDSTADDR), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_FREEBIND), V6, {-1, 0, 1, 2, END}},
        {O(IPV6_MINHOPCOUNT), V6, {-1, 0, 1, 255, 256, END}},
        {O(IPV6_UNICAST_IF), V6, {0, 1, END}},
        {O(IPV6_ADDRFORM), V6, {0, 2, 10, END}},
        {O(IPV6_CHECKSUM), V6, {0, 2, END}},
        {O(IPV6_HDRINCL), V6, {0, 1, END}},
        {O(IPV6_PATHMTU), V6, {0, END}},
        {O(IPV6_JOIN_GROUP), V6, {0, END}},
        {"option 0", 0, ALL, {0, 1, END}},
        {"option 1000", 1000, ALL, {0, 1, END}},
        {"option -1", -1, ALL, {0, 1, END}},
    };
    opt_table(IPPROTO_IPV6, rows, sizeof rows / sizeof *rows);
    for (int k = 1; k < 4; k += 2) {
        opt_lengths("IPV6_V6ONLY", k, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        opt_lengths("IPV6_UNICAST_HOPS", k, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33);
        opt_lengths("IPV6_TCLASS", k, IPPROTO_IPV6, IPV6_TCLASS, 0x10);
        opt_lengths("IPV6_DONTFRAG", k, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
        opt_lengths("IPV6_RECVPKTINFO", k, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        opt_lengths("unknown option", k, IPPROTO_IPV6, 1000, 1);
    }
    /* A null pointer to the value is taken as a value of 0 here, as nowhere else. */
    int fd = opt_socket(3);
    const void *volatile null = NULL;
    opt_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    res("IPV6_V6ONLY from a null pointer", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, null, 4));
    fact("reads %s", opt_get(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    res("IPV6_V6ONLY from a null pointer, length 0", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, null, 0));
    res("IP_TTL from a null pointer", setsockopt(fd, IPPROTO_IP, IP_TTL, null, 4));
    /* The two levels of one socket are kept apart. */
    opt_set(fd, IPPROTO_IP, IP_TTL, 11);
    opt_set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 22);
    fact("IP_TTL %s, IPV6_UNICAST_HOPS %s", opt_get(fd, IPPROTO_IP, IP_TTL),
         opt_get(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
    opt_set(fd, IPPROTO_IP, IP_TOS, 0x20);
    opt_set(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x40);
    fact("IP_TOS %s, IPV6_TCLASS %s", opt_get(fd, IPPROTO_IP, IP_TOS), opt_get(fd, IPPROTO_IPV6, IPV6_TCLASS));
    struct sockaddr_in6 a = in6("::1", 9);
    must("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
    int m = opt_int(fd, IPPROTO_IPV6, IPV6_MTU);
    fact("connected: IPV6_MTU within 1280..65536: %s", m >= 1280 && m <= 65536 ? "yes" : "no");
    return 0;
}
