/* TCP_NOTSENT_LOWAT in poll, SO_RCVBUF and SO_SNDBUF of accepted sockets, TCP_USER_TIMEOUT, TCP_FASTOPEN on both sides,
 * TCP_FASTOPEN_CONNECT, MSG_ZEROCOPY and its completions (`man 7 tcp`, `man 7 socket`). */
#include "stream.h"
#include "../options/opt.h"
#include <linux/errqueue.h>

static int port;
static int client(void) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = opt_socket(0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}
static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }

static void completion(const char *label, int fd, int ms) {
    char control[256];
    struct msghdr m;
    memset(&m, 0, sizeof m);
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    struct pollfd p = {fd, 0, 0};
    int n = poll(&p, 1, ms);
    long r = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (r < 0) {
        fact("%s: poll %d, recvmsg %s", label, n, ename(errno));
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct sock_extended_err *e = (struct sock_extended_err *)CMSG_DATA(c);
        fact("%s: poll %d ERR %s, level %s, origin %d errno %u code %d from %u to %u, flags %s", label, n, p.revents & POLLERR ? "yes" : "no",
             c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR ? "IP_RECVERR" : "other", e->ee_origin, e->ee_errno,
             e->ee_code, e->ee_info, e->ee_data, m.msg_flags & MSG_ERRQUEUE ? "MSG_ERRQUEUE" : "none");
    }
}

int main(void) {
    alarm(8);
    int l = listener4(&port, 8), c, s;
    /* Buffers */
    must("rcvbuf", set(l, SOL_SOCKET, SO_RCVBUF, 30000));
    must("sndbuf", set(l, SOL_SOCKET, SO_SNDBUF, 20000));
    c = client();
    s = accept(l, NULL, NULL);
    fact("accepted: SO_RCVBUF %s SO_SNDBUF %s", opt_get(s, SOL_SOCKET, SO_RCVBUF), opt_get(s, SOL_SOCKET, SO_SNDBUF));
    fact("SO_BUF_LOCK %s", opt_get(s, SOL_SOCKET, 72));
    close(s);
    close(c);
    close(l);
    l = listener4(&port, 8);

    /* TCP_NOTSENT_LOWAT: writable while less than so much is not sent. Here, with a reader that does not read. */
    c = client();
    s = accept(l, NULL, NULL);
    nonblock(c, 1);
    must("lowat", set(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1));
    fact("empty: %s", poll_text(c, POLLOUT, 0));
    static char big[1 << 20];
    long total = 0, r;
    while ((r = send(c, big, sizeof big, 0)) > 0) total += r;
    fact("full: %s, poll %s", ename(errno), poll_text(c, POLLOUT, 0));
    fact("something went: %s", total > 0 ? "yes" : "no");
    close(c);
    close(s);

    /* TCP_USER_TIMEOUT lets a live connection alone. */
    c = client();
    s = accept(l, NULL, NULL);
    must("user timeout", set(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 100));
    send(c, "x", 1, 0);
    sleep_ms(250);
    res("send after it", send(c, "y", 1, 0));
    await(s, POLLIN);
    sleep_ms(20);
    fact_recv("recv", s, 10, 0);
    close(c);
    close(s);

    /* Fast open. */
    res("TCP_FASTOPEN on the listener", set(l, IPPROTO_TCP, TCP_FASTOPEN, 5));
    fact("reads %s", opt_get(l, IPPROTO_TCP, TCP_FASTOPEN));
    struct sockaddr_in a = in4("127.0.0.1", port);
    c = opt_socket(0);
    res("sendto MSG_FASTOPEN", sendto(c, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    s = (int)ok("accept", accept(l, NULL, NULL));
    await(s, POLLIN);
    fact_recv("recv", s, 10, 0);
    res("again", sendto(c, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    close(c);
    close(s);
    c = opt_socket(0);
    res("MSG_FASTOPEN without an address", send(c, "x", 1, MSG_FASTOPEN));
    close(c);
    c = opt_socket(0);
    nonblock(c, 1);
    r = sendto(c, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a);
    fact("non-blocking: %s", r == 5 ? "5" : r < 0 && errno == EINPROGRESS ? "EINPROGRESS" : ename(errno));
    s = accept(l, NULL, NULL);
    close(s);
    close(c);
    for (int blocking = 0; blocking < 2; blocking++) {
        c = opt_socket(0);
        if (!blocking) nonblock(c, 1);
        res("TCP_FASTOPEN_CONNECT", set(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
        res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        fact("poll %s", poll_text(c, POLLIN | POLLOUT, 100));
        r = send(c, "later", 5, 0);
        fact("send %s", r == 5 ? "5" : ename(errno));
        s = (int)ok("accept", accept(l, NULL, NULL));
        if (r == 5) await(s, POLLIN), fact_recv("recv", s, 10, 0);
        close(s);
        close(c);
    }
    struct sockaddr_in dead = in4("127.0.0.1", 1);
    c = opt_socket(0);
    res("MSG_FASTOPEN to nobody", sendto(c, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&dead, sizeof dead));
    close(c);

    /* Zero copy. */
    c = client();
    s = accept(l, NULL, NULL);
    res("MSG_ZEROCOPY without the option", send(c, "plain", 5, MSG_ZEROCOPY));
    completion("then", c, 50);
    await(s, POLLIN);
    fact_recv("recv", s, 10, 0);
    res("SO_ZEROCOPY", set(c, SOL_SOCKET, SO_ZEROCOPY, 1));
    res("send", send(c, "zero", 4, MSG_ZEROCOPY));
    await(s, POLLIN);
    fact_recv("recv", s, 10, 0);
    completion("first", c, 500);
    completion("no more", c, 0);
    for (int i = 0; i < 3; i++) must("send", send(c, big, 1000, MSG_ZEROCOPY)), sleep_ms(5);
    char in[4000];
    fact("read %ld", read_full(s, in, 3000));
    completion("three", c, 500);
    completion("no more", c, 0);
    res("send without", send(c, "x", 1, 0));
    fact_recv("recv", s, 10, 0);
    completion("none for it", c, 20);
    res("empty", send(c, "", 0, MSG_ZEROCOPY));
    completion("empty's", c, 20);
    int u = opt_socket(2), v = opt_socket(2);
    struct sockaddr_in b = in4("127.0.0.1", 0);
    must("bind", bind(v, (struct sockaddr *)&b, sizeof b));
    b = in4("127.0.0.1", port_of(v));
    must("connect", connect(u, (struct sockaddr *)&b, sizeof b));
    res("udp SO_ZEROCOPY", set(u, SOL_SOCKET, SO_ZEROCOPY, 1));
    res("udp send", send(u, "datagram", 8, MSG_ZEROCOPY));
    await(v, POLLIN);
    fact_recv("udp recv", v, 20, 0);
    completion("udp", u, 500);
    completion("udp, no more", u, 0);
    return 0;
}
