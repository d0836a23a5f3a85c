/* Cancellation that is disabled, deferred, pending or asynchronous around socket calls (man 3 pthread_setcancelstate): a
 * call is not cut when it is disabled; a pending request takes effect at the next call that may wait, before it does
 * anything. */
#include "t.h"

static int p[2];
static char got[64];
static volatile int step, cleaned;

static void cleanup(void *fd) {
    cleaned = 1;
    if (fd) close(*(int *)fd);
}

/* Without a sleep, which would be a cancellation point itself. */
static void wait_step(int n) {
    while (step < n) sched_yield();
}

static void *disabled(void *unused) {
    (void)unused;
    int old = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    step = 1;
    ssize_t n = recv(p[0], got, sizeof got - 1, 0);
    fact("  recv with cancellation disabled: %zd %s, the old state was enabled: %d", n, got, old == PTHREAD_CANCEL_ENABLE);
    n = send(p[0], "reply", 5, 0);
    fact("  send: %zd", n);
    pthread_cleanup_push(cleanup, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    fact("  enabled again, not yet ended");
    n = recv(p[0], got, sizeof got - 1, 0);
    fact("  not reached: recv %zd", n);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *pending(void *unused) {
    (void)unused;
    wait_step(2);
    pthread_cleanup_push(cleanup, NULL);
    /* Data is there, yet the call ends the thread without taking it. */
    recv(p[0], got, sizeof got - 1, 0);
    fact("  not reached");
    pthread_cleanup_pop(0);
    return NULL;
}

static void *pending_send(void *unused) {
    (void)unused;
    wait_step(2);
    pthread_cleanup_push(cleanup, NULL);
    send(p[0], "never sent", 10, 0);
    fact("  not reached");
    pthread_cleanup_pop(0);
    return NULL;
}

/* socket, bind, listen, getsockname, setsockopt and shutdown are no cancellation points. */
static void *no_points(void *unused) {
    (void)unused;
    wait_step(2);
    int port, l = -1;
    pthread_cleanup_push(cleanup, &l);
    l = listener4(&port, 1);
    int v = 1;
    setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v);
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    getsockname(l, (struct sockaddr *)&a, &len);
    int d = dup(l);
    shutdown(d, SHUT_RDWR);
    step = 3;
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *asynchronous(void *unused) {
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    step = 1;
    char b[8];
    recv(p[0], b, sizeof b, 0);
    return NULL;
}

static void *in_cleanup(void *unused) {
    (void)unused;
    char b[8];
    step = 1;
    pthread_cleanup_push(cleanup, &p[0]);
    recv(p[0], b, sizeof b, 0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void run(const char *label, void *(*f)(void *), int before) {
    pthread_t t;
    void *r = NULL;
    step = cleaned = 0;
    memset(got, 0, sizeof got);
    fact("%s", label);
    pthread_create(&t, NULL, f, NULL);
    if (before) {
        pthread_cancel(t);
        step = 2;
    } else {
        wait_step(1);
        sleep_ms(40);
        pthread_cancel(t);
    }
    if (f == disabled) {
        sleep_ms(40);
        fact("  still there after the request: %d", pthread_tryjoin_np(t, NULL) == EBUSY);
        must("write", write(p[1], "data", 4));
    }
    pthread_join(t, &r);
    fact("  cancelled %d, cleaned up %d, step %d", r == PTHREAD_CANCELED, cleaned, step);
}

int main(void) {
    alarm(8);
    char b[32] = "";
    tcp_pair(p);
    run("disabled", disabled, 0);
    res("  peer reads", recv(p[1], b, sizeof b, MSG_DONTWAIT));
    must("write", write(p[1], "kept", 4));
    run("pending before recv", pending, 1);
    memset(b, 0, sizeof b);
    res("  the data is still there", recv(p[0], b, sizeof b, MSG_DONTWAIT));
    fact("  %s", b);
    run("pending before send", pending_send, 1);
    fact("  peer: %s", poll_text(p[1], POLLIN, 20));
    run("calls that are no cancellation points", no_points, 1);
    run("asynchronous", asynchronous, 0);
    must("write", write(p[1], "more", 4));
    res("  the socket works", recv(p[0], b, sizeof b, 0));
    run("the cleanup handler closes the socket", in_cleanup, 0);
    res("  peer reads", recv(p[1], b, sizeof b, 0));
    return 0;
}
