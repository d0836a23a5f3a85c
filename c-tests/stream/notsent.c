/* TCP_NOTSENT_LOWAT (man 7 tcp; tcp_stream_memory_free): a socket is not writable, and a send takes no more, while more bytes than
 * that wait in it unsent, however large its buffer is. */
#include "stream.h"
#include <linux/sockios.h>

static char some[65536];

static int unsent(int fd) {
    int v = -1;
    ioctl(fd, SIOCOUTQNSD, &v);
    return v;
}

int main(void) {
    alarm(8);
    int p[2], v = 65536;
    tcp_pair(p);
    setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &v, sizeof v);
    v = 4 << 20;
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v);
    nonblock(p[0], 1);
    nonblock(p[1], 1);
    v = 20000;
    res("set", setsockopt(p[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, sizeof v));
    fact("%s", poll_text(p[0], POLLOUT, 0));
    long sent = 0;
    ssize_t n;
    /* What is under way comes to rest in between. */
    for (int quiet = 0; quiet < 10; quiet++) {
        while ((n = send(p[0], some, 4096, 0)) > 0) sent += n, quiet = 0;
        sleep_ms(10);
    }
    fact("send: %s", ename(errno));
    fact("unsent at least 20000: %d, at most a buffer of 64 KiB more: %d", unsent(p[0]) >= 20000, unsent(p[0]) <= 20000 + 65536);
    fact("less than the buffer's half: %d", sent < 1 << 20);
    fact("%s", poll_text(p[0], POLLOUT, 0));
    v = 0;
    res("no limit", setsockopt(p[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, sizeof v));
    fact("%s", poll_text(p[0], POLLOUT, 1000));
    n = send(p[0], some, sizeof some, 0);
    fact("send goes on: %d", n > 0);
    sent += n;
    v = 20000;
    setsockopt(p[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, sizeof v);
    fact("%s", poll_text(p[0], POLLOUT, 0));
    long got = 0;
    for (int i = 0; i < 400 && poll_text(p[0], POLLOUT, 5)[0] == 'n'; i++)
        while ((n = recv(p[1], some, sizeof some, 0)) > 0) got += n;
    fact("writable when it was read: %s, unsent less than 20000: %d", poll_text(p[0], POLLOUT, 0), unsent(p[0]) < 20000);
    for (int i = 0; i < 400 && got < sent; i++, sleep_ms(5))
        while ((n = recv(p[1], some, sizeof some, 0)) > 0) got += n;
    fact("all came: %d", got == sent);
    v = -1;
    res("-1", setsockopt(p[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, sizeof v));
    fact("%s", poll_text(p[0], POLLOUT, 0));
    return 0;
}
