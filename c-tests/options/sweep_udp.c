// limit: 40
/* Every option number from 0 to 90 of level IPPROTO_UDP: getsockopt(2) and setsockopt(2) by length and value, in each kind and
 * state of socket that has the level, with and without capabilities (man 7 udp; net/ipv4/udp.c). */
#include "sweep.h"

int main(void) {
    alarm(38);
    sweep("UDP", IPPROTO_UDP, UDP, NULL, 0);
    return 0;
}
