/* Which local name a datagram socket has before and after bind, first send, connect and AF_UNSPEC (man 7 udp, man 7 ip:
 * ip_local_port_range; man 2 connect: "AF_UNSPEC" dissolves the association). */
#include "dg.h"

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), rp = port_of(r);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    name("fresh", s, 0, 0);
    peer("fresh", s, 0, 0);
    char b[8];
    res("recv on unbound, not waiting", recv(s, b, 8, MSG_DONTWAIT));
    res("send without destination", send(s, "x", 1, 0));
    fact("send without destination gave a port: %d", port_of(s) != 0);
    fact("poll on unbound: %s", poll_text(s, POLLIN | POLLOUT, 0));
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    res("poll only does not bind", port_of(s));
    res("first send", put4(s, "one", "127.0.0.1", rp));
    int p = port_of(s);
    fact("port after first send in 1024..65535: %d", p >= 1024);
    name("after first send", s, p, 0);
    res("second send", put4(s, "two", "127.0.0.1", rp));
    fact("same port: %d", port_of(s) == p);
    got("one", r, p, 0);
    got("two", r, p, 0);
    struct sockaddr_in any = in4("0.0.0.0", 0);
    res("bind after a send", bind(s, SA(&any), sizeof any));
    res("answer to it", put4(r, "answer", "127.0.0.1", p));
    got("answer", s, rp, 0);
    res("disconnect though never connected", discon(s));
    name("the automatic port is given up by that", s, p, 0);
    put4(s, "x", "127.0.0.1", rp);
    fact("and a new one is taken at the next send: %d", port_of(s) != 0);
    got("x", r, 0, 0);
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    res("send to port 0", put4(s, "x", "127.0.0.1", 0));
    fact("a send that fails binds nevertheless: %d", port_of(s) != 0);
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    res("connect", con4(s, "127.0.0.1", rp));
    p = port_of(s);
    name("connect binds address and port", s, p, 0);
    peer("connected", s, rp, 0);
    res("bind when connected", bind(s, SA(&any), sizeof any));
    res("disconnect", discon(s));
    name("automatic name after disconnect", s, p, 0);
    peer("disconnected", s, rp, 0);
    int t = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", p);
    res("its port is free for others", bind(t, SA(&a), sizeof a));
    close(t);
    res("and it may be bound again", bind(s, SA(&any), sizeof any));
    close(s);

    s = udp4("0.0.0.0");
    p = port_of(s);
    con4(s, "127.0.0.9", rp);
    name("bound to any, connected", s, p, 0);
    con4(s, "127.0.0.1", rp);
    name("connected again", s, p, 0);
    discon(s);
    name("bound to any, disconnected", s, p, 0);
    close(s);

    s = udp4("127.0.0.3");
    p = port_of(s);
    con4(s, "127.0.0.1", rp);
    name("bound to an address, connected", s, p, 0);
    put4(s, "from 3", "127.0.0.1", rp);
    got("source", r, p, 0);
    discon(s);
    name("bound to an address, disconnected", s, p, 0);
    res("bind twice", bind(s, SA(&any), sizeof any));
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    a = in4("127.0.0.4", 0);
    res("bind an address with port 0", bind(s, SA(&a), sizeof a));
    p = port_of(s);
    con4(s, "127.0.0.1", rp);
    discon(s);
    name("port 0 asked for, disconnected", s, p, 0);
    close(s);

    p = free_port();
    s = udp4p("0.0.0.0", p);
    con4(s, "127.0.0.1", rp);
    name("port given by number, connected", s, p, 0);
    discon(s);
    name("port given by number, disconnected", s, p, 0);
    res("bind twice", bind(s, SA(&any), sizeof any));
    close(s);
    s = udp4p("127.0.0.5", p);
    con4(s, "127.0.0.1", rp);
    discon(s);
    name("address and port given, disconnected", s, p, 0);
    close(s);

    s = socket(AF_INET6, SOCK_DGRAM, 0);
    name("v6 fresh", s, 0, 0);
    res("v6 connect", con6(s, "::1", rp));
    p = port_of(s);
    name("v6 connected", s, p, 0);
    discon(s);
    name("v6 disconnected", s, p, 0);
    close(s);
    s = udp6("::");
    p = port_of(s);
    con6(s, "::1", rp);
    name("v6 bound to any, connected", s, p, 0);
    discon(s);
    name("v6 bound to any, disconnected", s, p, 0);
    close(s);
    p = free_port();
    s = udp6p("::", p);
    con6(s, "::1", rp);
    discon(s);
    name("v6 port given by number, disconnected", s, p, 0);
    return 0;
}
