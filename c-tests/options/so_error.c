/* SO_ERROR: the pending error of a socket, told once and then gone, by getsockopt or by the next call, whichever
 * comes first (man 7 socket; RFC 1122 4.1.3.3 for UDP's port unreachable; POSIX 2.10.16). */
#include "opt.h"

static const char *err(int fd) {
    int e = -1;
    socklen_t l = sizeof e;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l) < 0) return "failed";
    return ename(e);
}

/* A connected UDP socket whose peer's port nobody has, with the refusal arrived. */
static int refused_udp(int v6) {
    int s = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)),
        d = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    struct sockaddr_in6 b = in6("::1", 0);
    must("bind", v6 ? bind(d, (struct sockaddr *)&b, sizeof b) : bind(d, (struct sockaddr *)&a, sizeof a));
    a.sin_port = b.sin6_port = htons((uint16_t)port_of(d));
    close(d);
    must("connect", v6 ? connect(s, (struct sockaddr *)&b, sizeof b) : connect(s, (struct sockaddr *)&a, sizeof a));
    must("send", send(s, "x", 1, 0));
    poll_text(s, POLLIN, 2000);
    return s;
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    char b[8];
    for (int v6 = 0; v6 < 2; v6++) {
        fact("udp%d, refused", v6 ? 6 : 4);
        int s = refused_udp(v6);
        fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
        fact("SO_ERROR %s", err(s));
        fact("SO_ERROR again %s, poll %s", err(s), poll_text(s, POLLIN | POLLOUT, 0));
        res("recv afterwards", recv(s, b, 1, MSG_DONTWAIT));
        close(s);
        s = refused_udp(v6);
        res("recv takes it", recv(s, b, 1, MSG_DONTWAIT));
        res("recv again", recv(s, b, 1, MSG_DONTWAIT));
        fact("SO_ERROR %s", err(s));
        close(s);
        s = refused_udp(v6);
        res("send takes it", send(s, "x", 1, 0));
        poll_text(s, POLLIN, 50);
        fact("SO_ERROR, when nothing was sent: %s", err(s));
        res("the next send goes out", send(s, "x", 1, 0));
        close(s);
        s = refused_udp(v6);
        socklen_t l = 0;
        int v = 77;
        res("getsockopt of length 0 takes it as well", getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &l));
        fact("SO_ERROR %s", err(s));
        close(s);
        s = refused_udp(v6);
        int d = dup(s);
        fact("by a dup %s", err(d));
        fact("by the first %s", err(s));
        close(d);
        close(s);
        s = refused_udp(v6);
        struct sockaddr un = {.sa_family = AF_UNSPEC};
        res("dissolve the association", connect(s, &un, sizeof un));
        fact("SO_ERROR stays %s", err(s));
        close(s);
    }
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    int dead = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("bind", bind(dead, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(dead));
    close(dead);
    res("not connected: sendto where nobody listens", sendto(u, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    fact("no error comes back: poll %s, SO_ERROR %s", poll_text(u, POLLIN, 50), err(u));
    int p[2];
    tcp_pair(p);
    fact("tcp connected: %s", err(p[0]));
    struct linger lg = {1, 0};
    setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(p[0]);
    fact("tcp reset by the peer: poll %s", poll_text(p[1], POLLIN | POLLOUT | POLLRDHUP, 2000));
    fact("SO_ERROR %s", err(p[1]));
    fact("SO_ERROR again %s", err(p[1]));
    res("recv", recv(p[1], b, 1, 0));
    res("send", send(p[1], b, 1, 0));
    fact("SO_ERROR after the failed send %s", err(p[1]));
    close(p[1]);
    tcp_pair(p);
    setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(p[0]);
    poll_text(p[1], POLLIN, 2000);
    res("recv takes it", recv(p[1], b, 1, 0));
    fact("SO_ERROR %s", err(p[1]));
    res("recv again", recv(p[1], b, 1, 0));
    close(p[1]);
    tcp_pair(p);
    setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(p[0]);
    poll_text(p[1], POLLIN, 2000);
    res("send takes it", send(p[1], b, 1, 0));
    res("send again", send(p[1], b, 1, 0));
    fact("SO_ERROR %s", err(p[1]));
    res("recv", recv(p[1], b, 1, 0));
    res("set SO_ERROR", opt_set(u, SOL_SOCKET, SO_ERROR, 5));
    return 0;
}
