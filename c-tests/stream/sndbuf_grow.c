/* A writer that is blocked on a full buffer goes on when SO_SNDBUF is raised (sock_setsockopt calls the socket's
 * write-space hook), and when the peer reads. SO_SNDBUF is doubled and kept within limits (`man 7 socket`). */
#include "stream.h"

static int p[2];
static volatile long sent;
static void *writer(void *v) {
    static char b[1000];
    (void)v;
    while (send(p[0], b, sizeof b, MSG_NOSIGNAL) > 0) sent += (long)sizeof b;
    return (void *)(intptr_t)errno;
}

/* Waits until the writer stands still for 100 ms. */
static long stalled(void) {
    for (int i = 0; i < 40; i++) {
        long a = sent;
        sleep_ms(100);
        if (a == sent) return a;
    }
    return -1;
}

static int set_get(int opt, int v) {
    int o = -1;
    socklen_t n = sizeof o;
    must("setsockopt", setsockopt(p[0], SOL_SOCKET, opt, &v, sizeof v));
    getsockopt(p[0], SOL_SOCKET, opt, &o, &n);
    return o;
}

int main(void) {
    alarm(8);
    pthread_t t;
    tcp_pair(p);
    fact("SO_SNDBUF 10000: %d", set_get(SO_SNDBUF, 10000));
    fact("SO_SNDBUF 0: above 0: %s, 1 the same: %s", set_get(SO_SNDBUF, 0) > 0 ? "yes" : "no",
         set_get(SO_SNDBUF, 0) == set_get(SO_SNDBUF, 1) ? "yes" : "no");
    fact("SO_RCVBUF 10000: %d", set_get(SO_RCVBUF, 10000));
    fact("SO_SNDBUF very large is cut: %s", set_get(SO_SNDBUF, 0x7fffffff) < 0x7fffffff ? "yes" : "no");
    fact("SO_SNDBUF negative is cut as well: %s",
         set_get(SO_SNDBUF, -1) == set_get(SO_SNDBUF, 0x7fffffff) ? "yes" : "no");
    int v = 30000;
    must("SO_RCVBUF", setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &v, sizeof v));
    set_get(SO_SNDBUF, 8192);
    pthread_create(&t, NULL, writer, NULL);
    long first = stalled();
    fact("the writer fills up and stops: %s", first > 0 ? "yes" : "no");
    set_get(SO_SNDBUF, 200000);
    for (int i = 0; i < 200 && sent < first + 20000; i++) sleep_ms(5);
    fact("it goes on when SO_SNDBUF grows: %s", sent >= first + 20000 ? "yes" : "no");
    long second = stalled();
    fact("and stops again: %s", second > first ? "yes" : "no");
    static char b[100000];
    long got = 0, r;
    for (int i = 0; i < 1000 && sent < second + 100000; i++) {
        r = recv(p[1], b, sizeof b, MSG_DONTWAIT);
        if (r > 0) got += r;
        else sleep_ms(2);
    }
    fact("it goes on when the peer reads: %s", sent >= second + 100000 ? "yes" : "no");
    fact("never more read than sent: %s", got <= sent + 1000 ? "yes" : "no");
    close(p[1]);
    void *e;
    pthread_join(t, &e);
    int en = (int)(intptr_t)e;
    fact("it ends with %s", en == EPIPE || en == ECONNRESET ? "EPIPE or ECONNRESET" : ename(en));
    return 0;
}
