/* Several threads in epoll_wait on one instance (`man 7 epoll`): with EPOLLET or EPOLLONESHOT each event goes to one
 * of them; each byte sent is handled once; no wake-up is lost. */
#include "ready.h"

enum { N = 8, ROUNDS = 200 };
static int ep, p[N][2];
static volatile int stop, mode;
static int handled, doubles, busy[N];

static void *worker(void *v) {
    (void)v;
    while (!stop) {
        struct epoll_event e;
        int n = epoll_wait(ep, &e, 1, 20);
        if (n != 1) continue;
        int i = (int)e.data.u64;
        if (mode == 1 && __atomic_fetch_add(&busy[i], 1, __ATOMIC_SEQ_CST)) __atomic_fetch_add(&doubles, 1,
            __ATOMIC_SEQ_CST);
        long got = drain(p[i][0]);
        __atomic_fetch_add(&handled, (int)got, __ATOMIC_SEQ_CST);
        if (mode == 1) {
            __atomic_fetch_sub(&busy[i], 1, __ATOMIC_SEQ_CST);
            ctl(ep, EPOLL_CTL_MOD, p[i][0], EPOLLIN | EPOLLONESHOT, (uint64_t)i);
        }
    }
    return NULL;
}

static int wakes;
static void *one_wait(void *v) {
    struct epoll_event e;
    if (epoll_wait(ep, &e, 1, (int)(intptr_t)v) == 1) __atomic_fetch_add(&wakes, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void) {
    alarm(9);
    pthread_t t[4];
    for (int i = 0; i < N; i++) tcp_pair(p[i]);

    static const char *const names[] = {"edge", "one-shot"};
    for (mode = 0; mode < 2; mode++) {
        ep = ep_new();
        stop = handled = doubles = 0;
        for (int i = 0; i < N; i++) add(ep, p[i][0], mode ? EPOLLIN | EPOLLONESHOT : EPOLLIN | EPOLLET, (uint64_t)i);
        for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, NULL);
        for (int r = 0; r < ROUNDS; r++) put(p[r % N][1], "x");
        for (int i = 0; i < 1000 && __atomic_load_n(&handled, __ATOMIC_SEQ_CST) < ROUNDS; i++) sleep_ms(2);
        stop = 1;
        for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
        fact("%s: bytes handled %d, two threads on one socket: %d", names[mode], handled, doubles);
        close(ep);
    }

    /* Three threads wait, one event by edge: one thread is woken. */
    ep = ep_new();
    add(ep, p[0][0], EPOLLIN | EPOLLET, 0);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, one_wait, (void *)(intptr_t)400);
    sleep_ms(80);
    put(p[0][1], "x");
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    fact("edge, three wait, one arrival: woken %d", wakes);
    drain(p[0][0]);

    /* Three threads wait, three sockets get data: each is woken. */
    wakes = 0;
    for (int i = 1; i < 3; i++) add(ep, p[i][0], EPOLLIN | EPOLLET, (uint64_t)i);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, one_wait, (void *)(intptr_t)3000);
    sleep_ms(80);
    for (int i = 0; i < 3; i++) put(p[i][1], "y");
    long t0 = now_ms();
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    fact("edge, three wait, three arrivals: woken %d, below 2 s: %s", wakes, now_ms() - t0 < 2000 ? "yes" : "no");
    return 0;
}
