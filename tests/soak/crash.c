/* Two processes of one network, of which one is killed at a point inside the library, again and again: does the other
 * one see the end within 50 ms, is nothing left of names and memory when it has left too, and does a restart on the
 * port work at once?
 *
 *     crash LIBRARY DIRECTORY POINTS SEED [-v]      (scripts/crash-soak.sh starts it)
 *
 * This process itself stays outside of the network: only what it starts has the library.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 12, LARGEST = 400000 };

/* Where a process can be killed, and how often it comes there in these runs at most. */
static const struct { const char *name; int often; } points[] = {
    {"lock-taken", 60}, {"produced", 40}, {"published", 40}, {"chunk-taken", 3}, {"chunk-linked", 3}, {"consumed", 40},
    {"freed", 40}, {"chunk-left", 3}, {"slot-taken", 2}, {"slot-filled", 2}, {"slot-giving", 2}, {"slot-freed", 2},
    {"name-linked", 2}, {"name-inserted", 2}, {"name-unlinked", 2}, {"name-removed", 2}, {"called", 1},
    {"conn-opened", 1}, {"connected", 1}, {"accepted", 1}, {"accept-entered", 1}, {"fin-sent", 1}, {"closed", 1},
    {"queued", 20},
};
enum { POINTS = sizeof points / sizeof *points };

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static uint64_t seed;
static uint32_t chance(uint32_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % below);
}

/* ---- the two programs ---- */

static unsigned char byte_at(unsigned position) { return (unsigned char)(position * 31 + (position >> 9)); }

static size_t size_of_round(int round) { return round % 3 == 2 ? LARGEST : (size_t)(1 + round * 97); }

static struct sockaddr_in name(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* 0: the end of a connection is what may happen when the peer was killed. 3: something that may not. */
static int ended(ssize_t n) {
    if (n == 0 || errno == ECONNRESET || errno == EPIPE || errno == ECONNREFUSED) return 0;
    perror("unexpected");
    return 3;
}

static int serve(int port) {
    static char b[65536];
    int on = 1, l = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = name(port);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 4) < 0) {
        perror("server");
        return 2;
    }
    if (write(3, "l", 1) != 1) return 2;
    /* A client that was killed before it connected never comes. */
    if (poll(&(struct pollfd){l, POLLIN, 0}, 1, 600) == 0) return 11;
    int c = accept(l, NULL, NULL);
    if (c < 0) return ended(-1);
    for (;;) {
        ssize_t n = read(c, b, sizeof b);
        if (n <= 0) return ended(n);
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(c, b + at, (size_t)(n - at));
            if (w < 0) return ended(w);
            at += w;
        }
    }
}

static int ask(int port) {
    static unsigned char b[65536];
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = name(port);
    if (c < 0) return 2;
    if (connect(c, (struct sockaddr *)&a, sizeof a) < 0) return ended(-1);
    unsigned sent = 0, got = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t left = size_of_round(round); left > 0;) {
            size_t n = left < sizeof b / 2 ? left : sizeof b / 2;
            for (size_t i = 0; i < n; i++) b[i] = byte_at(sent + (unsigned)i);
            for (size_t at = 0; at < n;) {
                ssize_t w = write(c, b + at, n - at);
                if (w < 0) return ended(w);
                at += (size_t)w;
            }
            sent += (unsigned)n;
            left -= n;
            while (got < sent) {
                ssize_t r = read(c, b, sizeof b);
                if (r <= 0) return ended(r);
                for (ssize_t i = 0; i < r; i++)
                    if (b[i] != byte_at(got + (unsigned)i)) {
                        fprintf(stderr, "byte %u is wrong\n", got + (unsigned)i);
                        return 4;
                    }
                got += (unsigned)r;
            }
        }
    }
    return 10;
}

