// limit: 20
/* Several processes sleep on one socket, each in a call of its own kind, and now and then one of them is killed in the
 * middle of it: each request wakes one that answers (`man 2 recv`, `man 2 poll`, `man 7 epoll`). No wake-up is lost. */
#include "t.h"

#include "seeded.h"

enum { WORKERS = 4, ROUNDS = 1500 };

/* Answers each byte by itself; how it waits differs. */
static void work(int fd, int how) {
    char b;
    int ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN | (how == 3 ? EPOLLET : 0)};
    if (how >= 2) epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (how == 1) poll(&p, 1, -1);
        if (how >= 2) epoll_wait(ep, &e, 1, -1);
        while (recv(fd, &b, 1, how ? MSG_DONTWAIT : 0) == 1)
            if (send(fd, &b, 1, MSG_NOSIGNAL) != 1) _exit(1);
        if (how == 0) continue;
    }
}

static pid_t start(int fd, int how) {
    pid_t k = (pid_t)must("fork", fork());
    if (k == 0) work(fd, how);
    return k;
}

static void run(const char *what, int held, int far) {
    pid_t w[WORKERS];
    for (int i = 0; i < WORKERS; i++) w[i] = start(held, i);
    int answered = 0, late = 0;
    for (int i = 0; i < ROUNDS && late == 0; i++) {
        int came = request(far, (char)i);
        answered += came == 1;
        late += came < 0;
        int gone = disturb(w, WORKERS);
        if (gone >= 0) w[gone] = start(held, gone);
    }
    for (int i = 0; i < WORKERS; i++) kill(w[i], SIGKILL), waitpid(w[i], NULL, 0);
    fact("%s: %s", what, answered == ROUNDS ? "each request was answered" : "a request was not answered");
}

int main(void) {
    alarm(18);
    sow();
    int p[2];
    tcp_pair(p);
    run("TCP", p[0], p[1]);
    return 0;
}
