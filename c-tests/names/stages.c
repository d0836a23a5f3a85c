/* getsockname and getpeername at every stage of a connection, on both sides: v4, v6, and v4 reaching a v6 listener
 * (man 2 getsockname, getpeername; man 7 ipv6 for mapped addresses). */
#include "t.h"

static int A, B; /* the listener's port, the client's */

static void both(const char *label, int fd) {
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    memset(&ss, 0, sizeof ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &l) < 0) fact("%s: name -1 %s", label, ename(errno));
    else fact("%s: name %s, length %d", label, addr_text((struct sockaddr *)&ss, A, B), (int)l);
    l = sizeof ss;
    memset(&ss, 0, sizeof ss);
    if (getpeername(fd, (struct sockaddr *)&ss, &l) < 0) fact("%s: peer -1 %s", label, ename(errno));
    else fact("%s: peer %s, length %d", label, addr_text((struct sockaddr *)&ss, A, B), (int)l);
}

static void life(const char *label, int lfam, const char *bindip, int cfam, const char *toip) {
    fact("== %s", label);
    A = B = 0;
    int l = (int)must("socket", socket(lfam, SOCK_STREAM, 0));
    struct sockaddr_in a = in4(lfam == AF_INET ? bindip : "0.0.0.0", 0), c4;
    struct sockaddr_in6 a6 = in6(lfam == AF_INET6 ? bindip : "::", 0), c6;
    both("listener fresh", l);
    must("bind", lfam == AF_INET ? bind(l, (struct sockaddr *)&a, sizeof a) : bind(l, (struct sockaddr *)&a6, sizeof a6));
    A = port_of(l);
    both("listener bound", l);
    must("listen", listen(l, 4));
    both("listener listening", l);
    int c = (int)must("socket", socket(cfam, SOCK_STREAM, 0));
    both("client fresh", c);
    c4 = in4(cfam == AF_INET ? toip : "0.0.0.0", A);
    c6 = in6(cfam == AF_INET6 ? toip : "::", A);
    must("connect", cfam == AF_INET ? connect(c, (struct sockaddr *)&c4, sizeof c4)
         : connect(c, (struct sockaddr *)&c6, sizeof c6));
    B = port_of(c);
    both("client connected", c);
    both("listener with one waiting", l);
    struct sockaddr_storage ss;
    socklen_t sl = sizeof ss;
    int s = (int)must("accept", accept(l, (struct sockaddr *)&ss, &sl));
    fact("accept's address: %s, length %d", addr_text((struct sockaddr *)&ss, A, B), (int)sl);
    both("accepted", s);
    int d = dup(s);
    both("dup of accepted", d);
    close(d);
    close(l);
    both("accepted, listener closed", s);
    res("client shuts down writing", shutdown(c, SHUT_WR));
    both("client after it", c);
    char x;
    res("server reads", read(s, &x, 1));
    both("accepted after the client's end", s);
    res("server shuts down both ways", shutdown(s, SHUT_RDWR));
    res("client reads", read(c, &x, 1));
    sleep_ms(30);
    both("accepted after both ended", s);
    both("client after both ended", c);
    close(c);
    close(s);
    /* The peer vanishes with a reset. */
    l = (int)must("socket", socket(lfam, SOCK_STREAM, 0));
    must("bind", lfam == AF_INET ? bind(l, (struct sockaddr *)&a, sizeof a) : bind(l, (struct sockaddr *)&a6, sizeof a6));
    A = port_of(l);
    must("listen", listen(l, 4));
    c4.sin_port = c6.sin6_port = htons((uint16_t)A);
    c = (int)must("socket", socket(cfam, SOCK_STREAM, 0));
    must("connect", cfam == AF_INET ? connect(c, (struct sockaddr *)&c4, sizeof c4)
         : connect(c, (struct sockaddr *)&c6, sizeof c6));
    B = port_of(c);
    s = (int)must("accept", accept(l, NULL, NULL));
    struct linger lg = {1, 0};
    must("linger", setsockopt(c, SOL_SOCKET, SO_LINGER, &lg, sizeof lg));
    close(c);
    res("server reads after a reset", read(s, &x, 1));
    both("accepted after a reset", s);
    close(s);
    close(l);
}

int main(void) {
    alarm(8);
    life("v4", AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
    life("v4 any", AF_INET, "0.0.0.0", AF_INET, "127.0.0.1");
    life("v6", AF_INET6, "::1", AF_INET6, "::1");
    life("v6 any", AF_INET6, "::", AF_INET6, "::1");
    life("v6 any reached by v4", AF_INET6, "::", AF_INET, "127.0.0.1");
    life("v6 any reached by a mapped address", AF_INET6, "::", AF_INET6, "::ffff:127.0.0.1");
    life("v4 reached by a mapped address", AF_INET, "127.0.0.1", AF_INET6, "::ffff:127.0.0.1");
    life("mapped listener reached by v4", AF_INET6, "::ffff:127.0.0.1", AF_INET, "127.0.0.1");
    return 0;
}
