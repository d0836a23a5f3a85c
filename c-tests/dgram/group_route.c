/* A socket that is connected to a group has the address of the interface that leads there (ip4_datagram_connect), as programs ask
 * for which is theirs; and who an error is told: a socket that an answer to the datagram would reach. */
#include "dg.h"

static uint32_t address(int s) {
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    return getsockname(s, SA(&a), &n) < 0 || a.sin_family != AF_INET ? 1 : a.sin_addr.s_addr;
}

/* Connected to 127.0.0.1, where nobody is: whether the refusal comes back. */
static void told(const char *label, int s, const char *ip, int six) {
    int port = free_port();
    res(label, six ? con6(s, ip, port) : con4(s, ip, port));
    res("  send", send(s, "x", 1, 0));
    fact("  poll: %s", poll_text(s, POLLIN | POLLOUT, 100));
    res("  recv", recv(s, &port, 1, MSG_DONTWAIT));
}

int main(void) {
    alarm(8);
    int g = socket(AF_INET, SOCK_DGRAM, 0), k = socket(AF_INET, SOCK_DGRAM, 0), s;
    int r = con4(g, "224.0.2.1", 5000), q = con4(k, "192.0.2.254", 5000);
    /* A machine without a way out has neither. */
    fact("a group and an address outside give the same: %s", r == q && address(g) == address(k) ? "yes" : "no");
    discon(g);
    name("disconnected", g, 0, 0);

    told("from 127.0.0.1", udp4("127.0.0.1"), "127.0.0.1", 0);
    told("from the wildcard", udp4("0.0.0.0"), "127.0.0.1", 0);
    told("from a broadcast address", udp4("127.255.255.255"), "127.0.0.1", 0);
    told("from a group", udp4("224.0.2.1"), "127.0.0.1", 0);
    s = socket(AF_INET6, SOCK_DGRAM, 0);
    told("::1", s, "::1", 1);
    told("then mapped, with the old address", s, "::ffff:127.0.0.1", 1);
    name("is", s, 0, 0);
    s = udp6("::ffff:0.0.0.0");
    told("the mapped wildcard, to ::", s, "::", 1);
    name("is", s, 0, 0);
    peer("is", s, 0, 0);
    s = udp6("::ffff:127.0.0.7");
    told("bound to mapped, to ::", s, "::", 1);
    peer("is", s, 0, 0);
    int t = udp4p("127.0.0.1", port_of(s));
    res("bound to mapped, sends to ::", put6(s, "hello", "::", port_of(t)));
    got("at 127.0.0.1", t, port_of(s), 0);
    return 0;
}
