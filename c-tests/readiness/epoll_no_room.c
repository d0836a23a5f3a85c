/* RLIMIT_NOFILE lowered for good and every number in use: connect(2), epoll_ctl(2) and epoll_wait(2) need no other
 * descriptor; accept(2) does (EMFILE), and the connection waits for a number to be free (`man 2 accept`). */
#include "ready.h"
#include <sys/resource.h>

int main(void) {
    alarm(8);
    int ep = ep_new(), port, l = listener4(&port, 8), free_number;
    nonblock(l);
    struct rlimit r = {40, 40};
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &r));
    while ((free_number = dup(l)) >= 0) {}
    fact("no number is left: %s", ename(errno));
    close(39);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    res("add the listener", ctl(ep, EPOLL_CTL_ADD, l, EPOLLIN, 1));
    fact("wait: %s", ep_text(ep, 2000));
    res("add the client", ctl(ep, EPOLL_CTL_ADD, c, EPOLLOUT, 2));
    await(c, POLLOUT);
    fact("wait: %s", ep_text(ep, 2000));
    res("accept", accept(l, NULL, NULL));
    fact("wait: %s", ep_text(ep, 2000));
    close(38);
    int s = (int)ok("accept with a free number", accept(l, NULL, NULL));
    fact("wait: %s", ep_text(ep, 2000));
    put(s, "x");
    must("modify", ctl(ep, EPOLL_CTL_MOD, c, EPOLLIN, 2));
    fact("wait: %s", ep_text(ep, 2000));
    close(s);
    return 0;
}
