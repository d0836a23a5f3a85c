/* 8 MiB in both directions at the same time over one connection, four threads in one process: nothing lost, doubled
 * or out of order (RFC 9293: an ordered, reliable byte stream), and neither direction waits for the other. */
#include "stream.h"

enum { TOTAL = 8 << 20 };
static int p[2];

static void *writer(void *v) {
    int side = (int)(intptr_t)v;
    static unsigned char buf[2][65536];
    size_t done = 0;
    while (done < TOTAL) {
        size_t n = TOTAL - done < sizeof buf[0] ? TOTAL - done : sizeof buf[0];
        for (size_t i = 0; i < n; i++) buf[side][i] = pat(done + i + (size_t)side * 1000);
        if (write_full(p[side], buf[side], n) != (long)n) break;
        done += n;
    }
    shutdown(p[side], SHUT_WR);
    return (void *)done;
}

static long wrong[2];
static void *reader(void *v) {
    int side = (int)(intptr_t)v;
    static unsigned char buf[2][50001];
    size_t got = 0;
    ssize_t r;
    while ((r = recv(p[side], buf[side], sizeof buf[0], 0)) > 0)
        for (ssize_t i = 0; i < r; i++, got++) wrong[side] += buf[side][i] != pat(got + (size_t)(1 - side) * 1000);
    return (void *)got;
}

int main(void) {
    alarm(9);
    pthread_t t[4];
    void *n[4];
    tcp_pair(p);
    for (intptr_t s = 0; s < 2; s++) {
        pthread_create(&t[s], NULL, writer, (void *)s);
        pthread_create(&t[2 + s], NULL, reader, (void *)s);
    }
    for (int i = 0; i < 4; i++) pthread_join(t[i], &n[i]);
    for (int s = 0; s < 2; s++) fact("side %d: sent %zu, received %zu, wrong bytes %ld", s, (size_t)n[s],
        (size_t)n[2 + s], wrong[s]);
    fact("poll %s, %s", poll_text(p[0], POLLIN | POLLRDHUP, 1000), poll_text(p[1], POLLIN | POLLRDHUP, 1000));
    return 0;
}
