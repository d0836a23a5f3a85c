/* Parent and child read and write one connection at the same time: every byte arrives once, and small messages
 * written by one send() each stay whole (the kernel holds the socket's lock for a send that fits; man 2 fork). */
#include "t.h"

enum { MSGS = 300, LEN = 64, BYTES = 6000 };

static void writer(int fd, char who) {
    char m[LEN];
    memset(m, who, sizeof m);
    for (int i = 0; i < MSGS; i++) {
        snprintf(m, 8, "%c%05d", who, i);
        m[6] = who;
        if (send(fd, m, LEN, MSG_NOSIGNAL) != LEN) _exit(3);
    }
}

/* Reads single bytes to the end of the stream: how many and the sum of them. */
static void reader(int fd, long out[2]) {
    unsigned char b;
    out[0] = out[1] = 0;
    while (recv(fd, &b, 1, 0) == 1) {
        out[0]++;
        out[1] += b;
    }
}

int main(void) {
    alarm(8);
    int p[2], tell[2];
    tcp_pair(p);
    must("pipe", pipe(tell));

    pid_t kid[3];
    for (int k = 0; k < 3; k++)
        if ((kid[k] = fork()) == 0) {
            alarm(8);
            writer(p[0], (char)('b' + k));
            _exit(0);
        }
    writer(p[0], 'a');
    int whole = 0, ordered = 0, next[4] = {0};
    for (int i = 0; i < 4 * MSGS; i++) {
        char m[LEN];
        if (recv(p[1], m, LEN, MSG_WAITALL) != LEN) break;
        int w = m[0] - 'a', same = w >= 0 && w < 4 && m[6] == m[0];
        for (int k = 7; k < LEN && same; k++) same = m[k] == m[0] || k == 7;
        whole += same;
        if (same && atoi(m + 1) == next[w]) {
            ordered++;
            next[w]++;
        }
    }
    fact("four writers: whole messages %d of %d, in each writer's order %d", whole, 4 * MSGS, ordered);
    for (int k = 0; k < 3; k++) reap("writer", kid[k]);
    fact("nothing left: %s", poll_text(p[1], POLLIN, 50));

    /* Four readers in four processes share one stream. */
    for (int k = 0; k < 3; k++)
        if ((kid[k] = fork()) == 0) {
            alarm(8);
            close(p[0]);
            long o[2];
            reader(p[1], o);
            _exit(write(tell[1], o, sizeof o) == sizeof o ? 0 : 4);
        }
    long sum = 0, got[2] = {0, 0};
    for (int i = 0; i < BYTES; i++) {
        unsigned char b = (unsigned char)(i % 251);
        sum += b;
        must("send", send(p[0], &b, 1, 0));
    }
    must("shutdown", shutdown(p[0], SHUT_WR));
    long o[2];
    reader(p[1], o);
    got[0] += o[0];
    got[1] += o[1];
    for (int k = 0; k < 3; k++) {
        must("tell", read(tell[0], o, sizeof o));
        got[0] += o[0];
        got[1] += o[1];
    }
    fact("four readers: bytes %ld of %d, sum %s", got[0], BYTES, got[1] == sum ? "right" : "wrong");
    for (int k = 0; k < 3; k++) reap("reader", kid[k]);

    /* The child reads what comes while the parent writes on the same connection, and the other way round. */
    close(p[0]);
    close(p[1]);
    tcp_pair(p);
    if ((kid[0] = fork()) == 0) {
        alarm(8);
        long o[2];
        reader(p[0], o);
        _exit(o[0] == BYTES ? 0 : 5);
    }
    if ((kid[1] = fork()) == 0) {
        alarm(8);
        char b[100];
        for (int i = 0; i < BYTES / 100; i++) {
            if (recv(p[1], b, sizeof b, MSG_WAITALL) != 100) _exit(6);
            if (send(p[1], b, sizeof b, MSG_NOSIGNAL) != 100) _exit(7);
        }
        shutdown(p[1], SHUT_WR);
        _exit(0);
    }
    char b[100];
    memset(b, 'z', sizeof b);
    for (int i = 0; i < BYTES / 100; i++) must("send", send(p[0], b, sizeof b, MSG_NOSIGNAL));
    reap("echoing child", kid[1]);
    reap("child that read the parent's echo", kid[0]);
    return 0;
}
