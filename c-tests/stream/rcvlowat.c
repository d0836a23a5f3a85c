/* SO_RCVLOWAT (`man 7 socket`): a blocking recv waits for that many bytes (or for as many as it asked for), poll,
 * select and epoll show the socket as readable only from there on; the end of the stream and errors count at once.
 * SO_SNDLOWAT is 1 and fixed on Linux. */
#include "stream.h"

static int p[2];
static void *later(void *v) {
    sleep_ms(80);
    ssize_t r = send(p[0], v, strlen(v), 0);
    (void)r;
    return NULL;
}

static void *later2(void *v) {
    sleep_ms(80);
    return later(v);
}

static int sel(void) {
    fd_set r;
    struct timeval tv = {0, 20000};
    FD_ZERO(&r);
    FD_SET(p[1], &r);
    return select(p[1] + 1, &r, NULL, NULL, &tv);
}

int main(void) {
    alarm(8);
    int v = -1;
    socklen_t l = sizeof v;
    pthread_t t;
    tcp_pair(p);
    getsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, &l);
    fact("SO_RCVLOWAT by default %d", v);
    getsockopt(p[1], SOL_SOCKET, SO_SNDLOWAT, &v, &l);
    fact("SO_SNDLOWAT %d", v);
    v = 5;
    res("set SO_SNDLOWAT", setsockopt(p[1], SOL_SOCKET, SO_SNDLOWAT, &v, sizeof v));
    v = 10;
    res("set SO_RCVLOWAT 10", setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
    int ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN}, out;
    must("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev));

    must("send", send(p[0], "12345", 5, 0));
    fact("5 there: poll %s, select %d, epoll %d", poll_text(p[1], POLLIN, 50), sel(), epoll_wait(ep, &out, 1, 20));
    fact_recv("non-blocking peek", p[1], 100, MSG_PEEK | MSG_DONTWAIT);
    fact_recv("recv of 3: what it asked for is there", p[1], 3, 0);
    must("send", send(p[0], "67890abc", 8, 0));
    fact("10 there: poll %s, select %d, epoll %d", poll_text(p[1], POLLIN, 1000), sel(), epoll_wait(ep, &out, 1, 1000));
    fact_recv("non-blocking", p[1], 100, MSG_DONTWAIT);

    /* 5 bytes after 80 ms, 10 more after 160. (A recv that found some bytes before it slept is not asked about:
     * Linux then counts anew from what it took.) */
    long t0 = now_ms();
    pthread_create(&t, NULL, later, "12345");
    pthread_t t2;
    pthread_create(&t2, NULL, later2, "67890abcde");
    fact_recv("blocking recv of 100 waits for 10", p[1], 100, 0);
    fact("waited for the second: %s", now_ms() - t0 >= 120 ? "yes" : "no");
    pthread_join(t, NULL);
    pthread_join(t2, NULL);
    must("send", send(p[0], "1234567", 7, 0));
    fact_recv("blocking recv of 7", p[1], 7, 0);

    struct timeval tv = {0, 60000};
    setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    must("send", send(p[0], "few", 3, 0));
    fact_recv("until the time limit", p[1], 100, 0);

    must("send", send(p[0], "four", 4, 0));
    sleep_ms(20);
    v = 4;
    res("lowered to 4 with 4 there", setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
    fact("poll %s", poll_text(p[1], POLLIN, 0));
    fact_recv("recv", p[1], 100, 0);
    v = 0;
    res("set 0", setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
    getsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, &l);
    fact("is %d", v);
    v = -1;
    res("set -1", setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
    getsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, &l);
    fact("is above 100,000: %s", v > 100000 ? "yes" : "no");

    v = 10;
    setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v);
    must("send", send(p[0], "end", 3, 0));
    shutdown(p[0], SHUT_WR);
    fact("3 and the end: poll %s, epoll %d", poll_text(p[1], POLLIN, 1000), epoll_wait(ep, &out, 1, 1000));
    fact_recv("recv", p[1], 100, 0);
    fact_recv("recv", p[1], 100, 0);
    fact("at the end: poll %s", poll_text(p[1], POLLIN, 0));
    return 0;
}
