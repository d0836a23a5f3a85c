/* A signal in the middle of a transfer gives the count of what was done, not EINTR, with SA_RESTART and without
 * (man 7 signal, man 2 recv MSG_WAITALL, POSIX read and write). */
#include "t.h"

static volatile sig_atomic_t signals;
static int p[2];
static char big[8 << 20], in[65536];

static void handler(int s) {
    (void)s;
    signals++;
}

/* `first` bytes before the signal, `rest` after it. */
static pid_t helper(int first, int rest) {
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        if (first && write(p[1], "0123456789", (size_t)first) != first) _exit(1);
        sleep_ms(40);
        kill(getppid(), SIGUSR1);
        sleep_ms(40);
        if (rest && write(p[1], "abcdefghij", (size_t)rest) != rest) _exit(2);
        _exit(0);
    }
    return k;
}

static void show(const char *label, long r) {
    int e = errno;
    fact("%s: %ld %s, signals %d", label, r, r < 0 ? ename(e) : "ok", (int)signals);
    signals = 0;
}

int main(void) {
    alarm(9);
    char b[32];
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGUSR1, &sa, NULL);
        fact("%s", restart ? "SA_RESTART" : "no flags");
        tcp_pair(p);
        pid_t k = helper(4, 6);
        show("  recv MSG_WAITALL of 10, 4 before the signal", recv(p[0], b, 10, MSG_WAITALL));
        waitpid(k, NULL, 0);
        show("  the rest", recv(p[0], b, 10, 0));
        k = helper(0, 10);
        show("  recv MSG_WAITALL of 10, none before", recv(p[0], b, 10, MSG_WAITALL));
        if (!restart) show("  again", recv(p[0], b, 10, MSG_WAITALL));
        waitpid(k, NULL, 0);
        k = helper(4, 6);
        struct iovec v[2] = {{b, 6}, {b + 6, 4}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
        show("  recvmsg MSG_WAITALL of 6 + 4", recvmsg(p[0], &m, MSG_WAITALL));
        waitpid(k, NULL, 0);
        show("  the rest", recv(p[0], b, 10, 0));
        /* With a timeout the part comes back as well. */
        struct timeval tv = {3, 0}, none = {0, 0};
        setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        k = helper(4, 6);
        show("  MSG_WAITALL with SO_RCVTIMEO", recv(p[0], b, 10, MSG_WAITALL));
        waitpid(k, NULL, 0);
        show("  the rest", recv(p[0], b, 10, 0));
        tv = (struct timeval){0, 60000};
        setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        must("write", write(p[1], "123", 3));
        show("  MSG_WAITALL that times out with 3 of 10", recv(p[0], b, 10, MSG_WAITALL));
        setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
        /* MSG_PEEK | MSG_WAITALL. */
        k = helper(4, 6);
        show("  MSG_PEEK | MSG_WAITALL of 10, 4 before", recv(p[0], b, 10, MSG_WAITALL | MSG_PEEK));
        waitpid(k, NULL, 0);
        show("  what is there", recv(p[0], b, 10, MSG_WAITALL));

        /* A large send into a connection that nobody reads, then read as far as it went: the count is exact. */
        static const char *hows[] = {"send", "write", "writev in two parts", "send with SO_SNDTIMEO"};
        for (int how = 0; how < 4; how++) {
            int q[2];
            tcp_pair(q);
            if (how == 3) {
                tv = (struct timeval){3, 0};
                setsockopt(q[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
            }
            k = helper(0, 0);
            struct iovec w[2] = {{big, 100}, {big + 100, sizeof big - 100}};
            long n = how == 1 ? write(q[0], big, sizeof big) : how == 2 ? writev(q[0], w, 2)
                     : send(q[0], big, sizeof big, 0);
            int e = errno;
            fact("  %s of 8 MiB: %s, signals %d", hows[how], n < 0 ? ename(e) : n == (long)sizeof big ? "all" : "a part",
                 (int)signals);
            signals = 0;
            shutdown(q[0], SHUT_WR);
            long got = 0;
            ssize_t r;
            while ((r = recv(q[1], in, sizeof in, 0)) > 0) got += r;
            fact("  the peer got exactly that: %d", got == n);
            waitpid(k, NULL, 0);
            close(q[0]);
            close(q[1]);
        }
        close(p[0]);
        close(p[1]);
    }
    return 0;
}
