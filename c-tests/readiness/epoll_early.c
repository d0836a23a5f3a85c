/* Registered before there was anything: before connect, before bind and listen, before accept; the events come all
 * the same (`man 7 epoll`). */
#include "ready.h"

int main(void) {
    alarm(8);
    int ep = ep_new(), l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), c = socket(AF_INET,
        SOCK_STREAM | SOCK_NONBLOCK, 0);
    add(ep, l, EPOLLIN, 1);
    add(ep, c, EPOLLIN | EPOLLOUT | EPOLLET, 2);
    fact("two fresh sockets: %s", ep_text(ep, 0));
    fact("again: %s", ep_text(ep, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    fact("bound: %s", ep_text(ep, 0));
    must("listen", listen(l, 8));
    fact("listening: %s", ep_text(ep, 0));
    a = in4("127.0.0.1", port_of(l));
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(c, POLLOUT);
    await(l, POLLIN);
    fact("connected: %s", ep_text(ep, 1000));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact("accepted: %s", ep_text(ep, 0));
    put(s, "x");
    fact("data: %s", ep_text(ep, 1000));
    drain(c);
    close(s);
    fact("peer closed: %s", ep_text(ep, 1000));
    close(c);
    close(l);

    fact("-- level, a connect that blocks");
    int port;
    l = listener4(&port, 8);
    c = socket(AF_INET, SOCK_STREAM, 0);
    add(ep, c, EPOLLIN | EPOLLRDHUP, 3);
    fact("fresh: %s", ep_text(ep, 0));
    a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("connected: %s", ep_text(ep, 0));
    s = accept(l, NULL, NULL);
    put(s, "x");
    fact("data: %s", ep_text(ep, 1000));
    close(c);
    close(s);

    fact("-- refused");
    close(l);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    add(ep, c, EPOLLOUT | EPOLLET, 4);
    fact("fresh: %s", ep_text(ep, 0));
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("refused: %s", ep_text(ep, 1000));
    close(c);

    fact("-- one-shot, armed while fresh");
    l = listener4(&port, 8);
    a = in4("127.0.0.1", port);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    add(ep, c, EPOLLOUT | EPOLLONESHOT, 5);
    fact("fresh: %s", ep_text(ep, 0));
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(c, POLLOUT);
    fact("connected, not armed: %s", ep_text(ep, 20));
    must("MOD", ctl(ep, EPOLL_CTL_MOD, c, EPOLLOUT | EPOLLONESHOT, 6));
    fact("armed: %s", ep_text(ep, 0));
    close(c);
    close((int)must("accept", accept(l, NULL, NULL)));

    fact("-- a wait that began before connect, a child connects");
    add(ep, l, EPOLLIN, 7);
    pid_t k = fork();
    if (k == 0) {
        sleep_ms(80);
        c = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c, (struct sockaddr *)&a, sizeof a) < 0) _exit(1);
        char b;
        recv(c, &b, 1, 0);
        _exit(0);
    }
    fact("woken: %s", ep_text(ep, 2000));
    s = (int)ok("accept", accept(l, NULL, NULL));
    add(ep, s, EPOLLRDHUP, 8);
    fact("accepted one: %s", ep_text(ep, 0));
    close(s);
    reap("child", k);

    fact("-- a number that is used again for another socket is not registered");
    int d = socket(AF_INET, SOCK_STREAM, 0);
    fact("wait: %s", ep_text(ep, 0));
    res("modify", ctl(ep, EPOLL_CTL_MOD, d, EPOLLOUT, 9));
    res("add", ctl(ep, EPOLL_CTL_ADD, d, EPOLLOUT, 9));
    fact("wait: %s", ep_text(ep, 0));
    return 0;
}
