/* A buffer shorter than the datagram: the rest is lost, MSG_TRUNC says so in msg_flags, and as a flag it asks for the true length
 * (man 2 recv). */
#include "dg.h"

static int s, r;

static void tell(const char *label, long n, struct msghdr *h, const char *b) {
    if (n < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: %ld flags%s%s%s%s \"%s\"", label, n, h->msg_flags & MSG_TRUNC ? " TRUNC" : "",
              h->msg_flags & MSG_CTRUNC ? " CTRUNC" : "", h->msg_flags & MSG_CMSG_CLOEXEC ? " CLOEXEC" : "",
              h->msg_flags & ~(MSG_TRUNC | MSG_CTRUNC | MSG_CMSG_CLOEXEC) ? " more" : "", b);
}

static void msg(const char *label, size_t room, int flags, int in_flags) {
    char b[32] = "";
    struct iovec v = {b, room};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_flags = in_flags};
    send(s, "0123456789", 10, 0);
    send(s, "next", 4, 0);
    wait_in(r);
    tell(label, recvmsg(r, &h, flags), &h, b);
    int n = 0;
    char c[32];
    sleep_ms(5);
    for (;;) {
        memset(c, 0, sizeof c);
        if (recv(r, c, 31, MSG_DONTWAIT) < 0) break;
        fact("    then \"%s\"", c);
        n++;
    }
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    msg("room 10", 10, 0, 0);
    msg("room 9", 9, 0, 0);
    msg("room 3", 3, 0, 0);
    msg("room 0", 0, 0, 0);
    msg("room 3, MSG_TRUNC", 3, MSG_TRUNC, 0);
    msg("room 20, MSG_TRUNC", 20, MSG_TRUNC, 0);
    msg("room 3, MSG_PEEK", 3, MSG_PEEK, 0);
    msg("room 3, MSG_PEEK MSG_TRUNC", 3, MSG_PEEK | MSG_TRUNC, 0);
    msg("room 20, msg_flags full of ones going in", 20, 0, -1);
    msg("room 20, MSG_CMSG_CLOEXEC", 20, MSG_CMSG_CLOEXEC, 0);
    msg("room 20, MSG_WAITALL", 20, MSG_WAITALL, 0);

    char b[32] = "", c[32] = "";
    send(s, "0123456789", 10, 0);
    wait_in(r);
    res("recv 4 of 10", recv(r, b, 4, 0));
    fact("got \"%s\", then %s", b, poll_text(r, POLLIN, 20));
    send(s, "0123456789", 10, 0);
    wait_in(r);
    res("read 4 of 10", read(r, b, 4));
    fact("then %s", poll_text(r, POLLIN, 20));
    send(s, "0123456789", 10, 0);
    wait_in(r);
    struct iovec v[2] = {{b, 3}, {c, 4}};
    memset(b, 0, sizeof b);
    res("readv 3 + 4 of 10", readv(r, v, 2));
    fact("got \"%s\" \"%s\"", b, c);
    send(s, "0123456789", 10, 0);
    wait_in(r);
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    res("recvfrom 2 with MSG_TRUNC", recvfrom(r, b, 2, MSG_TRUNC, SA(&a), &l));
    fact("from %s", addr_text(SA(&a), port_of(s), 0));

    static char big[65507];
    send(s, big, sizeof big, 0);
    wait_in(r);
    res("the length of a big one", recv(r, NULL, 0, MSG_PEEK | MSG_TRUNC));
    res("the whole of it", recv(r, big, sizeof big, 0));

    /* The same on a v6 socket and through recvmmsg. */
    int r6 = udp6("::1"), s6 = udp6("::1");
    con6(s6, "::1", port_of(r6));
    send(s6, "0123456789", 10, 0);
    send(s6, "abc", 3, 0);
    send(s6, "", 0, 0);
    sleep_ms(20);
    struct mmsghdr m[3];
    struct iovec w[3];
    char d[3][8];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 3; i++) {
        w[i] = (struct iovec){d[i], 5};
        m[i].msg_hdr.msg_iov = &w[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    res("recvmmsg, room 5 each", recvmmsg(r6, m, 3, MSG_DONTWAIT, NULL));
    for (int i = 0; i < 3; i++) fact("%d: len %u flags %s", i, m[i].msg_len, m[i].msg_hdr.msg_flags & MSG_TRUNC ? "TRUNC" : "0");
    return 0;
}
