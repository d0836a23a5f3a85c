/* Destructors of thread-specific data and atexit handlers that use sockets, after the thread's own function has ended
 * (man 3 pthread_key_create, man 3 atexit); __thread variables and errno are each thread's own. */
#include "t.h"

static pthread_key_t first, second;
static int p[8][2], port, l;
static __thread int mine = -1;

static void bye(void *arg) {
    int i = (int)(long)arg - 1;
    char b[16];
    ssize_t n = snprintf(b, sizeof b, "bye %d", i);
    if (send(p[i][0], b, (size_t)n, MSG_NOSIGNAL) != n) fact("destructor could not send: %s", ename(errno));
    /* And a round that waits: the peer answers. */
    n = recv(p[i][0], b, sizeof b, 0);
    if (n != 2) fact("destructor read %zd", n);
    close(p[i][0]);
    /* A new value makes the C library call the destructors once more. */
    pthread_setspecific(second, arg);
}

static void again(void *arg) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    char b[16];
    if (connect(c, (struct sockaddr *)&a, sizeof a) < 0) fact("destructor could not connect: %s", ename(errno));
    ssize_t n = snprintf(b, sizeof b, "again %d", (int)(long)arg - 1);
    if (write(c, b, (size_t)n) != n) fact("destructor could not write: %s", ename(errno));
    close(c);
}

static void *thread(void *arg) {
    long i = (long)arg;
    mine = (int)i;
    pthread_setspecific(first, (void *)(i + 1));
    errno = 0;
    /* Errors of other threads are not seen here. */
    for (int k = 0; k < 20; k++) {
        recv(i % 2 ? 999 : p[i][0], &k, 1, MSG_DONTWAIT);
        int want = i % 2 ? EBADF : EAGAIN;
        if (errno != want) fact("thread %ld has the errno of another: %s", i, ename(errno));
        sched_yield();
    }
    if (mine != i) fact("__thread variable changed");
    if (i == 3) pthread_exit(NULL);
    return NULL;
}

static void at_exit(void) {
    int q[2];
    tcp_pair(q);
    must("write", write(q[0], "atexit", 6));
    char b[8] = "";
    must("read", read(q[1], b, 6));
    fact("atexit handler: %s", b);
}

int main(void) {
    alarm(8);
    atexit(at_exit);
    pthread_key_create(&first, bye);
    pthread_key_create(&second, again);
    l = listener4(&port, 16);
    pthread_t t[8];
    for (int i = 0; i < 8; i++) tcp_pair(p[i]);
    for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, thread, (void *)i);
    int answered = 0, ends = 0, again_seen[8] = {0};
    for (int i = 0; i < 8; i++) {
        char b[16] = "", want[16];
        ssize_t n = recv(p[i][1], b, sizeof b - 1, 0);
        snprintf(want, sizeof want, "bye %d", i);
        answered += n > 0 && !strcmp(b, want);
        must("write", write(p[i][1], "ok", 2));
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], NULL);
        char b[16];
        ends += recv(p[i][1], b, sizeof b, 0) == 0;
    }
    for (int i = 0; i < 8; i++) {
        char b[16] = "";
        int c = (int)must("accept", accept(l, NULL, NULL));
        if (recv(c, b, 7, MSG_WAITALL) == 7 && !strncmp(b, "again ", 6)) again_seen[b[6] & 7]++;
        close(c);
    }
    int once = 0;
    for (int i = 0; i < 8; i++) once += again_seen[i] == 1;
    fact("destructors heard: %d of 8, closed: %d, second round: %d", answered, ends, once);
    return 0;
}
