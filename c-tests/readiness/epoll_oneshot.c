/* EPOLLONESHOT (`man 2 epoll_ctl`): after one event the registration sleeps, for errors and hang-ups as well, until
 * MOD arms it; with EPOLLET too. It stays registered. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], ep = ep_new();
    tcp_pair(p);
    add(ep, p[0], EPOLLIN | EPOLLONESHOT, 1);
    put(p[1], "a");
    fact("first: %s", ep_text(ep, 1000));
    fact("disarmed: %s", ep_text(ep, 0));
    put(p[1], "b");
    await(p[0], POLLIN);
    fact("new data: %s", ep_text(ep, 30));
    res("add again", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT, 2));
    res("arm with data there", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
    fact("armed: %s", ep_text(ep, 0));
    drain(p[0]);
    res("arm with nothing there", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
    fact("armed: %s", ep_text(ep, 20));
    put(p[1], "c");
    fact("data: %s", ep_text(ep, 1000));
    drain(p[0]);

    fact("-- with EPOLLET");
    res("arm", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET | EPOLLONESHOT, 5));
    put(p[1], "d");
    fact("data: %s", ep_text(ep, 1000));
    put(p[1], "e");
    await(p[0], POLLIN);
    sleep_ms(10);
    fact("more data: %s", ep_text(ep, 30));
    res("arm", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET | EPOLLONESHOT, 6));
    fact("armed: %s", ep_text(ep, 0));
    drain(p[0]);

    fact("-- several events in one");
    res("arm for IN and OUT, only OUT ready", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLOUT | EPOLLONESHOT, 7));
    fact("wait: %s", ep_text(ep, 0));
    put(p[1], "f");
    await(p[0], POLLIN);
    fact("IN comes later and is not told: %s", ep_text(ep, 20));
    res("without ONESHOT", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 8));
    fact("wait: %s", ep_text(ep, 0));
    fact("wait: %s", ep_text(ep, 0));
    drain(p[0]);

    fact("-- hang-up while disarmed");
    res("arm", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 9));
    put(p[1], "g");
    fact("data: %s", ep_text(ep, 1000));
    struct linger lg = {1, 0};
    setsockopt(p[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(p[1]);
    await(p[0], POLLHUP);
    fact("reset while disarmed: %s", ep_text(ep, 30));
    res("arm for nothing", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLONESHOT, 10));
    fact("wait: %s", ep_text(ep, 0));
    fact("wait: %s", ep_text(ep, 0));
    res("MOD to 0 without ONESHOT", ctl(ep, EPOLL_CTL_MOD, p[0], 0, 11));
    fact("wait: %s", ep_text(ep, 0));
    fact("wait: %s", ep_text(ep, 0));
    res("delete while disarmed", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    return 0;
}
