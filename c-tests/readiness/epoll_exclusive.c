/* EPOLLEXCLUSIVE (`man 2 epoll_ctl`): only with ADD, only with IN, OUT, ERR, HUP, ET and WAKEUP, not on an epoll
 * instance, no MOD afterwards; of several instances that wait for one descriptor at least one is woken. */
#include "ready.h"

static int l;
static void *waiter(void *v) {
    (void)v;
    int ep = ep_new();
    add(ep, l, EPOLLIN | EPOLLEXCLUSIVE, 1);
    struct epoll_event e;
    int n = epoll_wait(ep, &e, 1, 600);
    int c = n == 1 ? accept(l, NULL, NULL) : -1;
    close(ep);
    return (void *)(intptr_t)(n == 1 ? c >= 0 ? 2 : 1 : 0);
}

int main(void) {
    alarm(8);
    int p[2], ep = ep_new(), port;
    tcp_pair(p);
    static const struct { const char *name; uint32_t bits; } t[] = {
        {"IN", EPOLLIN}, {"OUT", EPOLLOUT}, {"IN OUT ET", EPOLLIN | EPOLLOUT | EPOLLET}, {"ERR HUP",
            EPOLLERR | EPOLLHUP}, {"WAKEUP", EPOLLIN | EPOLLWAKEUP},
        {"nothing", 0}, {"ONESHOT", EPOLLIN | EPOLLONESHOT}, {"PRI", EPOLLIN | EPOLLPRI}, {"RDHUP",
            EPOLLIN | EPOLLRDHUP}, {"RDNORM", EPOLLRDNORM}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        char s[64];
        snprintf(s, sizeof s, "add EXCLUSIVE with %s", t[i].name);
        if (res(s, ctl(ep, EPOLL_CTL_ADD, p[0], t[i].bits | EPOLLEXCLUSIVE, 1)) == 0)
            must("delete", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    }
    add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1);
    res("modify an exclusive one", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 1));
    res("modify with EXCLUSIVE", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
    add(ep, p[1], EPOLLIN, 2);
    res("modify another with EXCLUSIVE", ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN | EPOLLEXCLUSIVE, 1));
    int in = ep_new();
    res("add an instance with EXCLUSIVE", ctl(ep, EPOLL_CTL_ADD, in, EPOLLIN | EPOLLEXCLUSIVE, 3));
    put(p[1], "x");
    fact("wait: %s", ep_text(ep, 1000));
    fact("level as ever: %s", ep_text(ep, 0));
    int other = ep_new();
    add(other, p[0], EPOLLIN | EPOLLEXCLUSIVE, 4);
    fact("a second instance, data there: %s", ep_text(other, 0));
    drain(p[0]);

    /* Four instances on one listener, one connection: at least one is woken, exactly one gets the connection. */
    l = listener4(&port, 8);
    nonblock(l);
    pthread_t th[4];
    for (int i = 0; i < 4; i++) pthread_create(&th[i], NULL, waiter, NULL);
    sleep_ms(100);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    int woken = 0, got = 0;
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(th[i], &r);
        woken += r != NULL;
        got += (intptr_t)r == 2;
    }
    fact("woken at least one: %s, accepted %d", woken >= 1 ? "yes" : "no", got);
    return 0;
}
