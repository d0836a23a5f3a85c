/* What poll, select and epoll say in each state of a TCP socket (`man 2 poll`, `man 2 select`, `man 7 epoll`;
 * tcp_poll in Linux): one line a state, the three side by side. epoll is asked by a registration made now and by one
 * that was made when the socket was fresh. */
#include "ready.h"

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
static int old_ep;

static const char *fresh_epoll(int fd) {
    int ep = ep_new();
    add(ep, fd, ALL, 1);
    const char *t = ep_text(ep, 0);
    close(ep);
    return t;
}
static void state(const char *name, int fd) {
    struct pollfd none = {fd, 0, 0};
    poll(&none, 1, 0);
    fact("%s: poll [%s], for nothing [%s], select [%s], epoll [%s]", name, poll_text(fd, ALL, 0),
         ev_text((uint32_t)none.revents), sel_text(fd, 0), fresh_epoll(fd));
    struct pollfd norm = {fd, POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND, 0};
    poll(&norm, 1, 0);
    fact("    by the other names [%s]", ev_text((uint32_t)norm.revents));
}
static int sock(void) { return (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)); }

int main(void) {
    alarm(8);
    int s = sock(), p[2], port, l;
    old_ep = ep_new();
    state("unconnected", s);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    bind(s, (struct sockaddr *)&a, sizeof a);
    state("bound", s);
    add(old_ep, s, ALL, 1);
    listen(s, 0);
    state("listening", s);
    a = in4("127.0.0.1", port_of(s));
    int c = sock();
    add(old_ep, c, ALL | EPOLLET, 2);
    connect(c, (struct sockaddr *)&a, sizeof a);
    await(s, POLLIN);
    await(c, POLLOUT);
    state("listening, one in the queue", s);
    state("connected, not accepted", c);
    fact("registered earlier: %s", ep_text(old_ep, 0));
    int d = sock();
    connect(d, (struct sockaddr *)&a, sizeof a);
    sleep_ms(20);
    state("connecting (queue full)", d);
    close(d);
    int k = (int)must("accept", accept(s, NULL, NULL));
    state("listening, queue empty again", s);
    state("accepted", k);
    put(c, "data");
    await(k, POLLIN);
    state("data there", k);
    send(c, "!", 1, MSG_OOB);
    await(k, POLLPRI);
    state("urgent data as well", k);
    drain(k);
    state("read up to the mark", k);
    char b;
    recv(k, &b, 1, MSG_OOB);
    drain(k);
    state("all read", k);
    nonblock(k);
    fill_up(k);
    state("send buffer full", k);
    close(c);
    await(k, POLLHUP);
    state("peer closed with unread data", k);
    recv(k, &b, 1, MSG_DONTWAIT);
    state("the error was taken", k);
    close(k);
    close(s);

    l = listener4(&port, 4);
    close(l);
    a = in4("127.0.0.1", port);
    s = sock();
    connect(s, (struct sockaddr *)&a, sizeof a);
    await(s, POLLOUT);
    state("refused", s);
    int e;
    socklen_t n = sizeof e;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &n);
    state("refused, SO_ERROR taken", s);
    close(s);

    tcp_pair(p);
    shutdown(p[1], SHUT_WR);
    await(p[0], POLLRDHUP);
    state("peer half-closed", p[0]);
    state("self half-closed", p[1]);
    drain(p[0]);
    state("peer half-closed, end seen", p[0]);
    shutdown(p[0], SHUT_WR);
    await(p[0], POLLHUP);
    await(p[1], POLLHUP);
    state("both half-closed", p[0]);
    close(p[0]); close(p[1]);
    tcp_pair(p);
    shutdown(p[0], SHUT_RD);
    state("self SHUT_RD", p[0]);
    state("its peer", p[1]);
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    state("self SHUT_RD and SHUT_WR", p[0]);
    close(p[0]); close(p[1]);
    tcp_pair(p);
    close(p[1]);
    await(p[0], POLLRDHUP);
    state("peer closed", p[0]);
    send(p[0], "x", 1, MSG_NOSIGNAL);
    await(p[0], POLLHUP);
    state("peer closed, written to", p[0]);
    close(p[0]);
    tcp_pair(p);
    struct linger lg = {1, 0};
    setsockopt(p[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    put(p[1], "left");
    await(p[0], POLLIN);
    close(p[1]);
    await(p[0], POLLHUP);
    state("reset, data unread", p[0]);
    drain(p[0]);
    state("reset, all taken", p[0]);
    return 0;
}
