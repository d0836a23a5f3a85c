/* Half-close (`man 2 shutdown`, RFC 9293 3.6): what send, recv and poll say on both sides after SHUT_WR, SHUT_RD and
 * SHUT_RDWR, while the other direction goes on. Linux: SHUT_RD is a matter of this side alone, and data that still
 * comes can still be read. */
#include "stream.h"

static int p[2];
#define ALL (POLLIN | POLLOUT | POLLRDHUP | POLLPRI)

static void both(const char *when) {
    fact("%s: own poll [%s], peer's poll [%s]", when, poll_text(p[0], ALL, 0), poll_text(p[1], ALL, 0));
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);

    fact("-- SHUT_WR");
    tcp_pair(p);
    both("connected");
    must("send", send(p[0], "request", 7, 0));
    res("SHUT_WR", shutdown(p[0], SHUT_WR));
    await(p[1], POLLRDHUP);
    sleep_ms(10);
    both("after it, data unread");
    fact_recv("peer reads", p[1], 100, 0);
    both("after it, data read");
    fact_recv("peer reads", p[1], 100, 0);
    fact_recv("peer reads again", p[1], 100, 0);
    res("own send", send(p[0], "x", 1, 0));
    res("own recv, nothing yet", recv(p[0], (char[4]){0}, 4, MSG_DONTWAIT));
    for (int i = 0; i < 3; i++) res("peer still sends", send(p[1], "answer", 6, 0));
    await(p[0], POLLIN);
    sleep_ms(10);
    fact_recv("own recv", p[0], 100, 0);
    fact("states %s, %s", settle(p[0], "FIN_WAIT2"), tcp_state(p[1]));
    res("SHUT_WR again", shutdown(p[0], SHUT_WR));
    res("peer's SHUT_WR", shutdown(p[1], SHUT_WR));
    await(p[0], POLLHUP);
    await(p[1], POLLHUP);
    both("both directions closed");
    fact("states %s, %s", settle(p[0], "CLOSE"), settle(p[1], "CLOSE"));
    fact_recv("own recv", p[0], 100, 0);
    res("peer's send", send(p[1], "x", 1, 0));
    fact("SO_ERROR %s, %s", so_error(p[0]), so_error(p[1]));
    close(p[0]); close(p[1]);

    fact("-- SHUT_RD");
    tcp_pair(p);
    must("send", send(p[1], "before", 6, 0));
    await(p[0], POLLIN);
    res("SHUT_RD", shutdown(p[0], SHUT_RD));
    both("after it, data unread");
    fact_recv("own recv", p[0], 100, 0);
    fact_recv("own recv", p[0], 100, 0);
    both("after it, data read");
    res("peer's send", send(p[1], "later", 5, 0));
    sleep_ms(30);
    both("peer has sent");
    fact_recv("own recv", p[0], 100, 0);
    fact_recv("own recv", p[0], 100, 0);
    res("peer's send again", send(p[1], "more", 4, 0));
    res("own send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    fact_recv("peer's recv", p[1], 100, 0);
    res("SHUT_RD again", shutdown(p[0], SHUT_RD));
    fact("states %s, %s", tcp_state(p[0]), tcp_state(p[1]));
    close(p[0]); close(p[1]);

    fact("-- SHUT_RDWR");
    tcp_pair(p);
    must("send", send(p[1], "unread", 6, 0));
    await(p[0], POLLIN);
    res("SHUT_RDWR", shutdown(p[0], SHUT_RDWR));
    await(p[1], POLLRDHUP);
    sleep_ms(10);
    both("after it");
    fact("states %s, %s", settle(p[0], "FIN_WAIT2"), tcp_state(p[1]));
    fact_recv("own recv", p[0], 100, 0);
    fact_recv("own recv", p[0], 100, 0);
    res("own send", send(p[0], "x", 1, 0));
    fact_recv("peer's recv", p[1], 100, 0);
    res("peer's send", send(p[1], "late", 4, 0));
    sleep_ms(30);
    both("peer has sent");
    fact_recv("own recv of what came after", p[0], 100, MSG_DONTWAIT);
    res("SHUT_RDWR again", shutdown(p[0], SHUT_RDWR));
    res("SHUT_WR again", shutdown(p[0], SHUT_WR));
    close(p[1]);
    await(p[0], POLLHUP);
    sleep_ms(10);
    fact("after peer's close: own poll [%s], state %s, SO_ERROR %s", poll_text(p[0], ALL, 0), tcp_state(p[0]),
         so_error(p[0]));
    close(p[0]);

    fact("-- SHUT_RD then SHUT_WR, peer the same");
    tcp_pair(p);
    res("SHUT_RD", shutdown(p[0], SHUT_RD));
    res("SHUT_WR", shutdown(p[0], SHUT_WR));
    await(p[1], POLLRDHUP);
    both("one side done");
    res("peer's SHUT_RDWR", shutdown(p[1], SHUT_RDWR));
    sleep_ms(30);
    both("both done");
    fact("states %s, %s", settle(p[0], "CLOSE"), settle(p[1], "CLOSE"));
    res("shutdown after all is closed", shutdown(p[0], SHUT_RDWR));
    res("peer's shutdown after all is closed", shutdown(p[1], SHUT_RDWR));
    return 0;
}
