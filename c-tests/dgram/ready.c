/* Readiness of datagram sockets: poll, select and epoll in its modes (man 2 poll, man 2 select, man 7 epoll: EPOLLET, EPOLLONESHOT). */
#include "dg.h"

static int s, r, ep;

static const char *ev(int ms) {
    static __thread char out[4][80];
    static __thread int turn;
    char *o = out[turn++ & 3];
    struct epoll_event e[4];
    int n = epoll_wait(ep, e, 4, ms);
    snprintf(o, 80, "%d", n);
    if (n > 0)
        snprintf(o, 80, "%d:%s%s%s%s%s data %llu", n, e[0].events & EPOLLIN ? " IN" : "", e[0].events & EPOLLOUT ? " OUT" : "",
                 e[0].events & EPOLLERR ? " ERR" : "", e[0].events & EPOLLHUP ? " HUP" : "", e[0].events & EPOLLRDHUP ? " RDHUP" : "",
                 (unsigned long long)e[0].data.u64);
    return o;
}

static int ctl(int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.u64 = 0x123456789abcULL};
    return epoll_ctl(ep, op, r, &e);
}

static void take(int n) {
    for (char b[16]; n--;) recv(r, b, sizeof b, MSG_DONTWAIT);
}

static void put(const char *t) {
    send(s, t, strlen(t), 0);
    poll(&(struct pollfd){r, POLLIN, 0}, 1, 1000);
}

static void sel(const char *label) {
    fd_set a, b, c;
    FD_ZERO(&a);
    FD_ZERO(&b);
    FD_ZERO(&c);
    FD_SET(r, &a);
    FD_SET(r, &b);
    FD_SET(r, &c);
    int n = select(r + 1, &a, &b, &c, &(struct timeval){0, 0});
    fact("%s: select %d read %d write %d except %d", label, n, !!FD_ISSET(r, &a), !!FD_ISSET(r, &b), !!FD_ISSET(r, &c));
}

int main(void) {
    alarm(8);
    r = socket(AF_INET, SOCK_DGRAM, 0), s = udp4("127.0.0.1");
    struct pollfd p = {r, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND | POLLPRI, 0};
    poll(&p, 1, 0);
    fact("unbound: 0x%x", (unsigned)p.revents);
    ep = epoll_create1(0);
    res("add before bind", ctl(EPOLL_CTL_ADD, EPOLLIN));
    res("add twice", ctl(EPOLL_CTL_ADD, EPOLLIN));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(r, SA(&a), sizeof a));
    con4(s, "127.0.0.1", port_of(r));
    sel("empty");
    fact("level, empty: %s", ev(0));
    put("a");
    poll(&p, 1, 0);
    fact("one there: 0x%x", (unsigned)p.revents);
    sel("one there");
    fact("level: %s", ev(1000));
    fact("level again: %s", ev(1000));
    put("b");
    take(1);
    fact("one of two taken: %s", ev(1000));
    take(1);
    fact("both taken: %s", ev(0));
    put("");
    fact("an empty datagram: %s", ev(1000));
    take(1);

    res("edge", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLET));
    fact("edge, empty: %s", ev(0));
    put("a");
    fact("edge, one came: %s", ev(1000));
    fact("edge, nothing new: %s", ev(20));
    put("b");
    fact("edge, another came while one is there: %s", ev(1000));
    take(1);
    fact("edge, one of two taken: %s", ev(20));
    put("c");
    fact("edge, a third: %s", ev(1000));
    take(2);
    fact("edge, all taken: %s", ev(20));
    put("d");
    put("e");
    fact("edge, two came: %s", ev(1000));
    fact("edge, told once: %s", ev(20));
    res("modified again, with two there", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLET));
    fact("edge, that looks anew: %s", ev(1000));
    take(2);
    res("edge for writing too", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT | EPOLLET));
    fact("edge, writable: %s", ev(1000));
    fact("edge, still writable: %s", ev(20));
    put("f");
    fact("edge, one came: %s", ev(1000));
    take(1);
    res("one shot", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT));
    put("g");
    fact("one shot: %s", ev(1000));
    put("h");
    fact("one shot, used up: %s", ev(20));
    res("armed again", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT));
    fact("one shot: %s", ev(1000));
    take(2);
    res("no event asked for", ctl(EPOLL_CTL_MOD, 0));
    put("i");
    fact("none: %s", ev(20));
    take(1);

    /* Errors come without asking. */
    int port = free_port();
    con4(r, "127.0.0.1", port);
    send(r, "x", 1, 0);
    fact("refused, no event asked for: %s", ev(1000));
    poll(&p, 1, 0);
    fact("poll: 0x%x", (unsigned)p.revents);
    sel("refused");
    fact("SO_ERROR %s", ename((int)get(r, SOL_SOCKET, SO_ERROR)));
    fact("cleared: %s", ev(20));
    res("edge", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLET));
    send(r, "x", 1, 0);
    fact("edge, refused: %s", ev(1000));
    fact("edge, told once: %s", ev(20));
    get(r, SOL_SOCKET, SO_ERROR);
    res("level for reading", ctl(EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP));
    shutdown(r, SHUT_RD);
    fact("SHUT_RD: %s", ev(1000));
    shutdown(r, SHUT_RDWR);
    fact("SHUT_RDWR: %s", ev(1000));
    poll(&p, 1, 0);
    fact("poll: 0x%x", (unsigned)p.revents);
    sel("SHUT_RDWR");
    res("delete", ctl(EPOLL_CTL_DEL, 0));
    res("delete again", ctl(EPOLL_CTL_DEL, 0));
    ctl(EPOLL_CTL_ADD, EPOLLIN);
    close(r);
    fact("closed: %s", ev(20));
    return 0;
}
