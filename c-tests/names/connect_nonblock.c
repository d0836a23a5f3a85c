/* Non-blocking connect: EINPROGRESS, what poll tells, SO_ERROR, and a second and a third connect() (man 2 connect;
 * POSIX connect: EALREADY, EISCONN). */
#include "t.h"

static int con(int fd, const char *ip, int port) {
    struct sockaddr_in a = in4(ip, port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

static int sock(void) { return (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)); }

static const char *soerr(int fd) {
    int e = -1;
    socklen_t l = sizeof e;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l);
    return ename(e);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int port, l = listener4(&port, 16), dead;
    close(listener4(&dead, 1));
    char x;
    int c = sock();
    fact("fresh: poll %s", poll_text(c, POLLIN | POLLOUT | POLLRDHUP, 0));
    res("connect", con(c, "127.0.0.1", port));
    fact("poll for writing: %s", poll_text(c, POLLOUT, 2000));
    fact("SO_ERROR: %s", soerr(c));
    res("second connect", con(c, "127.0.0.1", port));
    res("third connect", con(c, "127.0.0.1", port));
    int s = (int)must("accept", accept(l, NULL, NULL));
    res("send", send(c, "x", 1, 0));
    res("recv with nothing there", recv(c, &x, 1, 0));
    close(s);
    close(c);

    c = sock();
    res("connect without waiting for poll", con(c, "127.0.0.1", port));
    struct sockaddr_storage ss;
    socklen_t sl = sizeof ss;
    poll_text(c, POLLOUT, 2000);
    res("getpeername before SO_ERROR is read", getpeername(c, (struct sockaddr *)&ss, &sl));
    s = (int)must("accept", accept(l, NULL, NULL));
    close(s);
    close(c);

    c = sock();
    res("connect to a dead port", con(c, "127.0.0.1", dead));
    fact("poll: %s", poll_text(c, POLLIN | POLLOUT | POLLRDHUP, 2000));
    fact("SO_ERROR: %s", soerr(c));
    fact("SO_ERROR once more: %s", soerr(c));
    fact("poll after reading it: %s", poll_text(c, POLLIN | POLLOUT | POLLRDHUP, 0));
    sl = sizeof ss;
    res("getpeername", getpeername(c, (struct sockaddr *)&ss, &sl));
    res("send", send(c, "x", 1, 0));
    res("recv", recv(c, &x, 1, 0));
    /* The failure is told twice: the next connect() says so, the one after it starts anew. */
    res("connect once more, to a listener", con(c, "127.0.0.1", port));
    res("and once more", con(c, "127.0.0.1", port));
    fact("poll: %s, SO_ERROR %s", poll_text(c, POLLOUT, 2000), soerr(c));
    s = (int)must("accept", accept(l, NULL, NULL));
    res("and it works", send(s, "y", 1, 0));
    close(s);
    close(c);

    c = sock();
    res("dead port, SO_ERROR not read", con(c, "127.0.0.1", dead));
    poll_text(c, POLLOUT, 2000);
    res("second connect tells the error", con(c, "127.0.0.1", dead));
    res("third connect starts anew", con(c, "127.0.0.1", dead));
    poll_text(c, POLLOUT, 2000);
    res("fourth connect tells the error", con(c, "127.0.0.1", port));
    res("fifth connect starts anew", con(c, "127.0.0.1", port));
    poll_text(c, POLLOUT, 2000);
    res("sixth connect", con(c, "127.0.0.1", port));
    res("seventh connect", con(c, "127.0.0.1", port));
    s = (int)must("accept", accept(l, NULL, NULL));
    close(s);
    close(c);

    c = sock();
    res("dead port again", con(c, "127.0.0.1", dead));
    poll_text(c, POLLOUT, 2000);
    res("recv takes the error", recv(c, &x, 1, 0));
    res("recv afterwards", recv(c, &x, 1, 0));
    fact("SO_ERROR: %s", soerr(c));
    close(c);
    c = sock();
    res("dead port again", con(c, "127.0.0.1", dead));
    poll_text(c, POLLOUT, 2000);
    res("send takes the error", send(c, "x", 1, 0));
    res("send afterwards", send(c, "x", 1, 0));
    fact("SO_ERROR: %s", soerr(c));
    close(c);
    c = sock();
    res("dead port again", con(c, "127.0.0.1", dead));
    poll_text(c, POLLOUT, 2000);
    res("write takes the error", write(c, "x", 1));
    close(c);

    /* Fills a backlog, so that a connection stays under way. */
    int port2, q = listener4(&port2, 0), full[8], n = 0;
    for (; n < 8; n++) {
        full[n] = sock();
        con(full[n], "127.0.0.1", port2);
        if (!strstr(poll_text(full[n], POLLOUT, 100), "OUT")) break;
    }
    fact("backlog 0 took more than 0 and fewer than 4 connections: %s", n > 0 && n < 4 ? "yes" : "no");
    if (n < 8) {
        int w = full[n];
        fact("under way: poll %s, SO_ERROR %s", poll_text(w, POLLIN | POLLOUT, 0), soerr(w));
        res("under way: second connect", con(w, "127.0.0.1", port2));
        res("under way: connect elsewhere", con(w, "127.0.0.1", port));
        sl = sizeof ss;
        res("under way: getpeername", getpeername(w, (struct sockaddr *)&ss, &sl));
        fact("under way: has a port: %s", port_of(w) ? "yes" : "no");
        res("under way: send", send(w, "x", 1, 0));
        res("under way: recv", recv(w, &x, 1, 0));
        res("under way: listen", listen(w, 1));
        res("under way: shutdown", shutdown(w, SHUT_WR));
        res("after the shutdown: connect", con(w, "127.0.0.1", port2));
    }
    close(q);
    return 0;
}
