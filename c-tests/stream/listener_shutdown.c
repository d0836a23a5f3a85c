/* shutdown(SHUT_RD) of a listener wakes a blocked accept with EINVAL and takes the socket back to the unconnected
 * state (`man 2 shutdown`, inet_shutdown); SHUT_WR does nothing to it; listen makes it a listener again, on the same
 * port. */
#include "stream.h"

static int l;
static void *acceptor(void *v) {
    (void)v;
    errno = 0;
    int s = accept(l, NULL, NULL);
    return (void *)(intptr_t)(s < 0 ? errno : 0);
}

static const char *dial(int port) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int e = connect(c, (struct sockaddr *)&a, sizeof a) < 0 ? errno : 0;
    close(c);
    return ename(e);
}

static int listening(int fd) {
    int v = -1;
    socklen_t n = sizeof v;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &n);
    return v;
}

int main(void) {
    alarm(8);
    int port;
    void *r;
    pthread_t t;
    l = listener4(&port, 4);
    fact("SO_ACCEPTCONN %d, state %s, poll %s", listening(l), tcp_state(l),
         poll_text(l, POLLIN | POLLOUT | POLLRDHUP, 0));
    res("SHUT_WR", shutdown(l, SHUT_WR));
    fact("connect after it: %s", dial(port));
    int s = (int)ok("accept of it", accept(l, NULL, NULL));
    close(s);

    pthread_create(&t, NULL, acceptor, NULL);
    sleep_ms(60);
    res("SHUT_RD with a blocked accept", shutdown(l, SHUT_RD));
    pthread_join(t, &r);
    fact("accept gave %s", ename((int)(intptr_t)r));
    fact("SO_ACCEPTCONN %d, state %s, poll %s", listening(l), tcp_state(l),
         poll_text(l, POLLIN | POLLOUT | POLLRDHUP, 0));
    res("accept after it", accept(l, NULL, NULL));
    fact("connect after it: %s", dial(port));
    fact("same port still: %s", port_of(l) == port ? "yes" : "no");
    res("SHUT_RD again", shutdown(l, SHUT_RD));

    /* Its port was the system's choice, so it was given up, although getsockname still tells it: listen takes another. */
    res("listen again", listen(l, 4));
    fact("same port: %s, SO_ACCEPTCONN %d", port_of(l) == port ? "yes" : "no", listening(l));
    fact("connect to the old port: %s, to the new one: %s", dial(port), dial(port_of(l)));
    ok("accept", s = accept(l, NULL, NULL));
    close(s);
    close(l);

    /* A port that the program chose stays. */
    struct sockaddr_in a = in4("127.0.0.1", 0);
    l = socket(AF_INET, SOCK_STREAM, 0);
    bind(l, (struct sockaddr *)&a, sizeof a);
    port = port_of(l);
    close(l);
    l = socket(AF_INET, SOCK_STREAM, 0);
    a = in4("127.0.0.1", port);
    must("bind to a number", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, 4));
    res("SHUT_RD", shutdown(l, SHUT_RD));
    int q = socket(AF_INET, SOCK_STREAM, 0);
    res("another socket's bind to the port meanwhile", bind(q, (struct sockaddr *)&a, sizeof a));
    close(q);
    res("listen again", listen(l, 4));
    fact("same port: %s, connect: %s", port_of(l) == port ? "yes" : "no", dial(port));
    ok("accept", s = accept(l, NULL, NULL));
    close(s);

    /* With SHUT_RDWR, and connections in the queue. */
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    res("SHUT_RDWR with one in the queue", shutdown(l, SHUT_RDWR));
    await(c, POLLIN);
    fact_recv("the client", c, 10, 0);
    res("accept", accept(l, NULL, NULL));
    res("listen once more", listen(l, 4));
    fact("connect: %s", dial(port));

    /* A poll that waits on the listener is woken, too. */
    struct pollfd f = {l, POLLIN, 0};
    ok("accept", s = accept(l, NULL, NULL));
    pid_t pid = fork();
    if (pid == 0) { sleep_ms(60); shutdown(l, SHUT_RD); _exit(0); }
    int n = poll(&f, 1, 2000);
    fact("poll woken: %d, IN %d HUP %d ERR %d", n, !!(f.revents & POLLIN), !!(f.revents & POLLHUP),
         !!(f.revents & POLLERR));
    reap("child", pid);
    res("accept after the other process' shutdown", accept(l, NULL, NULL));

    /* A listener that was never bound gets a port by listen. */
    int u = socket(AF_INET, SOCK_STREAM, 0);
    res("listen unbound", listen(u, 1));
    fact("has a port: %s, connect: %s", port_of(u) ? "yes" : "no", dial(port_of(u)));
    res("recv on a listener", recv(u, &a, 1, 0));
    res("send on a listener", send(u, "x", 1, MSG_NOSIGNAL));
    res("connect on a listener", connect(u, (struct sockaddr *)&a, sizeof a));
    return 0;
}
