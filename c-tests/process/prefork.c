/* Prefork servers: several processes block in accept() on one inherited listener and each connection goes to
 * exactly one of them (man 2 accept, man 2 fork: the child's descriptors refer to the same open descriptions). */
#include "t.h"

static int l, port;

static void worker(void) {
    alarm(8);
    for (;;) {
        int c = accept(l, NULL, NULL);
        if (c < 0) _exit(1);
        char b[64];
        ssize_t n;
        /* The answer carries the pid, so that the client can tell the workers apart. */
        while ((n = read(c, b, sizeof b)) > 0) {
            int32_t me = getpid();
            if (send(c, &me, sizeof me, MSG_NOSIGNAL) < 0) break;
        }
        close(c);
    }
}

static int dial(void) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

static int32_t ask(int c, int ms) {
    int32_t who = 0;
    struct pollfd p = {c, POLLIN, 0};
    if (send(c, "?", 1, MSG_NOSIGNAL) < 0) return -errno;
    if (poll(&p, 1, ms) == 0) return 0;
    ssize_t n = recv(c, &who, sizeof who, MSG_WAITALL);
    return n == 4 ? who : n == 0 ? -1000 : -errno;
}

int main(void) {
    alarm(8);
    l = listener4(&port, 16);
    pid_t kid[4];
    for (int i = 0; i < 4; i++)
        if ((kid[i] = fork()) == 0) worker();

    /* Each worker is kept busy by the connection that it took, so four open connections need four workers. */
    int c[4], known = 0, different = 1;
    int32_t who[4];
    for (int i = 0; i < 4; i++) {
        c[i] = dial();
        who[i] = ask(c[i], 2000);
        for (int k = 0; k < 4; k++) known += who[i] == kid[k];
        for (int k = 0; k < i; k++) different &= who[k] != who[i];
    }
    fact("answers from known workers: %d, all different: %d", known, different);

    int five = dial();
    fact("fifth connection while all are busy: answer %d", ask(five, 150));
    close(c[2]);
    int32_t w = 0;
    must("recv", recv(five, &w, sizeof w, MSG_WAITALL));
    fact("fifth is served by the worker that became free: %d", w == who[2]);

    /* Killing one worker ends its connection only. */
    kill(who[0], SIGKILL);
    char b[8];
    res("read from the killed worker", recv(c[0], b, sizeof b, 0));
    fact("the second still answers: %d", ask(c[1], 2000) == who[1]);
    fact("the fourth still answers: %d", ask(c[3], 2000) == who[3]);

    close(c[0]);
    close(c[1]);
    close(c[3]);
    close(five);
    int good = 0;
    for (int i = 0; i < 40; i++) {
        int d = dial();
        int32_t x = ask(d, 2000);
        for (int k = 0; k < 4; k++) good += x == kid[k] && x != who[0];
        close(d);
    }
    fact("forty more connections served by the three left: %d", good);

    /* The parent's copy keeps the listener alive, and the workers' copies do when the parent's is closed. */
    for (int k = 0; k < 4; k++)
        if (kid[k] != who[1]) {
            kill(kid[k], SIGKILL);
            reap("worker", kid[k]);
        }
    close(l);
    int d = dial();
    fact("one worker left and no listener in the parent: served %d", ask(d, 2000) == who[1]);
    kill(who[1], SIGKILL);
    reap("last worker", who[1]);
    int e = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect when the last holder is gone", connect(e, (struct sockaddr *)&a, sizeof a));
    return 0;
}
