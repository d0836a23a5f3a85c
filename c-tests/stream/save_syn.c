/* TCP_SAVE_SYN, TCP_SAVED_SYN (man 7 tcp; net/ipv4/tcp.c): an accepted socket tells once what the segment looked like that asked for
 * the connection: its headers, with 2 the link's as well. TCP_CC_INFO: what the congestion control tells of itself. */
#include "stream.h"
#include <linux/if_ether.h>

static void told(const char *label, int s, int link, int from, int to) {
    unsigned char b[200];
    socklen_t n = 10;
    int six = 0;
    memset(b, 0, sizeof b);
    long r = getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, b, &n);
    fact("%s, too little room: %s, length %u", label, r ? ename(errno) : "0", n);
    n = sizeof b;
    r = getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, b, &n);
    fact("    %s, length %u", r ? ename(errno) : "0", n);
    if (n) {
        unsigned char *p = b;
        if (link) {
            fact("    ethernet type %02x%02x", p[12], p[13]);
            p += ETH_HLEN;
        }
        six = p[0] >> 4 == 6;
        if (six) fact("    version 6, length %d, protocol %d, hops %d, to %s", p[4] << 8 | p[5], p[6], p[7], p[39] == 1 ? "::1" : "?");
        else fact("    version 4, words %d, length %d, ttl %d, protocol %d, %d.%d.%d.%d to %d.%d.%d.%d", p[0] & 15, p[2] << 8 | p[3], p[8], p[9],
                  p[12], p[13], p[14], p[15], p[16], p[17], p[18], p[19]);
        p += six ? 40 : 20;
        fact("    ports right: %d, words %d, flags %02x, window %d", (p[0] << 8 | p[1]) == from && (p[2] << 8 | p[3]) == to, p[12] >> 4, p[13],
             p[14] << 8 | p[15]);
        fact("    options %d %d, mss %d, then %d %d, %d %d, %d, %d %d", p[20], p[21], p[22] << 8 | p[23], p[24], p[25], p[26], p[27], p[36], p[37], p[38]);
    }
    n = sizeof b;
    r = getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, b, &n);
    fact("    again: %s, length %u", r ? ename(errno) : "0", n);
}

static int get(int fd, int opt) {
    int v = -1;
    socklen_t n = sizeof v;
    return getsockopt(fd, IPPROTO_TCP, opt, &v, &n) ? -1 : v;
}

static void control(const char *name) {
    int p[2], s = socket(AF_INET, SOCK_STREAM, 0), set = setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    unsigned w[16] = {0};
    socklen_t n = sizeof w;
    if (set) {
        fact("%s: %s", name, ename(errno));
        return;
    }
    getsockopt(s, IPPROTO_TCP, TCP_CC_INFO, w, &n);
    fact("%s fresh: length %u", name, n);
    tcp_pair(p);
    setsockopt(p[0], IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    n = sizeof w;
    getsockopt(p[0], IPPROTO_TCP, TCP_CC_INFO, w, &n);
    fact("%s connected: length %u", name, n);
    if (n == 20) fact("    gains there: %d, less than a hundredfold: %d", w[3] > 0 && w[4] > 0, w[3] < 25600 && w[4] < 25600);
    n = 7;
    getsockopt(p[0], IPPROTO_TCP, TCP_CC_INFO, w, &n);
    fact("    cut: length %u", n);
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 8), v;
    char label[40];
    for (v = 0; v < 3; v++) {
        setsockopt(l, IPPROTO_TCP, TCP_SAVE_SYN, &v, sizeof v);
        int c = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        struct sockaddr_in a = in4("127.0.0.1", port);
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        int s = (int)must("accept", accept(l, NULL, NULL));
        snprintf(label, sizeof label, "TCP_SAVE_SYN %d", v);
        fact("%s, the accepted one's %d", label, get(s, TCP_SAVE_SYN));
        told(label, s, v == 2, port_of(c), port);
        told("the connector", c, 0, 0, 0);
        if (!v) {
            res("set when it is accepted", setsockopt(s, IPPROTO_TCP, TCP_SAVE_SYN, &one, sizeof one));
            told("too late", s, 0, 0, 0);
        }
        close(s);
        close(c);
    }
    struct sockaddr_in6 a = in6("::1", 0);
    socklen_t n = sizeof a;
    int l6 = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET6, SOCK_STREAM, 0);
    must("bind", bind(l6, (struct sockaddr *)&a, n));
    must("listen", listen(l6, 2));
    v = 2;
    setsockopt(l6, IPPROTO_TCP, TCP_SAVE_SYN, &v, sizeof v);
    getsockname(l6, (struct sockaddr *)&a, &n);
    must("connect", connect(c, (struct sockaddr *)&a, n));
    told("IPv6", accept(l6, NULL, NULL), 1, port_of(c), ntohs(a.sin6_port));
    told("a listener", l, 0, 0, 0);
    control("reno");
    control("cubic");
    control("bbr");
    return 0;
}
