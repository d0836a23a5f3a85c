/* MSG_PEEK, SO_PEEK_OFF, FIONREAD (the length of the next datagram, not of all of them) and SIOCOUTQ
 * (man 2 recv, man 7 socket: SO_PEEK_OFF, man 7 udp: ioctls). */
#include "dg.h"

static int s, r;

static void peek(const char *label, size_t room, int flags) {
    char b[32] = "";
    long n = recv(r, b, room, flags | MSG_DONTWAIT);
    if (n < 0) fact("%s: -1 %s, offset %ld", label, ename(errno), get(r, SOL_SOCKET, SO_PEEK_OFF));
    else fact("%s: %ld \"%s\", offset %ld", label, n, b, get(r, SOL_SOCKET, SO_PEEK_OFF));
}

static void next(const char *label) {
    int q = -1, q2 = -1;
    ioctl(r, FIONREAD, &q);
    ioctl(r, 0x541B, &q2); /* SIOCINQ */
    fact("%s: FIONREAD %d SIOCINQ %d", label, q, q2);
}

static void sequence(void) {
    next("nothing there");
    send(s, "first", 5, 0);
    send(s, "the second", 10, 0);
    send(s, "third", 5, 0);
    sleep_ms(20);
    next("three there");
    fact("default SO_PEEK_OFF: %ld", get(r, SOL_SOCKET, SO_PEEK_OFF));
    peek("peek", 31, MSG_PEEK);
    peek("peek again", 31, MSG_PEEK);
    peek("peek 2", 2, MSG_PEEK);
    next("after peeking");
    struct sockaddr_in6 a;
    socklen_t l = sizeof a;
    char b[32];
    res("peek with name", recvfrom(r, b, 32, MSG_PEEK, SA(&a), &l));
    fact("from %s", addr_text(SA(&a), port_of(s), 0));
    res("SO_PEEK_OFF 0", set(r, SOL_SOCKET, SO_PEEK_OFF, 0));
    peek("peek 2", 2, MSG_PEEK);
    peek("peek 2", 2, MSG_PEEK);
    peek("peek 2", 2, MSG_PEEK);
    peek("peek 4", 4, MSG_PEEK);
    peek("peek 31", 31, MSG_PEEK);
    peek("peek 31", 31, MSG_PEEK);
    peek("peek 31", 31, MSG_PEEK);
    next("with an offset beyond all");
    fact("poll with an offset beyond all: %s", poll_text(r, POLLIN, 0));
    peek("take 31", 31, 0);
    peek("peek 3", 3, MSG_PEEK);
    peek("take 3", 3, 0);
    set(r, SOL_SOCKET, SO_PEEK_OFF, 2);
    peek("peek at 2", 31, MSG_PEEK);
    set(r, SOL_SOCKET, SO_PEEK_OFF, 1);
    peek("peek at 1 with TRUNC", 2, MSG_PEEK | MSG_TRUNC);
    set(r, SOL_SOCKET, SO_PEEK_OFF, 4);
    peek("take, offset 4", 31, 0);
    peek("the queue is empty", 31, MSG_PEEK);
    res("SO_PEEK_OFF -1", set(r, SOL_SOCKET, SO_PEEK_OFF, -1));
    res("SO_PEEK_OFF -2", set(r, SOL_SOCKET, SO_PEEK_OFF, -2));
    fact("is %ld", get(r, SOL_SOCKET, SO_PEEK_OFF));
    send(s, "", 0, 0);
    send(s, "xy", 2, 0);
    sleep_ms(20);
    next("an empty one before one of 2");
    peek("peek the empty one", 31, MSG_PEEK);
    peek("and again", 31, MSG_PEEK);
    set(r, SOL_SOCKET, SO_PEEK_OFF, 0);
    peek("peek the empty one with offset 0", 31, MSG_PEEK);
    peek("and again", 31, MSG_PEEK);
    set(r, SOL_SOCKET, SO_PEEK_OFF, -1);
    peek("take", 31, 0);
    peek("take", 31, 0);
    int q = -1;
    res("SIOCOUTQ", ioctl(s, 0x5411, &q));
    fact("says %d", q);
    res("FIONREAD to a bad pointer", ioctl(r, FIONREAD, (int *)1));
    res("an unknown ioctl", ioctl(r, 0x5490, &q));
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    sequence();
    close(r), close(s);
    r = udp6("::1"), s = udp6("::1");
    con6(s, "::1", port_of(r));
    sequence();
    return 0;
}
