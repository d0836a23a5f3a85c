/* One child after the other inherits an epoll instance and adds a socket while the parent sleeps in a wait on it: each
 * addition wakes the parent (`man 7 epoll`, `man 2 fork`: the instance is one open file description). */
#include "ready.h"

int main(void) {
    alarm(9);
    int p[2], q[2], go[2], ep = (int)must("epoll_create1", epoll_create1(0));
    tcp_pair(p);
    tcp_pair(q);
    add(ep, q[0], EPOLLIN, 1);
    for (int i = 0; i < 4; i++) {
        must("pipe", pipe(go));
        pid_t parent = getpid(), k = fork();
        char b;
        if (k == 0) {
            alarm(8);
            must("read", read(go[0], &b, 1));
            await_sleep(parent);
            must("add", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLOUT, 10 + (uint64_t)i));
            must("read", read(go[0], &b, 1));
            _exit(0);
        }
        must("write", write(go[1], "x", 1));
        fact("child %d: %s", i, ep_text(ep, 1500));
        must("write", write(go[1], "x", 1));
        reap("child", k);
        res("delete", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
        close(go[0]);
        close(go[1]);
    }
    return 0;
}