/* Datagrams tell nobody of a death: both give up when nothing comes for a while. */
static int udp(int port, int asks) {
    char b[2000] = "";
    int s = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_in a = name(port), from;
    socklen_t l = sizeof from;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 300000}, sizeof(struct timeval));
    if (s < 0 || (!asks && bind(s, (struct sockaddr *)&a, sizeof a) < 0)) {
        perror("udp");
        return 2;
    }
    if (asks && connect(s, (struct sockaddr *)&a, sizeof a) < 0) return 2;
    if (!asks && write(3, "l", 1) != 1) return 2;
    for (int i = 0; i < 30; i++) {
        size_t size = (size_t)(1 + i * 60);
        if (asks) {
            memset(b, i, size);
            if (send(s, b, size, 0) < 0) return errno == ECONNREFUSED ? 0 : 3;
            ssize_t n = recv(s, b, sizeof b, 0);
            if (n < 0) return errno == EAGAIN || errno == ECONNREFUSED ? 0 : 3;
            if ((size_t)n != size || b[0] != i || b[size - 1] != i) return 4;
        } else {
            ssize_t n = recvfrom(s, b, sizeof b, 0, (struct sockaddr *)&from, &l);
            if (n < 0) return errno == EAGAIN ? 0 : 3;
            if (sendto(s, b, (size_t)n, 0, (struct sockaddr *)&from, l) != n && errno != ECONNREFUSED) return 3;
        }
    }
    return asks ? 10 : 0;
}

/* Somebody who receives now and then, and never waits for it. */
static int udp_idle(int port) {
    char b[2000];
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = name(port);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0) return 2;
    if (write(3, "l", 1) != 1) return 2;
    for (int i = 0; i < 2000; i++) {
        if (i % 20 == 0) recv(s, b, sizeof b, 0);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return 0;
}

/* Sends and never receives, until it is told that nobody is there any more. */
static int udp_tell(int port) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = name(port);
    if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof a) < 0) return 2;
    for (int i = 0; i < 3000; i++) {
        if (send(s, "x", 1, 0) < 0) return errno == ECONNREFUSED ? 0 : 3;
        /* Some in a row, then a pause. */
        if (i % 7 == 0) nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    return 5;
}

/* fork(2) as a program makes it that goes past libc: nobody tells the library. */
static long raw_fork(void) {
#if defined __x86_64__
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "0"(57L) : "rcx", "r11", "memory");
    return r;
#elif defined __aarch64__
    register long x8 __asm__("x8") = 220, x0 __asm__("x0") = SIGCHLD, x1 __asm__("x1") = 0, x2 __asm__("x2") = 0,
                  x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#endif
}

/* Accepts, and leaves the connection to a child that nobody knows of; it is killed together with the child. */
static int serve_raw(int port) {
    char b[100];
    int on = 1, l = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = name(port);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 4) < 0) return 2;
    if (write(3, "l", 1) != 1) return 2;
    int c = accept(l, NULL, NULL);
    long child = raw_fork();
    if (child == 0) {
        /* Nothing of the library is called here: nobody waits when it dies. */
        for (;;) pause();
    }
    ssize_t n = read(c, b, sizeof b);
    if (n > 0 && write(c, b, (size_t)n) != n) return 3;
    /* Its own end does not end the connection, which the child holds as well; the child's does. */
    if (write(3, "a", 1) != 1) return 2;
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    kill((pid_t)child, SIGKILL);
    kill(getpid(), SIGKILL);
    return 3;
}

static int ask_raw(int port) {
    char b[100] = "hello";
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = name(port);
    if (c < 0 || connect(c, (struct sockaddr *)&a, sizeof a) < 0) return 2;
    if (send(c, b, 5, 0) != 5 || recv(c, b, sizeof b, 0) != 5) return 4;
    ssize_t n = recv(c, b, sizeof b, 0);
    if (n > 0) return 4;
    return ended(n);
}

/* ---- the one who looks on ---- */

static const char *library, *directory;
static char port_text[16];

