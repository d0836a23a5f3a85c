/* IP_PKTOPTIONS, IPV6_2292PKTOPTIONS (man 7 ip; RFC 2292): on a stream the control messages that its options ask for, of the segment
 * that came from the connector; IP_MINTTL, IPV6_MINHOPCOUNT (RFC 5082): what comes with fewer hops is dropped. */
#include "../stream/stream.h"

#define MASKED 11 /* IPV6_FLOWINFO, whose label is made up */

static void dump(const char *who, int fd, int level, int option) {
    unsigned char b[400];
    socklen_t n = sizeof b;
    if (getsockopt(fd, level, option, b, &n)) {
        fact("%s: %s", who, ename(errno));
        return;
    }
    fact("%s: length %u", who, n);
    struct msghdr h = {.msg_control = b, .msg_controllen = n};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        char line[200] = "";
        for (unsigned i = 0; i < c->cmsg_len - CMSG_LEN(0); i++)
            if (c->cmsg_type != MASKED) snprintf(line + strlen(line), sizeof line - strlen(line), "%02x", CMSG_DATA(c)[i]);
        fact("    level %d type %d length %d: %s", c->cmsg_level, c->cmsg_type, (int)(c->cmsg_len - CMSG_LEN(0)), line);
    }
    for (int room = 10; room <= 50; room += 20) {
        n = (socklen_t)room;
        long r = getsockopt(fd, level, option, b, &n);
        fact("    with room for %d: %s, %u", room, r ? ename(errno) : "0", n);
    }
}

static void ask(int fd, int level, const int *options, int count) {
    int on = 1;
    for (int i = 0; i < count; i++) setsockopt(fd, level, options[i], &on, sizeof on);
}

static int set(int fd, int level, int option, int v) { return setsockopt(fd, level, option, &v, sizeof v); }

static void pair6(int p[2], int hops) {
    struct sockaddr_in6 a;
    int l = listener6(&a, 2);
    p[0] = socket(AF_INET6, SOCK_STREAM, 0);
    set(p[0], IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops);
    set(p[0], IPPROTO_IPV6, IPV6_TCLASS, 0x20);
    must("connect", connect(p[0], (struct sockaddr *)&a, sizeof a));
    p[1] = accept(l, NULL, NULL);
    close(l);
}

static void hops(const char *label, int p[2], int level, int least, int sent) {
    res(label, set(p[1], level, least, 200));
    send(p[0], "few", 3, 0);
    fact("too few: %s", poll_text(p[1], POLLIN, 100));
    send(p[1], "back", 4, 0);
    fact("the other way: %s", poll_text(p[0], POLLIN, 1000));
    set(p[0], level, sent, 255);
    fact("enough: %s", poll_text(p[1], POLLIN, 4000));
    fact_recv("recv", p[1], 10, MSG_DONTWAIT);
    close(p[0]);
    close(p[1]);
}

int main(void) {
    alarm(9);
    static const int four[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS},
        six[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT, MASKED};
    int p[2], fresh = socket(AF_INET, SOCK_STREAM, 0), port, l = listener4(&port, 5);
    struct sockaddr_in a = in4("127.0.0.1", port);
    p[0] = socket(AF_INET, SOCK_STREAM, 0);
    set(p[0], IPPROTO_IP, IP_TTL, 99);
    must("connect", connect(p[0], (struct sockaddr *)&a, sizeof a));
    p[1] = accept(l, NULL, NULL);
    dump("nothing asked for", p[1], IPPROTO_IP, IP_PKTOPTIONS);
    ask(fresh, IPPROTO_IP, four, 3);
    ask(p[0], IPPROTO_IP, four, 3);
    ask(p[1], IPPROTO_IP, four, 3);
    dump("fresh", fresh, IPPROTO_IP, IP_PKTOPTIONS);
    dump("connector", p[0], IPPROTO_IP, IP_PKTOPTIONS);
    dump("accepted", p[1], IPPROTO_IP, IP_PKTOPTIONS);
    dump("udp", socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, IP_PKTOPTIONS);
    hops("IP_MINTTL", p, IPPROTO_IP, IP_MINTTL, IP_TTL);

    pair6(p, 77);
    fresh = socket(AF_INET6, SOCK_STREAM, 0);
    ask(fresh, IPPROTO_IPV6, six, 6);
    ask(p[0], IPPROTO_IPV6, six, 6);
    ask(p[1], IPPROTO_IPV6, six, 6);
    dump("fresh", fresh, IPPROTO_IPV6, IPV6_2292PKTOPTIONS);
    dump("connector", p[0], IPPROTO_IPV6, IPV6_2292PKTOPTIONS);
    dump("accepted", p[1], IPPROTO_IPV6, IPV6_2292PKTOPTIONS);
    hops("IPV6_MINHOPCOUNT", p, IPPROTO_IPV6, 73, IPV6_UNICAST_HOPS);

    set(l, IPPROTO_IP, IP_MINTTL, 255);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    res("connect to a listener with IP_MINTTL", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("%s", poll_text(c, POLLOUT, 100));
    int d = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    set(d, IPPROTO_IP, IP_TTL, 255);
    connect(d, (struct sockaddr *)&a, sizeof a);
    fact("with 255: %s", poll_text(d, POLLOUT, 1000));
    return 0;
}
