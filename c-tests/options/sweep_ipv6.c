// limit: 40
/* Every option number from 0 to 90 of level IPPROTO_IPV6: getsockopt(2) and setsockopt(2) by length and value, in each kind and
 * state of socket that has the level, with and without capabilities (man 7 ipv6; net/ipv6/ipv6_sockglue.c). */
#include "sweep.h"

int main(void) {
    alarm(38);
    /* Extension headers. */
    static const struct sweep_mask masks[] = {{IPV6_HOPOPTS, WITHOUT_RIGHTS}, {IPV6_RTHDRDSTOPTS, WITHOUT_RIGHTS}, {IPV6_DSTOPTS, WITHOUT_RIGHTS},
        /* Tables of netfilter's, whose modules would be loaded. */
        {64, WITHOUT_RIGHTS}, {65, WITHOUT_RIGHTS}, {68, WITHOUT_RIGHTS}, {69, WITHOUT_RIGHTS}};
    sweep("IPV6", IPPROTO_IPV6, V6, masks, sizeof masks / sizeof *masks);
    return 0;
}
