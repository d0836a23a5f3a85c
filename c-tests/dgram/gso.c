/* UDP_SEGMENT cuts one send into datagrams of equal length, UDP_GRO hands several over in one receive
 * (man 7 udp: UDP_SEGMENT, UDP_GRO). */
#include "cmsg.h"

static char buf[70000];

/* What arrives after a send that returned `sent`. */
static void lengths(long sent, int r) {
    char line[400] = "";
    int n = 0, total = 0, good = 1, last = -1, run = 0;
    char *o = line;
    for (;;) {
        if (!poll(&(struct pollfd){r, POLLIN, 0}, 1, n || sent < 0 ? 20 : 1000)) break;
        static char b[70000];
        ssize_t k = recv(r, b, sizeof b, MSG_DONTWAIT);
        if (k < 0) break;
        if (memcmp(b, buf + total, (size_t)k)) good = 0;
        n++, total += (int)k;
        if (k == last) { run++; continue; }
        if (last >= 0) o += snprintf(o, (size_t)(line + sizeof line - o), " %d x %d", run, last);
        last = (int)k, run = 1;
    }
    if (last >= 0) snprintf(o, (size_t)(line + sizeof line - o), " %d x %d", run, last);
    fact("    received:%s, %d bytes, same %d", line[0] ? line : " nothing", total, good);
}

static long cut(int s, size_t n, int size) {
    _Alignas(struct cmsghdr) char c[CMSG_SPACE(2)];
    struct iovec v = {buf, n};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    uint16_t z = (uint16_t)size;
    m->cmsg_level = SOL_UDP, m->cmsg_type = UDP_SEGMENT, m->cmsg_len = CMSG_LEN(2);
    memcpy(CMSG_DATA(m), &z, 2);
    return sendmsg(s, &h, 0);
}

static void all(int r, int s) {
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (char)(i * 13 >> 2);
    res("UDP_SEGMENT", get(s, SOL_UDP, UDP_SEGMENT));
    res("UDP_SEGMENT 1000", set(s, SOL_UDP, UDP_SEGMENT, 1000));
    res("is", get(s, SOL_UDP, UDP_SEGMENT));
    size_t n[] = {0, 1, 999, 1000, 1001, 2000, 3500, 60000};
    for (unsigned i = 0; i < sizeof n / sizeof *n; i++) {
        char t[40];
        snprintf(t, sizeof t, "send %zu", n[i]);
        lengths(res(t, send(s, buf, n[i], 0)), r);
    }
    res("more than a datagram may hold", send(s, buf, 66000, 0));
    lengths(res("cmsg 400 over the option", cut(s, 1000, 400)), r);
    lengths(res("cmsg 0 over the option", cut(s, 3000, 0)), r);
    res("UDP_SEGMENT -1", set(s, SOL_UDP, UDP_SEGMENT, -1));
    res("UDP_SEGMENT 65536", set(s, SOL_UDP, UDP_SEGMENT, 65536));
    res("UDP_SEGMENT 0", set(s, SOL_UDP, UDP_SEGMENT, 0));
    lengths(res("cmsg 1", cut(s, 100, 1)), r);
    lengths(res("128 pieces", cut(s, 1280, 10)), r);
    lengths(res("129 pieces", cut(s, 1281, 10)), r);
    lengths(res("a piece longer than the datagram", cut(s, 100, 1400)), r);
    lengths(res("a piece of 65507", cut(s, 1000, 65507)), r);

    res("UDP_GRO", get(r, SOL_UDP, UDP_GRO));
    res("UDP_GRO 1", set(r, SOL_UDP, UDP_GRO, 1));
    res("cut into 1000", cut(s, 3500, 1000));
    show("receiver with UDP_GRO", r, 512, 0, 0, 0);
    res("one piece only", cut(s, 1000, 1000));
    show("receiver with UDP_GRO", r, 512, 0, 0, 0);
    send(s, "a", 1, 0);
    send(s, "b", 1, 0);
    show("two sends are two", r, 512, 0, 0, 0);
    show("two sends are two", r, 512, 0, 0, 0);
    cut(s, 3500, 1000);
    show("no room for the size", r, 0, 0, 0, 0);
    cut(s, 3500, 1000);
    wait_in(r);
    static char b[70000];
    res("plain recv takes all", recv(r, b, sizeof b, MSG_DONTWAIT));
    cut(s, 3500, 1000);
    wait_in(r);
    res("room of 1200, with MSG_TRUNC", recv(r, b, 1200, MSG_DONTWAIT | MSG_TRUNC));
    quiet("the rest", r);
    int q = -1;
    cut(s, 3500, 1000);
    wait_in(r);
    ioctl(r, FIONREAD, &q);
    fact("FIONREAD %d", q);
    recv(r, b, sizeof b, 0);
    res("UDP_GRO 0", set(r, SOL_UDP, UDP_GRO, 0));
    lengths(cut(s, 3500, 1000), r);
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    uint16_t z = 300;
    struct sockaddr_in to = in4("127.0.0.1", port_of(r));
    memcpy(b, buf, 64);
    b[64] = 0;
    res("unconnected, cmsg with a name", put_cmsg(u, "text", &to, sizeof to, SOL_UDP, UDP_SEGMENT, &z, 2));
    while (recv(r, b, sizeof b, MSG_DONTWAIT) >= 0) {}
    close(u);
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    all(r, s);
    close(r), close(s);
    r = udp6("::1"), s = udp6("::1");
    con6(s, "::1", port_of(r));
    fact("v6");
    all(r, s);
    return 0;
}
