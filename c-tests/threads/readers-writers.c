/* Many threads read one connection (each byte goes to exactly one of them), many write one (each small send stays whole),
 * and both at once in both directions (man 2 send, man 2 recv; POSIX threads share descriptors). */
#include "t.h"

enum { T = 6, BYTES = 12000, MSGS = 200, LEN = 512 };

static int p[2];
static long count[T], sum[T];

static void *take(void *arg) {
    long i = (long)arg;
    unsigned char b[7];
    ssize_t n;
    /* An odd length, so that the cuts of the readers never fall together with those of the writer. */
    while ((n = recv(p[1], b, sizeof b, 0)) > 0) {
        count[i] += n;
        for (ssize_t k = 0; k < n; k++) sum[i] += b[k];
    }
    return (void *)(n == 0 ? 0L : 1L);
}

static void *give(void *arg) {
    char m[LEN], who = (char)('a' + (long)arg);
    memset(m, who, sizeof m);
    for (int i = 0; i < MSGS; i++) {
        memcpy(m + 1, &i, sizeof i);
        if (send(p[0], m, sizeof m, MSG_NOSIGNAL) != LEN) return (void *)1;
    }
    return NULL;
}

static void *echo(void *unused) {
    (void)unused;
    char b[4096];
    ssize_t n;
    while ((n = read(p[1], b, sizeof b)) > 0)
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(p[1], b + done, (size_t)(n - done))) <= 0) return (void *)1;
    shutdown(p[1], SHUT_WR);
    return (void *)(n == 0 ? 0L : 1L);
}

static int join(pthread_t *t, int n) {
    int bad = 0;
    for (int i = 0; i < n; i++) {
        void *r;
        pthread_join(t[i], &r);
        bad += r != NULL;
    }
    return bad;
}

int main(void) {
    alarm(8);
    pthread_t t[T];

    tcp_pair(p);
    for (long i = 0; i < T; i++) pthread_create(&t[i], NULL, take, (void *)i);
    long want = 0, got = 0, total = 0;
    for (int i = 0; i < BYTES; i += 100) {
        unsigned char b[100];
        for (int k = 0; k < 100; k++) want += b[k] = (unsigned char)((i + k) * 7);
        must("send", send(p[0], b, sizeof b, 0));
    }
    shutdown(p[0], SHUT_WR);
    fact("readers that ended badly: %d", join(t, T));
    for (int i = 0; i < T; i++) got += count[i], total += sum[i];
    fact("bytes read by %d threads: %ld of %d, sum %s", T, got, BYTES, total == want ? "right" : "wrong");
    close(p[0]);
    close(p[1]);

    tcp_pair(p);
    for (long i = 0; i < T; i++) pthread_create(&t[i], NULL, give, (void *)i);
    int whole = 0, ordered = 0, next[T] = {0};
    for (int i = 0; i < T * MSGS; i++) {
        char m[LEN];
        int no;
        if (recv(p[1], m, sizeof m, MSG_WAITALL) != LEN) break;
        int w = m[0] - 'a', same = w >= 0 && w < T;
        for (unsigned k = 5; k < LEN && same; k++) same = m[k] == m[0];
        memcpy(&no, m + 1, sizeof no);
        whole += same;
        if (same && no == next[w]) ordered++, next[w]++;
    }
    fact("writers that ended badly: %d", join(t, T));
    fact("messages that are whole: %d of %d, in their writer's order: %d", whole, T * MSGS, ordered);
    close(p[0]);
    close(p[1]);

    /* Four writers, one echo thread, and this one reading back: both directions of one socket at once. */
    tcp_pair(p);
    pthread_t e;
    pthread_create(&e, NULL, echo, NULL);
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, give, (void *)i);
    long back = 0, letters[4] = {0};
    while (back < 4L * MSGS * LEN) {
        char b[3000];
        ssize_t n = recv(p[0], b, sizeof b, 0);
        if (n <= 0) break;
        back += n;
        for (ssize_t k = 0; k < n; k++)
            if (b[k] >= 'a' && b[k] < 'e') letters[b[k] - 'a']++;
    }
    fact("writers that ended badly: %d", join(t, 4));
    fact("echoed: %ld of %d", back, 4 * MSGS * LEN);
    int enough = 0;
    for (int i = 0; i < 4; i++) enough += letters[i] >= (long)MSGS * (LEN - 4);
    fact("each writer's bytes are all there: %d of 4", enough);
    shutdown(p[0], SHUT_WR);
    res("end", recv(p[0], (char[4]){0}, 4, 0));
    fact("echo ended badly: %d", join(&e, 1));
    return 0;
}
