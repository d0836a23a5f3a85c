/* dup2 or close of a descriptor that another thread polls, which is then waked by a signal: poll looks again by the
 * number, at whatever is behind it by now (man 2 select, "Multithreaded applications"; this is how a JVM ends a thread
 * that waits in accept). */
#include "t.h"

static int fd;
static int with_select;
static int got, err;
static short revents;
static int in_set;

static void nothing(int s) { (void)s; }

static void *waiter(void *unused) {
    (void)unused;
    if (with_select) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fd, &set);
        got = select(fd + 1, &set, NULL, NULL, NULL);
        err = errno;
        in_set = FD_ISSET(fd, &set) != 0;
    } else {
        struct pollfd p = {fd, POLLIN, 0};
        got = poll(&p, 1, -1);
        err = errno;
        revents = p.revents;
    }
    return NULL;
}

/* Signals the waiter until it has left: one signal could come before it sleeps. */
static void wake(pthread_t t) {
    do pthread_kill(t, SIGUSR1);
    while (sleep_ms(20), pthread_tryjoin_np(t, NULL) == EBUSY);
}

enum what { HUNG_UP, DATA, QUIET, CLOSED, OTHER };
static const char *const names[] = {"a hung-up unix socket", "a pipe with data", "a quiet pipe", "nothing", "a ready socket"};

static void one(int listening, enum what what) {
    int p[2] = {-1, -1}, u[2], q[2] = {-1, -1}, port;
    if (listening) p[0] = listener4(&port, 4);
    else tcp_pair(p);
    fd = p[0];
    if (what == HUNG_UP) {
        must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
        close(u[1]);
        u[1] = -1;
    } else {
        must("pipe", pipe(u));
        if (what == DATA) must("write", write(u[1], "x", 1));
    }
    if (what == OTHER) {
        tcp_pair(q);
        must("write", write(q[1], "x", 1));
    }
    pthread_t t;
    pthread_create(&t, NULL, waiter, NULL);
    sleep_ms(50);
    if (what == CLOSED) must("close", close(fd));
    else must("dup2", dup2(what == OTHER ? q[0] : u[0], fd));
    wake(t);
    if (with_select) fact("select of a %s that became %s: %d%s%s", listening ? "listener" : "connection", names[what], got,
                          got < 0 ? " " : in_set ? " in" : " out", got < 0 ? ename(err) : "");
    else fact("poll of a %s that became %s: %d %s%s%s%s", listening ? "listener" : "connection", names[what], got,
              got < 0 ? ename(err) : "", revents & POLLIN ? "IN" : "", revents & POLLHUP ? " HUP" : "",
              revents & POLLNVAL ? "NVAL" : "");
    revents = 0;
    close(fd);
    close(u[0]);
    close(u[1]);
    close(p[1]);
    close(q[0]);
    close(q[1]);
}

int main(void) {
    alarm(8);
    struct sigaction a = {.sa_handler = nothing};
    sigaction(SIGUSR1, &a, NULL);
    for (with_select = 0; with_select < 2; with_select++)
        for (int listening = 0; listening < 2; listening++)
            for (enum what w = HUNG_UP; w <= OTHER; w++) one(listening, w);
    return 0;
}
