/* A peer whose port is 0 (man 7 udp; __udp4_lib_lookup): the socket hears every port of that address, and is told what any of
 * them refuses. What it sends without an address goes to port 0, which an IPv6 socket does not do for IPv4. */
#include "dg.h"

static void of(const char *label, int six, const char *ip) {
    int r = six ? udp6("::") : udp4("127.0.0.1"), s = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), gone = free_port();
    fact("%s", label);
    res("connect to port 0", six ? con6(s, ip, 0) : con4(s, ip, 0));
    peer("then", s, 0, 0);
    res("send elsewhere", six ? put6(s, "to the other", ip, port_of(r)) : put4(s, "to the other", ip, port_of(r)));
    got("the other", r, port_of(s), 0);
    res("the other answers", six ? put6(r, "an answer", ip, port_of(s)) : put4(r, "an answer", ip, port_of(s)));
    got("the answer", s, port_of(r), 0);
    res("send to nobody", six ? put6(s, "x", ip, gone) : put4(s, "x", ip, gone));
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 1000));
    fact("SO_ERROR %s", ename((int)get(s, SOL_SOCKET, SO_ERROR)));
    res("send to the peer", send(s, "x", 1, 0));
    shutdown(s, SHUT_WR);
    res("send to the peer after SHUT_WR", send(s, "x", 1, 0));
    res("send elsewhere after SHUT_WR", six ? put6(s, "x", ip, gone) : put4(s, "x", ip, gone));
    close(r), close(s);
}

int main(void) {
    alarm(8);
    of("IPv4", 0, "127.0.0.1");
    of("IPv6", 1, "::1");
    of("v4-mapped", 1, "::ffff:127.0.0.1");
    return 0;
}
