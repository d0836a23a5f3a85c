/* Several threads send to one socket, several receive from one: each datagram arrives once and whole, and what one sender
 * sends keeps its order (loopback; man 7 udp promises less). */
#include "dg.h"
enum { T = 4, N = 100 };

static int r, port;
static int counts[T][N], who[3];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int credit[T];

struct m { int from, seq; unsigned char fill[200]; };

static void *sender(void *arg) {
    int me = (int)(long)arg, s = socket(AF_INET, SOCK_DGRAM, 0);
    con4(s, "127.0.0.1", port);
    for (int i = 0; i < N; i++) {
        struct m m = {.from = me, .seq = i};
        memset(m.fill, me * 16 + i, sizeof m.fill);
        /* Ten under way at most, so that nothing can be dropped. */
        while (i - __atomic_load_n(&credit[me], __ATOMIC_ACQUIRE) >= 10) sleep_ms(1);
        if (send(s, &m, sizeof m, 0) != sizeof m) fact("send failed: %s", ename(errno));
    }
    close(s);
    return NULL;
}

static void *receiver(void *arg) {
    int me = (int)(long)arg;
    for (;;) {
        struct m m;
        ssize_t n = recv(r, &m, sizeof m, 0);
        if (n == 1) return NULL;
        pthread_mutex_lock(&lock);
        int good = n == sizeof m && m.from >= 0 && m.from < T && m.seq >= 0 && m.seq < N;
        for (unsigned i = 0; good && i < sizeof m.fill; i++)
            if (m.fill[i] != (unsigned char)(m.from * 16 + m.seq)) good = 0;
        if (!good) fact("torn datagram");
        else {
            counts[m.from][m.seq]++;
            __atomic_add_fetch(&credit[m.from], 1, __ATOMIC_RELEASE);
        }
        who[me]++;
        pthread_mutex_unlock(&lock);
    }
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), port = port_of(r);
    pthread_t t[T], x[3];
    for (long i = 0; i < T; i++) pthread_create(&t[i], NULL, sender, (void *)i);
    int last[T] = {-1, -1, -1, -1}, disorder = 0, bad = 0;
    for (int i = 0; i < T * N; i++) {
        struct m m;
        if (!wait_in(r)) { fact("nothing came"); break; }
        if (recv(r, &m, sizeof m, 0) != sizeof m || m.from < 0 || m.from >= T) { bad++; continue; }
        if (m.seq != last[m.from] + 1) disorder++;
        last[m.from] = m.seq;
        __atomic_store_n(&credit[m.from], m.seq + 1, __ATOMIC_RELEASE);
    }
    for (int i = 0; i < T; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < T; i++) fact("from thread %d up to %d", i, last[i]);
    fact("one receiver: out of order %d, bad %d", disorder, bad);
    quiet("nothing more", r);

    for (int i = 0; i < T; i++) credit[i] = 0;
    for (long i = 0; i < 3; i++) pthread_create(&x[i], NULL, receiver, (void *)i);
    for (long i = 0; i < T; i++) pthread_create(&t[i], NULL, sender, (void *)i);
    for (int i = 0; i < T; i++) pthread_join(t[i], NULL);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 3; i++) put4(s, "q", "127.0.0.1", port);
    for (int i = 0; i < 3; i++) pthread_join(x[i], NULL);
    int once = 0;
    for (int i = 0; i < T; i++)
        for (int j = 0; j < N; j++) once += counts[i][j] == 1;
    fact("three receivers: %d of %d exactly once, together %d", once, T * N, who[0] + who[1] + who[2]);
    return 0;
}
