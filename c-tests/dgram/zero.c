/* Datagrams of no bytes, and receive calls of no bytes. An empty datagram is a datagram (man 2 recv: "zero-length datagrams
 * are permitted"); read() of 0 bytes does not take one, recv() of 0 bytes does; writev() of nothing sends nothing. */
#include "dg.h"

static int left(int r) {
    int n = 0;
    char b[16];
    for (sleep_ms(20); recv(r, b, sizeof b, MSG_DONTWAIT) >= 0; n++) {}
    return n;
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), q = -1;
    char b[16] = "";
    struct iovec none = {b, 0};
    con4(s, "127.0.0.1", port_of(r));
    res("send 0", send(s, b, 0, 0));
    fact("arrived: %d", left(r));
    res("send NULL 0", send(s, NULL, 0, 0));
    fact("arrived: %d", left(r));
    res("write 0", write(s, b, 0));
    fact("arrived: %d", left(r));
    res("writev of one empty piece", writev(s, &none, 1));
    fact("arrived: %d", left(r));
    res("writev of no piece", writev(s, &none, 0));
    fact("arrived: %d", left(r));

    send(s, b, 0, 0);
    fact("poll with an empty datagram: %s", poll_text(r, POLLIN | POLLOUT, 1000));
    res("FIONREAD", ioctl(r, FIONREAD, &q));
    fact("says %d", q);
    res("peek", recv(r, b, 16, MSG_PEEK));
    struct sockaddr_in a = {0};
    socklen_t l = sizeof a;
    res("recvfrom", recvfrom(r, b, 16, MSG_DONTWAIT, SA(&a), &l));
    fact("from %s", addr_text(SA(&a), port_of(s), 0));
    res("then", recv(r, b, 16, MSG_DONTWAIT));
    send(s, b, 0, 0);
    wait_in(r);
    res("read takes an empty datagram", read(r, b, 16));
    fact("left: %d", left(r));

    send(s, "abc", 3, 0);
    wait_in(r);
    res("read 0", read(r, b, 0));
    fact("left: %d", left(r));
    send(s, "abc", 3, 0);
    wait_in(r);
    res("readv of one empty piece", readv(r, &none, 1));
    fact("left: %d", left(r));
    send(s, "abc", 3, 0);
    wait_in(r);
    res("recv 0", recv(r, b, 0, 0));
    fact("left: %d", left(r));
    send(s, "abc", 3, 0);
    wait_in(r);
    res("recv 0 with MSG_TRUNC", recv(r, b, 0, MSG_TRUNC));
    fact("left: %d", left(r));
    send(s, "abc", 3, 0);
    wait_in(r);
    res("recv NULL 0 with PEEK and TRUNC", recv(r, NULL, 0, MSG_TRUNC | MSG_PEEK));
    fact("left: %d", left(r));
    send(s, "abc", 3, 0);
    wait_in(r);
    struct msghdr h = {.msg_iov = &none, .msg_iovlen = 0, .msg_name = &a, .msg_namelen = sizeof a};
    res("recvmsg without a piece", recvmsg(r, &h, 0));
    fact("flags %s, name of %d, left: %d", h.msg_flags == MSG_TRUNC ? "TRUNC" : "other", (int)h.msg_namelen, left(r));
    send(s, b, 0, 0);
    wait_in(r);
    h.msg_iovlen = 1;
    res("recvmsg of an empty datagram into nothing", recvmsg(r, &h, 0));
    fact("flags %d, left: %d", h.msg_flags, left(r));
    res("read 0 with an empty queue", read(r, b, 0));
    res("recv 0 with an empty queue", recv(r, b, 0, MSG_DONTWAIT));
    for (int i = 0; i < 5; i++) send(s, b, 0, 0);
    fact("five empty ones are five: %d", left(r));
    return 0;
}
