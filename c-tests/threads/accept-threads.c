/* Many threads blocked in accept() on one listener: each connection wakes one and goes to one; shutdown of the listener
 * wakes all of them (man 2 accept, man 2 shutdown). */
#include "t.h"

enum { T = 8 };

static int l, port;

struct out { long r; int err; };

static void *acceptor(void *arg) {
    struct out *o = arg;
    o->r = accept(l, NULL, NULL);
    o->err = errno;
    if (o->r >= 0 && write((int)o->r, "hi", 2) != 2) o->err = -1;
    return NULL;
}

static int dial(void) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

static int ended(pthread_t *t, int *done, int n) {
    int c = 0;
    for (int i = 0; i < n; i++) {
        if (!done[i] && pthread_tryjoin_np(t[i], NULL) == 0) done[i] = 1;
        c += done[i];
    }
    return c;
}

int main(void) {
    alarm(8);
    l = listener4(&port, 16);
    pthread_t t[T];
    struct out o[T];
    int done[T] = {0}, c[T];
    char b[4];
    for (int i = 0; i < T; i++) pthread_create(&t[i], NULL, acceptor, &o[i]);
    sleep_ms(60);
    for (int i = 0; i < T; i++) {
        c[i] = dial();
        res("client reads", read(c[i], b, sizeof b));
        sleep_ms(10);
        fact("connections %d, acceptors that returned %d", i + 1, ended(t, done, T));
    }
    int different = 1;
    for (int i = 0; i < T; i++)
        for (int k = 0; k < i; k++) different &= o[i].r != o[k].r;
    fact("all descriptors different: %d", different);
    for (int i = 0; i < T; i++) close((int)o[i].r), close(c[i]), done[i] = 0;

    /* All connections at once, before and after the acceptors are there. */
    for (int i = 0; i < T / 2; i++) c[i] = dial();
    for (int i = 0; i < T; i++) pthread_create(&t[i], NULL, acceptor, &o[i]);
    for (int i = T / 2; i < T; i++) c[i] = dial();
    int served = 0;
    for (int i = 0; i < T; i++) served += read(c[i], b, sizeof b) == 2;
    for (int i = 0; i < T; i++) pthread_join(t[i], NULL);
    fact("at once: served %d of %d", served, T);
    for (int i = 0; i < T; i++) close((int)o[i].r), close(c[i]);

    /* All of them sleep, and shutdown of the listener wakes them. */
    for (int i = 0; i < T; i++) pthread_create(&t[i], NULL, acceptor, &o[i]);
    sleep_ms(60);
    long start = now_ms();
    res("shutdown of the listener", shutdown(l, SHUT_RD));
    for (int i = 0; i < T; i++) pthread_join(t[i], NULL);
    fact("all woke within 1000 ms: %d", now_ms() - start < 1000);
    for (int i = 0; i < T; i++) fact("accept: %ld %s", o[i].r, ename(o[i].err));
    res("accept afterwards", accept(l, NULL, NULL));
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect afterwards", connect(s, (struct sockaddr *)&a, sizeof a));
    /* A port of the system's choice is given back by this shutdown, so that listen takes another. */
    res("listen again", listen(l, 4));
    port = port_of(l);
    a = in4("127.0.0.1", port);
    int d = dial();
    s = (int)ok("accept", accept(l, NULL, NULL));
    must("write", write(s, "ok", 2));
    res("client reads", read(d, b, sizeof b));

    /* Closed by one thread while another sleeps in accept: the sleeper keeps it until a connection comes. */
    pthread_create(&t[0], NULL, acceptor, &o[0]);
    sleep_ms(60);
    close(l);
    sleep_ms(30);
    fact("after close the acceptor still sleeps: %d", pthread_tryjoin_np(t[0], NULL) == EBUSY);
    d = dial();
    pthread_join(t[0], NULL);
    fact("it gets a connection: %d", o[0].r >= 0);
    res("client reads", read(d, b, sizeof b));
    sleep_ms(20);
    s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect when it has returned", connect(s, (struct sockaddr *)&a, sizeof a));
    return 0;
}
