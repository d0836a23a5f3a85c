/* Names of a UDP socket: fresh, sent, bound, connected, connected elsewhere, dissolved, shut down (man 7 udp; man 2
 * connect: "dissolve the association by connecting to an address with sa_family AF_UNSPEC"). */
#include "t.h"

static int A, B;

static void both(const char *label, int fd) {
    struct sockaddr_storage n, p;
    socklen_t nl = sizeof n, pl = sizeof p;
    memset(&n, 0, sizeof n);
    memset(&p, 0, sizeof p);
    must("getsockname", getsockname(fd, (struct sockaddr *)&n, &nl));
    int r = getpeername(fd, (struct sockaddr *)&p, &pl), e = errno;
    fact("%s: name %s, peer %s", label, addr_text((struct sockaddr *)&n, A, B), r < 0 ? ename(e)
         : addr_text((struct sockaddr *)&p, A, B));
}

static int con(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

static int con6(int fd, const char *ip, int port) {
    struct sockaddr_in6 a = in6(ip, port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

int main(void) {
    alarm(8);
    int r = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), r6 = (int)must("socket",
        socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in z = in4("0.0.0.0", 0);
    struct sockaddr_in6 z6 = in6("::", 0);
    must("bind", bind(r, (struct sockaddr *)&z, sizeof z));
    must("bind", bind(r6, (struct sockaddr *)&z6, sizeof z6));
    A = port_of(r);
    B = port_of(r6);
    both("receiver", r);
    both("receiver 6", r6);
    struct sockaddr un = {.sa_family = AF_UNSPEC};
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    both("fresh", u);
    struct sockaddr_in to = in4("127.0.0.1", A);
    must("sendto", sendto(u, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    both("after sendto", u);
    res("connect", con(u, "127.0.0.1", A));
    both("connected", u);
    int port = port_of(u);
    res("connect elsewhere", con(u, "127.0.0.2", B));
    both("connected elsewhere", u);
    fact("same port: %s", port_of(u) == port ? "yes" : "no");
    res("dissolve", connect(u, &un, sizeof un));
    both("dissolved", u);
    res("dissolve again", connect(u, &un, sizeof un));
    res("connect to 0.0.0.0", con(u, "0.0.0.0", A));
    both("connected to any", u);
    res("connect to port 0", con(u, "127.0.0.1", 0));
    both("connected to port 0", u);
    res("send to port 0", send(u, "x", 1, 0));
    res("shutdown", shutdown(u, SHUT_RDWR));
    both("after shutdown", u);
    close(u);
    /* A socket bound to the wildcard takes an address on connect and gives it back when dissolved. */
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("bind", bind(u, (struct sockaddr *)&z, sizeof z));
    port = port_of(u);
    both("bound to any", u);
    res("connect", con(u, "127.0.0.3", A));
    both("bound to any, connected", u);
    res("dissolve", connect(u, &un, sizeof un));
    both("bound to any, dissolved", u);
    fact("port kept: %s", port_of(u) == port ? "yes" : "no");
    close(u);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in z9 = in4("127.0.0.9", 0);
    must("bind", bind(u, (struct sockaddr *)&z9, sizeof z9));
    res("bound to 127.0.0.9, connect", con(u, "127.0.0.3", A));
    both("bound to 127.0.0.9, connected", u);
    res("send", send(u, "x", 1, 0));
    char x[4];
    struct sockaddr_in from;
    socklen_t fl = sizeof from;
    while (recvfrom(r, x, 4, MSG_DONTWAIT, (struct sockaddr *)&from, &(socklen_t){sizeof from}) > 0) {}
    must("send", send(u, "x", 1, 0));
    res("received", recvfrom(r, x, 4, 0, (struct sockaddr *)&from, &fl));
    fact("from %s, its port: %s", addr_text((struct sockaddr *)&from, A, B), ntohs(from.sin_port) == port_of(u) ? "yes"
         : "no");
    res("dissolve", connect(u, &un, sizeof un));
    both("bound to 127.0.0.9, dissolved", u);
    close(u);
    /* v6 and mapped. */
    int w = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    both("fresh 6", w);
    res("connect ::1", con6(w, "::1", B));
    both("connected 6", w);
    res("connect mapped", con6(w, "::ffff:127.0.0.1", A));
    both("connected mapped", w);
    res("connect back to ::1", con6(w, "::1", B));
    both("connected 6 again", w);
    res("dissolve", connect(w, &un, sizeof un));
    both("dissolved 6", w);
    res("connect with a v4 address", con(w, "127.0.0.1", A));
    both("connected by a v4 address", w);
    close(w);
    w = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 m = in6("::ffff:127.0.0.1", A);
    must("sendto", sendto(w, "m", 1, 0, (struct sockaddr *)&m, sizeof m));
    both("6 after sendto mapped", w);
    fl = sizeof from;
    res("received", recvfrom(r, x, 4, 0, (struct sockaddr *)&from, &fl));
    fact("from %s", addr_text((struct sockaddr *)&from, A, B));
    must("sendto", sendto(r, "y", 1, 0, (struct sockaddr *)&from, fl));
    struct sockaddr_storage ss;
    fl = sizeof ss;
    res("answer received", recvfrom(w, x, 4, 0, (struct sockaddr *)&ss, &fl));
    fact("from %s, length %d", addr_text((struct sockaddr *)&ss, A, B), (int)fl);
    close(w);
    w = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    must("v6only", setsockopt(w, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)));
    res("v6only connect mapped", con6(w, "::ffff:127.0.0.1", A));
    res("v6only sendto mapped", sendto(w, "m", 1, 0, (struct sockaddr *)&m, sizeof m));
    res("v6only connect v4", con(w, "127.0.0.1", A));
    both("v6only after these", w);
    return 0;
}
