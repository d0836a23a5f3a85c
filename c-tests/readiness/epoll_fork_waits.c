/* An epoll instance that two processes wait on after a fork: what the one is told of and leaves alone, the other, which
 * sleeps, is told of too (man 7 epoll: level-triggered). */
#include "t.h"

enum { ROUNDS = 200 };

int main(void) {
    alarm(9);
    int p[2], go[2], told = 0, ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u32 = 7}}, got[4];
    tcp_pair(p);
    must("pipe", pipe(go));
    must("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    pid_t looks = fork();
    if (looks == 0) {
        alarm(9);
        for (;;) epoll_wait(ep, got, 4, 1);
    }
    pid_t sends = fork();
    if (sends == 0) {
        alarm(9);
        char b;
        close(go[1]);
        while (read(go[0], &b, 1) == 1)
            if (send(p[1], &b, 1, 0) != 1) _exit(1);
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        char b = 0;
        /* Nothing is there for a while. */
        for (int k = 0; k < 10; k++) told -= epoll_wait(ep, got, 4, 0);
        must("go", write(go[1], "x", 1));
        int n = epoll_wait(ep, got, 4, 2000);
        told += n == 1 && got[0].data.u32 == 7;
        if (n == 1) must("recv", recv(p[0], &b, 1, 0));
    }
    fact("told: %d of %d", told, ROUNDS);
    kill(looks, SIGKILL);
    close(go[1]);
    reap("who only looks", looks);
    reap("who sends", sends);
    return 0;
}
