/* UDP_CORK and MSG_MORE: several sends become one datagram (man 7 udp: UDP_CORK; man 2 send: MSG_MORE). */
#include "dg.h"

static void all(int s, int r, int r2) {
    static char big[66000];
    res("UDP_CORK", get(s, SOL_UDP, UDP_CORK));
    res("UDP_CORK 1", set(s, SOL_UDP, UDP_CORK, 1));
    res("is", get(s, SOL_UDP, UDP_CORK));
    res("send", send(s, "one ", 4, 0));
    res("send", send(s, "two ", 4, 0));
    res("write", write(s, "three", 5));
    quiet("nothing yet", r);
    int q = -1;
    ioctl(s, TIOCOUTQ, &q);
    fact("something is in the send buffer: %d, poll %s", q > 0, poll_text(s, POLLIN | POLLOUT, 0));
    res("UDP_CORK 0", set(s, SOL_UDP, UDP_CORK, 0));
    got("all at once", r, port_of(s), 0);
    quiet("and no more", r);
    res("UDP_CORK 1 and 0 without a send", set(s, SOL_UDP, UDP_CORK, 1) + set(s, SOL_UDP, UDP_CORK, 0));
    quiet("sends nothing", r);
    res("an empty one under the cork", (set(s, SOL_UDP, UDP_CORK, 1), send(s, "", 0, 0)));
    set(s, SOL_UDP, UDP_CORK, 0);
    fact("then %s", poll_text(r, POLLIN, 50));
    if (poll(&(struct pollfd){r, POLLIN, 0}, 1, 0)) got("it was", r, port_of(s), 0);

    res("MSG_MORE", send(s, "a", 1, MSG_MORE));
    res("MSG_MORE", send(s, "b", 1, MSG_MORE));
    quiet("nothing yet", r);
    res("the last without", send(s, "c", 1, 0));
    got("together", r, port_of(s), 0);
    res("MSG_MORE, then an empty one", send(s, "d", 1, MSG_MORE));
    res("empty", send(s, "", 0, 0));
    got("together", r, port_of(s), 0);
    res("MSG_MORE, then UDP_CORK on and off", send(s, "e", 1, MSG_MORE));
    set(s, SOL_UDP, UDP_CORK, 1);
    send(s, "f", 1, 0);
    set(s, SOL_UDP, UDP_CORK, 0);
    got("together", r, port_of(s), 0);
    res("MSG_MORE under the cork", (set(s, SOL_UDP, UDP_CORK, 1), send(s, "g", 1, MSG_MORE)));
    send(s, "h", 1, 0);
    quiet("the cork holds", r);
    set(s, SOL_UDP, UDP_CORK, 0);
    got("together", r, port_of(s), 0);

    /* Too long: the piece that does not fit is refused. What had been collected is thrown away or kept? */
    set(s, SOL_UDP, UDP_CORK, 1);
    res("40000 under the cork", send(s, big, 40000, 0));
    res("40000 more", send(s, big, 40000, 0));
    res("then 5 more", send(s, "small", 5, 0));
    res("pulled", set(s, SOL_UDP, UDP_CORK, 0));
    sleep_ms(20);
    ssize_t n;
    while ((n = recv(r, big, sizeof big, MSG_DONTWAIT)) >= 0) fact("received %zd", n);

    /* The destination is that of the first piece. */
    struct sockaddr_storage to;
    socklen_t l = sizeof to;
    getsockname(r2, SA(&to), &l);
    res("MSG_MORE to the peer", send(s, "i", 1, MSG_MORE));
    res("the second piece to somebody else", sendto(s, "j", 1, 0, SA(&to), l));
    sleep_ms(20);
    got("at the peer", r, port_of(s), 0);
    quiet("at the other", r2);
    res("MSG_MORE to somebody else", sendto(s, "k", 1, MSG_MORE, SA(&to), l));
    res("the second piece to the peer", send(s, "l", 1, 0));
    got("at the other", r2, port_of(s), 0);
    quiet("at the peer", r);
    res("MSG_MORE, then connect elsewhere", send(s, "m", 1, MSG_MORE));
    res("connect", connect(s, SA(&to), l));
    res("the second piece", send(s, "n", 1, 0));
    sleep_ms(20);
    fact("at the old peer %s, at the new %s", poll_text(r, POLLIN, 0), poll_text(r2, POLLIN, 0));
    while (recv(r, big, 9, MSG_DONTWAIT) >= 0) {}
    while (recv(r2, big, 9, MSG_DONTWAIT) >= 0) {}
    res("close with a piece left", send(s, "o", 1, MSG_MORE));
    close(s);
    fact("it is thrown away: %s %s", poll_text(r, POLLIN, 40), poll_text(r2, POLLIN, 0));
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), r2 = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    all(s, r, r2);
    r = udp6("::1"), r2 = udp6("::1"), s = udp6("::1");
    con6(s, "::1", port_of(r));
    fact("v6");
    all(s, r, r2);
    return 0;
}
