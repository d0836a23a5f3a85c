/* An epoll instance that a child inherited before any socket was registered in it is one instance in both processes all the
 * same (`man 7 epoll`, `man 2 fork`): what one adds wakes the other, also by a duplicate, and can be changed by it. */
#include "ready.h"

static int p[3][2], up[2], tube[2];

static void pass(int fd) { must("write", write(fd, "x", 1)); }
static void turn(int fd) { char b; must("read", read(fd, &b, 1)); }

/* Both processes have `ep`; the child adds by `added` once the parent sleeps in a wait on `waited`. */
static void child_adds(const char *what, int added, int waited, int fd, uint64_t data) {
    int go[2];
    must("pipe", pipe(go));
    pid_t parent = getpid(), k = fork();
    if (k == 0) {
        turn(go[0]);
        await_sleep(parent);
        must("add", ctl(added, EPOLL_CTL_ADD, fd, EPOLLOUT, data));
        turn(go[0]);
        _exit(0);
    }
    pass(go[1]);
    fact("%s: %s", what, ep_text(waited, 4000));
    res("modified by the parent", ctl(waited, EPOLL_CTL_MOD, fd, EPOLLOUT, data + 1));
    fact("then: %s", ep_text(waited, 0));
    pass(go[1]);
    reap("child", k);
    fact("after its end: %s", ep_text(waited, 0));
    res("deleted", ctl(waited, EPOLL_CTL_DEL, fd, 0, 0));
}

int main(void) {
    alarm(9);
    for (int i = 0; i < 3; i++) tcp_pair(p[i]);
    must("pipe", pipe(up));
    must("pipe", pipe(tube));

    fact("-- the parent sleeps");
    int ep = (int)must("epoll_create1", epoll_create1(0));
    add(ep, tube[0], EPOLLIN, 1);
    child_adds("added by the child", ep, ep, p[0][0], 10);
    pass(tube[1]);
    fact("a pipe: %s", ep_text(ep, 1000));
    turn(tube[0]);
    child_adds("a second child", ep, ep, p[0][0], 20);

    fact("-- by a duplicate");
    int other = (int)must("epoll_create1", epoll_create1(0)), twin = dup(other);
    child_adds("added by the duplicate", twin, other, p[1][0], 30);

    fact("-- the child sleeps");
    ep = (int)must("epoll_create1", epoll_create1(0));
    pid_t k = fork();
    if (k == 0) {
        fact("child: %s", ep_text(ep, 4000));
        pass(up[1]);
        pause();
    }
    await_sleep(k);
    add(ep, p[2][0], EPOLLOUT, 40);
    turn(up[0]);
    kill(k, SIGKILL);
    reap("child", k);

    fact("-- nobody waits");
    ep = (int)must("epoll_create1", epoll_create1(0));
    k = fork();
    if (k == 0) {
        must("add", ctl(ep, EPOLL_CTL_ADD, p[2][0], EPOLLIN, 50));
        _exit(0);
    }
    reap("child", k);
    res("added already", ctl(ep, EPOLL_CTL_ADD, p[2][0], EPOLLIN, 51));
    res("deleted", ctl(ep, EPOLL_CTL_DEL, p[2][0], 0, 0));
    res("once more", ctl(ep, EPOLL_CTL_DEL, p[2][0], 0, 0));
    return 0;
}
