/* The int options of IPPROTO_IP, which v6 sockets have too: defaults, ranges, and the rule that one byte will do, in
 * getting and in setting (man 7 ip; net/ipv4/ip_sockglue.c). */
#include "opt.h"
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(IP_TOS), ALL, {LOW, -1, 0, 1, 2, 3, 4, 0x10, 0x13, 0x20, 0xB8, 0xFF, 0x100, 0x1FF, HIGH, END}},
        {O(IP_TTL), ALL, {LOW, -2, -1, 0, 1, 64, 255, 256, HIGH, END}},
        {O(IP_MINTTL), ALL, {-1, 0, 1, 255, 256, END}},
        {O(IP_MTU_DISCOVER), ALL, {LOW, -1, 0, 1, 2, 3, 4, 5, 6, HIGH, END}},
        {O(IP_MTU), ALL, {0, 1500, END}},
        {O(IP_PKTINFO), ALL, {-1, 0, 1, 2, END}},
        {O(IP_RECVTTL), ALL, {-1, 0, 1, 2, END}},
        {O(IP_RECVTOS), ALL, {-1, 0, 1, 2, END}},
        {O(IP_RECVOPTS), ALL, {-1, 0, 1, 2, END}},
        {O(IP_RETOPTS), ALL, {-1, 0, 1, 2, END}},
        {O(IP_RECVERR), ALL, {-1, 0, 1, 2, END}},
        {O(IP_ORIGDSTADDR), ALL, {-1, 0, 1, 2, END}},
        {O(IP_FREEBIND), ALL, {-1, 0, 1, 2, END}},
        {O(IP_BIND_ADDRESS_NO_PORT), ALL, {-1, 0, 1, 2, END}},
        {O(IP_CHECKSUM), ALL, {0, 1, 2, END}},
        {O(IP_MULTICAST_TTL), ALL, {LOW, -2, -1, 0, 1, 255, 256, END}},
        {O(IP_MULTICAST_LOOP), ALL, {-1, 0, 1, 2, END}},
        {O(IP_MULTICAST_ALL), ALL, {-1, 0, 1, 2, END}},
        {O(IP_UNICAST_IF), ALL, {0, 1, END}},
        /* Lower bound in the low half, upper in the high one: 40000 to 50000, then the two exchanged. */
        {O(IP_LOCAL_PORT_RANGE), ALL, {0, 40000, -1018127296, -1673477296, END}},
        {O(IP_PROTOCOL), ALL, {0, 6, END}},
        {O(IP_HDRINCL), ALL, {0, 1, END}},
        {O(IP_NODEFRAG), ALL, {0, 1, END}},
        {O(IP_ROUTER_ALERT), ALL, {0, 1, END}},
        {O(IP_ADD_MEMBERSHIP), ALL, {0, END}},
        {"option 0", 0, ALL, {0, END}},
        {"option 100", 100, ALL, {0, END}},
        {"option 1000", 1000, ALL, {0, END}},
        {"option -1", -1, ALL, {0, END}},
    };
    opt_table(IPPROTO_IP, rows, sizeof rows / sizeof *rows);
    /* By length: one byte comes back where the value fits one; any length from 1 to 3 sets one byte. */
    for (int k = 0; k < 3; k += 2) {
        opt_lengths("IP_TOS", k, IPPROTO_IP, IP_TOS, 0x10);
        opt_lengths("IP_TTL", k, IPPROTO_IP, IP_TTL, 33);
        opt_lengths("IP_TTL set to 257 (a byte of it is 1)", k, IPPROTO_IP, IP_TTL, 257);
        opt_lengths("IP_PKTINFO", k, IPPROTO_IP, IP_PKTINFO, 1);
        opt_lengths("IP_MTU_DISCOVER", k, IPPROTO_IP, IP_MTU_DISCOVER, 2);
        opt_lengths("IP_MULTICAST_TTL", k, IPPROTO_IP, IP_MULTICAST_TTL, 5);
        opt_lengths("IP_MULTICAST_LOOP", k, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
        opt_lengths("IP_FREEBIND", k, IPPROTO_IP, IP_FREEBIND, 1);
        opt_lengths("IP_OPTIONS", k, IPPROTO_IP, IP_OPTIONS, 1);
    }
    opt_lengths("IP_TTL", 1, IPPROTO_IP, IP_TTL, 33);
    /* IP_MTU of a connection; the TOS sets the priority. */
    int p[2], u = opt_socket(2);
    tcp_pair(p);
    int m = opt_int(p[0], IPPROTO_IP, IP_MTU);
    fact("connected tcp: IP_MTU within 1280..65535: %s", m >= 1280 && m <= 65535 ? "yes" : "no");
    struct sockaddr_in a = in4("127.0.0.1", 9);
    must("connect", connect(u, (struct sockaddr *)&a, sizeof a));
    m = opt_int(u, IPPROTO_IP, IP_MTU);
    fact("connected udp: IP_MTU within 1280..65535: %s", m >= 1280 && m <= 65535 ? "yes" : "no");
    static const int tos[] = {0, 0x02, 0x04, 0x08, 0x10, 0x18, 0x1C, 0x20, 0xB8, 0xE0};
    char line[400];
    int n = snprintf(line, sizeof line, "SO_PRIORITY by IP_TOS:");
    for (unsigned i = 0; i < sizeof tos / sizeof *tos; i++) {
        opt_set(u, IPPROTO_IP, IP_TOS, tos[i]);
        n += snprintf(line + n, sizeof line - (size_t)n, " 0x%02x=%s", tos[i], opt_get(u, SOL_SOCKET, SO_PRIORITY));
    }
    fact("%s", line);
    res("IP_TOS on a connection", opt_set(p[0], IPPROTO_IP, IP_TOS, 0x11));
    fact("reads %s", opt_get(p[0], IPPROTO_IP, IP_TOS));
    return 0;
}
