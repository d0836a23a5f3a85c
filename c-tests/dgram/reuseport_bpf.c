/* SO_ATTACH_REUSEPORT_CBPF (`man 7 socket`): a program chooses which socket of a group gets a datagram or a connection;
 * SO_DETACH_REUSEPORT_BPF gives the choice back. */
#include "dg.h"
#include <linux/filter.h>

static int attach(int fd, struct sock_filter *code, int n) {
    struct sock_fprog p = {(unsigned short)n, code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p);
}

static int member(int type, int *port) {
    int fd = (int)must("socket", socket(AF_INET, type, 0));
    set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    struct sockaddr_in a = in4("127.0.0.1", *port);
    must("bind", bind(fd, SA(&a), sizeof a));
    *port = port_of(fd);
    return fd;
}

static int who(int *g, int n, const char *text, int port) {
    int s = udp4("127.0.0.1");
    put4(s, text, "127.0.0.1", port);
    struct pollfd p[8];
    for (int i = 0; i < n; i++) p[i] = (struct pollfd){g[i], POLLIN, 0};
    poll(p, (nfds_t)n, 1000);
    char b[100];
    int found = -1;
    for (int i = 0; i < n; i++)
        if (p[i].revents & POLLIN) {
            found = i;
            recv(g[i], b, sizeof b, 0);
        }
    close(s);
    return found;
}

int main(void) {
    alarm(8);
    int port = 0, g[4];
    for (int i = 0; i < 4; i++) g[i] = member(SOCK_DGRAM, &port);
    struct sock_filter second[] = {{BPF_RET | BPF_K, 0, 0, 1}};
    /* The program sees the payload. */
    struct sock_filter digit[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_ALU | BPF_SUB | BPF_K, 0, 0, '0'}, {BPF_RET | BPF_A, 0, 0, 0}};
    struct sock_filter length[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_RET | BPF_A, 0, 0, 0}};
    struct sock_filter bad[] = {{BPF_JMP | BPF_JA, 0, 0, 9}};
    res("attach", attach(g[2], second, 1));
    fact("always the second: %d %d %d", who(g, 4, "x", port), who(g, 4, "y", port), who(g, 4, "z", port));
    res("attach another", attach(g[0], digit, 3));
    fact("by the first byte: %d %d %d %d", who(g, 4, "0", port), who(g, 4, "3", port), who(g, 4, "1", port), who(g, 4, "2", port));
    int w = who(g, 4, "9", port);
    fact("an index that nobody has: %s", w >= 0 && w < 4 ? "somebody" : "nobody");
    w = who(g, 4, "", port);
    fact("nothing to load: %s", w == 0 ? "the first" : w > 0 ? "another" : "nobody");
    res("attach the length", attach(g[1], length, 2));
    fact("by the length: %d %d", who(g, 4, "a", port), who(g, 4, "abc", port));
    res("attach a bad one", attach(g[1], bad, 1));
    fact("the old one stays: %d", who(g, 4, "ab", port));
    close(g[0]);
    /* The last one takes the place of one that goes (reuseport_detach_sock). */
    int h[3] = {g[3], g[1], g[2]};
    fact("one less: %d", who(h, 3, "a", port));
    int e = member(SOCK_DGRAM, &port), h4[4] = {g[3], g[1], g[2], e};
    fact("one more: %d", who(h4, 4, "abc", port));
    res("detach", set(g[1], SOL_SOCKET, 68, 0));
    res("detach again", set(g[1], SOL_SOCKET, 68, 0));
    int one = udp4("127.0.0.1");
    res("on a socket without a group", attach(one, second, 1));
    int unbound = socket(AF_INET, SOCK_DGRAM, 0);
    res("not bound", attach(unbound, second, 1));
    set(unbound, SOL_SOCKET, SO_REUSEPORT, 1);
    res("not bound, SO_REUSEPORT", attach(unbound, second, 1));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(unbound, SA(&a), sizeof a));
    fact("and bound: %d", who(&unbound, 1, "x", port_of(unbound)));
    struct sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, 0xffffffff}};
    struct sock_fprog p = {1, all};
    int lock = 1;
    set(one, SOL_SOCKET, SO_LOCK_FILTER, lock);
    res("on a locked socket", setsockopt(one, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p));

    /* Streams */
    int tport = 0, l[3];
    for (int i = 0; i < 3; i++) {
        l[i] = member(SOCK_STREAM, &tport);
        must("listen", listen(l[i], 5));
    }
    res("tcp attach", attach(l[0], second, 1));
    for (int i = 0; i < 3; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in to = in4("127.0.0.1", tport);
        must("connect", connect(c, SA(&to), sizeof to));
        fact("tcp: %s %s %s", poll_text(l[0], POLLIN, 0), poll_text(l[1], POLLIN, 100), poll_text(l[2], POLLIN, 0));
        int s = accept(l[1], NULL, NULL);
        close(s);
        close(c);
    }
    res("tcp detach", set(l[2], SOL_SOCKET, 68, 0));
    return 0;
}
