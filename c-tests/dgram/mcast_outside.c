/* A group on the interface of the default route, if there is one: IP_MULTICAST_LOOP and IP_MULTICAST_TTL act on what is
 * sent there also when they are set after the first datagram (`man 7 ip`). */
#include "dg.h"

static void round_trip(int fd, const struct sockaddr_in *to, const char *label) {
    long sent = sendto(fd, label, 4, 0, SA(to), sizeof *to);
    if (sent < 0) {
        fact("%s: -1 %s", label, ename(errno));
        return;
    }
    struct pollfd p = {fd, POLLIN, 0};
    char b[16];
    int heard = poll(&p, 1, 300);
    fact("%s: sent %ld, heard %d", label, sent, heard);
    if (heard > 0) res("  recv", recv(fd, b, sizeof b, MSG_DONTWAIT));
}

int main(void) {
    alarm(8);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = in4("0.0.0.0", 0);
    must("bind", bind(s, SA(&any), sizeof any));
    char group[32];
    snprintf(group, sizeof group, "239.6.%d.%d", port_of(s) >> 8, port_of(s) & 255);
    struct sockaddr_in to = in4(group, port_of(s));
    struct ip_mreq m = {.imr_interface.s_addr = INADDR_ANY};
    inet_pton(AF_INET, group, &m.imr_multiaddr);
    res("join", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
    // Never beyond this host.
    set(s, IPPROTO_IP, IP_MULTICAST_TTL, 0);
    round_trip(s, &to, "as it is");
    set(s, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    round_trip(s, &to, "loop off");
    set(s, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
    round_trip(s, &to, "loop on");
    res("leave", setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
    round_trip(s, &to, "no more a member");
    return 0;
}
