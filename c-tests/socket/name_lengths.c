/* The value-result length of getsockname, getpeername, accept and recvfrom: min(given, real) bytes are copied, the
 * real length always comes back, a negative one is EINVAL (man 2 getsockname; move_addr_to_user). */
#include "t.h"

static const int lens[] = {0, 1, 2, 4, 8, 15, 16, 17, 24, 28, 64, 128, 129, 1000, -1, -2147483647 - 1};
#define N (sizeof lens / sizeof *lens)

/* How many leading bytes of b differ from the filler. A port byte may be the filler by chance: it counts as touched
 * when a later byte is, and the addresses used end in bytes that are never the filler. */
static int touched(const unsigned char *b, int n) {
    while (n > 0 && b[n - 1] == 0xEE) n--;
    return n;
}

static void tell(const char *what, int len, long r, socklen_t back, const unsigned char *b) {
    int e = errno, t = touched(b, 200);
    /* 3 and 4 bytes end inside the port; elsewhere the count is exact. */
    if (r < 0) fact("%s length %d: -1 %s, length after %d, bytes touched %d", what, len, ename(e), (int)back, t);
    else fact("%s length %d: ok, length after %d, bytes touched %s%d", what, len, (int)back, len == 4 ? "2 to " : "",
              len == 4 ? 4 : t);
}

int main(void) {
    alarm(8);
    char label[64];
    unsigned char b[1200];
    for (int v6 = 0; v6 < 2; v6++) {
        int s = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a4 = in4("127.0.0.1", 0);
        struct sockaddr_in6 a6 = in6("::1", 0);
        if (v6) must("bind", bind(s, (struct sockaddr *)&a6, sizeof a6));
        else must("bind", bind(s, (struct sockaddr *)&a4, sizeof a4));
        must("listen", listen(s, 64));
        a4.sin_port = a6.sin6_port = htons((uint16_t)port_of(s));
        const struct sockaddr *to = v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
        socklen_t tolen = v6 ? sizeof a6 : sizeof a4;
        int c = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, to, tolen));
        for (unsigned i = 0; i < N; i++) {
            socklen_t l = (socklen_t)lens[i];
            memset(b, 0xEE, sizeof b);
            long r = getsockname(s, (struct sockaddr *)b, &l);
            snprintf(label, sizeof label, "%s getsockname", v6 ? "v6" : "v4");
            tell(label, lens[i], r, l, b);
            l = (socklen_t)lens[i];
            memset(b, 0xEE, sizeof b);
            r = getpeername(c, (struct sockaddr *)b, &l);
            snprintf(label, sizeof label, "%s getpeername", v6 ? "v6" : "v4");
            tell(label, lens[i], r, l, b);
        }
        for (unsigned i = 0; i < N; i++) {
            int x = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
            must("connect", connect(x, to, tolen));
            struct pollfd p = {s, POLLIN, 0};
            poll(&p, 1, 2000);
            socklen_t l = (socklen_t)lens[i];
            memset(b, 0xEE, sizeof b);
            int n = accept(s, (struct sockaddr *)b, &l);
            snprintf(label, sizeof label, "%s accept", v6 ? "v6" : "v4");
            tell(label, lens[i], n, l, b);
            close(x);
            if (n >= 0) close(n);
        }
        close(c);
        close(s);
    }
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    for (unsigned i = 0; i < N; i++) {
        char x[4];
        must("sendto", sendto(u, "hi", 2, 0, (struct sockaddr *)&a, sizeof a));
        socklen_t l = (socklen_t)lens[i];
        memset(b, 0xEE, sizeof b);
        long r = recvfrom(u, x, sizeof x, MSG_DONTWAIT, (struct sockaddr *)b, &l);
        tell("v4 recvfrom", lens[i], r, l, b);
        /* Whether a refused call has eaten the datagram. */
        res("v4 recvfrom leaves", recv(u, x, sizeof x, MSG_DONTWAIT));
    }
    /* A stream's recvfrom gives no address: length 0. */
    int p[2];
    tcp_pair(p);
    must("send", send(p[0], "hi", 2, 0));
    socklen_t l = 64;
    memset(b, 0xEE, sizeof b);
    long r = recvfrom(p[1], label, sizeof label, 0, (struct sockaddr *)b, &l);
    fact("stream recvfrom: %ld, length after %d, bytes touched %d", r, (int)l, touched(b, 200));
    return 0;
}
