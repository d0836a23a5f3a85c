/* SO_BINDTODEVICE to the loopback device (man 7 socket; man 7 netdevice): what is read back, that traffic still
 * flows, names of nobody, and the lengths. Binding a socket that is bound to no device yet needs no privilege (Linux
 * 5.7). */
#include "t.h"
#include <net/if.h>

static void get(const char *label, int fd, int len) {
    char b[64];
    memset(b, 'z', sizeof b);
    b[63] = 0;
    socklen_t l = (socklen_t)len;
    long r = getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b, &l);
    if (r < 0) fact("%s, length %d: -1 %s, length after %d", label, len, ename(errno), (int)l);
    else fact("%s, length %d: length after %d, \"%s\"", label, len, (int)l, l == 0 ? "" : b);
}

int main(void) {
    alarm(8);
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    static const int lens[] = {0, 1, 2, 3, 4, 15, 16, 17, 64, -1};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) get("unbound", s, lens[i]);
    res("no such device", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "nodev0", 7));
    res("a name longer than 15", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "abcdefghijklmnopqrstuvwxyz", 27));
    res("empty name", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 1));
    res("length 0", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 0));
    get("still unbound", s, 16);
    res("length negative", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", (socklen_t)-1));
    res("lo without its final zero", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) get("lo", s, lens[i]);
    int ifx = -1;
    socklen_t il = sizeof ifx;
    getsockopt(s, SOL_SOCKET, SO_BINDTOIFINDEX, &ifx, &il);
    fact("SO_BINDTOIFINDEX is lo's: %s", ifx == (int)if_nametoindex("lo") ? "yes" : "no");
    int port, l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("listener on lo", setsockopt(l, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    struct sockaddr_in a = in4("0.0.0.0", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, 4));
    port = port_of(l);
    a = in4("127.0.0.1", port);
    res("connect from a socket on lo", connect(s, (struct sockaddr *)&a, sizeof a));
    int c = (int)must("accept", accept(l, NULL, NULL));
    get("accepted", c, 16);
    int k = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect from an unbound socket", connect(k, (struct sockaddr *)&a, sizeof a));
    /* A socket bound to a device and one bound to none quarrel over a port; see man 7 ip. */
    int q = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("same port without a device", bind(q, (struct sockaddr *)&a, sizeof a));
    struct sockaddr_in6 b = in6("::1", 0);
    int s6 = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    res("udp6 on lo", setsockopt(s6, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    must("bind", bind(s6, (struct sockaddr *)&b, sizeof b));
    b.sin6_port = htons((uint16_t)port_of(s6));
    res("sends to itself", sendto(s6, "x", 1, 0, (struct sockaddr *)&b, sizeof b));
    char x[4];
    res("receives", recv(s6, x, sizeof x, 0));
    int neg = -1;
    res("SO_BINDTOIFINDEX -1", setsockopt(q, SOL_SOCKET, SO_BINDTOIFINDEX, &neg, sizeof neg));
    return 0;
}
