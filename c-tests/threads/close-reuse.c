/* Threads that open and close sockets, pipes and files all the time, so that each number is at one moment this and at the
 * next that: each thread gets only its own bytes (POSIX: the lowest free number). */
#include "t.h"
#include <sys/eventfd.h>
#include <sys/mman.h>

enum { T = 4, ROUNDS = 60 };

static int l, port;

static int same(int out, int in, long tag, int k) {
    long a[2] = {tag, k}, b[2] = {0, 0};
    if (write(out, a, sizeof a) != (ssize_t)sizeof a) return 0;
    for (size_t n = 0; n < sizeof b;) {
        ssize_t r = read(in, (char *)b + n, sizeof b - n);
        if (r <= 0) return 0;
        n += (size_t)r;
    }
    return a[0] == b[0] && a[1] == b[1];
}

static void *tcp(void *arg) {
    for (int k = 0; k < ROUNDS; k++) {
        int q[2];
        tcp_pair(q);
        int d = dup(q[0]);
        close(q[0]);
        if (!same(d, q[1], (long)arg, k) || !same(q[1], d, (long)arg, -k)) return "TCP";
        close(q[1]);
        close(d);
    }
    return NULL;
}

static void *udp(void *arg) {
    for (int k = 0; k < ROUNDS; k++) {
        int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in n = in4("127.0.0.1", 0);
        if (bind(a, (struct sockaddr *)&n, sizeof n) < 0) return "UDP bind";
        n.sin_port = htons((uint16_t)port_of(a));
        if (connect(b, (struct sockaddr *)&n, sizeof n) < 0) return "UDP connect";
        if (!same(b, a, (long)arg, k)) return "UDP";
        close(a);
        close(b);
    }
    return NULL;
}

static void *other(void *arg) {
    for (int k = 0; k < ROUNDS; k++) {
        int pi[2], un[2], m = memfd_create("m", 0), e = eventfd(0, 0);
        uint64_t v = 7, w = 0;
        if (pipe(pi) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, un) < 0) return "no descriptors";
        if (!same(pi[1], pi[0], (long)arg, k)) return "pipe";
        if (!same(un[1], un[0], (long)arg, k)) return "unix";
        if (write(e, &v, 8) != 8 || read(e, &w, 8) != 8 || w != 7) return "eventfd";
        if (pwrite(m, "mem", 3, 0) != 3 || lseek(m, 0, SEEK_END) != 3) return "memfd";
        if (recv(pi[0], &v, 1, MSG_DONTWAIT) != -1 || errno != ENOTSOCK) return "recv of a pipe";
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (dup2(pi[1], s) != s) return "dup2";
        if (!same(s, pi[0], (long)arg, -k)) return "pipe over a socket";
        int all[] = {s, pi[0], pi[1], un[0], un[1], m, e};
        for (int i = 0; i < 7; i++) close(all[i]);
    }
    return NULL;
}

static void *files(void *unused) {
    (void)unused;
    for (int k = 0; k < ROUNDS; k++) {
        FILE *f = fopen("/proc/self/status", "r");
        char b[16] = "";
        if (!f || !fgets(b, sizeof b, f) || strncmp(b, "Name:", 5)) return "stdio";
        fclose(f);
        int ep = epoll_create1(0), s = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event ev = {.events = EPOLLIN};
        struct sockaddr_in a = in4("127.0.0.1", port);
        if (epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev) < 0 || connect(s, (struct sockaddr *)&a, sizeof a) < 0) return "epoll";
        if (epoll_wait(ep, &ev, 1, 2000) != 1) return "epoll_wait";
        int c = accept(l, NULL, NULL);
        if (c < 0) return "accept";
        close(c);
        close(s);
        close(ep);
    }
    return NULL;
}

int main(void) {
    alarm(9);
    l = listener4(&port, 16);
    static void *(*const jobs[])(void *) = {tcp, udp, other, files, tcp, other, udp};
    enum { N = sizeof jobs / sizeof *jobs };
    pthread_t t[N];
    int good = 0;
    for (long i = 0; i < N; i++) pthread_create(&t[i], NULL, jobs[i], (void *)i);
    for (int i = 0; i < N; i++) {
        void *r;
        pthread_join(t[i], &r);
        if (r) fact("failed: %s", (char *)r);
        else good++;
    }
    fact("threads that met only their own bytes: %d of %d", good, (int)N);
    int f = dup(0);
    fact("no descriptor is left over: %d", f == l + 1);
    return 0;
}
