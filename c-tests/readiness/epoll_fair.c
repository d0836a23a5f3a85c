/* More descriptors ready than maxevents (`man 2 epoll_wait`, "round robin"): every one is told of within as many
 * waits as it takes, none starves; each once before any twice. */
#include "ready.h"

enum { N = 12 };

int main(void) {
    alarm(8);
    int p[N][2], ep = ep_new();
    for (int i = 0; i < N; i++) {
        tcp_pair(p[i]);
        add(ep, p[i][0], EPOLLIN, (uint64_t)i);
        put(p[i][1], "x");
    }
    for (int i = 0; i < N; i++) await(p[i][0], POLLIN);
    for (int round = 0; round < 3; round++) {
        int seen[N] = {0}, bad = 0, n = 0;
        for (int w = 0; w < N / 4; w++) {
            struct epoll_event e[4];
            int r = epoll_wait(ep, e, 4, 0);
            if (r != 4) bad++;
            for (int i = 0; i < r; i++) { seen[e[i].data.u64]++; n++; }
        }
        for (int i = 0; i < N; i++) if (seen[i] != 1) bad++;
        fact("round %d, level, 4 at a time: %d events, not exactly once: %d", round, n, bad);
    }
    int seen[N] = {0}, twice = 0;
    for (int w = 0; w < N; w++) {
        struct epoll_event e;
        if (epoll_wait(ep, &e, 1, 0) == 1 && seen[e.data.u64]++) twice++;
    }
    fact("level, one at a time, told twice before all were told: %d", twice);

    /* A busy one does not hide the others: the first is refilled at once, the rest still get their turn. */
    memset(seen, 0, sizeof seen);
    for (int w = 0; w < 2 * N; w++) {
        struct epoll_event e;
        if (epoll_wait(ep, &e, 1, 0) != 1) break;
        int i = (int)e.data.u64;
        seen[i]++;
        if (i == 0) { drain(p[0][0]); put(p[0][1], "again"); await(p[0][0], POLLIN); }
    }
    int starved = 0;
    for (int i = 0; i < N; i++) starved += seen[i] == 0;
    fact("with one busy: starved %d", starved);

    /* Edge: each once and no more. */
    int ed = ep_new();
    for (int i = 0; i < N; i++) add(ed, p[i][0], EPOLLIN | EPOLLET, (uint64_t)i);
    memset(seen, 0, sizeof seen);
    int n = 0, r;
    struct epoll_event e[5];
    while ((r = epoll_wait(ed, e, 5, 0)) > 0)
        for (int i = 0; i < r; i++) { seen[e[i].data.u64]++; n++; }
    int once = 0;
    for (int i = 0; i < N; i++) once += seen[i] == 1;
    fact("edge, 5 at a time: events %d, exactly once %d", n, once);

    /* Those that are told in one wait and no longer ready in the next are left out. */
    for (int i = 0; i < N; i += 2) drain(p[i][0]);
    struct epoll_event all[N + 4];
    r = epoll_wait(ep, all, N + 4, 0);
    int odd = 0;
    for (int i = 0; i < r; i++) odd += all[i].data.u64 % 2 == 1;
    fact("half of them read: %d, odd ones %d", r, odd);
    return 0;
}
