/* The set of an epoll instance changed by one thread while another waits on it (`man 2 epoll_wait`: "adding a file
 * descriptor to an epoll instance while another thread waits"): added and ready, made ready by MOD, removed, and a
 * close of what is being waited for. */
#include "ready.h"

static int ep;
struct got { int n; uint64_t data; uint32_t ev; long ms; };
static struct got g;
static void *waiter(void *v) {
    struct epoll_event e = {0, {0}};
    long t = now_ms();
    g.n = epoll_wait(ep, &e, 1, (int)(intptr_t)v);
    g.data = e.data.u64;
    g.ev = e.events;
    g.ms = now_ms() - t;
    return NULL;
}
static pthread_t th;
static void start(int ms) { pthread_create(&th, NULL, waiter, (void *)(intptr_t)ms); sleep_ms(60); }
static void end(const char *label, long limit) {
    pthread_join(th, NULL);
    if (g.n == 1) fact("%s: 1 [%llu %s], below %ld ms: %s", label, (unsigned long long)g.data, ev_text(g.ev), limit,
        g.ms < limit ? "yes" : "no");
    else fact("%s: %d", label, g.n);
}

int main(void) {
    alarm(8);
    int p[2], q[2];
    ep = ep_new();
    tcp_pair(p);
    tcp_pair(q);
    put(p[1], "x");
    await(p[0], POLLIN);

    start(2000);
    add(ep, p[0], EPOLLIN, 1);
    end("added, ready", 1500);
    drain(p[0]);

    start(2000);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLOUT, 2));
    end("OUT added by MOD", 1500);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 3));

    start(2000);
    add(ep, q[0], EPOLLIN | EPOLLET, 4);
    put(q[1], "x");
    end("added, then ready", 1500);
    drain(q[0]);

    start(250);
    must("DEL", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
    put(p[1], "y");
    end("removed, then ready", 1500);
    drain(p[0]);

    start(250);
    close(q[0]);
    sleep_ms(10);
    end("closed while waited for", 1500);
    close(q[1]);

    /* Nothing registered at all when the wait begins. */
    start(2000);
    put(p[1], "z");
    add(ep, p[0], EPOLLIN, 5);
    end("into an empty instance", 1500);
    drain(p[0]);

    start(2000);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], 0, 6));
    struct linger lg = {1, 0};
    setsockopt(p[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(p[1]);
    end("registered for nothing, reset", 1500);
    close(p[0]);

    /* The number gets a new socket while a thread waits. */
    tcp_pair(p);
    add(ep, p[0], EPOLLIN, 7);
    start(2000);
    tcp_pair(q);
    must("dup2", dup2(q[0], p[0]));
    close(q[0]);
    close(p[1]);
    p[1] = q[1];
    put(p[1], "n");
    await(p[0], POLLIN);
    add(ep, p[0], EPOLLIN, 8);
    end("the new one under the old number", 1500);

    /* One-shot armed again from another thread. */
    drain(p[0]);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 9));
    put(p[1], "o");
    fact("one-shot: %s", ep_text(ep, 1000));
    start(2000);
    must("MOD", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 10));
    end("armed again with data there", 1500);
    return 0;
}
