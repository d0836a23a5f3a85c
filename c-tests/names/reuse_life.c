/* A port over its users' lives: closed and bound again, reuse options switched afterwards, listeners after listeners,
 * leftovers of connections (man 7 socket: SO_REUSEADDR; RFC 9293 3.6.1 TIME-WAIT). */
#include "t.h"

static int mk(int type, int addr, int rport) {
    int s = (int)must("socket", socket(AF_INET, type, 0));
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &addr, sizeof addr);
    setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &rport, sizeof rport);
    return s;
}

static int bp(int s, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return bind(s, (struct sockaddr *)&a, sizeof a);
}

static int to(int port) {
    int c = mk(SOCK_STREAM, 0, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

int main(void) {
    alarm(8);
    for (int t = 0; t < 2; t++) {
        int type = t ? SOCK_DGRAM : SOCK_STREAM;
        const char *who = t ? "udp" : "tcp";
        int a = mk(type, 0, 0);
        must("bind", bp(a, "127.0.0.1", 0));
        int port = port_of(a), b = mk(type, 0, 0), d = dup(a);
        fact("%s", who);
        res("same port while the first lives", bp(b, "127.0.0.1", port));
        close(a);
        res("still, while a dup lives", bp(b, "127.0.0.1", port));
        close(d);
        res("after the last close", bp(b, "127.0.0.1", port));
        fact("it is that port: %s", port_of(b) == port ? "yes" : "no");
        /* Options given after the bind count for the first as they stand when the second binds. */
        int c = mk(type, 1, 0);
        res("reuseaddr on the second only", bp(c, "127.0.0.1", port));
        setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        res("reuseaddr on the first given late", bp(c, "127.0.0.1", port));
        int e = mk(type, 0, 1);
        setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
        close(c);
        res("reuseport on the first given late", bp(e, "127.0.0.1", port));
        close(b);
        close(e);
    }
    int a = mk(SOCK_STREAM, 1, 0), b = mk(SOCK_STREAM, 1, 0);
    must("bind", bp(a, "127.0.0.1", 0));
    int port = port_of(a);
    res("two bound with reuseaddr", bp(b, "127.0.0.1", port));
    res("the first listens", listen(a, 4));
    res("the second listens", listen(b, 4));
    int c = mk(SOCK_STREAM, 1, 0);
    res("a third with reuseaddr beside a listener", bp(c, "127.0.0.1", port));
    close(a);
    res("the second listens after the first is closed", listen(b, 4));
    close(b);
    res("a third after the listener is closed", bp(c, "127.0.0.1", port));
    close(c);

    a = mk(SOCK_STREAM, 0, 1);
    b = mk(SOCK_STREAM, 0, 1);
    must("bind", bp(a, "127.0.0.1", 0));
    port = port_of(a);
    res("reuseport: second binds", bp(b, "127.0.0.1", port));
    res("reuseport: first listens", listen(a, 4));
    res("reuseport: second listens", listen(b, 4));
    c = mk(SOCK_STREAM, 0, 0);
    res("reuseport: a third without it", bp(c, "127.0.0.1", port));
    setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &(int){0}, sizeof(int));
    int d = mk(SOCK_STREAM, 0, 1);
    res("reuseport: taken off one of the two, a third with it", bp(d, "127.0.0.1", port));
    close(a);
    close(b);
    close(c);
    close(d);

    /* Connections keep the port: the accepted one holds it after the listener has gone. */
    int l = mk(SOCK_STREAM, 0, 0);
    must("bind", bp(l, "127.0.0.1", 0));
    must("listen", listen(l, 4));
    port = port_of(l);
    int k = to(port), s = (int)must("accept", accept(l, NULL, NULL));
    close(l);
    a = mk(SOCK_STREAM, 0, 0);
    res("listener closed, connection lives: bind", bp(a, "127.0.0.1", port));
    b = mk(SOCK_STREAM, 1, 0);
    res("the same with reuseaddr on the new one only", bp(b, "127.0.0.1", port));
    close(b);
    res("the other address 127.0.0.2 meanwhile", bp(a, "127.0.0.2", port));
    close(a);
    /* The side that closes first remains in TIME_WAIT. Here the server closes first. */
    close(s);
    char x;
    res("client sees the end", read(k, &x, 1));
    close(k);
    sleep_ms(50);
    a = mk(SOCK_STREAM, 0, 0);
    res("server closed first: bind without reuseaddr", bp(a, "127.0.0.1", port));
    close(a);
    /* With SO_REUSEADDR on the listener from the start, as servers do. */
    l = mk(SOCK_STREAM, 1, 0);
    must("bind", bp(l, "127.0.0.1", 0));
    must("listen", listen(l, 4));
    port = port_of(l);
    k = to(port);
    s = (int)must("accept", accept(l, NULL, NULL));
    close(l);
    b = mk(SOCK_STREAM, 1, 0);
    res("reuseaddr throughout, connection lives: bind", bp(b, "127.0.0.1", port));
    res("and listen", listen(b, 4));
    close(b);
    close(s);
    res("client sees the end", read(k, &x, 1));
    close(k);
    sleep_ms(50);
    b = mk(SOCK_STREAM, 1, 0);
    res("reuseaddr throughout, server closed first: bind", bp(b, "127.0.0.1", port));
    res("and listen", listen(b, 4));
    k = to(port);
    ok("and serve", accept(b, NULL, NULL));
    close(k);
    close(b);
    /* Where the client closes first the server's port is free at once. */
    l = mk(SOCK_STREAM, 0, 0);
    must("bind", bp(l, "127.0.0.1", 0));
    must("listen", listen(l, 4));
    port = port_of(l);
    k = to(port);
    s = (int)must("accept", accept(l, NULL, NULL));
    close(l);
    close(k);
    res("server sees the end", read(s, &x, 1));
    close(s);
    sleep_ms(50);
    a = mk(SOCK_STREAM, 0, 0);
    res("client closed first: bind without reuseaddr", bp(a, "127.0.0.1", port));
    return 0;
}
