/* FIONREAD (SIOCINQ), SIOCOUTQ (TIOCOUTQ) and SIOCOUTQNSD (`man 7 tcp`, ioctls): bytes to be read, bytes sent and
 * not acknowledged, bytes not sent. */
#include "stream.h"
#include <linux/sockios.h>

static int get(int fd, unsigned long req) {
    int v = -7777;
    return ioctl(fd, req, &v) < 0 ? -errno : v;
}

int main(void) {
    alarm(8);
    int p[2], on = 1;
    tcp_pair(p);
    fact("fresh: FIONREAD %d, SIOCOUTQ %d, SIOCOUTQNSD %d", get(p[1], FIONREAD), get(p[1], SIOCOUTQ),
         get(p[1], SIOCOUTQNSD));
    must("send", send(p[0], "12345", 5, 0));
    must("send", send(p[0], "678", 3, 0));
    sleep_ms(30);
    fact("8 there: FIONREAD %d, SIOCINQ %d", get(p[1], FIONREAD), get(p[1], SIOCINQ));
    fact_recv("peek", p[1], 4, MSG_PEEK);
    fact("after a peek: %d", get(p[1], FIONREAD));
    fact_recv("recv", p[1], 3, 0);
    fact("after 3 were read: %d", get(p[1], FIONREAD));
    int q = -1;
    for (int i = 0; i < 200 && q; i++) { q = get(p[0], SIOCOUTQ); if (q) sleep_ms(5); }
    fact("sender's SIOCOUTQ gets to %d while 5 are unread", q);
    fact_recv("recv", p[1], 100, 0);
    fact("all read: %d", get(p[1], FIONREAD));

    must("TCP_CORK", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    must("send", send(p[0], "corked", 6, 0));
    fact("corked: SIOCOUTQ %d, SIOCOUTQNSD %d, peer's FIONREAD %d", get(p[0], SIOCOUTQ), get(p[0], SIOCOUTQNSD),
         get(p[1], FIONREAD));
    on = 0;
    must("TCP_CORK", setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    await(p[1], POLLIN);
    fact("uncorked: SIOCOUTQNSD %d, peer's FIONREAD %d", get(p[0], SIOCOUTQNSD), get(p[1], FIONREAD));
    fact_recv("recv", p[1], 100, 0);

    static char big[1 << 20];
    nonblock(p[0], 1);
    long sent = 0, r;
    while ((r = send(p[0], big, sizeof big, 0)) > 0) sent += r;
    sleep_ms(60);
    int in = get(p[1], FIONREAD), outq = get(p[0], SIOCOUTQ), nsd = get(p[0], SIOCOUTQNSD);
    fact("full: peer's FIONREAD and SIOCOUTQ above 0: %s, not more than was sent: %s",
         in > 0 && outq > 0 ? "yes" : "no", in + nsd <= sent ? "yes" : "no");
    fact("SIOCOUTQNSD is not more than SIOCOUTQ: %s", nsd <= outq ? "yes" : "no");
    long got = 0;
    while (got < sent && (r = read(p[1], big, sizeof big)) > 0) got += r;
    fact("all of it was read: %s, FIONREAD %d", got == sent ? "yes" : "no", get(p[1], FIONREAD));

    must("send", send(p[0], "last", 4, 0));
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    fact("4 and the end: %d", get(p[1], FIONREAD));
    fact_recv("recv", p[1], 100, 0);
    fact("at the end, not yet seen: %d", get(p[1], FIONREAD));
    fact_recv("recv", p[1], 100, 0);
    fact("at the end, seen: %d", get(p[1], FIONREAD));

    int port, l = listener4(&port, 1), u = socket(AF_INET, SOCK_STREAM, 0);
    fact("listener: FIONREAD %s, SIOCOUTQ %s, SIOCOUTQNSD %s", ename(-get(l, FIONREAD)), ename(-get(l, SIOCOUTQ)),
         ename(-get(l, SIOCOUTQNSD)));
    fact("unconnected: FIONREAD %d, SIOCOUTQ %d, SIOCOUTQNSD %d", get(u, FIONREAD), get(u, SIOCOUTQ),
         get(u, SIOCOUTQNSD));
    res("FIONREAD to a bad pointer", ioctl(p[1], FIONREAD, (void *)8));
    res("FIONREAD of a closed descriptor", (close(u), ioctl(u, FIONREAD, &on)));
    res("an ioctl that no socket has", ioctl(p[1], 0x5499, &on));
    res("TCGETS", ioctl(p[1], 0x5401, big));
    fact("isatty: %d %s", isatty(p[1]), ename(errno));
    return 0;
}
