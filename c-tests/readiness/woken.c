/* What another thread or process does wakes a sleeper at once, whichever way it sleeps: data, the end, a reset, a
 * connection, room (`man 2 poll`). Every case once by poll, once by select, once by epoll. */
#include "ready.h"

static int wait_by(int way, int fd, int out, uint32_t *ev) {
    short want = out ? POLLOUT : POLLIN;
    if (way == 0) {
        struct pollfd f = {fd, want, 0};
        int n = poll(&f, 1, 3000);
        *ev = (uint32_t)f.revents;
        return n;
    }
    if (way == 1) {
        fd_set s;
        struct timeval tv = {3, 0};
        FD_ZERO(&s);
        FD_SET(fd, &s);
        int n = select(fd + 1, out ? NULL : &s, out ? &s : NULL, NULL, &tv);
        *ev = n == 1 && FD_ISSET(fd, &s) ? (uint32_t)want : 0;
        return n;
    }
    int ep = ep_new();
    struct epoll_event e = {0, {0}};
    add(ep, fd, (uint32_t)want, 1);
    int n = epoll_wait(ep, &e, 1, 3000);
    *ev = e.events;
    close(ep);
    return n;
}

static int act, p[2], port;
static long filled;
static void *actor(void *v) {
    (void)v;
    sleep_ms(60);
    struct linger lg = {1, 0};
    struct sockaddr_in a = in4("127.0.0.1", port);
    switch (act) {
    case 0: put(p[1], "x"); break;
    case 1: shutdown(p[1], SHUT_WR); break;
    case 2: setsockopt(p[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg); close(p[1]); p[1] = -1; break;
    case 3: p[1] = socket(AF_INET, SOCK_STREAM, 0); connect(p[1], (struct sockaddr *)&a, sizeof a); break;
    case 4: for (long got = 0; got < filled;) { long r = drain(p[1]); got += r; if (!r) sleep_ms(2); } break;
    case 5: shutdown(p[0], SHUT_RD); break;
    case 6: put(p[1], "oob"); send(p[1], "!", 1, MSG_OOB); break;
    }
    return NULL;
}

int main(void) {
    alarm(9);
    static const char *const names[] = {"data", "end", "reset", "connection", "room", "own SHUT_RD",
        "data and urgent data"};
    static const char *const ways[] = {"poll", "select", "epoll"};
    for (act = 0; act < 7; act++)
        for (int way = 0; way < 3; way++) {
            if (act == 3) { p[0] = listener4(&port, 4); p[1] = -1; }
            else tcp_pair(p);
            if (act == 4) { nonblock(p[0]); filled = fill_up(p[0]); }
            pthread_t t;
            long t0 = now_ms();
            pthread_create(&t, NULL, actor, NULL);
            uint32_t ev = 0;
            int n = wait_by(way, p[0], act == 4, &ev);
            t0 = now_ms() - t0;
            pthread_join(t, NULL);
            fact("%s, %s: %d %s, woken by it: %s", names[act], ways[way], n, ev_text(ev),
                 t0 >= 30 && t0 < 2000 ? "yes" : "no");
            close(p[0]);
            if (p[1] >= 0) close(p[1]);
        }
    return 0;
}
