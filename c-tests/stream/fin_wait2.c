/* TCP_LINGER2 (`man 7 tcp`): how long a closed socket stays in FIN_WAIT2; negative means not at all, and the peer
 * gets a reset. What a peer may still do with a connection whose other end has been closed. */
#include "stream.h"

static void set_get(int fd, int v) {
    int o = -77;
    socklen_t n = sizeof o;
    int r = setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &v, sizeof v);
    int e = errno;
    getsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &o, &n);
    fact("TCP_LINGER2 %d: %s, then %d", v, r < 0 ? ename(e) : "0", o);
}

int main(void) {
    alarm(8);
    int p[2], o = -77;
    socklen_t n = sizeof o;
    tcp_pair(p);
    getsockopt(p[0], IPPROTO_TCP, TCP_LINGER2, &o, &n);
    fact("by default above 0: %s", o > 0 ? "yes" : "no");
    set_get(p[0], 5);
    set_get(p[0], 1);
    set_get(p[0], 100);
    set_get(p[0], 121);
    set_get(p[0], -5);

    fact("-- negative, closed in FIN_WAIT2");
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    fact("state %s", settle(p[0], "FIN_WAIT2"));
    close(p[0]);
    await(p[1], POLLHUP);
    fact("peer's state %s, poll %s", tcp_state(p[1]), poll_text(p[1], POLLIN | POLLOUT | POLLRDHUP, 0));
    fact_recv("peer's recv", p[1], 10, MSG_DONTWAIT);
    fact("SO_ERROR %s", so_error(p[1]));
    close(p[1]);

    fact("-- default, closed in FIN_WAIT2");
    tcp_pair(p);
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    settle(p[0], "FIN_WAIT2");
    close(p[0]);
    sleep_ms(30);
    fact("peer's state %s, poll %s", tcp_state(p[1]), poll_text(p[1], POLLIN | POLLOUT | POLLRDHUP, 0));
    fact_recv("peer's recv", p[1], 10, MSG_DONTWAIT);
    res("peer's send", send(p[1], "late", 4, MSG_NOSIGNAL));
    await(p[1], POLLHUP);
    fact("peer's state %s, SO_ERROR %s", tcp_state(p[1]), so_error(p[1]));
    close(p[1]);

    fact("-- close with SO_LINGER of 1 s: waits for the data to be taken over, which it is at once");
    tcp_pair(p);
    struct linger l = {1, 1};
    must("SO_LINGER", setsockopt(p[0], SOL_SOCKET, SO_LINGER, &l, sizeof l));
    must("send", send(p[0], "data", 4, 0));
    long t = now_ms();
    res("close", close(p[0]));
    fact("within 1500 ms: %s", now_ms() - t < 1500 ? "yes" : "no");
    fact_recv("peer's recv", p[1], 10, 0);
    fact_recv("peer's recv", p[1], 10, 0);
    close(p[1]);
    return 0;
}
