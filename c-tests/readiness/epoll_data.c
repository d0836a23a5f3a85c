/* epoll_event.data is the program's own (`man 2 epoll_ctl`): all 64 bits come back as they were given, whatever they
 * are; numbers, pointers, and two registrations with equal data. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], ep = ep_new();
    tcp_pair(p);
    static const uint64_t odd[] = {0, 1, 0xffffffffffffffffULL, 0x8000000000000000ULL, 0x7fffffffffffffffULL,
        0x00000000ffffffffULL, 0xffffffff00000000ULL,
                                   0xdeadbeefcafebabeULL, 0x0123456789abcdefULL, 0x5a5a5a5a5a5a5a5aULL,
                                       0xfffffffffffffff7ULL};
    int bad = 0, n = 0;
    add(ep, p[0], EPOLLOUT, 77);
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct epoll_event e;
        memset(&e, 0xa5, sizeof e);
        must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLOUT, odd[i]));
        if (epoll_wait(ep, &e, 1, 0) == 1) n++;
        if (e.data.u64 != odd[i]) {
            bad++;
            fact("%#llx came back as %#llx", (unsigned long long)odd[i], (unsigned long long)e.data.u64);
        }
        if (e.events != EPOLLOUT) fact("events %#x", e.events);
    }
    fact("told %d, changed %d", n, bad);

    int x = 5;
    struct epoll_event e = {.events = EPOLLOUT, .data = {.ptr = &x}}, o;
    must("MOD", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    e.data.ptr = NULL;
    res("wait", epoll_wait(ep, &o, 1, 0));
    fact("pointer: %s, value %d", o.data.ptr == &x ? "the same" : "another", *(int *)o.data.ptr);
    memset(&e, 0, sizeof e);
    e.events = EPOLLOUT;
    e.data.fd = p[1];
    must("MOD", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    res("wait", epoll_wait(ep, &o, 1, 0));
    fact("fd: %s", o.data.fd == p[1] ? "the same, although it is another's number" : "another");

    add(ep, p[1], EPOLLOUT, 42);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLOUT, 42));
    fact("equal data twice: %s", ep_text(ep, 0));

    /* The program's struct is not looked at again after epoll_ctl. */
    struct epoll_event *h = malloc(sizeof *h);
    *h = (struct epoll_event){.events = EPOLLIN, .data = {.u64 = 0x1122334455667788ULL}};
    must("MOD", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], h));
    must("DEL", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    memset(h, 0, sizeof *h);
    free(h);
    put(p[0], "x");
    res("wait", epoll_wait(ep, &o, 1, 1000));
    fact("%#llx %s", (unsigned long long)o.data.u64, ev_text(o.events));

    /* Data that looks like flags or like a registration of somebody else, on a pipe, a socket pair and a listener. */
    int q[2], u[2], port, l = listener4(&port, 1);
    must("pipe", pipe(q));
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
    drain(p[1]);
    int fresh = ep_new();
    add(fresh, q[1], EPOLLOUT, 0xfffffffffffffffeULL);
    add(fresh, u[0], EPOLLOUT, 0xffffffff80000000ULL);
    add(fresh, p[0], EPOLLOUT, (uint64_t)EPOLLET << 32 | EPOLLONESHOT);
    add(fresh, l, EPOLLIN, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(l, POLLIN);
    fact("%s", ep_text(fresh, 0));
    return 0;
}
