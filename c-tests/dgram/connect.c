/* Connected datagram sockets: they hear their peer only; connecting again changes the peer and leaves the queue alone
 * (man 2 connect, man 7 udp). */
#include "dg.h"

int main(void) {
    alarm(8);
    int a = udp4p("127.0.0.1", free_port()), b = udp4("127.0.0.1"), c = udp4("127.0.0.1");
    int ap = port_of(a), bp = port_of(b), cp = port_of(c);
    put4(c, "early c", "127.0.0.1", ap);
    put4(b, "early b", "127.0.0.1", ap);
    wait_in(a);
    res("connect a to b", con4(a, "127.0.0.1", bp));
    got("queued from c before the connect", a, bp, cp);
    got("queued from b before the connect", a, bp, cp);
    put4(c, "c", "127.0.0.1", ap);
    quiet("c is not heard", a);
    res("c's send succeeded", put4(c, "c again", "127.0.0.1", ap));
    put4(b, "b", "127.0.0.1", ap);
    got("b is heard", a, bp, cp);
    int b2 = socket(AF_INET, SOCK_DGRAM, 0);
    put4(b2, "other port of the same address", "127.0.0.1", ap);
    quiet("another port of the peer's address", a);
    close(b2);

    res("send", send(a, "plain", 5, 0));
    got("at b", b, ap, 0);
    res("write", write(a, "write", 5));
    got("at b", b, ap, 0);
    res("sendto elsewhere", put4(a, "elsewhere", "127.0.0.1", cp));
    got("at c", c, ap, 0);
    res("sendto NULL", sendto(a, "null", 4, 0, NULL, 0));
    got("at b", b, ap, 0);
    put4(c, "c after", "127.0.0.1", ap);
    quiet("that changed nobody's peer", a);
    peer("still", a, bp, cp);
    while (recv(c, (char[64]){0}, 64, MSG_DONTWAIT) > 0) {}

    put4(b, "left over", "127.0.0.1", ap);
    wait_in(a);
    res("connect a to c", con4(a, "127.0.0.1", cp));
    peer("now", a, bp, cp);
    got("what b had sent before", a, bp, cp);
    put4(b, "too late", "127.0.0.1", ap);
    quiet("b is not heard any more", a);
    put4(c, "hello", "127.0.0.1", ap);
    got("c is", a, bp, cp);

    res("disconnect", discon(a));
    peer("none", a, 0, 0);
    name("name stays", a, ap, 0);
    res("send", send(a, "x", 1, 0));
    put4(b, "b", "127.0.0.1", ap);
    put4(c, "c", "127.0.0.1", ap);
    got("everybody is heard", a, bp, cp);
    got("everybody is heard", a, bp, cp);

    struct sockaddr_in t = in4("127.0.0.1", bp);
    struct sockaddr_in6 t6 = in6("::1", bp);
    sa_family_t un = AF_UNSPEC;
    res("connect with AF_UNSPEC of two bytes", connect(a, SA(&un), sizeof un));
    res("connect with one byte", connect(a, SA(&un), 1));
    res("connect with length 0", connect(a, SA(&t), 0));
    res("connect with length 15", connect(a, SA(&t), 15));
    res("connect with length 17", connect(a, SA(&t), 17));
    res("connect with length 128", connect(a, SA(&(struct sockaddr_storage){.ss_family = AF_INET}), 128));
    res("connect with length 129", connect(a, SA(&t), 129));
    res("connect with length -1", connect(a, SA(&t), (socklen_t)-1));
    res("connect to a v6 address", connect(a, SA(&t6), sizeof t6));
    res("connect to a unix address", connect(a, SA(&(struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "x"}), 20));
    res("connect to NULL", connect(a, NULL, sizeof t));
    discon(a);
    res("connect to 0.0.0.0", con4(a, "0.0.0.0", bp));
    peer("0.0.0.0 became", a, bp, 0);
    name("0.0.0.0 became", a, ap, 0);
    res("connect to port 0", con4(a, "127.0.0.1", 0));
    peer("port 0", a, bp, 0);
    res("connect to broadcast", con4(a, "127.255.255.255", bp));
    peer("after a connect that failed", a, bp, 0);
    discon(a);
    res("connect to itself", con4(a, "127.0.0.1", ap));
    res("send", send(a, "me", 2, 0));
    got("from itself", a, ap, 0);
    return 0;
}
