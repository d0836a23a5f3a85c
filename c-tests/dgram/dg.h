/* What the datagram tests share: bound sockets, sends to an address in text form, bounded receives told as one fact. */
#ifndef SOCKHOP_DG_H
#define SOCKHOP_DG_H
#include "t.h"
#include <net/if.h>

#define U __attribute__((unused))
#define SA(...) ((struct sockaddr *)(__VA_ARGS__))

U static int udp4p(const char *ip, int port) {
    int fd = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4(ip, port);
    must("bind", bind(fd, SA(&a), sizeof a));
    return fd;
}

U static int udp4(const char *ip) { return udp4p(ip, 0); }

U static int udp6p(const char *ip, int port) {
    int fd = (int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in6 a = in6(ip, port);
    must("bind", bind(fd, SA(&a), sizeof a));
    return fd;
}

U static int udp6(const char *ip) { return udp6p(ip, 0); }

U static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }

U static long get(int fd, int level, int name) {
    int v = 0;
    socklen_t l = sizeof v;
    if (getsockopt(fd, level, name, &v, &l) < 0) return -1;
    return l == 1 ? *(unsigned char *)&v : v;
}

U static long put4(int fd, const char *s, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return sendto(fd, s, strlen(s), 0, SA(&a), sizeof a);
}

U static long put6(int fd, const char *s, const char *ip, int port) {
    struct sockaddr_in6 a = in6(ip, port);
    return sendto(fd, s, strlen(s), 0, SA(&a), sizeof a);
}

U static int con4(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return connect(fd, SA(&a), sizeof a);
}

U static int con6(int fd, const char *ip, int port) {
    struct sockaddr_in6 a = in6(ip, port);
    return connect(fd, SA(&a), sizeof a);
}

U static int discon(int fd) {
    struct sockaddr a;
    memset(&a, 0, sizeof a);
    a.sa_family = AF_UNSPEC;
    return connect(fd, &a, sizeof a);
}

/* Loopback hands a datagram over in a softirq, so "it is there" always means "within two seconds". */
U static int wait_in(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 2000);
}

/* The next datagram: length, text, source (ports named A and B as addr_text does). */
U static void got(const char *label, int fd, int a, int b) {
    char buf[256];
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    if (wait_in(fd) == 0) {
        fact("%s: nothing", label);
        return;
    }
    ssize_t n = recvfrom(fd, buf, sizeof buf - 1, MSG_DONTWAIT, SA(&ss), &l);
    if (n < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: %zd \"%.*s\" from %s", label, n, (int)n, buf, l ? addr_text(SA(&ss), a, b) : "no name");
}

/* Nothing may be there, nor come within 40 ms. */
U static void quiet(const char *label, int fd) { fact("%s: %s", label, poll_text(fd, POLLIN, 40)); }

U static void name(const char *label, int fd, int a, int b) {
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    if (getsockname(fd, SA(&ss), &l) < 0) fact("%s: local -1 %s", label, ename(errno));
    else fact("%s: local %s", label, addr_text(SA(&ss), a, b));
}

U static void peer(const char *label, int fd, int a, int b) {
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    if (getpeername(fd, SA(&ss), &l) < 0) fact("%s: peer -1 %s", label, ename(errno));
    else fact("%s: peer %s", label, addr_text(SA(&ss), a, b));
}

/* A port that nobody holds, of either family, below the range that automatic ports come from, so that none of them takes it
 * before the test does. Asking for a port by number is not the same as port 0: AF_UNSPEC tells. */
U static int free_port(void) {
    static int turn;
    for (;;) {
        int port = 10000 + (getpid() * 37 + turn++ * 211) % 20000, fd = socket(AF_INET6, SOCK_DGRAM, 0);
        struct sockaddr_in6 a = in6("::", port);
        int taken = bind(fd, SA(&a), sizeof a);
        close(fd);
        if (!taken) return port;
    }
}
#endif
