/* Address buffers of every length on the way out, bad pointers and what they cost: the datagram is gone
 * (man 2 recvfrom, man 2 getsockname). */
#include "dg.h"

static int s, r, sp;

static void put(const char *t) {
    send(s, t, strlen(t), 0);
    wait_in(r);
}

static void name_of(const char *label, socklen_t l0) {
    unsigned char a[64];
    char b[16];
    socklen_t l = l0;
    int touched = 0, mark = 0xe0;
    while (mark == (sp & 255) || mark == sp >> 8) mark++; /* a byte that the address does not have */
    memset(a, mark, sizeof a);
    put("x");
    long n = recvfrom(r, b, sizeof b, MSG_DONTWAIT, SA(a), &l);
    for (int i = 0; i < 64; i++) if (a[i] != mark) touched = i + 1;
    if (n < 0) fact("%s: -1 %s, len %d, touched %d", label, ename(errno), (int)l, touched);
    else fact("%s: %ld, len %d, touched up to byte %d", label, n, (int)l, touched);
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    while (recv(r, b, sizeof b, MSG_DONTWAIT) >= 0) {}
}

static void msg_of(const char *label, void *nm, socklen_t l0) {
    char b[16];
    struct iovec v = {b, 16};
    struct msghdr h = {.msg_name = nm, .msg_namelen = l0, .msg_iov = &v, .msg_iovlen = 1};
    put("x");
    res(label, recvmsg(r, &h, MSG_DONTWAIT));
    fact("    namelen %d, queue then: %s", (int)h.msg_namelen, poll_text(r, POLLIN, 0));
    while (recv(r, b, sizeof b, MSG_DONTWAIT) >= 0) {}
}

static void all(socklen_t full) {
    char t[40];
    socklen_t l[] = {0, 1, 2, 4, 8, full - 1, full, full + 1, 64};
    for (unsigned i = 0; i < sizeof l / sizeof *l; i++) {
        snprintf(t, sizeof t, "recvfrom with %d", (int)l[i]);
        name_of(t, l[i]);
    }
    name_of("recvfrom with -1", (socklen_t)-1);
    char a[64], b[16];
    socklen_t q = sizeof a;
    put("x");
    res("address NULL, length given", recvfrom(r, b, 16, MSG_DONTWAIT, NULL, &q));
    fact("    length %s", q == sizeof a ? "untouched" : "changed");
    put("x");
    res("length NULL", recvfrom(r, b, 16, MSG_DONTWAIT, SA(a), NULL));
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    recv(r, b, 16, MSG_DONTWAIT);
    put("x");
    res("address bad", recvfrom(r, b, 16, MSG_DONTWAIT, SA(8), &q));
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    recv(r, b, 16, MSG_DONTWAIT);
    put("x");
    res("buffer bad", recvfrom(r, (char *)8, 16, MSG_DONTWAIT, SA(a), &q));
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    recv(r, b, 16, MSG_DONTWAIT);
    put("x");
    res("buffer bad, MSG_PEEK", recv(r, (char *)8, 16, MSG_DONTWAIT | MSG_PEEK));
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    recv(r, b, 16, MSG_DONTWAIT);
    put("");
    res("buffer bad, an empty datagram", recv(r, (char *)8, 16, MSG_DONTWAIT));
    put("x");
    res("buffer NULL", recv(r, NULL, 16, MSG_DONTWAIT));
    recv(r, b, 16, MSG_DONTWAIT);
    put("x");
    static char low[16]; /* the stack may be too near to the end of the address space for such a length */
    res("length of 2^63", recv(r, low, (size_t)1 << 63, MSG_DONTWAIT));
    recv(r, b, 16, MSG_DONTWAIT);
    struct iovec v[2] = {{b, 1}, {(char *)8, 1}};
    put("xy");
    res("second piece bad", readv(r, v, 2));
    fact("    queue then: %s", poll_text(r, POLLIN, 0));
    recv(r, b, 16, MSG_DONTWAIT);
    res("send from a bad buffer", send(s, (char *)8, 16, 0));
    res("send from NULL", send(s, NULL, 16, 0));
    quiet("nothing is sent", r);
    msg_of("recvmsg, name NULL, length 0", NULL, 0);
    msg_of("recvmsg, name NULL, length 64", NULL, 64);
    msg_of("recvmsg, length 0", a, 0);
    msg_of("recvmsg, length 3", a, 3);
    msg_of("recvmsg, length 64", a, 64);
    msg_of("recvmsg, length 4000", a, 4000);
    msg_of("recvmsg, length -1", a, (socklen_t)-1);
    res("recvmsg NULL", recvmsg(r, NULL, MSG_DONTWAIT));
    res("sendmsg NULL", sendmsg(s, NULL, 0));
    socklen_t ls[] = {0, 2, 7, full, 64, (socklen_t)-1};
    for (unsigned i = 0; i < sizeof ls / sizeof *ls; i++) {
        socklen_t x = ls[i], y = ls[i];
        snprintf(t, sizeof t, "getsockname with %d", (int)ls[i]);
        res(t, getsockname(r, SA(a), &x));
        fact("    len %d", (int)x);
        snprintf(t, sizeof t, "getpeername with %d", (int)ls[i]);
        res(t, getpeername(s, SA(a), &y));
        fact("    len %d", (int)y);
    }
    /* sin_zero and the fields that v4 does not use come back as zero. */
    memset(a, 0x55, sizeof a);
    q = sizeof a;
    put("x");
    recvfrom(r, b, 16, 0, SA(a), &q);
    if (full == 16) fact("sin_zero is zero: %d", !memcmp(a + 8, "\0\0\0\0\0\0\0\0", 8));
    else fact("flowinfo %d scope %d", ((struct sockaddr_in6 *)a)->sin6_flowinfo, ((struct sockaddr_in6 *)a)->sin6_scope_id);
    fact("source port right: %d", ntohs(((struct sockaddr_in *)a)->sin_port) == sp);
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), sp = port_of(s);
    con4(s, "127.0.0.1", port_of(r));
    all(16);
    close(r), close(s);
    fact("v6");
    r = udp6("::1"), s = udp6("::1"), sp = port_of(s);
    con6(s, "::1", port_of(r));
    all(28);
    return 0;
}
