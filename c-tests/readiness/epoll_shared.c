/* An epoll instance that a child inherited is one instance in both processes (`man 7 epoll`: the set of registrations
 * belongs to the open file description; `man 2 fork`, `man 2 execve`): what one adds, modifies, deletes or is told of as
 * an edge or once (EPOLLET, EPOLLONESHOT) is so for the other, also while that one sleeps, and after exec. */
#include "ready.h"

enum { MANY = 200 };
static int up[2], down[2], ep;

/* The child and the parent take turns. */
static void pass(int fd) { must("write", write(fd, "x", 1)); }
static void turn(int fd) { char b; must("read", read(fd, &b, 1)); }
static void yours(void) { pass(down[1]); turn(up[0]); }
static void done(void) { pass(up[1]); turn(down[0]); }

static int count(int in) {
    struct epoll_event e[2 * MANY];
    return epoll_wait(in, e, 2 * MANY, 0);
}

static void child(int p[][2], int *udp) {
    turn(down[0]);
    res("child: modify", ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN | EPOLLOUT, 11));
    done();
    res("child: delete", ctl(ep, EPOLL_CTL_DEL, p[0][0], 0, 0));
    done();
    res("child: add", ctl(ep, EPOLL_CTL_ADD, p[1][0], EPOLLIN | EPOLLONESHOT, 21));
    done();
    fact("child: once told: %s", ep_text(ep, 0));
    res("child: modify to have it told again", ctl(ep, EPOLL_CTL_MOD, p[1][0], EPOLLIN | EPOLLONESHOT, 22));
    done();
    fact("child: told to the parent: %s", ep_text(ep, 0));
    res("child: add for edges", ctl(ep, EPOLL_CTL_ADD, p[2][0], EPOLLIN | EPOLLET, 31));
    await(p[2][0], POLLIN);
    fact("child: an edge: %s", ep_text(ep, 1000));
    done();
    fact("child: the second edge is the parent's: %s", ep_text(ep, 0));
    for (int i = 0; i < MANY; i++) must("add", ctl(ep, EPOLL_CTL_ADD, udp[i], EPOLLOUT, 100 + (uint64_t)i));
    done();
    fact("child: half of them left: %d", count(ep));
    for (int i = 1; i < MANY; i += 2) must("delete", ctl(ep, EPOLL_CTL_DEL, udp[i], 0, 0));
    pid_t k = fork();
    if (k == 0) { res("grandchild: add", ctl(ep, EPOLL_CTL_ADD, p[3][0], EPOLLOUT, 41)); _exit(0); }
    reap("grandchild", k);
    fact("child: %s", ep_text(ep, 0));
    done();
    _exit(0);
}

static pid_t sleeper(int *told) {
    int q[2];
    must("pipe", pipe(q));
    pid_t k = fork();
    if (k == 0) {
        fact("asleep, then: %s", ep_text(ep, 4000));
        pass(q[1]);
        pause();
    }
    *told = q[0];
    await_sleep(k);
    return k;
}

/* After exec: the instance and the sockets have the same numbers. */
static int executed(char **v) {
    int fd = atoi(v[3]);
    ep = atoi(v[2]);
    fact("executed: %s", ep_text(ep, 0));
    res("executed: modify", ctl(ep, EPOLL_CTL_MOD, fd, EPOLLOUT, 72));
    return 0;
}

int main(int c, char **v) {
    alarm(9);
    if (c > 3) return executed(v);
    int p[5][2], udp[MANY];
    for (int i = 0; i < 5; i++) tcp_pair(p[i]);
    for (int i = 0; i < MANY; i++) udp[i] = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("pipe", pipe(up));
    must("pipe", pipe(down));
    ep = (int)must("epoll_create1", epoll_create1(0));
    add(ep, p[0][0], EPOLLIN, 1);
    pid_t k = fork();
    if (k == 0) child(p, udp);

    fact("-- changed by the child");
    yours();
    fact("modified: %s", ep_text(ep, 0));
    yours();
    fact("deleted: %s", ep_text(ep, 0));
    res("delete", ctl(ep, EPOLL_CTL_DEL, p[0][0], 0, 0));
    res("add again", ctl(ep, EPOLL_CTL_ADD, p[0][0], EPOLLIN, 2));
    fact("-- once");
    yours();
    res("add what the child added", ctl(ep, EPOLL_CTL_ADD, p[1][0], EPOLLIN, 23));
    put(p[1][1], "x");
    fact("told: %s", ep_text(ep, 1000));
    yours();
    fact("again: %s", ep_text(ep, 0));
    put(p[2][1], "x");
    fact("-- edges");
    yours();
    fact("the child's edge: %s", ep_text(ep, 0));
    put(p[2][1], "y");
    await(p[2][0], POLLIN);
    fact("a second edge: %s", ep_text(ep, 1000));
    fact("-- many");
    yours();
    fact("all: %d", count(ep));
    for (int i = 0; i < MANY; i += 2) must("delete", ctl(ep, EPOLL_CTL_DEL, udp[i], 0, 0));
    yours();
    fact("left, and the grandchild's: %s", ep_text(ep, 0));
    pass(down[1]);
    reap("child", k);
    fact("after the child: %s", ep_text(ep, 0));
    res("delete the grandchild's", ctl(ep, EPOLL_CTL_DEL, p[3][0], 0, 0));
    drain(p[2][0]);

    fact("-- asleep");
    int told;
    k = sleeper(&told);
    add(ep, p[4][0], EPOLLOUT, 51);
    turn(told);
    res("delete", ctl(ep, EPOLL_CTL_DEL, p[4][0], 0, 0));
    kill(k, SIGKILL);
    reap("sleeper", k);
    add(ep, p[4][0], EPOLLIN, 52);
    k = sleeper(&told);
    must("modify", ctl(ep, EPOLL_CTL_MOD, p[4][0], EPOLLOUT, 53));
    turn(told);
    kill(k, SIGKILL);
    reap("sleeper", k);
    res("delete", ctl(ep, EPOLL_CTL_DEL, p[4][0], 0, 0));

    fact("-- a socket of a child that is killed");
    k = fork();
    if (k == 0) {
        int d[2];
        tcp_pair(d);
        add(ep, d[0], EPOLLIN, 61);
        put(d[1], "x");
        await(d[0], POLLIN);
        pass(up[1]);
        pause();
    }
    turn(up[0]);
    fact("while it lives: %s", ep_text(ep, 1000));
    kill(k, SIGKILL);
    reap("child", k);
    fact("when it is dead: %s", ep_text(ep, 0));

    fact("-- exec");
    add(ep, p[3][0], EPOLLOUT, 71);
    k = fork();
    if (k == 0) {
        char a[12], b[12];
        snprintf(a, sizeof a, "%d", ep);
        snprintf(b, sizeof b, "%d", p[3][0]);
        execl("/proc/self/exe", v[0], "executed", a, b, (char *)0);
        _exit(9);
    }
    reap("executed", k);
    fact("modified by it: %s", ep_text(ep, 0));
    return 0;
}
