/* 300 connections at once between two processes: all are accepted, each keeps its own bytes apart, each ends on its
 * own (`man 2 accept`, `man 2 poll`). */
#include "stream.h"

enum { N = 300 };

static int server(int l) {
    struct pollfd f[N + 1];
    int n = 0, open = 0, closed = 0;
    f[0] = (struct pollfd){l, POLLIN, 0};
    while (closed < N) {
        if (poll(f, (nfds_t)n + 1, 5000) <= 0) return 2;
        for (int i = 1; i <= n; i++) {
            if (f[i].fd < 0 || !f[i].revents) continue;
            char b[64];
            ssize_t r = read(f[i].fd, b, sizeof b);
            if (r > 0) { if (write(f[i].fd, b, (size_t)r) != r) return 3; continue; }
            if (r < 0) return 4;
            close(f[i].fd);
            f[i].fd = -1;
            closed++;
        }
        if (f[0].revents & POLLIN) {
            int s = accept(l, NULL, NULL);
            if (s < 0) return 5;
            f[++n] = (struct pollfd){s, POLLIN, 0};
            if (++open == N) f[0].fd = -1;
        }
    }
    return 0;
}

int main(void) {
    alarm(8);
    static int c[N];
    int port, l = listener4(&port, 512), wrong = 0;
    pid_t pid = fork();
    if (pid == 0) _exit(server(l));
    close(l);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int failed = 0;
    for (int i = 0; i < N; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c[i], (struct sockaddr *)&a, sizeof a) < 0) failed++;
    }
    fact("connects that failed: %d", failed);
    int ports[N], twice = 0;
    for (int i = 0; i < N; i++) {
        ports[i] = port_of(c[i]);
        for (int j = 0; j < i; j++) twice += ports[i] == ports[j];
    }
    fact("local ports used twice: %d", twice);
    for (int round = 0; round < 3; round++) {
        char b[64], e[64];
        for (int i = 0; i < N; i++) {
            int n = snprintf(b, sizeof b, "connection %03d round %d", i, round);
            if (write_full(c[i], b, (size_t)n) != n) wrong++;
        }
        for (int i = N - 1; i >= 0; i--) {
            int n = snprintf(b, sizeof b, "connection %03d round %d", i, round);
            memset(e, 0, sizeof e);
            if (read_full(c[i], e, (size_t)n) != n || memcmp(b, e, (size_t)n)) wrong++;
        }
        fact("round %d, wrong answers: %d", round, wrong);
    }
    int ended = 0;
    for (int i = 0; i < N; i += 2) close(c[i]);
    for (int i = 1; i < N; i += 2) {
        char b[8];
        if (write_full(c[i], "still", 5) == 5 && read_full(c[i], b, 5) == 5) ended++;
        shutdown(c[i], SHUT_WR);
    }
    fact("the other half still works: %d", ended);
    ended = 0;
    for (int i = 1; i < N; i += 2) { char b[8]; ended += read(c[i], b, 8) == 0; close(c[i]); }
    fact("ended by the server: %d", ended);
    reap("server", pid);
    return 0;
}
