/* A thread that is blocked on a socket while another shuts it down, closes it or puts another file in its place.
 * shutdown wakes it (`man 2 shutdown`); close does not (`man 2 close`, "Multithreaded processes and close()"): the
 * call goes on with the open description that it began with. */
#include "stream.h"

static int fd;
static char got[32];
static void *reader(void *v) {
    (void)v;
    ssize_t r = recv(fd, got, sizeof got - 1, 0);
    if (r > 0) got[r] = 0;
    return (void *)(intptr_t)(r < 0 ? -errno : r);
}
static void *writer(void *v) {
    static char b[1 << 20];
    (void)v;
    for (;;) if (send(fd, b, sizeof b, MSG_NOSIGNAL) < 0) return (void *)(intptr_t)errno;
}

int main(void) {
    alarm(8);
    int p[2];
    pthread_t t;
    void *r;

    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(50);
    res("SHUT_RD under a blocked recv", shutdown(p[0], SHUT_RD));
    pthread_join(t, &r);
    fact("recv gave %ld", (long)(intptr_t)r);
    close(p[0]); close(p[1]);

    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(50);
    res("SHUT_RDWR under a blocked recv", shutdown(p[0], SHUT_RDWR));
    pthread_join(t, &r);
    fact("recv gave %ld", (long)(intptr_t)r);
    close(p[0]); close(p[1]);

    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(50);
    res("SHUT_WR under a blocked recv", shutdown(p[0], SHUT_WR));
    sleep_ms(30);
    must("send", send(p[1], "still", 5, 0));
    pthread_join(t, &r);
    fact("recv gave %ld %s", (long)(intptr_t)r, got);
    close(p[0]); close(p[1]);

    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, writer, NULL);
    sleep_ms(100);
    res("SHUT_WR under a blocked send", shutdown(p[0], SHUT_WR));
    pthread_join(t, &r);
    fact("send gave %s", ename((int)(intptr_t)r));
    close(p[0]); close(p[1]);

    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, writer, NULL);
    sleep_ms(100);
    close(p[1]);
    pthread_join(t, &r);
    fact("peer closed with unread data under a blocked send: %s", ename((int)(intptr_t)r));
    close(p[0]);

    /* close: the reader stays, and gets what comes; the connection lives until the call is done. */
    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(50);
    res("close under a blocked recv", close(p[0]));
    res("another call on the number", send(p[0], "x", 1, MSG_NOSIGNAL));
    fact("peer's poll %s", poll_text(p[1], POLLIN | POLLRDHUP, 60));
    res("peer's send", send(p[1], "delivered", 9, 0));
    pthread_join(t, &r);
    fact("recv gave %ld %s", (long)(intptr_t)r, got);
    fact("peer's poll afterwards %s", poll_text(p[1], POLLIN | POLLRDHUP, 1000));
    fact_recv("peer's recv", p[1], 10, 0);
    close(p[1]);

    /* dup2 over it: the same, although the number now means something else. */
    tcp_pair(p);
    fd = p[0];
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(50);
    int q[2];
    must("pipe", pipe(q));
    fact("dup2 over it gave the number: %s", dup2(q[0], p[0]) == p[0] ? "yes" : "no");
    must("write", write(q[1], "pipe", 4));
    char b[8];
    res("read of the number", read(p[0], b, 4));
    fact("%.4s", b);
    must("send", send(p[1], "socket", 6, 0));
    pthread_join(t, &r);
    fact("recv gave %ld %s", (long)(intptr_t)r, got);
    close(p[0]); close(p[1]); close(q[0]); close(q[1]);

    /* Two descriptors of one socket: closing one changes nothing. */
    tcp_pair(p);
    fd = p[0];
    int d = dup(p[0]);
    pthread_create(&t, NULL, reader, NULL);
    sleep_ms(30);
    close(d);
    must("send", send(p[1], "dup", 3, 0));
    pthread_join(t, &r);
    fact("recv gave %ld %s", (long)(intptr_t)r, got);

    /* Two threads wait for one byte each; each gets one. */
    pthread_t t2;
    pthread_create(&t, NULL, reader, NULL);
    pthread_create(&t2, NULL, reader, NULL);
    sleep_ms(40);
    must("send", send(p[1], "1", 1, 0));
    sleep_ms(60);
    must("send", send(p[1], "2", 1, 0));
    void *r2;
    pthread_join(t, &r);
    pthread_join(t2, &r2);
    fact("two readers: %ld and %ld", (long)(intptr_t)r, (long)(intptr_t)r2);
    pthread_create(&t, NULL, reader, NULL);
    pthread_create(&t2, NULL, reader, NULL);
    sleep_ms(40);
    close(p[1]);
    pthread_join(t, &r);
    pthread_join(t2, &r2);
    fact("two readers at the end of the stream: %ld and %ld", (long)(intptr_t)r, (long)(intptr_t)r2);
    return 0;
}
