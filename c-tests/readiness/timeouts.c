/* The times of poll, select, pselect, ppoll and epoll_wait (`man 2 poll`, `man 2 select`): 0 returns at once, 50 ms
 * sleeps, -1 lasts until another thread sends, and select alone writes back what was left. */
#include "ready.h"

static int p[2];
static void *late(void *v) {
    sleep_ms(100);
    put(p[1], (char *)v);
    return NULL;
}
static fd_set one(void) {
    fd_set s;
    FD_ZERO(&s);
    FD_SET(p[0], &s);
    return s;
}
static long t0;
static void took(const char *label, long n, long lo, long hi) {
    int e = errno;
    long t = now_ms() - t0;
    if (n < 0) fact("%s: -1 %s", label, ename(e));
    else fact("%s: %ld, within %ld..%ld ms: %s", label, n, lo, hi, t >= lo && t <= hi ? "yes" : "no");
}

int main(void) {
    alarm(8);
    pthread_t t;
    tcp_pair(p);
    int ep = ep_new();
    add(ep, p[0], EPOLLIN, 1);
    struct pollfd f = {p[0], POLLIN, 0};
    struct epoll_event e;
    fd_set r;
    struct timeval tv;
    struct timespec ts;
    t0 = now_ms(); took("poll 0", poll(&f, 1, 0), 0, 500);
    t0 = now_ms(); took("poll 50", poll(&f, 1, 50), 49, 1000);
    t0 = now_ms(); took("epoll_wait 0", epoll_wait(ep, &e, 1, 0), 0, 500);
    t0 = now_ms(); took("epoll_wait 50", epoll_wait(ep, &e, 1, 50), 49, 1000);
    r = one(); tv = (struct timeval){0, 0};
    t0 = now_ms(); took("select 0", select(p[0] + 1, &r, NULL, NULL, &tv), 0, 500);
    fact("the set afterwards: %d", FD_ISSET(p[0], &r) ? 1 : 0);
    r = one(); tv = (struct timeval){0, 50000};
    t0 = now_ms(); took("select 50", select(p[0] + 1, &r, NULL, NULL, &tv), 49, 1000);
    fact("left over: %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
    r = one(); ts = (struct timespec){0, 50000000};
    t0 = now_ms(); took("pselect 50", pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL), 49, 1000);
    fact("pselect leaves its time alone: %ld %ld", (long)ts.tv_sec, ts.tv_nsec);
    t0 = now_ms(); took("ppoll 50", ppoll(&f, 1, &ts, NULL), 49, 1000);
    fact("ppoll leaves its time alone: %ld %ld", (long)ts.tv_sec, ts.tv_nsec);

    t0 = now_ms();
    pthread_create(&t, NULL, late, "a");
    took("poll -1", poll(&f, 1, -1), 60, 2000);
    pthread_join(t, NULL);
    fact("%s, %ld byte", ev_text((uint32_t)f.revents), drain(p[0]));
    t0 = now_ms();
    pthread_create(&t, NULL, late, "ab");
    took("poll -7", poll(&f, 1, -7), 60, 2000);
    pthread_join(t, NULL);
    fact("%s, %ld bytes", ev_text((uint32_t)f.revents), drain(p[0]));
    t0 = now_ms();
    pthread_create(&t, NULL, late, "abc");
    took("epoll_wait -1", epoll_wait(ep, &e, 1, -1), 60, 2000);
    pthread_join(t, NULL);
    fact("%s, %ld bytes", ev_text(e.events), drain(p[0]));
    r = one();
    t0 = now_ms();
    pthread_create(&t, NULL, late, "abcd");
    took("select NULL", select(p[0] + 1, &r, NULL, NULL, NULL), 60, 2000);
    pthread_join(t, NULL);
    fact("%d, %ld bytes", FD_ISSET(p[0], &r) ? 1 : 0, drain(p[0]));
    r = one(); tv = (struct timeval){3, 0};
    t0 = now_ms();
    pthread_create(&t, NULL, late, "abcde");
    took("select 3 s", select(p[0] + 1, &r, NULL, NULL, &tv), 60, 2000);
    pthread_join(t, NULL);
    fact("left over between 1 and 3 s: %s", tv.tv_sec >= 1 && tv.tv_sec < 3 ? "yes" : "no");
    drain(p[0]);
    r = one();
    t0 = now_ms();
    pthread_create(&t, NULL, late, "abcdef");
    took("pselect NULL", pselect(p[0] + 1, &r, NULL, NULL, NULL, NULL), 60, 2000);
    pthread_join(t, NULL);
    drain(p[0]);
    t0 = now_ms();
    pthread_create(&t, NULL, late, "abcdefg");
    took("ppoll NULL", ppoll(&f, 1, NULL, NULL), 60, 2000);
    pthread_join(t, NULL);

    r = one(); tv = (struct timeval){5, 0};
    t0 = now_ms(); took("select with something there", select(p[0] + 1, &r, NULL, NULL, &tv), 0, 500);
    fact("left over more than 4 s: %s", tv.tv_sec >= 4 ? "yes" : "no");
    r = one(); tv = (struct timeval){-1, 0};
    res("select, negative seconds", select(p[0] + 1, &r, NULL, NULL, &tv));
    r = one(); tv = (struct timeval){0, -1};
    res("select, negative microseconds", select(p[0] + 1, &r, NULL, NULL, &tv));
    r = one(); tv = (struct timeval){0, 1500000};
    res("select, more than a second of microseconds", select(p[0] + 1, &r, NULL, NULL, &tv));
    ts = (struct timespec){0, 1000000000};
    res("ppoll, a second of nanoseconds", ppoll(&f, 1, &ts, NULL));
    r = one();
    res("pselect, a second of nanoseconds", pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL));
    ts = (struct timespec){-1, 0};
    res("ppoll, negative seconds", ppoll(&f, 1, &ts, NULL));
    return 0;
}
