/* dup2 over a socket in which another thread sleeps (man 2 close, "Multithreaded processes"): the sleeper holds the old
 * socket until it returns; the number belongs to the new file at once. */
#include "t.h"

static int fd;
static long got;
static int err;
static char b[64];
static volatile pid_t tid;

static void *reader(void *unused) {
    (void)unused;
    tid = gettid();
    got = recv(fd, b, sizeof b - 1, 0);
    err = errno;
    return NULL;
}

static void *acceptor(void *unused) {
    (void)unused;
    tid = gettid();
    got = accept(fd, NULL, NULL);
    err = errno;
    return NULL;
}

static int asleep(pthread_t t) { return pthread_tryjoin_np(t, NULL) == EBUSY; }

/* Starts a thread that sleeps on `fd`. */
static pthread_t sleeper(void *(*run)(void *)) {
    pthread_t t;
    tid = 0;
    pthread_create(&t, NULL, run, NULL);
    while (tid == 0) sleep_ms(1);
    await_sleep(tid);
    return t;
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int p[2], q[2];
    pthread_t t;
    char x[16];

    /* The sleeper gets data that comes after its descriptor has become another one. */
    tcp_pair(p);
    tcp_pair(q);
    fd = p[0];
    t = sleeper(reader);
    fact("dup2 over it: %d", dup2(q[0], fd) == fd);
    sleep_ms(60);
    fact("the reader still sleeps: %d", asleep(t));
    must("write", write(q[1], "new", 3));
    sleep_ms(60);
    fact("data for the new one does not wake it: %d", asleep(t));
    res("read by the number meanwhile", read(fd, x, sizeof x));
    res("peer of the old one writes", write(p[1], "old", 3));
    pthread_join(t, NULL);
    fact("the reader got %ld %s", got, b);
    /* Its last reference went with the return, so now the old connection is closed. */
    res("peer of the old one reads", read(p[1], x, sizeof x));
    must("write", write(fd, "works", 5));
    res("the new one works", read(q[1], x, sizeof x));
    close(q[0]);
    close(q[1]);
    close(fd);
    close(p[1]);

    /* The same with a pipe put over it. */
    int pi[2];
    must("pipe", pipe(pi));
    tcp_pair(p);
    fd = p[0];
    memset(b, 0, sizeof b);
    t = sleeper(reader);
    must("dup2", dup2(pi[0], fd));
    must("write", write(pi[1], "pipe", 4));
    res("read by the number", read(fd, x, sizeof x));
    fact("the reader still sleeps: %d", asleep(t));
    /* The socket is held by the call alone. The peer's end wakes it. */
    shutdown(p[1], SHUT_WR);
    pthread_join(t, NULL);
    fact("peer shuts down: the reader got %ld", got);
    close(p[1]);
    close(fd);

    /* A listener in accept: it goes on listening until the call returns. */
    int port, l = listener4(&port, 4);
    fd = l;
    t = sleeper(acceptor);
    must("dup2", dup2(pi[0], fd));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect while the acceptor sleeps", connect(c, (struct sockaddr *)&a, sizeof a));
    pthread_join(t, NULL);
    fact("accept gave a descriptor: %d", got >= 0);
    must("write", write((int)got, "hi", 2));
    res("client reads", read(c, x, sizeof x));
    sleep_ms(20);
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect after its return", connect(d, (struct sockaddr *)&a, sizeof a));
    return 0;
}
