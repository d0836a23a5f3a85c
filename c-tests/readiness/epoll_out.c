/* EPOLLOUT (`man 7 epoll`): level while there is room, edge when a full buffer has room again, not before; poll and
 * select agree. How much has to be read first is not asked. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], lv = ep_new(), ed = ep_new(), os = ep_new();
    tcp_pair(p);
    nonblock(p[0]);
    add(lv, p[0], EPOLLOUT, 1);
    add(ed, p[0], EPOLLOUT | EPOLLET, 2);
    add(os, p[0], EPOLLOUT | EPOLLONESHOT, 3);
    fact("room: level %s", ep_text(lv, 0));
    fact("again: level %s", ep_text(lv, 0));
    fact("room: edge %s", ep_text(ed, 0));
    fact("again: edge %s", ep_text(ed, 0));
    put(p[0], "a");
    fact("after a send that fitted: edge %s", ep_text(ed, 20));
    fact("one-shot %s", ep_text(os, 0));

    long sent = 1 + fill_up(p[0]);
    ep_text(ed, 0);
    fact("full: level %s", ep_text(lv, 0));
    fact("full: edge %s", ep_text(ed, 20));
    fact("full: poll %s, select %s", poll_text(p[0], POLLOUT, 0), sel_text(p[0], 0));
    must("MOD", ctl(os, EPOLL_CTL_MOD, p[0], EPOLLOUT | EPOLLONESHOT, 4));
    fact("full: one-shot armed %s", ep_text(os, 0));

    /* All is read: room again. */
    long got = 0;
    for (int quiet = 0; quiet < 5;) { long r = drain(p[1]); got += r; if (r) quiet = 0; else quiet++; sleep_ms(5); }
    fact("all that was sent was read: %s", got == sent ? "yes" : "no");
    fact("room: level %s", ep_text(lv, 1000));
    fact("room: edge %s", ep_text(ed, 1000));
    fact("again: edge %s", ep_text(ed, 0));
    fact("room: one-shot %s", ep_text(os, 1000));
    fact("room: poll %s, select %s", poll_text(p[0], POLLOUT, 0), sel_text(p[0], 0));

    /* A wait that began when full. */
    sent = fill_up(p[0]);
    ep_text(ed, 0);
    pid_t k = fork();
    if (k == 0) {
        sleep_ms(80);
        got = 0;
        while (got < sent) { long r = drain(p[1]); got += r; if (!r) sleep_ms(2); }
        _exit(0);
    }
    fact("edge, woken when the peer reads: %s", ep_text(ed, 3000));
    await(p[0], POLLOUT);
    fact("level: %s", ep_text(lv, 1000));
    reap("child", k);

    /* IN arrives on a socket that waits for both by edge: OUT is told along. */
    must("MOD", ctl(ed, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLOUT | EPOLLET, 5));
    fact("both, MOD: %s", ep_text(ed, 0));
    put(p[1], "x");
    fact("data arrives: %s", ep_text(ed, 1000));
    drain(p[0]);

    /* A full buffer whose peer goes away. */
    fill_up(p[0]);
    ep_text(ed, 0);
    fact("full: level %s", ep_text(lv, 0));
    close(p[1]);
    fact("peer closed with unread data: edge %s", ep_text(ed, 1000));
    fact("level %s", ep_text(lv, 0));
    int e;
    socklen_t n = sizeof e;
    getsockopt(p[0], SOL_SOCKET, SO_ERROR, &e, &n);
    fact("SO_ERROR %s", ename(e));
    return 0;
}
