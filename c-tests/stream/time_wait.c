/* TIME_WAIT (RFC 9293 3.6.1, `man 7 ip`, SO_REUSEADDR): the side that closes first keeps the port for a minute. bind
 * to it needs SO_REUSEADDR on the new socket, and Linux wants it to have been set on the old one as well. */
#include "stream.h"

static int tcp(int reuse) {
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    if (reuse) must("SO_REUSEADDR", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
    return s;
}

/* bind and listen on the port, told as one word each. */
static void again(const char *label, int port, int reuse) {
    int s = tcp(reuse);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int b = bind(s, (struct sockaddr *)&a, sizeof a) < 0 ? errno : 0;
    int l = b ? 0 : listen(s, 4) < 0 ? errno : 0;
    fact("%s, %s: bind %s, listen %s", label, reuse ? "SO_REUSEADDR" : "plain", ename(b), b ? "not tried" : ename(l));
    close(s);
}

/* A server of one connection; first: 0 when the server closes first, 1 the client. The server's port. */
static int served(int reuse, int first, int keep[2]) {
    int l = tcp(reuse);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, 4));
    int port = port_of(l);
    a = in4("127.0.0.1", port);
    int c = tcp(0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    int s = (int)must("accept", accept(l, NULL, NULL));
    close(l);
    if (keep) { keep[0] = c; keep[1] = s; return port; }
    close(first ? c : s);
    await(first ? s : c, POLLRDHUP);
    close(first ? s : c);
    sleep_ms(20);
    return port;
}

int main(void) {
    alarm(8);
    int port = served(0, 0, NULL);
    fact("-- server closed first, without SO_REUSEADDR");
    again("server's port", port, 0);
    again("server's port", port, 1);
    fact("-- server closed first, with SO_REUSEADDR");
    port = served(1, 0, NULL);
    again("server's port", port, 0);
    again("server's port", port, 1);
    fact("-- client closed first");
    port = served(0, 1, NULL);
    again("server's port", port, 0);

    fact("-- connection open, listener closed");
    int k[2];
    port = served(0, 0, k);
    again("old without", port, 0);
    again("old without", port, 1);
    fact("accepted socket has the listener's port: %s", port_of(k[1]) == port ? "yes" : "no");
    reset_close(k[1]);
    close(k[0]);
    again("after a reset: no TIME_WAIT", port, 0);
    port = served(1, 0, k);
    again("old with", port, 0);
    again("old with", port, 1);
    int v = 0;
    socklen_t n = sizeof v;
    getsockopt(k[1], SOL_SOCKET, SO_REUSEADDR, &v, &n);
    fact("accepted socket inherits SO_REUSEADDR: %d", v);
    close(k[0]);
    close(k[1]);

    fact("-- listener open");
    int l = listener4(&port, 4);
    again("listener without", port, 0);
    again("listener without", port, 1);
    close(l);
    l = tcp(1);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    port = port_of(l);
    again("bound with, not listening", port, 0);
    int s = tcp(1);
    a = in4("127.0.0.1", port);
    res("second bind with SO_REUSEADDR", bind(s, (struct sockaddr *)&a, sizeof a));
    res("listen of the first", listen(l, 4));
    res("listen of the second", listen(s, 4));
    again("third", port, 1);
    close(s);
    close(l);

    fact("-- the client's port in TIME_WAIT, used again for the same server");
    l = listener4(&port, 4);
    a = in4("127.0.0.1", 0);
    int c = tcp(1);
    must("bind", bind(c, (struct sockaddr *)&a, sizeof a));
    struct sockaddr_in me = in4("127.0.0.1", port_of(c)), to = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&to, sizeof to));
    s = (int)must("accept", accept(l, NULL, NULL));
    close(c);
    await(s, POLLRDHUP);
    close(s);
    sleep_ms(20);
    c = tcp(1);
    res("bind", bind(c, (struct sockaddr *)&me, sizeof me));
    res("connect", connect(c, (struct sockaddr *)&to, sizeof to));
    return 0;
}
