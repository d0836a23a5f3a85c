/* Prefork servers whose workers wait in epoll_wait() for one non-blocking listener, each with an epoll instance of its own
 * (man 7 epoll, EPOLLEXCLUSIVE; man 2 accept: EAGAIN for those that come too late). */
#include "t.h"

static int l, port;

static void worker(uint32_t events) {
    alarm(8);
    int ep = epoll_create1(EPOLL_CLOEXEC), held = 0;
    struct epoll_event ev = {.events = events, .data = {.fd = l}}, got[8];
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev) < 0) _exit(2);
    for (;;) {
        int n = epoll_wait(ep, got, 8, -1);
        if (n < 0) _exit(3);
        for (int i = 0; i < n; i++) {
            if (got[i].data.fd == l) {
                int c = accept4(l, NULL, NULL, SOCK_NONBLOCK);
                if (c < 0 && errno == EAGAIN) continue;
                if (c < 0) _exit(4);
                ev = (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = c}};
                if (epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev) < 0) _exit(5);
                held++;
                continue;
            }
            char b[128];
            int c = got[i].data.fd;
            ssize_t r = read(c, b, sizeof b);
            if (r > 0 && b[0] == 'Q') _exit(held > 0 ? 0 : 6);
            if (r <= 0) close(c);
            else if (write(c, b, (size_t)r) != r) _exit(7);
        }
    }
}

static int dial(void) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

static void run(const char *label, uint32_t events) {
    l = listener4(&port, 64);
    fcntl(l, F_SETFL, O_NONBLOCK);
    pid_t kid[4];
    for (int i = 0; i < 4; i++)
        if ((kid[i] = fork()) == 0) worker(events);
    close(l);
    int good = 0, c[30];
    for (int i = 0; i < 30; i++) c[i] = dial();
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 30; i++) {
            char out[32], in[32] = "";
            int n = snprintf(out, sizeof out, "client %d round %d", i, round);
            must("send", send(c[i], out, (size_t)n, MSG_NOSIGNAL));
            good += recv(c[i], in, (size_t)n, MSG_WAITALL) == n && memcmp(in, out, (size_t)n) == 0;
        }
    fact("%s: answers right: %d of 90", label, good);
    for (int i = 0; i < 30; i++) close(c[i]);
    /* A connection that says Q ends its worker; the rest of them take over until none is left. */
    for (int i = 0; i < 4; i++) {
        int q = dial();
        char b;
        must("send", send(q, "Q", 1, MSG_NOSIGNAL));
        fact("%s: worker %d that got Q: read %zd", label, i, recv(q, &b, 1, 0));
        close(q);
    }
    for (int i = 0; i < 4; i++) reap(label, kid[i]);
    int e = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect after the last", connect(e, (struct sockaddr *)&a, sizeof a));
    close(e);
}

int main(void) {
    alarm(8);
    run("level", EPOLLIN);
    run("exclusive", EPOLLIN | EPOLLEXCLUSIVE);
    return 0;
}
