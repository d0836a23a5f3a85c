/* An epoll instance is itself something to poll, select and register (`man 7 epoll`, Q&A): readable while it has
 * events; level and edge for the outer one. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], in = ep_new(), mid = ep_new(), out = ep_new();
    tcp_pair(p);
    fact("empty instance: poll %s, select %s", poll_text(in, POLLIN | POLLOUT, 0), sel_text(in, 0));
    add(in, p[0], EPOLLIN, 1);
    add(mid, in, EPOLLIN, 2);
    add(out, mid, EPOLLIN, 3);
    fact("nothing: poll %s, wait %s", poll_text(in, POLLIN | POLLOUT, 0), ep_text(out, 0));
    put(p[1], "a");
    fact("data: poll %s, select %s", poll_text(in, POLLIN | POLLOUT, 1000), sel_text(in, 0));
    fact("outermost: %s", ep_text(out, 1000));
    fact("again: %s", ep_text(out, 0));
    fact("middle: %s", ep_text(mid, 0));
    fact("inner: %s", ep_text(in, 0));
    fact("poll of the outermost: %s", poll_text(out, POLLIN, 0));
    drain(p[0]);
    fact("read: outermost %s, middle %s, inner %s", ep_text(out, 0), ep_text(mid, 0), ep_text(in, 0));
    fact("poll of the outermost: %s", poll_text(out, POLLIN, 0));

    /* A blocked outer wait is woken by the socket two levels below. */
    pid_t k = fork();
    if (k == 0) { sleep_ms(80); put(p[1], "b"); _exit(0); }
    fact("blocked outer wait: %s", ep_text(out, 2000));
    reap("child", k);
    drain(p[0]);
    k = fork();
    if (k == 0) { sleep_ms(80); put(p[1], "c"); _exit(0); }
    fact("blocked poll of the middle: %s", poll_text(mid, POLLIN, 2000));
    reap("child", k);
    drain(p[0]);

    fact("-- inner edge");
    must("MOD", ctl(in, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 4));
    put(p[1], "d");
    fact("outer: %s", ep_text(out, 1000));
    fact("inner takes it: %s", ep_text(in, 0));
    fact("outer then: %s", ep_text(out, 0));
    put(p[1], "e");
    fact("outer after more: %s", ep_text(out, 1000));
    drain(p[0]);
    fact("inner after all was read: %s", ep_text(in, 0));

    fact("-- outer edge");
    must("MOD", ctl(in, EPOLL_CTL_MOD, p[0], EPOLLIN, 5));
    must("MOD", ctl(mid, EPOLL_CTL_MOD, in, EPOLLIN | EPOLLET, 6));
    fact("nothing: %s", ep_text(mid, 0));
    put(p[1], "f");
    fact("middle: %s", ep_text(mid, 1000));
    fact("again: %s", ep_text(mid, 20));
    put(p[1], "g");
    fact("new data: %s", ep_text(mid, 1000));
    drain(p[0]);

    fact("-- inner one-shot");
    must("MOD", ctl(mid, EPOLL_CTL_MOD, in, EPOLLIN, 7));
    must("MOD", ctl(in, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 8));
    put(p[1], "h");
    fact("middle: %s", ep_text(mid, 1000));
    fact("inner: %s", ep_text(in, 0));
    fact("middle then: %s", ep_text(mid, 0));
    drain(p[0]);

    fact("-- inner closed");
    must("MOD", ctl(in, EPOLL_CTL_MOD, p[0], EPOLLIN, 9));
    put(p[1], "i");
    await(p[0], POLLIN);
    fact("before: %s", ep_text(mid, 1000));
    close(in);
    fact("after: %s", ep_text(mid, 0));
    fact("socket itself: %s", poll_text(p[0], POLLIN, 0));

    fact("-- one socket in inner and outer");
    in = ep_new();
    add(in, p[0], EPOLLIN, 10);
    add(mid, p[0], EPOLLIN, 11);
    add(mid, in, EPOLLIN, 12);
    fact("both: %s", ep_text(mid, 0));
    return 0;
}
