/* epoll tells what came first before what came later: its list of ready files is a queue (epoll(7); ep_poll_callback in
 * fs/eventpoll.c appends to it). Data, the end of a stream and a reset alike; by level and by edge; with sockets that had
 * been quiet for long among them. What is told and left unread keeps its place before what comes later.
 */
#include "t.h"

#define N 5
#define BUSY 4 /* has had traffic all the time where the others were quiet */

static int client[N], server[N], set;

static void open_all(uint32_t flags) {
    set = (int)must("epoll", epoll_create1(0));
    for (int i = 0; i < N; i++) {
        int p[2];
        tcp_pair(p);
        client[i] = p[0], server[i] = p[1];
        struct epoll_event e = {.events = EPOLLIN | flags, .data.u32 = (uint32_t)i};
        must("add", epoll_ctl(set, EPOLL_CTL_ADD, server[i], &e));
    }
}

static void close_all(void) {
    for (int i = 0; i < N; i++) {
        if (client[i] >= 0) close(client[i]);
        close(server[i]);
    }
    close(set);
}

static void put(int i) { must("send", send(client[i], "x", 1, 0)); }

static void drain(int i) {
    char b[64];
    while (recv(server[i], b, sizeof b, MSG_DONTWAIT) > 0) {}
}

/* A wait that finds nothing: the line is empty. */
static void nothing(void) {
    struct epoll_event e[N];
    if (must("wait", epoll_wait(set, e, N, 0)) != 0) fact("something is left");
}

/* One wait: who is told, in which order. Drains them if asked to. */
static void told(const char *label, int most, int drains) {
    struct epoll_event e[N];
    char line[64] = "";
    int n = (int)must("wait", epoll_wait(set, e, most, 2000));
    for (int i = 0; i < n; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), " %u", e[i].data.u32);
        if (drains) drain((int)e[i].data.u32);
    }
    fact("%s:%s", label, line);
}

static void orders(const char *kind, uint32_t flags) {
    char label[64];
    open_all(flags);
    static const int order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 4; i++) put(order[k][i]);
        snprintf(label, sizeof label, "%s, order %d", kind, k);
        told(label, N, 1);
        nothing();
    }
    /* The first byte that waits counts, not the last. */
    put(2), put(1), put(2);
    snprintf(label, sizeof label, "%s, again behind another", kind);
    told(label, N, 1);
    /* What was told by its level keeps its place until a wait finds nothing. */
    put(1), put(2);
    snprintf(label, sizeof label, "%s, with no wait in between", kind);
    told(label, N, 1);
    nothing();
    put(0), put(3), put(1);
    snprintf(label, sizeof label, "%s, two of three", kind);
    told(label, 2, 0);
    put(2);
    snprintf(label, sizeof label, "%s, those before the others", kind);
    told(label, N, 1);
    close_all();
}

/* A server that is woken by the first of two, or is busy with a third one while they come: it must not see the later one
 * alone. A round is over when both were told. */
static int rounds, inverted;
static void *serve(void *arg) {
    (void)arg;
    for (int got[2] = {0, 0}, r = 0; r < rounds;) {
        struct epoll_event e[N];
        int n = epoll_wait(set, e, N, 2000);
        if (n <= 0) return NULL;
        for (int i = 0; i < n; i++) {
            int who = (int)e[i].data.u32;
            drain(who);
            if (who == BUSY) {
                if (!got[0]) inverted++;
                got[1] = 1;
            } else {
                got[0] = 1;
            }
        }
        if (got[0] && got[1]) {
            got[0] = got[1] = 0, r++;
            nothing();
            must("answer", send(server[BUSY], "y", 1, 0));
        }
    }
    return NULL;
}

static void race(const char *label, int quiet_for) {
    char b[8];
    pthread_t t;
    open_all(0);
    rounds = 40, inverted = 0;
    for (int i = 0; i < quiet_for; i++) {
        struct epoll_event e[N];
        put(BUSY);
        must("wait", epoll_wait(set, e, N, 2000));
        drain(BUSY);
    }
    nothing();
    must("thread", -pthread_create(&t, NULL, serve, NULL));
    for (int i = 0; i < rounds; i++) {
        put(i % 4), put(BUSY);
        must("answer", recv(client[BUSY], b, 1, 0));
    }
    pthread_join(t, NULL);
    fact("%s: the later one first %s", label, inverted ? "sometimes" : "never");
    close_all();
}

int main(void) {
    alarm(9);
    orders("level", 0);
    orders("edge", EPOLLET);

    open_all(0);
    put(3), put(0);
    told("two that are left unread", N, 0);
    put(1);
    told("another comes after them", N, 1);
    nothing();
    put(2), shutdown(client[1], SHUT_WR), put(0);
    told("an end of stream between data", N, 1);
    close_all();

    open_all(0);
    put(3);
    struct linger hard = {.l_onoff = 1};
    must("linger", setsockopt(client[2], SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
    must("close", close(client[2]));
    client[2] = -1;
    put(0);
    told("a reset between data", N, 0);
    close_all();

    race("two in a row", 0);
    race("two in a row, the first after a long silence", 1000);
    return 0;
}
