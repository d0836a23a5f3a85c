/* Who may hold a port beside whom: every pair of addresses and options, TCP and UDP, IPv4, IPv6 and both (man 7
 * socket: SO_REUSEADDR, SO_REUSEPORT; man 7 ipv6: IPV6_V6ONLY; net/ipv4/inet_connection_sock.c). */
#include "t.h"

static const struct { const char *name; int v6; const char *ip; int v6only; } A[] = {
    {"4:any", 0, "0.0.0.0", 0}, {"4:127.0.0.1", 0, "127.0.0.1", 0}, {"4:127.0.0.2", 0, "127.0.0.2", 0},
        {"6:any", 1, "::", 0},
    {"6:any,only", 1, "::", 1}, {"6:::1", 1, "::1", 0}, {"6:::1,only", 1, "::1", 1},
        {"6:mapped any", 1, "::ffff:0.0.0.0", 0}, {"6:mapped 127.0.0.1", 1, "::ffff:127.0.0.1", 0}};
enum { N = sizeof A / sizeof *A };

static int opened(int type, int i, int addr, int rport) {
    int s = (int)must("socket", socket(A[i].v6 ? AF_INET6 : AF_INET, type, 0));
    if (A[i].v6) must("v6only", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &A[i].v6only, sizeof(int)));
    must("reuseaddr", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &addr, sizeof addr));
    must("reuseport", setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &rport, sizeof rport));
    return s;
}

static int bound(int s, int i, int port) {
    struct sockaddr_in a = in4(A[i].v6 ? "0.0.0.0" : A[i].ip, port);
    struct sockaddr_in6 b = in6(A[i].v6 ? A[i].ip : "::", port);
    return A[i].v6 ? bind(s, (struct sockaddr *)&b, sizeof b) : bind(s, (struct sockaddr *)&a, sizeof a);
}

/* o: options, bit 0 and 1 reuseaddr of the first and second, bit 2 and 3 reuseport, bit 4: the first listens. */
static void matrix(const char *label, int type, int o) {
    for (int i = 0; i < N; i++) {
        char line[512] = "";
        for (int j = 0; j < N; j++) {
            int x, y, tries = 0, r, e;
            /* A port taken by somebody else's program for the second address only would spoil the answer: ask again
             * with another port and take the friendlier of two. */
            do {
                x = opened(type, i, !!(o & 1), !!(o & 4));
                must("bind", bound(x, i, 0));
                if (o & 16) must("listen", listen(x, 1));
                y = opened(type, j, !!(o & 2), !!(o & 8));
                r = bound(y, j, port_of(x));
                e = errno;
                close(x);
                close(y);
            } while (r < 0 && e == EADDRINUSE && ++tries < 2);
            size_t n = strlen(line);
            snprintf(line + n, sizeof line - n, " %s", r == 0 ? "ok" : e == EADDRINUSE ? "USE" : ename(e));
        }
        fact("%s: %s then each:%s", label, A[i].name, line);
    }
}

int main(void) {
    alarm(9);
    char order[300] = "";
    for (int j = 0; j < N; j++) { strcat(order, " "); strcat(order, A[j].name); strcat(order, ";"); }
    fact("order:%s", order);
    matrix("tcp", SOCK_STREAM, 0);
    matrix("tcp reuseaddr both", SOCK_STREAM, 3);
    matrix("tcp reuseaddr first", SOCK_STREAM, 1);
    matrix("tcp reuseaddr second", SOCK_STREAM, 2);
    matrix("tcp reuseaddr both, first listens", SOCK_STREAM, 19);
    matrix("tcp reuseport both", SOCK_STREAM, 12);
    matrix("tcp reuseport both, first listens", SOCK_STREAM, 28);
    matrix("tcp reuseport first", SOCK_STREAM, 4);
    matrix("tcp reuseport second", SOCK_STREAM, 8);
    matrix("udp", SOCK_DGRAM, 0);
    matrix("udp reuseaddr both", SOCK_DGRAM, 3);
    matrix("udp reuseaddr first", SOCK_DGRAM, 1);
    matrix("udp reuseaddr second", SOCK_DGRAM, 2);
    matrix("udp reuseport both", SOCK_DGRAM, 12);
    matrix("udp reuseport first", SOCK_DGRAM, 4);
    matrix("udp reuseaddr first, reuseport second", SOCK_DGRAM, 9);
    /* TCP and UDP have ports of their own. */
    int x = opened(SOCK_STREAM, 1, 0, 0), y = -1, r = -1;
    for (int i = 0; i < 5 && r < 0; i++) {
        close(x);
        if (y >= 0) close(y);
        x = opened(SOCK_STREAM, 1, 0, 0);
        must("bind", bound(x, 1, 0));
        y = opened(SOCK_DGRAM, 1, 0, 0);
        r = bound(y, 1, port_of(x));
    }
    res("udp on the port number of a tcp socket", r);
    return 0;
}
