/* A full receive queue drops what comes and tells nobody but SO_RXQ_OVFL; the sender neither blocks nor fails
 * (man 7 socket: SO_RCVBUF, SO_RXQ_OVFL; man 7 udp). */
#include "dg.h"

/* One datagram; its number, -1 for none; *drops is the drop count that came with it, -1 for none. */
static int take(int r, int *drops) {
    int seq = -1;
    char c[128], data[512];
    struct iovec v = {data, sizeof data};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    *drops = -1;
    if (recvmsg(r, &h, MSG_DONTWAIT) < 0) return -1;
    memcpy(&seq, data, sizeof seq);
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SO_RXQ_OVFL && m->cmsg_len == CMSG_LEN(4)) memcpy(drops, CMSG_DATA(m), 4);
    return seq;
}

static int fill(int s, int n, long *ms) {
    char b[200] = "";
    int ok = 0;
    long t = now_ms();
    for (int i = 0; i < n; i++) {
        memcpy(b, &i, sizeof i);
        ok += send(s, b, sizeof b, 0) == (ssize_t)sizeof b;
    }
    *ms = now_ms() - t;
    sleep_ms(30);
    return ok;
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), drops, seq, n = 0, order = 0, early = 0;
    long ms;
    con4(s, "127.0.0.1", port_of(r));
    res("SO_RCVBUF 1", set(r, SOL_SOCKET, SO_RCVBUF, 1));
    res("is", get(r, SOL_SOCKET, SO_RCVBUF));
    res("SO_RCVBUF 8000", set(r, SOL_SOCKET, SO_RCVBUF, 8000));
    res("is", get(r, SOL_SOCKET, SO_RCVBUF));
    res("SO_RXQ_OVFL before", get(r, SOL_SOCKET, SO_RXQ_OVFL));
    res("SO_RXQ_OVFL on", set(r, SOL_SOCKET, SO_RXQ_OVFL, 1));
    res("SO_RXQ_OVFL", get(r, SOL_SOCKET, SO_RXQ_OVFL));
    fact("sent of 500: %d", fill(s, 500, &ms));
    fact("in less than 1000 ms: %d", ms < 1000);
    fact("sender sees %s, SO_ERROR %ld", poll_text(s, POLLIN | POLLOUT, 0), get(s, SOL_SOCKET, SO_ERROR));
    while ((seq = take(r, &drops)) >= 0) {
        order += seq != n;
        early += drops != -1;
        n++;
    }
    fact("received more than 3: %d, fewer than 200: %d", n > 3, n < 200);
    fact("they are the first ones, in order: %d, with a drop count: %d", order == 0, early);
    fact("receiver: SO_ERROR %ld, poll %s", get(r, SOL_SOCKET, SO_ERROR), poll_text(r, POLLIN | POLLOUT, 0));
    int first = n;
    fill(s, 1, &ms);
    take(r, &drops);
    fact("the next one tells all that was dropped: %d", drops == 500 - first);
    fill(s, 1, &ms);
    take(r, &drops);
    fact("and so does the one after: %d", drops == 500 - first);
    fill(s, 500, &ms);
    for (n = 0; take(r, &drops) >= 0; n++) {}
    fact("full at about the same length again: %d", n >= first - 2 && n <= first + 2);
    fill(s, 1, &ms);
    take(r, &drops);
    fact("the count adds up: %d", drops == 1000 - first - n);
    set(r, SOL_SOCKET, SO_RXQ_OVFL, 0);
    fill(s, 1, &ms);
    take(r, &drops);
    fact("switched off: %d", drops);
    set(r, SOL_SOCKET, SO_RXQ_OVFL, 1);
    fill(s, 1, &ms);
    take(r, &drops);
    fact("on again, the count was kept: %d", drops == 1000 - first - n);

    /* A larger buffer takes more; the order of things: small ones fit where a large one does not. */
    int q = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(q));
    set(q, SOL_SOCKET, SO_RCVBUF, 64000);
    fill(s, 500, &ms);
    int m = 0;
    while (take(q, &drops) >= 0) m++;
    fact("an eight times larger buffer takes at least four times as many: %d", m >= 4 * first);
    int d = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(d));
    fact("default buffer: 30 of 30 small ones: %d", fill(s, 30, &ms));
    for (m = 0; take(d, &drops) >= 0; m++) {}
    fact("received %d", m);
    fcntl(s, F_SETFL, O_NONBLOCK);
    int e = 0;
    char big[60000] = "";
    for (int i = 0; i < 40; i++) e += send(s, big, sizeof big, 0) != (ssize_t)sizeof big;
    fact("non-blocking sender into a full queue fails %d times", e);
    return 0;
}
