/* Several epoll instances, a poll and a select watch one socket: each is told, and reading for one takes it away for
 * all; edge and level keep their own accounts. */
#include "ready.h"

static int p[2];
struct w { int kind, ep, n; };
static void *waiter(void *v) {
    struct w *w = v;
    struct epoll_event e;
    struct pollfd f = {p[0], POLLIN, 0};
    fd_set r;
    struct timeval tv = {2, 0};
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    w->n = w->kind == 0 ? epoll_wait(w->ep, &e, 1, 2000) : w->kind == 1 ? poll(&f, 1, 2000) : select(p[0] + 1, &r, NULL,
        NULL, &tv);
    return NULL;
}

int main(void) {
    alarm(8);
    tcp_pair(p);
    int a = ep_new(), b = ep_new(), c = ep_new(), d = ep_new();
    add(a, p[0], EPOLLIN, 1);
    add(b, p[0], EPOLLIN | EPOLLET, 2);
    add(c, p[0], EPOLLIN | EPOLLONESHOT, 3);
    add(d, p[0], EPOLLOUT, 4);
    put(p[1], "x");
    fact("level %s", ep_text(a, 1000));
    fact("edge %s", ep_text(b, 1000));
    fact("one-shot %s", ep_text(c, 1000));
    fact("out %s", ep_text(d, 1000));
    fact("level again %s", ep_text(a, 0));
    fact("edge again %s", ep_text(b, 0));
    fact("one-shot again %s", ep_text(c, 0));
    drain(p[0]);
    fact("read: level %s", ep_text(a, 0));
    put(p[1], "y");
    fact("new: level %s", ep_text(a, 1000));
    fact("new: edge %s", ep_text(b, 1000));
    fact("new: one-shot %s", ep_text(c, 20));
    must("DEL", ctl(a, EPOLL_CTL_DEL, p[0], 0, 0));
    fact("deleted in one: %s", ep_text(a, 0));
    must("MOD", ctl(c, EPOLL_CTL_MOD, p[0], EPOLLIN, 5));
    fact("the others go on: %s", ep_text(c, 0));
    drain(p[0]);
    add(a, p[0], EPOLLIN, 6);

    /* All at once, blocked. */
    struct w w[6] = {{0, a, 0}, {0, b, 0}, {0, c, 0}, {1, 0, 0}, {2, 0, 0}, {1, 0, 0}};
    pthread_t t[6];
    for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, waiter, &w[i]);
    sleep_ms(100);
    long t0 = now_ms();
    put(p[1], "z");
    int sum = 0;
    for (int i = 0; i < 6; i++) { pthread_join(t[i], NULL); sum += w[i].n == 1; }
    fact("three epolls, two polls and a select: woken %d, below 1500 ms: %s", sum, now_ms() - t0 < 1500 ? "yes" : "no");
    drain(p[0]);

    /* Both ends of a connection in one instance. */
    add(a, p[1], EPOLLIN, 7);
    put(p[0], "to 1");
    put(p[1], "to 0");
    await(p[0], POLLIN);
    await(p[1], POLLIN);
    fact("both ends: %s", ep_text(a, 0));
    close(p[1]);
    await(p[0], POLLHUP);
    fact("one end closed with unread data: %s", ep_text(a, 1000));
    return 0;
}
