/* connect() with AF_UNSPEC: a TCP connection is thrown away (reset), a listener stops listening, and the socket can
 * be used again (man 2 connect, NOTES; net/ipv4/tcp.c tcp_disconnect). */
#include "t.h"

static int A;

static int un(int fd, int len) {
    struct sockaddr_storage a;
    memset(&a, 0, sizeof a);
    a.ss_family = AF_UNSPEC;
    return connect(fd, (struct sockaddr *)&a, (socklen_t)len);
}

static int con(int fd, int port) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

static void look(const char *label, int fd) {
    struct sockaddr_storage n, p;
    socklen_t l = sizeof n;
    must("getsockname", getsockname(fd, (struct sockaddr *)&n, &l));
    l = sizeof p;
    int r = getpeername(fd, (struct sockaddr *)&p, &l), e = errno, lst = -1;
    l = sizeof lst;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &lst, &l);
    fact("%s: name %s, peer %s, listening %d, poll %s", label, addr_text((struct sockaddr *)&n, A, 0),
         r < 0 ? ename(e) : addr_text((struct sockaddr *)&p, A, 0), lst, poll_text(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    char b[8];
    close(listener4(&A, 1));
    /* A port named by the program, so that it stays with the socket; see below for one that was given. */
    int l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in la = in4("127.0.0.1", A);
    must("bind", bind(l, (struct sockaddr *)&la, sizeof la));
    must("listen", listen(l, 8));
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("fresh", un(c, 16));
    res("fresh, length 2", un(c, 2));
    res("fresh, length 1", un(c, 1));
    look("fresh", c);
    must("connect", con(c, A));
    int s = (int)must("accept", accept(l, NULL, NULL));
    look("connected", c);
    res("connected, AF_UNSPEC", un(c, 16));
    look("dissolved", c);
    res("the other side reads", recv(s, b, sizeof b, 0));
    res("the other side sends", send(s, "x", 1, 0));
    close(s);
    res("send", send(c, "x", 1, 0));
    res("recv", recv(c, b, 1, MSG_DONTWAIT));
    res("connect again", con(c, A));
    s = (int)must("accept", accept(l, NULL, NULL));
    must("send", send(s, "again", 5, 0));
    res("it works", recv(c, b, sizeof b, 0));
    /* Bytes not read yet go with the connection. */
    must("send", send(s, "lost", 4, 0));
    poll_text(c, POLLIN, 2000);
    res("with bytes unread, AF_UNSPEC", un(c, 16));
    res("recv", recv(c, b, sizeof b, MSG_DONTWAIT));
    look("dissolved with bytes", c);
    close(s);
    close(c);
    /* What remains of a name that was bound: the address, and the port when the program had named it. */
    for (int named = 0; named < 2; named++) {
        struct sockaddr_in z = in4("127.0.0.4", 0);
        c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        if (named) {
            int free_port, f = listener4(&free_port, 1);
            close(f);
            z.sin_port = htons((uint16_t)free_port);
        }
        must("bind", bind(c, (struct sockaddr *)&z, sizeof z));
        int port = port_of(c);
        must("connect", con(c, A));
        s = (int)must("accept", accept(l, NULL, NULL));
        fact("bound to a port it %s, connected", named ? "named" : "was given");
        res("AF_UNSPEC", un(c, 16));
        look("dissolved", c);
        fact("port kept: %s", port_of(c) == port ? "yes" : "no");
        res("bind again", bind(c, (struct sockaddr *)&z, sizeof z));
        res("listen with it", listen(c, 4));
        look("listens", c);
        fact("listens on that port: %s", port_of(c) == port ? "yes" : "no");
        close(s);
        close(c);
    }
    /* The listener gives up. */
    int k = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", con(k, A));
    poll_text(l, POLLIN, 2000);
    res("listener with one waiting, AF_UNSPEC", un(l, 16));
    look("listener dissolved", l);
    res("accept", accept(l, NULL, NULL));
    fact("the one that waited: poll %s", poll_text(k, POLLIN, 2000));
    res("it reads", recv(k, b, 1, 0));
    int m = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("a new client", con(m, A));
    res("listen again", listen(l, 4));
    fact("on the same port: %s", port_of(l) == A ? "yes" : "no");
    res("a new client then", con(m, A));
    /* A socket that was shut down is whole again afterwards. */
    s = (int)must("accept", accept(l, NULL, NULL));
    res("shutdown", shutdown(m, SHUT_RDWR));
    res("AF_UNSPEC after a shutdown", un(m, 16));
    res("connect", con(m, A));
    close(s);
    s = (int)must("accept", accept(l, NULL, NULL));
    res("send", send(m, "ok", 2, 0));
    res("received", recv(s, b, sizeof b, 0));
    res("accepted side, AF_UNSPEC", un(s, 16));
    res("its client reads", recv(m, b, 1, 0));
    look("accepted side dissolved", s);
    return 0;
}
