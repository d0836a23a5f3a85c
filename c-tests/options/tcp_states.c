/* TCP options whose rules or values depend on the state of the socket: connected, listening, closed by the peer; and
 * the state byte and the lengths of TCP_INFO (man 7 tcp; RFC 9293 3.3.2 for the states). */
#include "opt.h"

static const char *state(int fd) {
    static const char *n[] = {"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
        "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"};
    struct tcp_info i;
    socklen_t l = sizeof i;
    memset(&i, 0xFF, sizeof i);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &l) < 0) return ename(errno);
    return i.tcpi_state < 12 ? n[i.tcpi_state] : "??";
}

/* Waits, at most a second, for a state that a packet brings about. */
static const char *state_soon(int fd, const char *want) {
    for (int i = 0; i < 100 && strcmp(state(fd), want); i++) sleep_ms(10);
    return state(fd);
}

static void try(const char *who, int fd) {
    static const struct { const char *name; int opt, v; } t[] = {
        {O(TCP_NODELAY), 1}, {O(TCP_CORK), 1}, {O(TCP_CORK), 0}, {O(TCP_KEEPIDLE), 100}, {O(TCP_KEEPINTVL), 10},
            {O(TCP_KEEPCNT), 3}, {O(TCP_SYNCNT), 2},
        {O(TCP_LINGER2), 5}, {O(TCP_DEFER_ACCEPT), 1}, {O(TCP_USER_TIMEOUT), 1000}, {O(TCP_FASTOPEN), 1},
            {O(TCP_FASTOPEN_CONNECT), 1},
        {O(TCP_FASTOPEN_NO_COOKIE), 1}, {O(TCP_NOTSENT_LOWAT), 9000}, {O(TCP_SAVE_SYN), 1}, {O(TCP_INQ), 1},
            {O(TCP_THIN_LINEAR_TIMEOUTS), 1}, {O(TCP_WINDOW_CLAMP), 0}};
    char line[1200];
    int p = snprintf(line, sizeof line, "%s:", who);
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        int r = opt_set(fd, IPPROTO_TCP, t[i].opt, t[i].v), e = errno;
        p += snprintf(line + p, sizeof line - (size_t)p, " %s=%d %s,", t[i].name, t[i].v, r < 0 ? ename(e) : "ok");
    }
    fact("%s", line);
    p = snprintf(line, sizeof line, "%s reads:", who);
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++)
        if (t[i].opt != TCP_WINDOW_CLAMP) p += snprintf(line + p, sizeof line - (size_t)p, " %s %s,", t[i].name,
                                                        opt_get(fd, IPPROTO_TCP, t[i].opt));
    fact("%s", line);
    const char *z = opt_set(fd, SOL_SOCKET, SO_ZEROCOPY, 1) ? ename(errno) : "ok",
        *r = opt_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) ? ename(errno) : "ok";
    const char *k = opt_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) ? ename(errno) : "ok",
        *l = opt_set(fd, IPPROTO_IP, IP_TTL, 77) ? ename(errno) : "ok";
    fact("%s: SO_ZEROCOPY %s, SO_REUSEPORT %s, SO_KEEPALIVE %s, IP_TTL %s", who, z, r, k, l);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int s = opt_socket(0), p[2], port, l = listener4(&port, 4);
    try("fresh", opt_socket(0));
    try("listening", l);
    l = listener4(&port, 4);
    tcp_pair(p);
    try("connected", p[0]);
    try("accepted", p[1]);
    shutdown(p[0], SHUT_WR);
    try("shut down for writing", p[0]);
    close(p[0]);
    close(p[1]);
    /* Values that show up only on a connection: present, of a size that makes sense. */
    tcp_pair(p);
    int mss = opt_int(p[0], IPPROTO_TCP, TCP_MAXSEG), clamp = opt_int(p[0], IPPROTO_TCP, TCP_WINDOW_CLAMP);
    fact("connected: TCP_MAXSEG within 500..65535: %s, TCP_WINDOW_CLAMP above 4000: %s", mss >= 500 && mss <= 65535
         ? "yes" : "no", clamp > 4000 ? "yes" : "no");
    res("TCP_MAXSEG on a connection", opt_set(p[0], IPPROTO_TCP, TCP_MAXSEG, 1000));
    res("TCP_MAXSEG 50 on a connection", opt_set(p[0], IPPROTO_TCP, TCP_MAXSEG, 50));
    fact("TCP_INFO states: fresh %s", state(s));
    struct sockaddr_in z = in4("127.0.0.1", 0), to = in4("127.0.0.1", port);
    must("bind", bind(s, (struct sockaddr *)&z, sizeof z));
    fact("bound %s", state(s));
    fact("listening %s", state(l));
    must("connect", connect(s, (struct sockaddr *)&to, sizeof to));
    fact("connected %s", state(s));
    int a = (int)must("accept", accept(l, NULL, NULL));
    fact("accepted %s", state_soon(a, "ESTABLISHED"));
    shutdown(s, SHUT_WR);
    fact("one side ended: %s and %s", state_soon(s, "FIN_WAIT2"), state_soon(a, "CLOSE_WAIT"));
    shutdown(a, SHUT_RD);
    fact("the other shut down for reading: %s", state(a));
    shutdown(a, SHUT_WR);
    fact("both ended: %s", state_soon(a, "CLOSE"));
    fact("the first to end: %s", state_soon(s, "CLOSE"));
    close(s);
    close(a);
    int q[2];
    tcp_pair(q);
    struct linger lg = {1, 0};
    setsockopt(q[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(q[0]);
    fact("after a reset: %s", state_soon(q[1], "CLOSE"));
    int c = opt_socket(0), dead;
    close(listener4(&dead, 1));
    to.sin_port = htons((uint16_t)dead);
    res("refused", connect(c, (struct sockaddr *)&to, sizeof to));
    fact("after it: %s", state(c));
    shutdown(l, SHUT_RD);
    fact("a listener that was shut down: %s", state(l));
    static const int lens[] = {0, 1, 4, 7, 8, 104, 192, -1};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        unsigned char b[1024];
        memset(b, 0xA5, sizeof b);
        socklen_t n = (socklen_t)lens[i];
        long r = getsockopt(p[0], IPPROTO_TCP, TCP_INFO, b, &n);
        fact("TCP_INFO length %d: %ld %s, after %d, state byte %s, wrote beyond %s", lens[i], r, r < 0 ? ename(errno)
             : "0", (int)n,
             lens[i] > 0 ? b[0] == 1 ? "1" : "other" : "-", lens[i] >= 0 && b[lens[i]] != 0xA5 ? "yes" : "no");
    }
    unsigned char big[4096];
    socklen_t n = sizeof big;
    res("TCP_INFO with room to spare", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, big, &n));
    fact("its length is at least 104 and a multiple of 4: %s", n >= 104 && n < 1024 && n % 4 == 0 ? "yes" : "no");
    res("set TCP_INFO", opt_set(p[0], IPPROTO_TCP, TCP_INFO, 1));
    return 0;
}
