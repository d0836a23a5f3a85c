/* Where a socket gets a name without asking for one: bind to port 0, connect, listen, sendto; the range the port
 * comes from (man 7 ip: ip_local_port_range; man 2 listen; IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE). */
#include "t.h"
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static int lo, hi;

static void name(const char *label, int fd) {
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    must("getsockname", getsockname(fd, (struct sockaddr *)&ss, &l));
    int p = port_of(fd);
    fact("%s: %s, in range: %s", label, addr_text((struct sockaddr *)&ss, 0, 0), p == 0 ? "-" : p >= lo && p <= hi
         ? "yes" : "no");
}

int main(void) {
    alarm(8);
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (!f || fscanf(f, "%d %d", &lo, &hi) != 2) return 92;
    fclose(f);
    struct sockaddr_in z = in4("127.0.0.1", 0);
    struct sockaddr_in6 z6 = in6("::1", 0);
    int type[2] = {SOCK_STREAM, SOCK_DGRAM};
    char l[96];
    for (int t = 0; t < 2; t++)
        for (int v6 = 0; v6 < 2; v6++) {
            int s = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, type[t], 0));
            snprintf(l, sizeof l, "%s%d fresh", t ? "udp" : "tcp", v6 ? 6 : 4);
            name(l, s);
            must("bind", v6 ? bind(s, (struct sockaddr *)&z6, sizeof z6) : bind(s, (struct sockaddr *)&z, sizeof z));
            snprintf(l, sizeof l, "%s%d bound to port 0", t ? "udp" : "tcp", v6 ? 6 : 4);
            name(l, s);
            close(s);
        }
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("listen without bind", listen(s, 4));
    name("tcp4 listening", s);
    int s6 = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    res("listen without bind, v6", listen(s6, 4));
    name("tcp6 listening", s6);
    struct sockaddr_in to = in4("127.0.0.1", port_of(s));
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("a client reaches the first", connect(c, (struct sockaddr *)&to, sizeof to));
    name("tcp4 connected", c);
    close(c);
    c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    to.sin_port = htons((uint16_t)port_of(s6));
    res("a v4 client reaches the v6 one", connect(c, (struct sockaddr *)&to, sizeof to));
    close(c);
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), w = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("bind", bind(u, (struct sockaddr *)&z, sizeof z));
    to.sin_port = htons((uint16_t)port_of(u));
    res("udp sendto", sendto(w, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    name("udp4 after sendto", w);
    int w1 = port_of(w);
    res("udp sendto again", sendto(w, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    fact("udp keeps its port: %s", port_of(w) == w1 ? "yes" : "no");
    res("udp bind after the automatic one", bind(w, (struct sockaddr *)&z, sizeof z));
    int x = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    res("udp recv gives no port", recv(x, l, 1, MSG_DONTWAIT));
    name("udp4 after recv", x);
    res("udp connect", connect(x, (struct sockaddr *)&to, sizeof to));
    name("udp4 after connect", x);
    /* A failed connect leaves what behind? */
    c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in other = in4("127.0.0.1", 0);
    res("connect to port 0", connect(c, (struct sockaddr *)&other, sizeof other));
    fact("afterwards it has a port: %s", port_of(c) ? "yes" : "no");
    close(c);
    /* Ports of several sockets bound at one time differ. */
    int seen[40], same = 0;
    for (int i = 0; i < 40; i++) {
        int b = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("bind", bind(b, (struct sockaddr *)&z, sizeof z));
        seen[i] = port_of(b);
        for (int k = 0; k < i; k++) same += seen[k] == seen[i];
    }
    fact("40 bound to port 0: equal pairs %d", same);
    int nb = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("option", setsockopt(nb, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)));
    struct sockaddr_in z5 = in4("127.0.0.5", 0);
    res("bind with IP_BIND_ADDRESS_NO_PORT", bind(nb, (struct sockaddr *)&z5, sizeof z5));
    name("tcp4 bound without a port", nb);
    res("bind once more", bind(nb, (struct sockaddr *)&z5, sizeof z5));
    to = in4("127.0.0.1", port_of(s));
    res("connect", connect(nb, (struct sockaddr *)&to, sizeof to));
    name("then", nb);
    int r = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    uint32_t range = (uint32_t)(hi - 200) << 16 | (uint32_t)(hi - 300);
    /* The socket's own range lies inside the system's: low half the lower bound, high half the upper. */
    res("IP_LOCAL_PORT_RANGE", setsockopt(r, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range));
    must("bind", bind(r, (struct sockaddr *)&z, sizeof z));
    int p = port_of(r);
    fact("its port lies in its own range: %s", p >= hi - 300 && p <= hi - 200 ? "yes" : "no");
    return 0;
}
