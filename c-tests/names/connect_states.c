/* What connect() and listen() say in each state of a TCP socket (man 2 connect: EISCONN, ECONNREFUSED, EALREADY; RFC
 * 9293 3.9.1; net/ipv4/af_inet.c __inet_stream_connect). */
#include "t.h"

static int con(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

static int sock(void) { return (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)); }

static int soerr(int fd) {
    int e = -1;
    socklen_t l = sizeof e;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l);
    return e;
}

static const char *names(int fd) {
    static char o[120];
    struct sockaddr_storage n, p;
    socklen_t l = sizeof n;
    getsockname(fd, (struct sockaddr *)&n, &l);
    l = sizeof p;
    int r = getpeername(fd, (struct sockaddr *)&p, &l), e = errno;
    snprintf(o, sizeof o, "name %s, peer %s", addr_text((struct sockaddr *)&n, 0, 0), r < 0 ? ename(e)
             : addr_text((struct sockaddr *)&p, 0, 0));
    return o;
}

/* A port that was free a moment ago, for binds that name it: a port that the system chose is given up at the end of a
 * connection or a listener, a port that the program named stays with the socket. */
static int free_port(void) {
    int p;
    close(listener4(&p, 1));
    return p;
}

static void stop_and_go(int explicit) {
    char l[80];
    int fd = sock(), s, c, port;
    struct sockaddr_in z = in4("127.0.0.1", explicit ? free_port() : 0);
    must("bind", bind(fd, (struct sockaddr *)&z, sizeof z));
    must("listen", listen(fd, 4));
    port = port_of(fd);
    const char *who = explicit ? "listener on a port it named" : "listener on a port it was given";
#define R(name, e) (snprintf(l, sizeof l, "%s: %s", who, name), res(l, (e)))
    R("shutdown for writing", shutdown(fd, SHUT_WR));
    c = sock();
    R("a client still gets in", con(c, "127.0.0.1", port));
    s = accept(fd, NULL, NULL);
    fact("%s: accept %s", who, s < 0 ? ename(errno) : "ok");
    /* The client ends first, so that nothing lingers on the listener's port (TIME_WAIT). */
    close(c);
    char x;
    recv(s, &x, 1, 0);
    close(s);
    R("shutdown for reading", shutdown(fd, SHUT_RD));
    fact("%s: %s, poll %s", who, names(fd), poll_text(fd, POLLIN | POLLOUT, 0));
    R("accept after it", accept(fd, NULL, NULL));
    c = sock();
    R("a client then", con(c, "127.0.0.1", port));
    R("shutdown again", shutdown(fd, SHUT_RD));
    R("bind again", bind(fd, (struct sockaddr *)&z, sizeof z));
    R("listen again", listen(fd, 4));
    fact("%s: the same port as before: %s", who, port_of(fd) == port ? "yes" : "no");
    R("a client gets in", con(c, "127.0.0.1", port_of(fd)));
    close(c);
    close(fd);
    /* The same question for a refused connect. */
    fd = sock();
    z.sin_port = explicit ? htons((uint16_t)free_port()) : 0;
    must("bind", bind(fd, (struct sockaddr *)&z, sizeof z));
    port = port_of(fd);
    who = explicit ? "bound to a port it named" : "bound to a port it was given";
    R("refused connect", con(fd, "127.0.0.1", free_port()));
    fact("%s: %s, same port told: %s", who, names(fd), port_of(fd) == port ? "yes" : "no");
    R("bind again", bind(fd, (struct sockaddr *)&z, sizeof z));
    R("listen", listen(fd, 4));
    fact("%s: listens on that port: %s", who, port_of(fd) == port ? "yes" : "no");
#undef R
    close(fd);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int port, l = listener4(&port, 16), dead;
    close(listener4(&dead, 1)); /* a port that nobody listens on now */
    char x;
    int c = sock();
    res("refused", con(c, "127.0.0.1", dead));
    fact("SO_ERROR after it: %s, %s, poll %s", ename(soerr(c)), names(c), poll_text(c, POLLIN | POLLOUT, 0));
    res("send after it", send(c, "x", 1, 0));
    res("recv after it", recv(c, &x, 1, MSG_DONTWAIT));
    res("refused again", con(c, "127.0.0.1", dead));
    res("the same socket to a listener", con(c, "127.0.0.1", port));
    fact("then %s", names(c));
    int s = (int)must("accept", accept(l, NULL, NULL));
    res("connected: connect again to the same", con(c, "127.0.0.1", port));
    res("connected: connect to a dead port", con(c, "127.0.0.1", dead));
    res("connected: with a short address", connect(c, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET},
                                                   8));
    res("connected: with a v6 address", connect(c, (struct sockaddr *)&(struct sockaddr_in6){.sin6_family = AF_INET6},
                                                sizeof(struct sockaddr_in6)));
    res("connected: listen", listen(c, 4));
    struct sockaddr_in z = in4("127.0.0.1", 0);
    res("connected: bind", bind(c, (struct sockaddr *)&z, sizeof z));
    res("connected: accept", accept(c, NULL, NULL));
    res("accepted: connect", con(s, "127.0.0.1", port));
    res("accepted: listen", listen(s, 4));
    res("accepted: bind", bind(s, (struct sockaddr *)&z, sizeof z));
    res("it still works", send(c, "x", 1, 0));
    shutdown(c, SHUT_RDWR);
    res("shut down: connect", con(c, "127.0.0.1", port));
    close(s);
    sleep_ms(30);
    res("ended on both sides: connect", con(c, "127.0.0.1", port));
    res("ended on both sides: connect once more", con(c, "127.0.0.1", port));
    close(c);

    /* A listener. */
    res("listener: connect to another", con(l, "127.0.0.1", dead));
    res("listener: connect to itself", con(l, "127.0.0.1", port));
    res("listener: listen again with backlog 1", listen(l, 1));
    res("listener: listen again with backlog 0", listen(l, 0));
    res("listener: listen again with backlog -1", listen(l, -1));
    res("listener: listen again with backlog INT_MAX", listen(l, 2147483647));
    res("listener: bind", bind(l, (struct sockaddr *)&z, sizeof z));
    fact("listener: %s, port kept: %s", names(l), port_of(l) == port ? "yes" : "no");
    res("listener: send", send(l, "x", 1, 0));
    res("listener: recv", recv(l, &x, 1, MSG_DONTWAIT));
    fact("listener: poll %s", poll_text(l, POLLIN | POLLOUT, 0));
    c = sock();
    res("a client still gets in", con(c, "127.0.0.1", port));
    close(c);
    close(l);
    stop_and_go(0);
    stop_and_go(1);

    /* Neither bound nor connected. */
    c = sock();
    res("fresh: accept", accept(c, NULL, NULL));
    res("fresh: shutdown", shutdown(c, SHUT_RDWR));
    must("bind", bind(c, (struct sockaddr *)&z, sizeof z));
    res("bound: accept", accept(c, NULL, NULL));
    res("bound: shutdown", shutdown(c, SHUT_RDWR));
    close(c);
    /* Connecting from a bound loopback address to another one. */
    l = listener4(&port, 4);
    c = sock();
    struct sockaddr_in z7 = in4("127.0.0.7", 0), from;
    socklen_t fl = sizeof from;
    must("bind", bind(c, (struct sockaddr *)&z7, sizeof z7));
    int kept = port_of(c);
    res("bound to 127.0.0.7: connect", con(c, "127.0.0.1", port));
    fact("%s, port kept: %s", names(c), port_of(c) == kept ? "yes" : "no");
    s = (int)must("accept", accept(l, (struct sockaddr *)&from, &fl));
    fact("accepted from %s, port is the bound one: %s", addr_text((struct sockaddr *)&from, 0, 0),
         ntohs(from.sin_port) == kept ? "yes" : "no");
    res("listener not for 127.0.0.8", con(sock(), "127.0.0.8", port));
    return 0;
}
