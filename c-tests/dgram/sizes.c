/* How long a datagram may be: 65,507 bytes over IPv4 (RFC 768, RFC 791: 65535 - 20 - 8), 65,527 over IPv6 (RFC 8200);
 * EMSGSIZE beyond (man 7 udp), with the whole of an iovec counted. */
#include "dg.h"

static char out[70000], in[70000];

static void one(const char *fam, int s, int r, size_t n) {
    memset(in, 0, sizeof in);
    long k = send(s, out, n, 0);
    int e = errno;
    if (k < 0) {
        fact("%s %zu: -1 %s, %s", fam, n, ename(e), poll_text(r, POLLIN, 0));
        return;
    }
    wait_in(r);
    ssize_t g = recv(r, in, sizeof in, MSG_DONTWAIT);
    fact("%s %zu: sent %ld received %zd same %d", fam, n, k, g, g == k && !memcmp(in, out, (size_t)k));
}

static void largest(const char *fam, int s, int r) {
    int lo = 60000, hi = 70000;
    while (hi - lo > 1) {
        int m = (lo + hi) / 2;
        if (send(s, out, (size_t)m, 0) == m) lo = m; else hi = m;
        while (poll(&(struct pollfd){r, POLLIN, 0}, 1, 5) > 0) recv(r, in, sizeof in, MSG_DONTWAIT);
    }
    fact("%s largest: %d", fam, lo);
}

int main(void) {
    alarm(8);
    for (size_t i = 0; i < sizeof out; i++) out[i] = (char)(i * 31 >> 3);
    int r4 = udp4("127.0.0.1"), r6 = udp6("::1"), s4 = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);
    con4(s4, "127.0.0.1", port_of(r4));
    con6(s6, "::1", port_of(r6));
    size_t n[] = {0, 1, 2, 1471, 1472, 1473, 4095, 4096, 4097, 32768, 65486, 65487, 65488, 65506, 65507, 65508, 65515, 65527,
                  65528, 65535, 65536, 69999};
    for (unsigned i = 0; i < sizeof n / sizeof *n; i++) one("v4", s4, r4, n[i]);
    for (unsigned i = 0; i < sizeof n / sizeof *n; i++) one("v6", s6, r6, n[i]);
    largest("v4", s4, r4);
    largest("v6", s6, r6);
    int m = socket(AF_INET6, SOCK_DGRAM, 0);
    con6(m, "::ffff:127.0.0.1", port_of(r4));
    largest("mapped", m, r4);
    int d = udp6("::");
    close(s4);
    s4 = socket(AF_INET, SOCK_DGRAM, 0);
    con4(s4, "127.0.0.1", port_of(d));
    largest("v4 to dual", s4, d);

    set(s4, SOL_SOCKET, SO_SNDBUF, 1);
    one("smallest send buffer", s4, d, 65507);
    set(d, SOL_SOCKET, SO_RCVBUF, 1);
    one("smallest receive buffer, empty queue", s4, d, 65507);

    con4(s4, "127.0.0.1", port_of(r4));
    struct iovec v[1025];
    for (int i = 0; i < 1025; i++) v[i] = (struct iovec){out + i, 1};
    struct msghdr h = {.msg_iov = v, .msg_iovlen = 1024};
    res("1024 pieces", sendmsg(s4, &h, 0));
    wait_in(r4);
    ssize_t g = recv(r4, in, sizeof in, MSG_DONTWAIT);
    fact("one datagram of %zd same %d", g, !memcmp(in, out, 1024));
    h.msg_iovlen = 1025;
    res("1025 pieces", sendmsg(s4, &h, 0));
    h.msg_iovlen = 0;
    res("no piece", sendmsg(s4, &h, 0));
    got("an empty datagram", r4, port_of(s4), 0);
    v[0] = (struct iovec){out, 40000}, v[1] = (struct iovec){out + 100, 0}, v[2] = (struct iovec){out + 40000, 25507};
    h.msg_iovlen = 3;
    res("65507 in pieces", sendmsg(s4, &h, 0));
    wait_in(r4);
    v[0] = (struct iovec){in, 10}, v[1] = (struct iovec){in + 10, 0}, v[2] = (struct iovec){in + 10, 69000};
    memset(in, 0, sizeof in);
    res("received in pieces", recvmsg(r4, &h, 0));
    fact("same %d flags %d", !memcmp(in, out, 65507), h.msg_flags);
    v[0] = (struct iovec){out, 40000}, v[1] = (struct iovec){out + 40000, 25508};
    h.msg_iovlen = 2;
    res("65508 in pieces", sendmsg(s4, &h, 0));
    v[0].iov_len = (size_t)-1;
    res("a piece of negative length", sendmsg(s4, &h, 0));
    res("writev with it", writev(s4, v, 2));
    res("length above 2^31", sendto(s4, out, 0x80000000UL, 0, NULL, 0));
    quiet("nothing of these arrives", r4);
    res("IP_MTU of the connected socket", get(s4, IPPROTO_IP, IP_MTU));
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    res("IP_MTU when unconnected", get(u, IPPROTO_IP, IP_MTU));
    return 0;
}
