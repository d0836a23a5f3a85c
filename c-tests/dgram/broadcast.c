/* Broadcast needs SO_BROADCAST (man 7 ip: EACCES); each socket that matches gets a copy, also where only one would get a
 * unicast datagram. 127.255.255.255 is the broadcast address of the loopback network. */
#include "dg.h"

static int member(const char *ip, int port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in a = in4(ip, port);
    must("bind", bind(fd, SA(&a), sizeof a));
    return fd;
}

int main(void) {
    alarm(8);
    int s = udp4("127.0.0.1"), sp = port_of(s), port = free_port();
    int any = member("0.0.0.0", port), any2 = member("0.0.0.0", port), host = member("127.0.0.1", port),
        b = member("127.255.255.255", port), six = socket(AF_INET6, SOCK_DGRAM, 0);
    name("bound to the broadcast address", b, port, 0);
    struct sockaddr_in6 a6 = in6("::", port);
    set(six, SOL_SOCKET, SO_REUSEADDR, 1);
    must("bind", bind(six, SA(&a6), sizeof a6));

    res("SO_BROADCAST default", get(s, SOL_SOCKET, SO_BROADCAST));
    res("sendto 127.255.255.255", put4(s, "x", "127.255.255.255", port));
    res("sendto 255.255.255.255", put4(s, "x", "255.255.255.255", port));
    res("connect 127.255.255.255", con4(s, "127.255.255.255", port));
    res("connect 255.255.255.255", con4(s, "255.255.255.255", port));
    quiet("nothing comes of it", any);
    res("SO_BROADCAST", set(s, SOL_SOCKET, SO_BROADCAST, 7));
    res("is", get(s, SOL_SOCKET, SO_BROADCAST));
    res("sendto 127.255.255.255", put4(s, "to all", "127.255.255.255", port));
    got("wildcard", any, sp, 0);
    got("another wildcard", any2, sp, 0);
    quiet("bound to 127.0.0.1", host);
    got("bound to the broadcast address", b, sp, 0);
    got("v6 wildcard", six, sp, 0);
    quiet("one copy each", any);
    res("an empty one", put4(s, "", "127.255.255.255", port));
    got("wildcard", any, sp, 0);
    got("another wildcard", any2, sp, 0);
    got("bound to the broadcast address", b, sp, 0);
    got("v6 wildcard", six, sp, 0);

    res("unicast", put4(s, "uni", "127.0.0.1", port));
    got("bound to 127.0.0.1", host, sp, 0);
    quiet("wildcard", any);
    quiet("another wildcard", any2);
    quiet("v6 wildcard", six);

    /* A connected one hears its peer only, of broadcasts too. */
    con4(any2, "127.0.0.1", port);
    put4(s, "again", "127.255.255.255", port);
    got("wildcard", any, sp, 0);
    quiet("connected to somebody else", any2);
    con4(any2, "127.0.0.1", sp);
    name("the connect gave it an address", any2, port, 0);
    put4(s, "third", "127.255.255.255", port);
    got("wildcard", any, sp, 0);
    quiet("connected to the sender, so bound to 127.0.0.1", any2);

    /* What the receiver learns of the destination. */
    set(any, IPPROTO_IP, IP_PKTINFO, 1);
    put4(s, "info", "127.255.255.255", port);
    for (int i = 0; i < 1; i++) {
        char d[16], c[128];
        struct iovec v = {d, 16};
        struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
        wait_in(any);
        res("recvmsg", recvmsg(any, &h, 0));
        struct cmsghdr *m = CMSG_FIRSTHDR(&h);
        struct in_pktinfo p;
        char t[2][32], ifn[IF_NAMESIZE];
        if (!m) break;
        memcpy(&p, CMSG_DATA(m), sizeof p);
        fact("addr %s spec_dst %s on %s", inet_ntop(AF_INET, &p.ipi_addr, t[0], 32), inet_ntop(AF_INET, &p.ipi_spec_dst, t[1], 32),
             if_indextoname((unsigned)p.ipi_ifindex, ifn));
    }
    res("connect 127.255.255.255", con4(s, "127.255.255.255", port));
    peer("connected", s, port, 0);
    res("send", send(s, "connected", 9, 0));
    got("wildcard", any, sp, 0);
    name("the sender's name", s, sp, 0);
    put4(host, "reply", "127.0.0.1", sp);
    quiet("a reply to one that is connected to broadcast", s);
    res("SO_BROADCAST off", set(s, SOL_SOCKET, SO_BROADCAST, 0));
    res("connected send without SO_BROADCAST", send(s, "x", 1, 0));
    /* Nobody there: no error, since nobody answers a broadcast. */
    int n = socket(AF_INET, SOCK_DGRAM, 0);
    set(n, SOL_SOCKET, SO_BROADCAST, 1);
    con4(n, "127.255.255.255", free_port());
    res("nobody listens", send(n, "x", 1, 0));
    fact("poll: %s", poll_text(n, POLLIN | POLLOUT, 30));
    res("send again", send(n, "x", 1, 0));
    res("bind to 255.255.255.255", bind(socket(AF_INET, SOCK_DGRAM, 0), SA(&(struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = INADDR_BROADCAST}), 16));
    return 0;
}
