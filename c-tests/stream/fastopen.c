/* TCP Fast Open (RFC 7413, `man 7 tcp`) where no cookie is known: sendto with MSG_FASTOPEN connects and sends;
 * without a cookie it is an ordinary connect with the data behind it. TCP_FASTOPEN_CONNECT does the same for a
 * program that calls connect. */
#include "stream.h"

static int port;
static int server(void) {
    int l = listener4(&port, 8), q = 5;
    res("TCP_FASTOPEN on a listener", setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, &q, sizeof q));
    socklen_t n = sizeof q;
    q = -1;
    getsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, &q, &n);
    fact("TCP_FASTOPEN %d", q);
    return l;
}

int main(void) {
    alarm(8);
    int l = server(), one = 1, s;
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    res("sendto MSG_FASTOPEN", sendto(c, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    fact("state %s", tcp_state(c));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("recv", s, 10, 0);
    res("sendto MSG_FASTOPEN when connected", sendto(c, "more", 4, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    res("send MSG_FASTOPEN when connected, no address", send(c, "more", 4, MSG_FASTOPEN));
    res("send", send(c, "!", 1, 0));
    fact_recv("recv", s, 10, 0);
    close(c);
    close(s);

    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    res("non-blocking sendto MSG_FASTOPEN", sendto(c, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    await(c, POLLOUT);
    fact("SO_ERROR %s, state %s", so_error(c), tcp_state(c));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact("the data came along: %s", poll_text(s, POLLIN, 60));
    res("send", send(c, "hello", 5, 0));
    fact_recv("recv", s, 10, 0);
    close(c);
    close(s);

    c = socket(AF_INET, SOCK_STREAM, 0);
    res("send MSG_FASTOPEN unconnected, no address", send(c, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL));
    struct sockaddr_in6 six = in6("::1", port);
    res("sendto MSG_FASTOPEN, a foreign family",
        sendto(c, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&six, sizeof six));
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("TCP_FASTOPEN_CONNECT", setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one));
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("state %s", tcp_state(c));
    res("write", write(c, "hello", 5));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("recv", s, 10, 0);
    res("TCP_FASTOPEN_CONNECT when connected", setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one));
    close(c);
    close(s);

    close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("sendto MSG_FASTOPEN to nobody",
        sendto(c, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof a));
    fact("SO_ERROR %s", so_error(c));
    return 0;
}
