/* Level and edge (`man 7 epoll`): level tells as long as the state lasts; edge tells once for each arrival, whether
 * or not all was read before; a partial read alone is no arrival; MOD looks anew. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], lv = ep_new(), ed = ep_new();
    tcp_pair(p);
    char b;

    fact("-- level");
    add(lv, p[0], EPOLLIN, 1);
    fact("nothing: %s", ep_text(lv, 0));
    put(p[1], "ab");
    fact("data: %s", ep_text(lv, 1000));
    fact("again: %s", ep_text(lv, 0));
    recv(p[0], &b, 1, 0);
    fact("half read: %s", ep_text(lv, 0));
    recv(p[0], &b, 1, 0);
    fact("all read: %s", ep_text(lv, 0));
    put(p[1], "c");
    fact("more: %s", ep_text(lv, 1000));
    drain(p[0]);
    fact("read before the wait: %s", ep_text(lv, 0));

    fact("-- edge");
    add(ed, p[0], EPOLLIN | EPOLLET, 2);
    fact("nothing: %s", ep_text(ed, 0));
    put(p[1], "ab");
    fact("data: %s", ep_text(ed, 1000));
    fact("again: %s", ep_text(ed, 0));
    recv(p[0], &b, 1, 0);
    fact("half read: %s", ep_text(ed, 20));
    put(p[1], "c");
    fact("new data on top of unread: %s", ep_text(ed, 1000));
    fact("again: %s", ep_text(ed, 0));
    drain(p[0]);
    fact("all read: %s", ep_text(ed, 20));
    put(p[1], "d");
    fact("new data: %s", ep_text(ed, 1000));
    drain(p[0]);
    put(p[1], "e");
    await(p[0], POLLIN);
    drain(p[0]);
    fact("came and was read before the wait: %s", ep_text(ed, 20));
    put(p[1], "f");
    await(p[0], POLLIN);
    sleep_ms(10);
    put(p[1], "g");
    sleep_ms(20);
    fact("two arrivals, one event: %s", ep_text(ed, 100));
    fact("again: %s", ep_text(ed, 20));

    fact("-- edge, registered when data is already there");
    int e3 = ep_new();
    add(e3, p[0], EPOLLIN | EPOLLET, 3);
    fact("first wait: %s", ep_text(e3, 0));
    fact("second: %s", ep_text(e3, 0));
    res("MOD with the same events", ctl(e3, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 4));
    fact("after MOD: %s", ep_text(e3, 0));
    fact("again: %s", ep_text(e3, 0));
    res("MOD to OUT too", ctl(e3, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLOUT | EPOLLET, 5));
    fact("after MOD: %s", ep_text(e3, 0));
    put(p[1], "h");
    fact("an arrival tells all that is ready: %s", ep_text(e3, 1000));
    drain(p[0]);
    res("MOD when nothing is ready", ctl(e3, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 6));
    fact("after MOD: %s", ep_text(e3, 0));
    put(p[1], "i");
    await(p[0], POLLIN);
    res("MOD to level", ctl(e3, EPOLL_CTL_MOD, p[0], EPOLLIN, 7));
    fact("level: %s", ep_text(e3, 1000));
    fact("again: %s", ep_text(e3, 0));
    res("MOD back to edge", ctl(e3, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 8));
    fact("edge: %s", ep_text(e3, 0));
    fact("again: %s", ep_text(e3, 0));
    drain(p[0]);

    fact("-- edge for the end, the error and the hang-up");
    int e4 = ep_new();
    add(e4, p[0], EPOLLIN | EPOLLRDHUP | EPOLLET, 9);
    shutdown(p[1], SHUT_WR);
    fact("peer half-closed: %s", ep_text(e4, 1000));
    fact("again: %s", ep_text(e4, 20));
    shutdown(p[0], SHUT_WR);
    await(p[0], POLLHUP);
    sleep_ms(20);
    fact("both closed: %s", ep_text(e4, 1000));
    fact("again: %s", ep_text(e4, 20));
    int e5 = ep_new();
    add(e5, p[0], EPOLLET, 10);
    fact("registered for nothing, already hung up: %s", ep_text(e5, 0));
    fact("again: %s", ep_text(e5, 20));
    add(lv, p[1], 0, 11);
    fact("level, registered for nothing, hung up: %s", ep_text(lv, 0));
    fact("again: %s", ep_text(lv, 0));

    fact("-- edge on a listener");
    int port, l = listener4(&port, 8), e6 = ep_new(), c[3];
    nonblock(l);
    add(e6, l, EPOLLIN | EPOLLET, 12);
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int i = 0; i < 3; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        must("connect", connect(c[i], (struct sockaddr *)&a, sizeof a));
        sleep_ms(10);
        if (i < 2) fact("connection %d: %s", i, ep_text(e6, 1000));
    }
    ok("accept of one", accept(l, NULL, NULL));
    fact("third arrival: %s", ep_text(e6, 1000));
    ok("accept", accept(l, NULL, NULL));
    fact("one left, no arrival: %s", ep_text(e6, 20));
    ok("accept", accept(l, NULL, NULL));
    res("accept", accept(l, NULL, NULL));
    return 0;
}
