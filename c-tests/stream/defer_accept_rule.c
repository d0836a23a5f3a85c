// limit: 20
/* TCP_DEFER_ACCEPT (`man 7 tcp`; net/ipv4/inet_connection_sock.c, syn_ack_recalc; tcp_minisocks.c, tcp_check_req): when
 * the time of the SYN-ACK's retransmissions has passed the connection is shown without data; what an end of stream, a
 * reset or a close before the data does; what the connector sees meanwhile; that the option is read at the time of the
 * connection. */
#include "stream.h"

static int port;
static int client(void) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}
static int defer(int l, int v) { return setsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, sizeof v); }
static const char *shown(int l) { return poll_text(l, POLLIN, 150); }

int main(void) {
    alarm(18);
    int l = listener4(&port, 8), v, f;
    nonblock(l, 1);
    must("defer", defer(l, 1));

    /* One second: one retransmission of the SYN-ACK, after a second; the ACK that answers it makes the connection. */
    long start = now_ms();
    int c = client();
    fact("connected: %s, peer's name: %s, state %s", poll_text(c, POLLIN | POLLOUT, 0),
         getpeername(c, (struct sockaddr *)&(struct sockaddr_storage){0}, &(socklen_t){sizeof(struct sockaddr_storage)}) ? ename(errno) : "there",
         tcp_state(c));
    fact("at once: %s", shown(l));
    struct pollfd p = {l, POLLIN, 0};
    int n = poll(&p, 1, 4000);
    long took = now_ms() - start;
    fact("without data: poll %d, after 0.9 to 2 s: %s", n, took >= 900 && took < 2500 ? "yes" : "no");
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("nothing in it", s, 10, MSG_DONTWAIT);
    socklen_t len = sizeof v;
    getsockopt(s, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &len);
    fact("the option on the accepted socket: %d", v);
    close(s);
    close(c);

    /* An end of stream counts as news. */
    c = client();
    shutdown(c, SHUT_WR);
    fact("after shutdown: %s", shown(l));
    s = accept(l, NULL, NULL);
    fact("accepted: %s", s >= 0 ? "yes" : ename(errno));
    if (s >= 0) fact_recv("end", s, 10, MSG_DONTWAIT), close(s);
    close(c);

    c = client();
    close(c);
    fact("after close: %s", shown(l));
    s = accept(l, NULL, NULL);
    fact("accepted: %s", s >= 0 ? "yes" : ename(errno));
    if (s >= 0) fact_recv("end", s, 10, MSG_DONTWAIT), close(s);

    c = client();
    reset_close(c);
    fact("after a reset: %s", shown(l));
    s = accept(l, NULL, NULL);
    fact("accepted: %s", s >= 0 ? "yes" : ename(errno));
    if (s >= 0) close(s);

    /* Data, then the end: both are there. */
    c = client();
    must("send", send(c, "data", 4, 0));
    close(c);
    fact("data and close: %s", shown(l));
    s = accept(l, NULL, NULL);
    if (s >= 0) fact_recv("data", s, 10, MSG_DONTWAIT), fact_recv("end", s, 10, MSG_DONTWAIT), close(s);

    /* Off while one waits: the one that waits still does; a new one does not. */
    must("defer", defer(l, 30));
    c = client();
    must("defer", defer(l, 0));
    fact("waiting, then off: %s", shown(l));
    int d = client();
    fact("a new one: %s", shown(l));
    s = accept(l, NULL, NULL);
    ok("accept", s);
    must("send", send(d, "new", 3, 0));
    await(s, POLLIN);
    fact_recv("it is the new one", s, 10, MSG_DONTWAIT);
    close(s);
    close(d);
    res("accept", accept(l, NULL, NULL));
    must("send", send(c, "old", 3, 0));
    fact("the old one's data: %s", shown(l));
    s = accept(l, NULL, NULL);
    fact_recv("old", s, 10, MSG_DONTWAIT);
    close(s);
    close(c);

    /* The listener goes: who waits is reset. */
    must("defer", defer(l, 30));
    c = client();
    d = client();
    must("send", send(d, "x", 1, 0));
    await(l, POLLIN);
    close(l);
    fact("listener closed: the deferred %s, the complete %s", poll_text(c, POLLIN | POLLRDHUP, 300), poll_text(d, POLLIN | POLLRDHUP, 300));
    fact_recv("deferred", c, 10, MSG_DONTWAIT);
    fact_recv("complete", d, 10, MSG_DONTWAIT);
    res("the deferred sends", send(c, "x", 1, MSG_NOSIGNAL));
    sleep_ms(20);
    res("and again", send(c, "x", 1, MSG_NOSIGNAL));
    close(c);
    close(d);

    /* A blocking accept sleeps until the data is there; so does epoll. */
    l = listener4(&port, 8);
    must("defer", defer(l, 30));
    int e = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN}, got;
    epoll_ctl(e, EPOLL_CTL_ADD, l, &ev);
    c = client();
    res("epoll before", epoll_wait(e, &got, 1, 100));
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(100);
        send(c, "child", 5, 0);
        _exit(0);
    }
    s = (int)ok("blocking accept", accept(l, NULL, NULL));
    fact_recv("child's", s, 10, MSG_DONTWAIT);
    close(s);
    reap("child", pid);
    d = client();
    pid = fork();
    if (pid == 0) {
        sleep_ms(50);
        send(d, "child", 5, 0);
        _exit(0);
    }
    res("epoll", epoll_wait(e, &got, 1, 2000));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("child's", s, 10, MSG_DONTWAIT);
    reap("child", pid);
    /* The connector in another process, which does nothing after its connect. */
    must("defer", defer(l, 1));
    int pair[2];
    must("pipe", pipe(pair));
    pid = fork();
    if (pid == 0) {
        char b;
        f = client();
        long r = read(pair[0], &b, 1);
        _exit(r == 1 ? 0 : 1);
    }
    s = (int)ok("silent child, accept", accept(l, NULL, NULL));
    fact_recv("nothing in it", s, 10, MSG_DONTWAIT);
    must("write", write(pair[1], "x", 1));
    reap("child", pid);
    fact("its end: %s", poll_text(s, POLLIN, 2000));
    close(s);
    must("defer", defer(l, 30));
    /* TCP_INFO of a listener: does the deferred one count? */
    f = client();
    struct tcp_info i;
    len = sizeof i;
    getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &len);
    fact("queue with a deferred one: %u", i.tcpi_unacked);
    close(f);
    return 0;
}
