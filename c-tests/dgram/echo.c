/* A UDP echo server as in every textbook: socket, bind to INADDR_ANY, recvfrom and sendto for ever; a client in another
 * process that never binds (man 7 udp, man 2 recvfrom). The same once more over IPv6 (man 7 ipv6). */
#include "dg.h"

static void serve(int family, int tell) {
    int s = (int)must("socket", socket(family == 4 ? PF_INET : PF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in a4 = in4("0.0.0.0", 0);
    struct sockaddr_in6 a6 = in6("::", 0);
    must("bind", family == 4 ? bind(s, SA(&a4), sizeof a4) : bind(s, SA(&a6), sizeof a6));
    int port = port_of(s);
    if (write(tell, &port, sizeof port) < 0) _exit(3);
    for (;;) {
        char buf[65536];
        struct sockaddr_storage from;
        socklen_t l = sizeof from;
        ssize_t n = recvfrom(s, buf, sizeof buf, 0, SA(&from), &l);
        if (n < 0) _exit(4);
        if (sendto(s, buf, (size_t)n, 0, SA(&from), l) != n) _exit(5);
        if (n == 4 && !memcmp(buf, "quit", 4)) _exit(0);
    }
}

static void client(int family, const char *ip) {
    int t[2], port;
    must("pipe", pipe(t));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(8);
        serve(family, t[1]);
    }
    if (read(t[0], &port, sizeof port) != sizeof port) exit(92);
    int c = (int)must("socket", socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    struct sockaddr_in a4 = in4(ip, port);
    struct sockaddr_in6 a6 = in6(ip, port);
    struct sockaddr *to = family == 4 ? SA(&a4) : SA(&a6);
    socklen_t tl = family == 4 ? sizeof a4 : sizeof a6;
    static char big[20000], back[20001];
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7);
    size_t sizes[] = {1, 0, 100, 1472, 1473, 9000, 20000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sockaddr_storage from;
        socklen_t l = sizeof from;
        long sent = sendto(c, big, sizes[i], 0, to, tl);
        memset(back, 0, sizeof back);
        long n = wait_in(c) ? recvfrom(c, back, sizeof back, 0, SA(&from), &l) : -2;
        fact("v%d echo of %zu: sent %ld back %ld same %d from %s len %d", family, sizes[i], sent, n,
             n >= 0 && !memcmp(big, back, (size_t)n), addr_text(SA(&from), port, 0), (int)l);
    }
    int lost = 0;
    for (int i = 0; i < 200; i++) {
        char m[32];
        int k = snprintf(m, sizeof m, "message %d", i);
        if (sendto(c, m, (size_t)k, 0, to, tl) != k) lost++;
        if (!wait_in(c) || recv(c, back, sizeof back, 0) != k || memcmp(m, back, (size_t)k)) lost++;
    }
    fact("v%d 200 round trips: %d wrong", family, lost);
    /* Two questions before the first answer: the answers keep the order. */
    sendto(c, "one", 3, 0, to, tl);
    sendto(c, "two", 3, 0, to, tl);
    got("first answer", c, port, 0);
    got("second answer", c, port, 0);
    name("client after sending", c, port, 0);
    sendto(c, "quit", 4, 0, to, tl);
    got("quit answered", c, port, 0);
    reap("server", pid);
    quiet("nothing more", c);
    close(c);
    close(t[0]);
    close(t[1]);
}

int main(void) {
    alarm(8);
    client(4, "127.0.0.1");
    client(6, "::1");
    return 0;
}
