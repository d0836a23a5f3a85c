/* Workers wait on one epoll instance that they inherited, each is killed at a point inside the library, again and again:
 * does a request that was sent again after it was registered anew get its answer, and does no call of the others take long?
 *
 *     shared SEED       (scripts/crash-soak.sh starts it, with the library)
 *
 * A worker is this program again: only so has it a point of its own to be killed at.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, SOCKETS = 6, ROUNDS = 150, TRIES = 20, LONG_MS = 500 };
static int instance, near[SOCKETS], far[SOCKETS];
static unsigned seed;

static unsigned chance(unsigned below) {
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static void fail(const char *what) {
    printf("shared: %s\n", what);
    exit(1);
}

static int have_told(int operation, int i) {
    static const uint32_t kinds[] = {EPOLLIN, EPOLLIN | EPOLLONESHOT, EPOLLIN | EPOLLET};
    struct epoll_event e = {.events = kinds[i % 3], .data.u64 = (uint64_t)i};
    return epoll_ctl(instance, operation, near[i], &e);
}

static void work(char **v) {
    instance = atoi(v[1]);
    for (int i = 0; i < SOCKETS; i++) near[i] = atoi(v[2 + i]);
    for (;;) {
        struct epoll_event e;
        if (epoll_wait(instance, &e, 1, -1) != 1) continue;
        int i = (int)e.data.u64;
        char b;
        ssize_t n = recv(near[i], &b, 1, MSG_DONTWAIT);
        if (i % 3 == 1) have_told(EPOLL_CTL_MOD, i);
        if (n == 1) send(near[i], &b, 1, MSG_NOSIGNAL);
    }
}

static pid_t start(void) {
    static const char *points[] = {"board-written", "lock-taken", "consumed", "published"};
    char stop[64], text[1 + SOCKETS][12], *args[3 + SOCKETS] = {"shared"};
    snprintf(stop, sizeof stop, "%s:%u", points[chance(4)], 1 + chance(60));
    pid_t k = fork();
    if (k < 0) fail("fork");
    if (k > 0) return k;
    setenv("SOCKHOP__STOP", stop, 1);
    for (int i = 0; i <= SOCKETS; i++) {
        snprintf(text[i], sizeof text[i], "%d", i ? near[i - 1] : instance);
        args[1 + i] = text[i];
    }
    execv("/proc/self/exe", args);
    _exit(9);
}

static void connect_all(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (struct sockaddr *)&a, length) || listen(l, SOCKETS) || getsockname(l, (struct sockaddr *)&a, &length))
        fail("no listener");
    for (int i = 0; i < SOCKETS; i++) {
        far[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(far[i], (struct sockaddr *)&a, length) || (near[i] = accept(l, NULL, NULL)) < 0) fail("no connection");
        if (have_told(EPOLL_CTL_ADD, i)) fail("no registration");
    }
    close(l);
}

static void replace_the_dead(pid_t *w) {
    for (int i = 0; i < WORKERS; i++)
        if (waitpid(w[i], NULL, WNOHANG) > 0) w[i] = start();
}

static void ask(int i, pid_t *w) {
    for (int tries = 0; tries < TRIES; tries++) {
        char b = 'x';
        struct pollfd p = {far[i], POLLIN, 0};
        send(far[i], &b, 1, MSG_NOSIGNAL);
        if (poll(&p, 1, 150) == 1) {
            while (recv(far[i], &b, 1, MSG_DONTWAIT) > 0) {}
            return;
        }
        /* Whoever was told of it is dead; what it was told of is told again once it is registered anew. */
        long before = now_ms();
        replace_the_dead(w);
        for (int j = 0; j < SOCKETS; j++)
            if (have_told(EPOLL_CTL_MOD, j)) fail("a registration is gone");
        if (now_ms() - before > LONG_MS) fail("a lock of the dead held up a call");
    }
    fail("a request is never answered");
}

int main(int c, char **v) {
    if (c > 2) work(v);
    seed = c > 1 ? (unsigned)atoi(v[1]) : 1;
    alarm(100);
    instance = epoll_create1(0);
    connect_all();
    pid_t w[WORKERS];
    for (int i = 0; i < WORKERS; i++) w[i] = start();
    for (int i = 0; i < ROUNDS; i++) {
        ask((int)chance(SOCKETS), w);
        replace_the_dead(w);
    }
    for (int i = 0; i < WORKERS; i++) kill(w[i], SIGKILL), waitpid(w[i], NULL, 0);
    return 0;
}
