/* Edge-triggered (`man 7 epoll`): a buffer that filled up is an edge when there is room again, also when other events of
 * the socket were told in between; and each descriptor has its turn where the array is shorter than what is ready. */
#include "ready.h"
#include <sys/eventfd.h>

int main(void) {
    alarm(8);
    int p[2], ep = ep_new();
    tcp_pair(p);
    nonblock(p[0]);
    add(ep, p[0], EPOLLIN | EPOLLOUT | EPOLLET, 1);
    fact("added: %s", ep_text(ep, 0));
    fact("again: %s", ep_text(ep, 0));
    long sent = fill_up(p[0]);
    ep_text(ep, 0);
    fact("full: %s", ep_text(ep, 0));
    put(p[1], "x");
    fact("a byte came: %s", ep_text(ep, 1000));
    fact("again: %s", ep_text(ep, 0));
    fact("read: %ld", drain(p[0]));
    static char b[65536];
    for (long got = 0; got < sent;) got += must("recv", recv(p[1], b, sizeof b, 0));
    await(p[0], POLLOUT);
    fact("room again: %s", ep_text(ep, 1000));
    fact("again: %s", ep_text(ep, 0));
    close(p[0]);
    close(p[1]);

    for (int edge = 0; edge < 2; edge++) {
        fact("-- room for one event, a socket and an eventfd, %s", edge ? "edges" : "levels");
        tcp_pair(p);
        int e = (int)must("eventfd", eventfd(1, EFD_NONBLOCK)), told[3] = {0}, waits = edge ? 2 : 40;
        put(p[1], "x");
        await(p[0], POLLIN);
        add(ep, p[0], EPOLLIN | (edge ? EPOLLET : 0), 1);
        add(ep, e, EPOLLIN | (edge ? EPOLLET : 0), 2);
        for (int i = 0; i < waits; i++) {
            struct epoll_event ev;
            if (epoll_wait(ep, &ev, 1, 0) == 1) told[ev.data.u64]++;
        }
        if (edge) fact("socket %d, eventfd %d", told[1], told[2]);
        else fact("both had their turns: %s", told[1] >= 10 && told[2] >= 10 ? "yes" : "no");
        fact("more: %s", edge ? ep_text(ep, 0) : "of course");
        close(e);
        close(p[0]);
        close(p[1]);
    }
    return 0;
}
