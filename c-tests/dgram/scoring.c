/* Which socket gets a datagram when several would match: the most specific one, by what it is bound and connected to; among equals
 * the one bound last (udp_lib_lookup's scores; man 7 socket: SO_REUSEADDR, SO_BINDTODEVICE). */
#include "dg.h"

static int fds[10], n, from, port;
static const char *names[10];

static int add(const char *name, int family, const char *ip) {
    int fd = socket(family, SOCK_DGRAM, 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in a = in4(ip, port);
    struct sockaddr_in6 a6 = in6(ip, port);
    if (family == AF_INET ? bind(fd, SA(&a), sizeof a) : bind(fd, SA(&a6), sizeof a6)) fact("%s: bind %s", name, ename(errno));
    fds[n] = fd;
    names[n++] = name;
    return fd;
}

/* Who gets one datagram sent to ip. */
static const char *who(const char *ip) {
    static __thread char out[4][100];
    static __thread int turn;
    char *o = out[turn++ & 3];
    struct pollfd p[10];
    o[0] = 0;
    int family = strchr(ip, ':') ? AF_INET6 : AF_INET, s = family == AF_INET ? from : socket(AF_INET6, SOCK_DGRAM, 0);
    long k = family == AF_INET ? put4(s, "x", ip, port) : put6(s, "x", ip, port);
    if (k < 0) snprintf(o, 100, "-1 %s", ename(errno));
    for (int i = 0; i < n; i++) p[i] = (struct pollfd){fds[i], POLLIN, 0};
    if (poll(p, (nfds_t)n, 60) > 0)
        for (int i = 0; i < n; i++)
            if (p[i].revents & POLLIN) {
                recv(fds[i], (char[4]){0}, 4, MSG_DONTWAIT);
                snprintf(o + strlen(o), 100 - strlen(o), "%s%s", o[0] ? " + " : "", names[i]);
            }
    if (s != from) close(s);
    return o[0] ? o : "nobody";
}

static void clear(void) {
    while (n) close(fds[--n]);
}

int main(void) {
    alarm(8);
    from = udp4("127.0.0.1");
    port = free_port();
    /* Without any option a wildcard and an address exclude each other. */
    int w = udp4p("0.0.0.0", port), t = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("127.0.0.1 beside 0.0.0.0 without SO_REUSEADDR", bind(t, SA(&a), sizeof a));
    set(t, SOL_SOCKET, SO_REUSEADDR, 1);
    res("one of the two has it", bind(t, SA(&a), sizeof a));
    set(w, SOL_SOCKET, SO_REUSEADDR, 1);
    res("both", bind(t, SA(&a), sizeof a));
    close(w), close(t);
    w = udp4p("127.0.0.1", port);
    ok("127.0.0.2 beside 127.0.0.1", udp4p("127.0.0.2", port));
    close(w);
    port = free_port();

    add("any", AF_INET, "0.0.0.0");
    fact("any alone: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    add("addr", AF_INET, "127.0.0.1");
    fact("any, addr: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    add("any2", AF_INET, "0.0.0.0");
    fact("any, addr, any2: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    add("addr2", AF_INET, "127.0.0.1");
    fact("and addr2: 127.0.0.1 %s", who("127.0.0.1"));
    int c = add("conn", AF_INET, "0.0.0.0");
    con4(c, "127.0.0.1", port_of(from));
    fact("and one connected to the sender: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    con4(c, "127.0.0.1", 9);
    fact("connected to somebody else: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    discon(c);
    fact("disconnected: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    clear();

    port = free_port();
    add("first", AF_INET, "127.0.0.1"), add("second", AF_INET, "127.0.0.1"), add("third", AF_INET, "127.0.0.1");
    fact("three equal: %s", who("127.0.0.1"));
    close(fds[2]), n = 2;
    fact("the last has closed: %s", who("127.0.0.1"));
    con4(fds[1], "127.0.0.1", port_of(from));
    fact("the second is connected to the sender: %s", who("127.0.0.1"));
    con4(fds[0], "127.0.0.1", port_of(from));
    fact("both are: %s", who("127.0.0.1"));
    con4(fds[1], "127.0.0.1", port_of(from));
    fact("the second once more: %s", who("127.0.0.1"));
    con4(fds[0], "127.0.0.1", 9);
    fact("the first connected to somebody else: %s", who("127.0.0.1"));
    con4(fds[0], "127.0.0.1", port_of(from));
    fact("the first to the sender again: %s", who("127.0.0.1"));
    discon(fds[1]);
    fact("the second disconnected: %s", who("127.0.0.1"));
    discon(fds[0]);
    fact("none is: %s", who("127.0.0.1"));
    clear();

    /* Does a connect and a disconnect bring a socket to the front of its equals? */
    port = free_port();
    add("w1", AF_INET, "0.0.0.0"), add("w2", AF_INET, "0.0.0.0");
    fact("two wildcards: %s", who("127.0.0.1"));
    con4(fds[0], "127.0.0.1", 9), discon(fds[0]);
    fact("w1 was connected and disconnected: %s", who("127.0.0.1"));
    con4(fds[1], "127.0.0.1", 9), discon(fds[1]);
    fact("then w2: %s", who("127.0.0.1"));
    clear();
    port = free_port();
    add("a1", AF_INET, "127.0.0.1"), add("a2", AF_INET, "127.0.0.1");
    con4(fds[0], "127.0.0.1", 9), discon(fds[0]);
    fact("two with an address, a1 was connected and disconnected: %s", who("127.0.0.1"));
    clear();

    port = free_port();
    int six = add("six", AF_INET6, "::");
    add("any", AF_INET, "0.0.0.0");
    fact("v6 wildcard, then v4 wildcard: 127.0.0.1 %s, ::1 %s", who("127.0.0.1"), who("::1"));
    add("six2", AF_INET6, "::");
    fact("another v6 wildcard: 127.0.0.1 %s, ::1 %s", who("127.0.0.1"), who("::1"));
    add("one", AF_INET6, "::1");
    fact("and ::1: 127.0.0.1 %s, ::1 %s", who("127.0.0.1"), who("::1"));
    add("mapped", AF_INET6, "::ffff:127.0.0.1");
    fact("and ::ffff:127.0.0.1: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    con6(six, "::ffff:127.0.0.1", port_of(from));
    fact("the first connected to the sender: 127.0.0.1 %s, 127.0.0.2 %s", who("127.0.0.1"), who("127.0.0.2"));
    clear();

    port = free_port();
    add("any", AF_INET, "0.0.0.0");
    int d = add("device", AF_INET, "0.0.0.0");
    add("any2", AF_INET, "0.0.0.0");
    res("SO_BINDTODEVICE lo", setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    fact("one bound to lo among wildcards: %s", who("127.0.0.1"));
    add("addr", AF_INET, "127.0.0.1");
    fact("beside an address: 127.0.0.1 %s, 127.0.0.3 %s", who("127.0.0.1"), who("127.0.0.3"));
    clear();
    fact("nobody left: %s", who("127.0.0.1"));
    return 0;
}
