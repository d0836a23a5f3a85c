// limit: 40
/* Every option number from 0 to 90 of level SOL_SOCKET: getsockopt(2) and setsockopt(2) by length and value, in each kind and
 * state of socket that has the level, with and without capabilities (man 7 socket; net/core/sock.c). */
#include "sweep.h"

int main(void) {
    alarm(38);
    static const struct sweep_mask masks[] = {
        {SO_SNDBUF, CONNECTED_GROWS},
        {SO_MEMINFO, CONNECTED_GROWS},
        {SO_PEERNAME, LENGTH_ONLY}, /* a port */
        {SO_INCOMING_CPU, NOT_GOT}, /* where the last packet was handled */
        {SO_COOKIE, LENGTH_ONLY},
        {71, LENGTH_ONLY}, /* SO_NETNS_COOKIE */
    };
    sweep("SOCKET", SOL_SOCKET, ALL, masks, sizeof masks / sizeof *masks);
    return 0;
}
