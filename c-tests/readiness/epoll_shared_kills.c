// limit: 20
/* Several processes wait on one inherited instance, each request is told to one of them and answered, whichever of them
 * is killed in between: EPOLLONESHOT and EPOLLET belong to the instance (`man 7 epoll`), and who waits is woken. */
#include "ready.h"

#include "seeded.h"

enum { WORKERS = 4, SOCKETS = 6, ROUNDS = 1200 };
static int ep, pairs[SOCKETS][2];
static uint32_t kind(int i) { return i % 3 == 0 ? EPOLLIN : i % 3 == 1 ? EPOLLIN | EPOLLONESHOT : EPOLLIN | EPOLLET; }

static void work(void) {
    struct epoll_event e;
    for (;;) {
        if (epoll_wait(ep, &e, 1, -1) != 1) continue;
        int i = (int)e.data.u64, fd = pairs[i][0];
        char b;
        ssize_t n = recv(fd, &b, 1, MSG_DONTWAIT);
        /* Before the answer: whoever is killed after it has left nothing undone. */
        if (kind(i) & EPOLLONESHOT) ctl(ep, EPOLL_CTL_MOD, fd, kind(i), (uint64_t)i);
        if (n == 1) send(fd, &b, 1, MSG_NOSIGNAL);
    }
}

static pid_t start(void) {
    pid_t k = (pid_t)must("fork", fork());
    if (k == 0) work();
    return k;
}

int main(void) {
    alarm(18);
    sow();
    ep = ep_new();
    for (int i = 0; i < SOCKETS; i++) {
        tcp_pair(pairs[i]);
        add(ep, pairs[i][0], kind(i), (uint64_t)i);
    }
    pid_t w[WORKERS];
    for (int i = 0; i < WORKERS; i++) w[i] = start();
    int answered = 0, late = 0, changed = 0;
    for (int i = 0; i < ROUNDS && late == 0; i++) {
        int n = (int)some(SOCKETS);
        if (some(30) == 0) {
            /* Taken out and put back under the workers. */
            changed += ctl(ep, EPOLL_CTL_DEL, pairs[n][0], 0, 0) == 0;
            changed += ctl(ep, EPOLL_CTL_ADD, pairs[n][0], kind(n), (uint64_t)n) == 0;
        } else changed += 2;
        int came = request(pairs[n][1], (char)i);
        answered += came == 1;
        late += came < 0;
        int gone = disturb(w, WORKERS);
        if (gone >= 0) w[gone] = start();
    }
    for (int i = 0; i < WORKERS; i++) kill(w[i], SIGKILL), waitpid(w[i], NULL, 0);
    fact("%s", answered == ROUNDS ? "each request was answered once" : "a request was not answered");
    fact("%s", changed == 2 * ROUNDS ? "each registration was there" : "a registration was not there");
    return 0;
}
