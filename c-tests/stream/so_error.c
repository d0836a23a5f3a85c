/* The pending error of a socket (`man 7 socket`, SO_ERROR; `man 2 connect`): who takes it away, and what the same
 * call says the next time. */
#include "stream.h"

static struct sockaddr_in nobody, somebody;
#define ALL (POLLIN | POLLOUT | POLLRDHUP)

/* A non-blocking connect that has been refused. */
static int refused(const char *title) {
    fact("-- refused, first call: %s", title);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect(c, (struct sockaddr *)&nobody, sizeof nobody), e = errno;
    /* The refusal can be there before connect looks (then it is its answer), in principle; not seen on loopback. */
    if (r == 0 || e != EINPROGRESS) fact("connect: %d %s", r, ename(e));
    await(c, POLLOUT);
    return c;
}

int main(void) {
    alarm(8);
    char b[4];
    int port, l = listener4(&port, 8);
    somebody = in4("127.0.0.1", port);
    int k = listener4(&port, 8);
    nobody = in4("127.0.0.1", port);
    close(k);

    int c = refused("SO_ERROR");
    fact("poll %s, state %s", poll_text(c, ALL, 0), tcp_state(c));
    fact("SO_ERROR %s", so_error(c));
    fact("SO_ERROR %s", so_error(c));
    fact("poll %s", poll_text(c, ALL, 0));
    res("recv", recv(c, b, 4, 0));
    res("send", send(c, b, 4, MSG_NOSIGNAL));
    close(c);

    c = refused("connect");
    res("connect", connect(c, (struct sockaddr *)&nobody, sizeof nobody));
    fact("SO_ERROR %s, poll %s", so_error(c), poll_text(c, ALL, 0));
    res("connect", connect(c, (struct sockaddr *)&nobody, sizeof nobody));
    close(c);

    c = refused("recv");
    res("recv", recv(c, b, 4, 0));
    res("recv", recv(c, b, 4, 0));
    fact("SO_ERROR %s, poll %s", so_error(c), poll_text(c, ALL, 0));
    close(c);

    c = refused("send");
    res("send", send(c, b, 4, MSG_NOSIGNAL));
    res("send", send(c, b, 4, MSG_NOSIGNAL));
    fact("SO_ERROR %s", so_error(c));
    close(c);

    c = refused("shutdown");
    res("shutdown", shutdown(c, SHUT_RDWR));
    fact("SO_ERROR %s", so_error(c));
    close(c);

    c = refused("getpeername, then a connect that succeeds");
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    res("getpeername", getpeername(c, (struct sockaddr *)&a, &n));
    n = sizeof a;
    res("getsockname", getsockname(c, (struct sockaddr *)&a, &n));
    fact("SO_ERROR %s", so_error(c));
    /* The first connect tells the end of the old attempt, whose errno SO_ERROR has taken away. */
    res("connect", connect(c, (struct sockaddr *)&somebody, sizeof somebody));
    fact("SO_ERROR %s, poll %s", so_error(c), poll_text(c, ALL, 0));
    res("connect again", connect(c, (struct sockaddr *)&somebody, sizeof somebody));
    await(c, POLLOUT);
    fact("SO_ERROR %s, poll %s, state %s", so_error(c), poll_text(c, ALL, 0), tcp_state(c));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    res("send", send(c, "works", 5, 0));
    fact_recv("recv", s, 10, 0);

    fact("-- reset");
    reset_close(s);
    await(c, POLLHUP);
    fact("poll %s", poll_text(c, ALL, 0));
    fact("SO_ERROR %s", so_error(c));
    fact("SO_ERROR %s, poll %s", so_error(c), poll_text(c, ALL, 0));
    res("recv", recv(c, b, 4, 0));
    res("recv", recv(c, b, 4, 0));
    res("send", send(c, b, 4, MSG_NOSIGNAL));
    res("connect with the same socket", connect(c, (struct sockaddr *)&somebody, sizeof somebody));
    close(c);

    fact("-- blocking connect refused, then again with the same socket");
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("connect", connect(c, (struct sockaddr *)&nobody, sizeof nobody));
    fact("SO_ERROR %s, poll %s", so_error(c), poll_text(c, ALL, 0));
    res("connect", connect(c, (struct sockaddr *)&nobody, sizeof nobody));
    res("connect", connect(c, (struct sockaddr *)&somebody, sizeof somebody));
    res("connect", connect(c, (struct sockaddr *)&somebody, sizeof somebody));

    int v = 0;
    res("set SO_ERROR", setsockopt(c, SOL_SOCKET, SO_ERROR, &v, sizeof v));
    n = 2;
    unsigned char two[4] = {9, 9, 9, 9};
    res("SO_ERROR with length 2", getsockopt(c, SOL_SOCKET, SO_ERROR, two, &n));
    fact("length %u, bytes %d %d %d %d", n, two[0], two[1], two[2], two[3]);
    n = (socklen_t)-1;
    res("SO_ERROR with length -1", getsockopt(c, SOL_SOCKET, SO_ERROR, two, &n));
    return 0;
}
