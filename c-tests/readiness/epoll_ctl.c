/* Creating an epoll instance and the errors of epoll_ctl (`man 2 epoll_create`, `man 2 epoll_ctl`). */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], q[2];
    ok("epoll_create 1", epoll_create(1));
    volatile int n0 = 0, minus = -1;
    res("epoll_create 0", epoll_create(n0));
    res("epoll_create -1", epoll_create(minus));
    int ep = (int)ok("epoll_create1 0", epoll_create1(0));
    fact("close-on-exec: %d", fcntl(ep, F_GETFD) & FD_CLOEXEC);
    int ec = (int)ok("epoll_create1 EPOLL_CLOEXEC", epoll_create1(EPOLL_CLOEXEC));
    fact("close-on-exec: %d", fcntl(ec, F_GETFD) & FD_CLOEXEC);
    res("epoll_create1 with another flag", epoll_create1(1));
    res("epoll_create1 O_NONBLOCK", epoll_create1(O_NONBLOCK));

    tcp_pair(p);
    must("pipe", pipe(q));
    res("add", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("add again", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLOUT, 2));
    res("modify what is not there", ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN, 1));
    res("delete what is not there", ctl(ep, EPOLL_CTL_DEL, p[1], 0, 0));
    res("modify", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLOUT, 3));
    res("delete with no event", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    res("delete again", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    res("add with no event", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL));
    res("add with a bad event", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (struct epoll_event *)8));
    res("delete with a bad event", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], (struct epoll_event *)8));
    res("operation 4", ctl(ep, 4, p[0], EPOLLIN, 1));
    res("operation 0", ctl(ep, 0, p[0], EPOLLIN, 1));
    res("operation 4 with no event", epoll_ctl(ep, 4, p[0], NULL));

    int closed = dup(p[0]);
    close(closed);
    res("add a closed descriptor", ctl(ep, EPOLL_CTL_ADD, closed, EPOLLIN, 1));
    res("add -1", ctl(ep, EPOLL_CTL_ADD, -1, EPOLLIN, 1));
    res("to a closed instance", ctl(closed, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("to instance -1", ctl(-1, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("to a socket as instance", ctl(p[1], EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("to a pipe as instance", ctl(q[0], EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("to a socket as instance, itself", ctl(p[0], EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    res("add the instance to itself", ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
    FILE *t = tmpfile();
    int dir = open("/", O_RDONLY), null = open("/dev/null", O_RDWR), path = open("/", O_PATH);
    res("add a regular file", ctl(ep, EPOLL_CTL_ADD, fileno(t), EPOLLIN, 1));
    res("delete a regular file", ctl(ep, EPOLL_CTL_DEL, fileno(t), EPOLLIN, 1));
    res("add a directory", ctl(ep, EPOLL_CTL_ADD, dir, EPOLLIN, 1));
    res("add /dev/null", ctl(ep, EPOLL_CTL_ADD, null, EPOLLIN, 1));
    res("add an O_PATH descriptor", ctl(ep, EPOLL_CTL_ADD, path, EPOLLIN, 1));

    /* Any bits are taken as events; those that mean nothing never come. */
    res("add with events 0", ctl(ep, EPOLL_CTL_ADD, p[0], 0, 1));
    res("modify with all 16 low bits", ctl(ep, EPOLL_CTL_MOD, p[0], 0xffff, 1));
    fact("wait: %s", ep_text(ep, 0));
    res("modify with EPOLLWAKEUP", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLWAKEUP, 1));
    res("add a pipe", ctl(ep, EPOLL_CTL_ADD, q[1], EPOLLOUT, 2));
    fact("wait: %s", ep_text(ep, 0));

    /* Loops and depth. */
    int e[8];
    for (int i = 0; i < 8; i++) e[i] = ep_new();
    res("one in another", ctl(e[0], EPOLL_CTL_ADD, e[1], EPOLLIN, 1));
    res("the other way round", ctl(e[1], EPOLL_CTL_ADD, e[0], EPOLLIN, 1));
    res("1 > 2", ctl(e[1], EPOLL_CTL_ADD, e[2], EPOLLIN, 1));
    res("2 > 0 closes the circle", ctl(e[2], EPOLL_CTL_ADD, e[0], EPOLLIN, 1));
    for (int i = 2; i < 7; i++) {
        char l[32];
        snprintf(l, sizeof l, "%d > %d", i, i + 1);
        res(l, ctl(e[i], EPOLL_CTL_ADD, e[i + 1], EPOLLIN, 1));
    }

    /* What an instance is otherwise. */
    char b[8];
    res("read of an instance", read(ep, b, 8));
    res("write to an instance", write(ep, b, 8));
    res("send to an instance", send(ep, b, 8, 0));
    struct stat st;
    res("fstat", fstat(ep, &st));
    res("O_NONBLOCK", fcntl(ep, F_SETFL, O_NONBLOCK));
    res("lseek", lseek(ep, 0, SEEK_CUR) < 0 ? -1 : 0);
    return 0;
}
