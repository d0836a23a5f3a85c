/* The arguments of epoll_wait (`man 2 epoll_wait`): maxevents, pointers, descriptors that are no instance, times;
 * what the array looks like behind the last event. */
#include "ready.h"
#include <sys/mman.h>

int main(void) {
    alarm(8);
    int p[2], ep = ep_new();
    volatile int minus = -1, huge = 0x7fffffff; /* volatile: the compiler would warn */
    tcp_pair(p);
    struct epoll_event e[4];
    memset(e, 0x5a, sizeof e);
    res("nothing registered, time 0", epoll_wait(ep, e, 4, 0));
    res("nothing registered, 30 ms", epoll_wait(ep, e, 4, 30));
    res("maxevents 0", epoll_wait(ep, e, 0, 0));
    res("maxevents -1", epoll_wait(ep, e, minus, 0));
    res("maxevents too large", epoll_wait(ep, e, huge, 0));
    struct epoll_event *volatile bad = (struct epoll_event *)8;
    res("bad pointer, nothing ready", epoll_wait(ep, bad, 1, 0));
    struct epoll_event *volatile kern = (struct epoll_event *)0xffff800000000000UL;
    res("kernel address, nothing ready", epoll_wait(ep, kern, 1, 0));
    res("no instance: closed", epoll_wait(-1, e, 1, 0));
    res("no instance: a socket", epoll_wait(p[0], e, 1, 0));
    res("no instance: a socket, maxevents 0", epoll_wait(p[0], e, 0, 0));
    res("no instance: standard output", epoll_wait(1, e, 1, 0));

    add(ep, p[0], EPOLLOUT, 7);
    add(ep, p[1], EPOLLOUT, 8);
    res("bad pointer, something ready", epoll_wait(ep, bad, 1, 0));
    fact("the event was not lost: %s", ep_text(ep, 0));
    void *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    res("read-only memory", epoll_wait(ep, ro, 4, 0));
    res("maxevents 1", epoll_wait(ep, e, 1, 0));
    fact("the second entry is untouched: %s",
         e[1].events == 0x5a5a5a5a && e[1].data.u64 == 0x5a5a5a5a5a5a5a5aULL ? "yes" : "no");
    long t = now_ms();
    res("something ready, long time", epoll_wait(ep, e, 4, 2000));
    fact("at once: %s", now_ms() - t < 1000 ? "yes" : "no");
    fact("size of struct epoll_event: %zu", sizeof(struct epoll_event));

    /* The array ends where the memory does: one event fits, two do not. */
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(m + 4096, 4096, PROT_NONE);
    struct epoll_event *edge = (struct epoll_event *)(void *)(m + 4096 - sizeof *edge);
    res("room for one of two", epoll_wait(ep, edge, 2, 0));
    fact("event %s", ev_text(edge->events));

    /* A dup of the instance is the same instance, closing one leaves the other. */
    int d = dup(ep);
    res("wait by a dup", epoll_wait(d, e, 4, 0));
    close(ep);
    res("wait by the dup after the first was closed", epoll_wait(d, e, 4, 0));
    res("delete by the dup", ctl(d, EPOLL_CTL_DEL, p[0], 0, 0));
    fact("wait: %s", ep_text(d, 0));

    /* The time -1 and a time that is negative otherwise. */
    res("delete", ctl(d, EPOLL_CTL_DEL, p[1], 0, 0));
    add(d, p[0], EPOLLIN, 9);
    pid_t k = fork();
    if (k == 0) { sleep_ms(60); put(p[1], "x"); _exit(0); }
    fact("wait -1: %s", ep_text(d, -1));
    reap("child", k);
    drain(p[0]);
    k = fork();
    if (k == 0) { sleep_ms(60); put(p[1], "x"); _exit(0); }
    fact("wait -5: %s", ep_text(d, -5));
    reap("child", k);
    return 0;
}
