// limit: 40
/* Every option number from 0 to 90 of level IPPROTO_TCP: getsockopt(2) and setsockopt(2) by length and value, in each kind and
 * state of socket that has the level, with and without capabilities (man 7 tcp; net/ipv4/tcp.c). */
#include "sweep.h"

int main(void) {
    alarm(38);
    static const struct sweep_mask masks[] = {
        {TCP_INFO, LENGTH_ONLY}, /* round trip times */
        {TCP_TIMESTAMP, LENGTH_ONLY}, /* a clock */
        {TCP_QUICKACK, NOT_GOT}, /* what was received decides as well */
        {TCP_CC_INFO, LENGTH_ONLY}, /* a rate */
        {TCP_REPAIR, WITHOUT_RIGHTS},
        /* Modules would be loaded by these names. */
        {TCP_CONGESTION, WITHOUT_RIGHTS},
        {TCP_ULP, WITHOUT_RIGHTS},
        {42, WITHOUT_RIGHTS}, /* TCP_AO_REPAIR */
    };
    sweep("TCP", IPPROTO_TCP, TCP, masks, sizeof masks / sizeof *masks);
    return 0;
}
