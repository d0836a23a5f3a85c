/* MSG_MORE and TCP_CORK hold back a part of a segment until uncorked, or 200 ms have passed (`man 7 tcp`). The time
 * is checked loosely: nothing within 60 ms, all of it within 1,500 ms. */
#include "stream.h"

static void later(const char *label, int fd, size_t n) {
    long t = now_ms();
    fact("%s, within 60 ms: %s", label, poll_text(fd, POLLIN, 60));
    fact("%s, later: %s", label, poll_text(fd, POLLIN, 1500));
    t = now_ms() - t;
    fact("%s, released by 1500 ms: %s", label, t < 1500 ? "yes" : "no");
    fact_recv(label, fd, n, 0);
}

int main(void) {
    alarm(8);
    int p[2], on = 1, off = 0, v = -1;
    socklen_t l = sizeof v;
    tcp_pair(p);
    res("MSG_MORE", send(p[0], "one ", 4, MSG_MORE));
    fact("held back: %s", poll_text(p[1], POLLIN, 60));
    res("the rest", send(p[0], "two", 3, 0));
    await(p[1], POLLIN);
    fact_recv("both at once", p[1], 100, 0);

    res("MSG_MORE alone", send(p[0], "alone", 5, MSG_MORE));
    later("MSG_MORE alone", p[1], 100);

    getsockopt(p[0], IPPROTO_TCP, TCP_CORK, &v, &l);
    fact("TCP_CORK by default: %d", v);
    res("cork", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    getsockopt(p[0], IPPROTO_TCP, TCP_CORK, &v, &l);
    fact("TCP_CORK set: %d", v);
    for (int i = 0; i < 5; i++) must("write", write(p[0], "abcdefgh" + i, 1));
    fact("corked: %s", poll_text(p[1], POLLIN, 60));
    res("uncork", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &off, sizeof off));
    await(p[1], POLLIN);
    fact_recv("all at once", p[1], 100, 0);

    must("cork", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    must("write", write(p[0], "timed", 5));
    later("corked alone", p[1], 100);
    must("write", write(p[0], "flushed", 7));
    int nd = 1;
    res("TCP_NODELAY while corked", setsockopt(p[0], IPPROTO_TCP, TCP_NODELAY, &nd, sizeof nd));
    fact("after TCP_NODELAY: %s", poll_text(p[1], POLLIN, 100));
    setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    await(p[1], POLLIN);
    fact_recv("flushed", p[1], 100, 0);

    must("cork", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    must("write", write(p[0], "before the end", 14));
    res("SHUT_WR while corked", shutdown(p[0], SHUT_WR));
    await(p[1], POLLRDHUP);
    fact_recv("pushed out by the end", p[1], 100, 0);
    fact_recv("the end", p[1], 100, 0);

    must("send", send(p[1], "closing ", 8, MSG_MORE));
    close(p[1]);
    await(p[0], POLLRDHUP);
    fact_recv("pushed out by close", p[0], 100, 0);
    fact_recv("the end", p[0], 100, 0);
    return 0;
}
