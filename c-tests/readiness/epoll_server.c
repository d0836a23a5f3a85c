/* An echo server as event-driven programs write it (`man 7 epoll`, example): non-blocking, edge-triggered, accept4
 * until EAGAIN, read until EAGAIN, what does not fit is kept until EPOLLOUT; 20 clients in another process send more
 * than the buffers hold. */
#include "ready.h"

enum { CLIENTS = 20, BYTES = 600000 };

struct conn { int fd, eof; char *buf; size_t have, off; };

/* Moves bytes until neither direction goes on; 1 when the connection is finished, -1 on an error. */
static int pump(struct conn *c) {
    for (;;) {
        if (c->have == c->off) {
            c->have = c->off = 0;
            if (c->eof) return 1;
            ssize_t r = read(c->fd, c->buf, 16384);
            if (r < 0) return errno == EAGAIN ? 0 : -1;
            if (r == 0) c->eof = 1;
            else c->have = (size_t)r;
            continue;
        }
        ssize_t w = send(c->fd, c->buf + c->off, c->have - c->off, MSG_NOSIGNAL);
        if (w < 0) return errno == EAGAIN ? 0 : -1;
        c->off += (size_t)w;
    }
}

static int server(int l) {
    int ep = ep_new(), done = 0;
    static struct conn c[CLIENTS];
    int n = 0;
    nonblock(l);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data = {.ptr = NULL}}, got[8];
    must("add", epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
    while (done < CLIENTS) {
        int k = epoll_wait(ep, got, 8, 5000);
        if (k <= 0) return 2;
        for (int i = 0; i < k; i++) {
            if (!got[i].data.ptr) {
                for (;;) {
                    int s = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                    if (s < 0) { if (errno != EAGAIN) return 3; break; }
                    c[n] = (struct conn){s, 0, malloc(16384), 0, 0};
                    e = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                        .data = {.ptr = &c[n++]}};
                    must("add", epoll_ctl(ep, EPOLL_CTL_ADD, s, &e));
                }
                continue;
            }
            struct conn *x = got[i].data.ptr;
            if (x->fd < 0) continue;
            int r = pump(x);
            if (r < 0) return 4;
            if (r == 1) { close(x->fd); x->fd = -1; free(x->buf); done++; }
        }
    }
    return 0;
}

static unsigned char at(int k, size_t i) { return (unsigned char)(i * 31 + (i >> 8) * 7 + (size_t)k * 17); }

int main(void) {
    alarm(9);
    int port, l = listener4(&port, 64);
    pid_t pid = fork();
    if (pid == 0) _exit(server(l));
    close(l);
    static int c[CLIENTS];
    static size_t sent[CLIENTS], back[CLIENTS];
    static unsigned char b[40000];
    long wrong = 0;
    int open = CLIENTS;
    struct sockaddr_in a = in4("127.0.0.1", port);
    struct pollfd f[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        must("connect", connect(c[i], (struct sockaddr *)&a, sizeof a));
        f[i] = (struct pollfd){c[i], POLLIN | POLLOUT, 0};
    }
    while (open) {
        if (poll(f, CLIENTS, 5000) <= 0) { fact("stuck"); break; }
        for (int i = 0; i < CLIENTS; i++) {
            if (f[i].fd < 0) continue;
            if (f[i].revents & POLLOUT && sent[i] < BYTES) {
                size_t n = BYTES - sent[i] < sizeof b ? BYTES - sent[i] : sizeof b;
                for (size_t k = 0; k < n; k++) b[k] = at(i, sent[i] + k);
                ssize_t w = send(c[i], b, n, MSG_DONTWAIT);
                if (w > 0) sent[i] += (size_t)w;
                if (sent[i] == BYTES) { shutdown(c[i], SHUT_WR); f[i].events = POLLIN; }
            }
            if (f[i].revents & (POLLIN | POLLHUP | POLLERR)) {
                ssize_t r = recv(c[i], b, sizeof b, MSG_DONTWAIT);
                for (ssize_t k = 0; k < r; k++, back[i]++) wrong += b[k] != at(i, back[i]);
                if (r == 0) { f[i].fd = -1; open--; }
                if (r < 0 && errno != EAGAIN) { fact("client: %s", ename(errno)); f[i].fd = -1; open--; }
            }
        }
    }
    size_t sum = 0;
    for (int i = 0; i < CLIENTS; i++) sum += back[i];
    fact("echoed %zu of %zu, wrong bytes %ld", sum, (size_t)CLIENTS * BYTES, wrong);
    reap("server", pid);
    return 0;
}
