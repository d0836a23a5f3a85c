/* All of 127.0.0.0/8 is this host; which source address a datagram has; 0.0.0.0 as a destination (man 7 ip; RFC 1122 3.2.1.3). */
#include "dg.h"

int main(void) {
    alarm(8);
    int any = udp4("0.0.0.0"), port = port_of(any), s = socket(AF_INET, SOCK_DGRAM, 0);
    static const char *dest[] = {"127.0.0.1", "127.0.0.2", "127.5.5.5", "127.255.255.254", "0.0.0.0", "127.0.0.0"};
    for (unsigned i = 0; i < sizeof dest / sizeof *dest; i++) {
        fact("unbound to %s: %ld", dest[i], put4(s, "x", dest[i], port));
        got("    received", any, port_of(s), 0);
    }
    res("to 127.255.255.255", put4(s, "x", "127.255.255.255", port));
    close(s);
    static const char *src[] = {"127.0.0.1", "127.0.0.2", "127.5.5.5", "127.255.255.254"};
    for (unsigned i = 0; i < sizeof src / sizeof *src; i++) {
        s = udp4(src[i]);
        put4(s, "x", "127.9.9.9", port);
        fact("bound to %s", src[i]);
        got("    received", any, port_of(s), 0);
        /* The answer of a wildcard socket comes from 127.0.0.1, whatever address was asked. */
        put4(any, "answer", src[i], port_of(s));
        got("    answer", s, port, 0);
        close(s);
    }
    s = socket(AF_INET, SOCK_DGRAM, 0);
    con4(s, "127.5.5.5", port);
    name("connected to 127.5.5.5", s, 0, 0);
    send(s, "x", 1, 0);
    got("received", any, port_of(s), 0);
    put4(any, "answer", "127.0.0.1", port_of(s));
    quiet("so the answer from 127.0.0.1 is not heard", s);
    int five = udp4p("127.5.5.5", 0), five_port = port_of(five);
    con4(s, "127.5.5.5", five_port);
    send(s, "y", 1, 0);
    got("a server bound to 127.5.5.5", five, port_of(s), 0);
    put4(five, "answer", "127.0.0.1", port_of(s));
    got("its answer is heard", s, five_port, 0);
    res("to its port on another address", put4(s, "z", "127.0.0.1", five_port));
    quiet("is not for it", five);
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    res("connect 0.0.0.0", con4(s, "0.0.0.0", port));
    name("connect 0.0.0.0", s, 0, 0);
    peer("connect 0.0.0.0", s, port, 0);
    close(s);
    s = udp4("127.0.0.7");
    res("bound to 127.0.0.7, connect 0.0.0.0", con4(s, "0.0.0.0", port));
    peer("    it", s, port, 0);
    send(s, "x", 1, 0);
    got("received", any, port_of(s), 0);
    res("sendto 0.0.0.0", put4(s, "w", "0.0.0.0", port));
    got("received", any, port_of(s), 0);
    int seven = udp4p("127.0.0.7", 0);
    res("sendto 0.0.0.0 at a port of 127.0.0.7 only", put4(udp4("127.0.0.7"), "v", "0.0.0.0", port_of(seven)));
    got("received", seven, 0, 0);
    close(s);

    /* Bound to one address, sent to another; same port on two addresses. */
    int a = udp4p("127.0.0.1", free_port()), p = port_of(a), b = udp4p("127.0.0.2", p), t = udp4("127.0.0.1");
    put4(t, "one", "127.0.0.1", p);
    put4(t, "two", "127.0.0.2", p);
    got("at 127.0.0.1", a, port_of(t), 0);
    got("at 127.0.0.2", b, port_of(t), 0);
    con4(t, "127.0.0.3", p);
    res("to 127.0.0.3", send(t, "three", 5, 0));
    fact("refused: %s", poll_text(t, POLLIN, 1000));
    res("SO_ERROR", get(t, SOL_SOCKET, SO_ERROR));
    res("the port of all addresses", bind(socket(AF_INET, SOCK_DGRAM, 0), SA(&(struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)p)}), 16));

    /* A v6 server shows v4 peers as mapped, and answers them. */
    int six = udp6("::"), sp = port_of(six);
    put4(t, "v4", "127.3.3.3", sp);
    got("dual-stack server", six, port_of(t), 0);
    int v6 = udp6("::1");
    put6(v6, "v6", "::1", sp);
    got("dual-stack server", six, port_of(v6), 0);
    put6(six, "answer", "::1", port_of(v6));
    got("answer", v6, sp, 0);
    return 0;
}
