/* 255.255.255.255 goes out through the interface that the sender is bound to, by its address or by its name (ip_route_output_key;
 * man 7 socket, SO_BROADCAST): from 127.0.0.1 it stays here, and whoever matches gets a copy. */
#include "dg.h"

static int any, bound, elsewhere, port;

static void heard(const char *label, int s) {
    fact("%s", label);
    struct sockaddr_in a = in4("255.255.255.255", port);
    res("  sendto", sendto(s, "to all", 6, 0, SA(&a), sizeof a));
    got("  the wildcard", any, port_of(s), 0);
    got("  bound to it", bound, port_of(s), 0);
    quiet("  bound elsewhere", elsewhere);
}

int main(void) {
    alarm(8);
    int on = 1, s;
    port = free_port();
    const char *const names[] = {"0.0.0.0", "255.255.255.255", "127.0.0.1"};
    int *const all[] = {&any, &bound, &elsewhere};
    for (int i = 0; i < 3; i++) {
        *all[i] = socket(AF_INET, SOCK_DGRAM, 0);
        set(*all[i], SOL_SOCKET, SO_REUSEADDR, 1);
        struct sockaddr_in a = in4(names[i], port);
        res(names[i], bind(*all[i], SA(&a), sizeof a));
    }
    s = udp4("127.0.0.1");
    struct sockaddr_in a = in4("255.255.255.255", port);
    res("without SO_BROADCAST", sendto(s, "x", 1, 0, SA(&a), sizeof a));
    set(s, SOL_SOCKET, SO_BROADCAST, on);
    heard("from 127.0.0.1", s);
    close(s);
    s = udp4("127.0.0.5");
    set(s, SOL_SOCKET, SO_BROADCAST, on);
    heard("from 127.0.0.5", s);
    res("connect", con4(s, "255.255.255.255", port));
    name("connected", s, 0, 0);
    res("send", send(s, "connected", 9, 0));
    got("the wildcard", any, port_of(s), 0);
    got("bound to it", bound, port_of(s), 0);
    set(any, SOL_SOCKET, SO_BINDTODEVICE, 0);
    setsockopt(any, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
    res("the wildcard on lo alone", put4(s, "once more", "255.255.255.255", port));
    got("the wildcard", any, port_of(s), 0);
    got("bound to it", bound, port_of(s), 0);
    close(s);
    s = udp4("255.255.255.255");
    res("one bound to it sends to 127.0.0.1", put4(s, "x", "127.0.0.1", port));
    got("there", elsewhere, port_of(s), 0);
    return 0;
}
