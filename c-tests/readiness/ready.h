/* Small steps that the readiness tests share. */
#ifndef READY_H
#define READY_H
#include "t.h"

__attribute__((unused)) static void nonblock(int fd) { must("O_NONBLOCK", fcntl(fd, F_SETFL, fcntl(fd,
    F_GETFL) | O_NONBLOCK)); }

/* Epoll events as text ("IN OUT HUP"). */
__attribute__((unused)) static const char *ev_text(uint32_t e) {
    static __thread char out[8][120];
    static __thread int turn;
    char *o = out[turn++ & 7];
    static const struct { uint32_t bit; const char *name; } t[] = {
        {EPOLLIN, "IN"}, {EPOLLPRI, "PRI"}, {EPOLLOUT, "OUT"}, {EPOLLRDNORM, "RDNORM"}, {EPOLLRDBAND, "RDBAND"},
            {EPOLLWRNORM, "WRNORM"},
        {EPOLLWRBAND, "WRBAND"}, {EPOLLMSG, "MSG"}, {EPOLLRDHUP, "RDHUP"}, {EPOLLERR, "ERR"}, {EPOLLHUP, "HUP"}};
    o[0] = 0;
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++)
        if (e & t[i].bit) { if (o[0]) strcat(o, " "); strcat(o, t[i].name); }
    if (!o[0]) strcpy(o, "none");
    return o;
}

__attribute__((unused)) static int ep_new(void) { return (int)must("epoll_create1", epoll_create1(EPOLL_CLOEXEC)); }

/* epoll_ctl with data.u64; the result as -1 and errno. */
__attribute__((unused)) static int ctl(int ep, int op, int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {.events = events, .data = {.u64 = data}};
    return epoll_ctl(ep, op, fd, &e);
}
__attribute__((unused)) static void add(int ep, int fd, uint32_t events,
    uint64_t data) { must("EPOLL_CTL_ADD", ctl(ep, EPOLL_CTL_ADD, fd, events, data)); }

/* What epoll_wait gives within ms: "1: [7 IN]", sorted by data so that the order does not matter. */
__attribute__((unused)) static const char *ep_text(int ep, int ms) {
    static __thread char out[4][600];
    static __thread int turn;
    char *o = out[turn++ & 3];
    struct epoll_event e[32];
    int n = epoll_wait(ep, e, 32, ms);
    if (n < 0) { snprintf(o, 600, "-1 %s", ename(errno)); return o; }
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && e[j].data.u64 < e[j - 1].data.u64; j--) { struct epoll_event x = e[j]; e[j] = e[j - 1];
            e[j - 1] = x; }
    snprintf(o, 600, "%d", n);
    for (int i = 0; i < n; i++) snprintf(o + strlen(o), 600 - strlen(o), " [%llu %s]",
        (unsigned long long)e[i].data.u64, ev_text(e[i].events));
    return o;
}

/* Waits, two seconds at the most, until the descriptor shows one of the events (or an error or a hang-up). */
__attribute__((unused)) static void await(int fd, short events) {
    struct pollfd p = {fd, events, 0};
    if (poll(&p, 1, 2000) == 0) fact("await: nothing within 2 s");
}

__attribute__((unused)) static void put(int fd, const char *s) { must("send", send(fd, s, strlen(s), MSG_NOSIGNAL)); }

/* Reads all that is there without waiting; how many bytes. */
__attribute__((unused)) static long drain(int fd) {
    static __thread char b[65536];
    long sum = 0;
    ssize_t r;
    while ((r = recv(fd, b, sizeof b, MSG_DONTWAIT)) > 0) sum += r;
    return sum;
}

/* Sends until EAGAIN; how many bytes. */
__attribute__((unused)) static long fill(int fd) {
    static __thread char b[65536];
    long sum = 0;
    ssize_t r;
    while ((r = send(fd, b, sizeof b, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) sum += r;
    return sum;
}

/* Fills until it stays full (what the peer's side takes over makes room again for a moment). */
__attribute__((unused)) static long fill_up(int fd) {
    long sum = 0, r;
    for (int quiet = 0; quiet < 3;) {
        r = fill(fd);
        sum += r;
        if (r) quiet = 0; else quiet++;
        sleep_ms(10);
    }
    return sum;
}

/* select's view: which of the three sets the descriptor is in ("r w x"). */
__attribute__((unused)) static const char *sel_text(int fd, int ms) {
    static __thread char out[4][32];
    static __thread int turn;
    char *o = out[turn++ & 3];
    fd_set r, w, x;
    FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&x);
    FD_SET(fd, &r); FD_SET(fd, &w); FD_SET(fd, &x);
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    int n = select(fd + 1, &r, &w, &x, &tv);
    if (n < 0) { snprintf(o, 32, "-1 %s", ename(errno)); return o; }
    snprintf(o, 32, "%d:%s%s%s", n, FD_ISSET(fd, &r) ? " r" : "", FD_ISSET(fd, &w) ? " w" : "",
        FD_ISSET(fd, &x) ? " x" : "");
    return o;
}
#endif
