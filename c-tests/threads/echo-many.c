/* 50 threads, each connecting, echoing and closing 20 times, against a threaded server in the same process: no byte goes
 * to the wrong one though descriptor numbers are used again all the time. */
// limit: 20
#include "t.h"

enum { T = 50, ROUNDS = 20, SERVERS = 4 };

static int l, port;

static void *serve(void *unused) {
    (void)unused;
    for (;;) {
        int c = accept(l, NULL, NULL);
        if (c < 0) return errno == EINVAL ? NULL : (void *)1;
        char b[512];
        ssize_t n;
        while ((n = read(c, b, sizeof b)) > 0)
            if (write(c, b, (size_t)n) != n) break;
        close(c);
    }
}

static void *client(void *arg) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int r = 0; r < ROUNDS; r++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        if (c < 0) return "socket";
        if (connect(c, (struct sockaddr *)&a, sizeof a) < 0) return "connect";
        for (int k = 0; k < 3; k++) {
            char out[64], in[64];
            int n = snprintf(out, sizeof out, "thread %ld round %d message %d", (long)arg, r, k);
            if (send(c, out, (size_t)n, MSG_NOSIGNAL) != n) return "send";
            if (recv(c, in, (size_t)n, MSG_WAITALL) != n) return "recv";
            if (memcmp(in, out, (size_t)n)) return "another's bytes";
        }
        if (r % 2) {
            shutdown(c, SHUT_WR);
            if (recv(c, (char[4]){0}, 4, 0) != 0) return "no end of stream";
        }
        if (close(c) < 0) return "close";
    }
    return NULL;
}

int main(void) {
    alarm(18);
    l = listener4(&port, 128);
    pthread_t s[SERVERS], t[T];
    int good = 0;
    void *r;
    for (int i = 0; i < SERVERS; i++) pthread_create(&s[i], NULL, serve, NULL);
    for (long i = 0; i < T; i++) must("thread", -pthread_create(&t[i], NULL, client, (void *)i));
    for (int i = 0; i < T; i++) {
        pthread_join(t[i], &r);
        if (r) fact("a client failed: %s", (char *)r);
        else good++;
    }
    fact("clients that did all %d rounds: %d of %d", ROUNDS, good, T);
    shutdown(l, SHUT_RD);
    good = 0;
    for (int i = 0; i < SERVERS; i++) {
        pthread_join(s[i], &r);
        good += r == NULL;
    }
    fact("servers that ended well: %d of %d", good, SERVERS);
    int f = dup(0);
    fact("no descriptor is left over: %d", f == l + 1);
    return 0;
}
