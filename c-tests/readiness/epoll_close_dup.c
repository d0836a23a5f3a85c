/* A registration belongs to the pair of number and open description (`man 7 epoll`, Q&A): it goes when the last
 * descriptor of the description is closed, not before; while a dup is open it still reports; the number may mean
 * something else by then. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], ep = ep_new();
    tcp_pair(p);

    fact("-- closed: gone by itself");
    add(ep, p[0], EPOLLIN, 1);
    put(p[1], "x");
    fact("before: %s", ep_text(ep, 1000));
    close(p[0]);
    fact("after: %s", ep_text(ep, 0));
    res("delete", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    close(p[1]);

    fact("-- closed while a dup is open");
    int o[2];
    tcp_pair(p);
    tcp_pair(o);
    int d = dup(p[0]), number = p[0];
    add(ep, p[0], EPOLLIN, 2);
    close(p[0]);
    put(p[1], "x");
    fact("still reported: %s", ep_text(ep, 1000));
    res("delete by the closed number", ctl(ep, EPOLL_CTL_DEL, number, 0, 0));
    res("delete by the dup", ctl(ep, EPOLL_CTL_DEL, d, 0, 0));
    res("modify by the dup", ctl(ep, EPOLL_CTL_MOD, d, EPOLLIN, 9));
    res("add the dup", ctl(ep, EPOLL_CTL_ADD, d, EPOLLIN, 3));
    fact("both: %s", ep_text(ep, 0));

    fact("-- the number used again by another socket");
    must("dup2", dup2(o[0], number));
    close(o[0]);
    int other = number, far = o[1];
    res("delete of the number: another description", ctl(ep, EPOLL_CTL_DEL, other, 0, 0));
    res("add of the number", ctl(ep, EPOLL_CTL_ADD, other, EPOLLIN, 4));
    put(far, "y");
    await(other, POLLIN);
    fact("old, dup and new: %s", ep_text(ep, 1000));
    close(d);
    fact("last of the old closed: %s", ep_text(ep, 0));
    close(p[1]);

    fact("-- put back by dup2: the old registration can be reached again");
    tcp_pair(p);
    add(ep, p[0], EPOLLIN, 5);
    d = dup(p[0]);
    number = p[0];
    close(p[0]);
    fact("dup2 to the number: %s", dup2(d, number) == number ? "yes" : "no");
    put(p[1], "z");
    await(d, POLLIN);
    fact("wait: %s", ep_text(ep, 1000));
    res("modify", ctl(ep, EPOLL_CTL_MOD, number, EPOLLIN, 6));
    fact("wait: %s", ep_text(ep, 0));
    res("delete", ctl(ep, EPOLL_CTL_DEL, number, 0, 0));
    fact("wait: %s", ep_text(ep, 0));
    close(d);

    fact("-- one socket under two numbers with different data and events");
    d = dup(p[0]);
    res("add the first", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 7));
    res("add the dup", ctl(ep, EPOLL_CTL_ADD, d, EPOLLIN | EPOLLOUT, 8));
    fact("wait: %s", ep_text(ep, 0));
    close(d);
    fact("the dup closed, still there: %s", ep_text(ep, 0));
    fact("dup to the same number again: %s", dup(p[0]) == d ? "yes" : "no");
    res("delete it", ctl(ep, EPOLL_CTL_DEL, d, 0, 0));
    fact("wait: %s", ep_text(ep, 0));

    fact("-- dup2 over a registered number closes it");
    int s = socket(AF_INET, SOCK_STREAM, 0);
    close(d);
    dup2(s, p[0]);
    fact("wait: %s", ep_text(ep, 0));
    res("modify the number", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 1));

    fact("-- held open by a child");
    tcp_pair(o);
    add(ep, o[0], EPOLLIN, 10);
    int q[2];
    must("pipe", pipe(q));
    pid_t k = fork();
    if (k == 0) { char b; close(q[1]); close(o[1]); if (read(q[0], &b, 1) < 0) _exit(1); _exit(0); }
    close(o[0]);
    put(o[1], "x");
    fact("closed here, open in the child: %s", ep_text(ep, 1000));
    close(q[1]);
    reap("child", k);
    fact("the child has ended: %s", ep_text(ep, 0));
    return 0;
}
