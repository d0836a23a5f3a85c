/* The accept queue (`man 2 listen`, `man 7 tcp`): listen(fd, 0) still holds one connection; beyond the queue a
 * non-blocking connect stays in progress and is completed once accept makes room (the SYN is repeated after about a
 * second). The order is first come, first served. */
// limit: 20
#include "stream.h"

static int dial(int port, int *err) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    *err = connect(c, (struct sockaddr *)&a, sizeof a) < 0 ? errno : 0;
    return c;
}

int main(void) {
    alarm(18);
    int port, l = listener4(&port, 0), c[6], e;
    nonblock(l, 1);
    for (int i = 0; i < 2; i++) {
        c[i] = dial(port, &e);
        fact("connect %d: %s", i, ename(e));
        sleep_ms(50);
    }
    fact("state of the first %s, of the second %s", tcp_state(c[0]), tcp_state(c[1]));
    fact("poll of the second: %s, SO_ERROR %s", poll_text(c[1], POLLIN | POLLOUT | POLLRDHUP, 0), so_error(c[1]));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect of the second again", connect(c[1], (struct sockaddr *)&a, sizeof a));
    res("send of the second", send(c[1], "x", 1, MSG_NOSIGNAL));
    res("recv of the second", recv(c[1], &e, 1, 0));
    must("send", send(c[0], "0", 1, 0));
    struct tcp_info ti;
    socklen_t n = sizeof ti;
    getsockopt(l, IPPROTO_TCP, TCP_INFO, &ti, &n);
    fact("listener's TCP_INFO: waiting %u, limit %u", ti.tcpi_unacked, ti.tcpi_sacked);

    /* accept makes room. */
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("the first accepted is the first that connected", s, 1, 0);
    close(s);
    long t = now_ms();
    fact("poll of the second: %s", poll_text(c[1], POLLOUT, 5000));
    fact("within 5 s: %s", now_ms() - t < 5000 ? "yes" : "no");
    fact("SO_ERROR %s", so_error(c[1]));
    res("send", send(c[1], "1", 1, 0));
    await(l, POLLIN);
    s = (int)ok("accept", accept(l, NULL, NULL));
    fcntl(s, F_SETFL, 0);
    fact_recv("recv", s, 1, 0);
    close(s);
    close(c[0]);
    close(c[1]);
    res("accept with nobody there", accept(l, NULL, NULL));

    /* A second listen changes the limit, in both directions. */
    res("listen again with 5", listen(l, 5));
    getsockopt(l, IPPROTO_TCP, TCP_INFO, &ti, &n);
    fact("limit %u", ti.tcpi_sacked);
    res("listen with -1", listen(l, -1));
    getsockopt(l, IPPROTO_TCP, TCP_INFO, &ti, &n);
    fact("limit is above 100: %s", ti.tcpi_sacked > 100 ? "yes" : "no");
    res("listen with 5", listen(l, 5));
    for (int i = 0; i < 6; i++) c[i] = dial(port, &e);
    sleep_ms(50);
    int done = 0;
    for (int i = 0; i < 6; i++) done += !strcmp(tcp_state(c[i]), "ESTABLISHED");
    fact("with backlog 5: connected at once: %d", done);
    for (int i = 0; i < 6; i++) {
        char q = (char)('a' + i), r = 0;
        must("send", send(c[i], &q, 1, 0));
        s = (int)must("accept", accept(l, NULL, NULL));
        fcntl(s, F_SETFL, 0);
        if (recv(s, &r, 1, 0) != 1 || r != q) fact("out of order at %d", i);
        close(s);
        close(c[i]);
    }
    fact("in order");
    return 0;
}
