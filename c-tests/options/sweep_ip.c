// limit: 40
/* Every option number from 0 to 90 of level IPPROTO_IP: getsockopt(2) and setsockopt(2) by length and value, in each kind and
 * state of socket that has the level, with and without capabilities (man 7 ip; net/ipv4/ip_sockglue.c). */
#include "sweep.h"

int main(void) {
    alarm(38);
    static const struct sweep_mask masks[] = {
        {52, LENGTH_ONLY}, /* IP_PROTOCOL: a port */
        /* Tables of netfilter's, whose modules would be loaded. */
        {64, WITHOUT_RIGHTS}, {65, WITHOUT_RIGHTS}, {66, WITHOUT_RIGHTS}, {67, WITHOUT_RIGHTS}, {83, WITHOUT_RIGHTS},
    };
    sweep("IP", IPPROTO_IP, ALL, masks, sizeof masks / sizeof *masks);
    return 0;
}