static pid_t start(const char *role, const char *stop, int out) {
    pid_t k = fork();
    if (k != 0) return k;
    char preload[4096], dir[4096], point[128];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
    snprintf(dir, sizeof dir, "SOCKHOP_DIR=%s", directory);
    snprintf(point, sizeof point, "SOCKHOP__STOP=%s", stop ? stop : "");
    char *env[] = {preload, dir, stop ? point : NULL, NULL};
    if (out >= 0) dup2(out, 3);
    close_range(4, ~0U, 0);
    alarm(10);
    execle("/proc/self/exe", "crash", role, port_text, (char *)NULL, env);
    _exit(99);
}

/* Deaths that were seen after more than 50 ms: on a machine that has other things to do, a few. */
static int late_ones;
static int in_time(long ms) {
    late_ones += ms > 50;
    if (ms > 50) printf("the survivor saw it after %ld ms\n", ms);
    return ms <= 1000;
}

/* Waits until both children have ended, and notes when; neither is taken away yet, so that who is dead stays a zombie
 * for as long as the other one lives, as under a parent that does not care. False if one does not end. */
static int both_end(const pid_t k[2], long when[2]) {
    when[0] = when[1] = 0;
    for (long give_up = now_ms() + 6000; now_ms() < give_up;) {
        for (int i = 0; i < 2; i++) {
            siginfo_t info = {.si_pid = 0};
            if (!when[i] && waitid(P_PID, (id_t)k[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
                when[i] = now_ms();
        }
        if (when[0] && when[1]) return 1;
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    return 0;
}

/* One that is killed at a time of ours, or by itself, and one that sees it. */
static int run_pair(const char *dying, const char *seeing, int wait_ms) {
    int t[2];
    char b;
    long when[2];
    if (pipe2(t, O_CLOEXEC) < 0) return 0;
    pid_t k[2] = {start(dying, NULL, t[1]), 0};
    close(t[1]);
    int there = read(t[0], &b, 1) == 1;
    k[1] = start(seeing, NULL, -1);
    if (wait_ms) {
        nanosleep(&(struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000L}, NULL);
        kill(k[0], SIGKILL);
    }
    int status[2], ended = both_end(k, when);
    close(t[0]);
    if (!ended) {
        printf("%s did not end\n", when[0] ? seeing : dying);
        kill(k[0], SIGKILL);
        kill(k[1], SIGKILL);
    }
    for (int i = 0; i < 2; i++) waitpid(k[i], &status[i], 0);
    if (!ended || !there) return 0;
    if (!WIFSIGNALED(status[0]) || !WIFEXITED(status[1]) || WEXITSTATUS(status[1]) != 0) {
        printf("%s: status %x, %s: status %x\n", dying, status[0], seeing, status[1]);
        return 0;
    }
    return in_time(when[1] - when[0]);
}

/* Starts both; the one called `victim` has a point to be killed at. False when something is wrong. */
static int run(int datagrams, int victim, const char *stop, int *reached) {
    int t[2];
    char b;
    long when[2];
    if (pipe2(t, O_CLOEXEC) < 0) return 0;
    pid_t s = start(datagrams ? "udp-serve" : "serve", victim == 0 ? stop : NULL, t[1]);
    close(t[1]);
    int listening = read(t[0], &b, 1) == 1;
    close(t[0]);
    pid_t c = start(datagrams ? "udp-ask" : "ask", victim == 1 ? stop : NULL, -1);
    int server, client, ended = both_end((pid_t[]){s, c}, when);
    if (!ended) {
        printf("%s did not end\n", when[0] ? "the client" : "the server");
        kill(s, SIGKILL);
        kill(c, SIGKILL);
    }
    waitpid(s, &server, 0);
    waitpid(c, &client, 0);
    *reached = 1;
    if (!ended) return 0;
    int hit = victim == 0 ? server : client, other = victim == 0 ? client : server;
    int killed = WIFSIGNALED(hit) && WTERMSIG(hit) == SIGKILL;
    *reached = killed;
    int fine = WIFEXITED(other) && (WEXITSTATUS(other) == 0 || WEXITSTATUS(other) == 10 || WEXITSTATUS(other) == 11);
    if (!fine || (!killed && !(WIFEXITED(hit) && (WEXITSTATUS(hit) == 0 || WEXITSTATUS(hit) == 10 || WEXITSTATUS(hit) == 11)))) {
        printf("server status %x, client status %x\n", server, client);
        return 0;
    }
    if (!stop && (!listening || WEXITSTATUS(client) != 10)) {
        printf("the restart did not serve: server status %x, client status %x\n", server, client);
        return 0;
    }
    long late = killed ? when[!victim] - when[victim] : 0;
    /* Nobody tells who waits for a datagram, or for a client that never came. */
    return datagrams || WEXITSTATUS(other) == 11 || in_time(late);
}

/* Names and files that are left in the network's directory. */
static int left_over(int tell) {
    int count = 0;
    char net[4096];
    snprintf(net, sizeof net, "%s/default", directory);
    DIR *d = opendir(net);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            count++;
            if (tell) printf("left over: %s\n", e->d_name);
        }
    if (d) closedir(d);
    return count;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3) {
        int port = atoi(argv[2]);
        if (!strcmp(argv[1], "serve")) return serve(port);
        if (!strcmp(argv[1], "ask")) return ask(port);
        if (!strcmp(argv[1], "udp-idle")) return udp_idle(port);
        if (!strcmp(argv[1], "udp-tell")) return udp_tell(port);
        if (!strcmp(argv[1], "serve-raw")) return serve_raw(port);
        if (!strcmp(argv[1], "ask-raw")) return ask_raw(port);
        return udp(port, !strcmp(argv[1], "udp-ask"));
    }
    if (argc < 5) {
        fprintf(stderr, "usage: crash LIBRARY DIRECTORY POINTS SEED [-v]\n");
        return 2;
    }
    library = argv[1];
    directory = argv[2];
    int count = atoi(argv[3]), verbose = argc > 5, bad = 0, reached = 0;
    seed = strtoull(argv[4], NULL, 10) * 2654435769u + 88172645463325252u;
    snprintf(port_text, sizeof port_text, "%d", 7007);
    for (int i = 0; i < count; i++) {
        uint32_t which = chance(POINTS);
        int victim = (int)chance(2), hit = 0, nothing, datagrams = !strcmp(points[which].name, "queued") || chance(6) == 0;
        char stop[64];
        snprintf(stop, sizeof stop, "%s:%u", points[which].name, 1 + chance((uint32_t)points[which].often));
        int fine = run(datagrams, victim, stop, &hit);
        reached += hit;
        if (left_over(0) && hit) {
            /* Whoever was killed last leaves its files to the next one that starts. */
            fine &= run(datagrams, -1, NULL, &nothing);
        } else if (chance(4) == 0) {
            fine &= run(datagrams, -1, NULL, &nothing);
        }
        if (left_over(!fine || left_over(0))) fine = 0;
        bad += !fine;
        if (!fine || verbose)
            printf("%s %d: %s, %s killed at %s%s\n", fine ? "ok" : "FAILED", i, datagrams ? "datagrams" : "stream",
                   victim ? "client" : "server", stop, hit ? "" : " (not reached)");
        fflush(stdout);
    }
    /* Deaths that nobody waits for. */
    for (int i = 0; i < (count + 19) / 20; i++) {
        int fine = i % 2 ? run_pair("udp-idle", "udp-tell", 20 + (int)chance(60)) : run_pair("serve-raw", "ask-raw", 0);
        if (left_over(0)) fine &= run(0, -1, NULL, &(int){0});
        if (left_over(1)) fine = 0;
        bad += !fine;
        if (!fine || verbose) printf("%s %s\n", fine ? "ok" : "FAILED", i % 2 ? "an idle receiver" : "a raw fork");
    }
    if (late_ones > 1 + count / 50) bad++;
    printf("%d points, %d reached, %d late, %d failed\n", count, reached, late_ones, bad);
    return bad != 0;
}
