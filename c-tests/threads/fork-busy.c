/* fork() while other threads are in the middle of socket calls (man 2 fork: only the calling thread lives in the child): the
 * child's sockets work, whatever the others held, and the threads' traffic is not disturbed. */
#include "t.h"

enum { BUSY = 3, FORKS = 25 };

static volatile int stop;
static int p[BUSY + 1][2], l, port;

static void *busy(void *arg) {
    long i = (long)arg, n = 0;
    char b[256], c[256];
    while (!stop) {
        memset(b, (int)n, sizeof b);
        if (send(p[i][0], b, sizeof b, MSG_NOSIGNAL) != (ssize_t)sizeof b) return (void *)1;
        if (recv(p[i][1], c, sizeof c, MSG_WAITALL) != (ssize_t)sizeof c || memcmp(b, c, sizeof b)) return (void *)2;
        if (++n % 16 == 0) {
            /* Sockets that come and go while the table is being copied. */
            int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
            struct sockaddr_in a = in4("127.0.0.1", 0);
            if (s < 0 || u < 0 || bind(u, (struct sockaddr *)&a, sizeof a) < 0) return (void *)3;
            close(s);
            close(u);
            sleep_ms(1);
        }
    }
    return NULL;
}

static void *sleeper(void *unused) {
    (void)unused;
    char b[8];
    ssize_t n = recv(p[BUSY][0], b, sizeof b, 0);
    return (void *)(n == 4 ? 0L : 1L);
}

/* All kinds of calls in the child, and a thread of its own. */
static void *in_child(void *unused) {
    (void)unused;
    int q[2], t = socket(AF_INET, SOCK_STREAM, 0);
    char b[16] = "";
    tcp_pair(q);
    if (write(q[0], "child", 5) != 5 || read(q[1], b, sizeof b) != 5) return (void *)1;
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (connect(t, (struct sockaddr *)&a, sizeof a) < 0) return (void *)2;
    int s = accept(l, NULL, NULL);
    if (s < 0 || write(t, "queue", 5) != 5 || read(s, b, sizeof b) != 5) return (void *)3;
    int ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev) < 0 || write(t, "x", 1) != 1 || epoll_wait(ep, &ev, 1, 1000) != 1)
        return (void *)4;
    return NULL;
}

int main(void) {
    alarm(9);
    l = listener4(&port, 16);
    for (int i = 0; i <= BUSY; i++) tcp_pair(p[i]);
    pthread_t t[BUSY], z;
    for (long i = 0; i < BUSY; i++) pthread_create(&t[i], NULL, busy, (void *)i);
    pthread_create(&z, NULL, sleeper, NULL);
    int good = 0, bad = 0;
    for (int i = 0; i < FORKS; i++) {
        pid_t k = fork();
        if (k == 0) {
            alarm(4);
            pthread_t c;
            void *r;
            if (in_child(NULL)) _exit(1);
            if (i % 5 == 0) {
                pthread_create(&c, NULL, in_child, NULL);
                pthread_join(c, &r);
                if (r) _exit(2);
            }
            /* The descriptors of the threads that are not here are open and can be closed. */
            for (int n = 0; n <= BUSY; n++)
                if (close(p[n][0]) < 0 || close(p[n][1]) < 0) _exit(3);
            if (i % 2) exit(0);
            _exit(0);
        }
        int st;
        waitpid(k, &st, 0);
        if (st == 0) good++;
        else bad = st;
        sleep_ms(2);
    }
    fact("children that did all: %d of %d, last bad status %d", good, FORKS, bad);
    stop = 1;
    for (int i = 0; i < BUSY; i++) {
        void *r;
        pthread_join(t[i], &r);
        fact("busy thread: %s", r ? "failed" : "undisturbed");
    }
    must("write", write(p[BUSY][1], "wake", 4));
    void *r;
    pthread_join(z, &r);
    fact("sleeping thread: %s", r ? "failed" : "undisturbed");
    return 0;
}
