/* What happens between connect and accept (`man 2 accept`): data, a half-close, a close and a reset before the
 * connection is accepted; the listener closed with connections in its queue. Linux gives a connection that was reset
 * meanwhile to accept all the same. */
#include "stream.h"

static int port;
static int dial(void) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}
static int take(int l) {
    await(l, POLLIN);
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    memset(&a, 0, sizeof a);
    int s = (int)ok("accept", accept(l, (struct sockaddr *)&a, &n));
    fact("peer %s, length %u, state %s, poll %s", addr_text((struct sockaddr *)&a, 0, 0), n, tcp_state(s),
         poll_text(s, POLLIN | POLLOUT | POLLRDHUP, 0));
    return s;
}

int main(void) {
    alarm(8);
    int l = listener4(&port, 8), c, s;
    static char big[100000];

    fact("-- data before accept");
    c = dial();
    res("send", send(c, "early", 5, 0));
    sleep_ms(20);
    s = take(l);
    fact_recv("recv", s, 100, 0);
    close(c); close(s);

    fact("-- much data before accept");
    c = dial();
    nonblock(c, 1);
    long sent = 0, r;
    while ((r = send(c, big, sizeof big, 0)) > 0 && sent < 1000000) sent += r;
    fact("more than 20,000 bytes taken: %s", sent > 20000 ? "yes" : "no");
    s = take(l);
    nonblock(c, 0);
    shutdown(c, SHUT_WR);
    long got = 0;
    while ((r = read(s, big, sizeof big)) > 0) got += r;
    if (sent >= 1000000) sent = got;
    fact("all came: %s", got >= sent ? "yes" : "no");
    close(c); close(s);

    fact("-- data and half-close before accept");
    c = dial();
    must("send", send(c, "early", 5, 0));
    shutdown(c, SHUT_WR);
    sleep_ms(20);
    s = take(l);
    fact_recv("recv", s, 100, 0);
    fact_recv("recv", s, 100, 0);
    res("answer", send(s, "ok", 2, 0));
    fact_recv("the answer", c, 100, 0);
    close(c); close(s);

    fact("-- data and close before accept");
    c = dial();
    must("send", send(c, "early", 5, 0));
    close(c);
    sleep_ms(20);
    s = take(l);
    fact_recv("recv", s, 100, 0);
    fact_recv("recv", s, 100, 0);
    close(s);

    fact("-- data and reset before accept");
    c = dial();
    must("send", send(c, "early", 5, 0));
    reset_close(c);
    sleep_ms(20);
    fact("listener's poll %s", poll_text(l, POLLIN, 0));
    s = take(l);
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    res("getpeername", getpeername(s, (struct sockaddr *)&a, &n));
    fact_recv("recv", s, 100, 0);
    fact_recv("recv", s, 100, 0);
    res("send", send(s, "x", 1, MSG_NOSIGNAL));
    close(s);

    fact("-- the client waits for data of an accept that is late");
    c = dial();
    pid_t pid = fork();
    if (pid == 0) {
        close(c);
        sleep_ms(60);
        s = accept(l, NULL, NULL);
        _exit(send(s, "hello", 5, 0) == 5 ? 0 : 1);
    }
    fact_recv("recv", c, 100, 0);
    reap("server", pid);
    close(c);

    fact("-- listener closed with connections in its queue");
    int d = dial();
    c = dial();
    must("send", send(d, "x", 1, 0));
    close(l);
    await(c, POLLIN);
    sleep_ms(10);
    fact("poll %s, %s", poll_text(c, POLLIN | POLLOUT | POLLRDHUP, 0), poll_text(d, POLLIN | POLLOUT | POLLRDHUP, 0));
    fact_recv("recv", c, 10, 0);
    fact_recv("recv", c, 10, 0);
    res("send", send(d, "x", 1, MSG_NOSIGNAL));
    res("send", send(d, "x", 1, MSG_NOSIGNAL));
    s = socket(AF_INET, SOCK_STREAM, 0);
    a = in4("127.0.0.1", port);
    res("connect after it", connect(s, (struct sockaddr *)&a, sizeof a));
    return 0;
}
