/* Two processes exchange streams of bytes both ways over several connections: sizes, calls, pauses, buffers, timeouts and
 * half-closes are drawn from a seed, each byte is checked by its position. A timer interrupts both all the time; its
 * handler does I/O of its own, over a connection of its own, and looks at the main one.
 *
 *   stream SEED [N]   over N connections (40); prints "seed SEED: N connections, M bytes, K ticks" and exits 0, or says what went wrong */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 150000, WHOLE_LIMIT_S = 60 };

static uint64_t seed;
static const char *who = "?";

/* splitmix64: every stream of random numbers is told by what it is for. */
static uint64_t next_of(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static uint64_t stream_of(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t s = seed * 1000003 + a * 10007 + b * 101 + c;
    next_of(&s);
    return s;
}
static uint64_t below(uint64_t *state, uint64_t n) { return next_of(state) % n; }

static void fail(const char *what, uint64_t at) {
    char line[200];
    int n = snprintf(line, sizeof line, "seed %llu, %s: %s at %llu, errno %d\n", (unsigned long long)seed, who, what,
                     (unsigned long long)at, errno);
    if (write(2, line, (size_t)n) < 0) _exit(3);
    _exit(2);
}

static unsigned char byte_at(uint64_t direction, uint64_t position) {
    uint64_t x = (position + 1) * 0x9e3779b97f4a7c15u ^ (direction + seed) * 0xd6e8feb86659fd93u;
    return (unsigned char)(x >> 56);
}

/* ---- the handler's own connection: bytes counted up, read and checked as they come ---- */

static volatile int side = -1, main_fd = -1;
static volatile unsigned char side_out, side_in;
static volatile sig_atomic_t ticks;
static atomic_flag side_busy = ATOMIC_FLAG_INIT;

static void on_tick(int sig) {
    (void)sig;
    int keep = errno;
    unsigned char b[64];
    ticks++;
    /* Two threads may be in here at once; the connection is one's at a time. */
    if (side >= 0 && !atomic_flag_test_and_set(&side_busy)) {
        unsigned char out = side_out;
        if (send(side, &out, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) side_out++;
        ssize_t n = recv(side, b, sizeof b, MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++) {
            unsigned char expected = side_in;
            if (b[i] != expected) fail("the handler's connection: a wrong byte", (uint64_t)i);
            side_in++;
        }
        atomic_flag_clear(&side_busy);
    }
    if (main_fd >= 0 && ticks % 3 == 0) recv(main_fd, b, 1, MSG_PEEK | MSG_DONTWAIT);
    errno = keep;
}

static void storm(int on, uint64_t *r) {
    struct itimerval it = {{0, on ? 100 + (int)below(r, 1500) : 0}, {0, on ? 300 : 0}};
    struct sigaction sa = {.sa_handler = on_tick, .sa_flags = below(r, 2) ? SA_RESTART : 0};
    if (on) sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
}

/* ---- one direction each ---- */

struct job {
    int fd;
    uint64_t direction, total, random, done;
};

static void nap(uint64_t *r) {
    if (below(r, 12) == 0) usleep((unsigned)below(r, 1500));
}

static void wait_for(int fd, short events, uint64_t *r) {
    switch (below(r, 3)) {
    case 0: {
        struct pollfd p = {fd, events, 0};
        poll(&p, 1, (int)below(r, 20));
        return;
    }
    case 1: {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fd, &set);
        struct timeval t = {0, (int)below(r, 20000)};
        select(fd + 1, events == POLLIN ? &set : NULL, events == POLLOUT ? &set : NULL, NULL, &t);
        return;
    }
    default: {
        int ep = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event ev = {.events = events == POLLIN ? EPOLLIN : EPOLLOUT}, got;
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        epoll_wait(ep, &got, 1, (int)below(r, 20));
        close(ep);
    }
    }
}

static int passes(int e) { return e == EINTR || e == EAGAIN; }

static size_t a_size(uint64_t *r) {
    static const uint32_t most[] = {1, 8, 100, 1500, 9000, 70000, LARGEST};
    return 1 + below(r, most[below(r, 7)]);
}

/* One attempt to send; 1 when the direction is at its end. */
static int send_some(struct job *j) {
    unsigned char *b = malloc(LARGEST + 1);
    uint64_t left = j->total - j->done;
    size_t n = a_size(&j->random);
    if (n > left) n = left;
    for (size_t i = 0; i < n; i++) b[i] = byte_at(j->direction, j->done + i);
    size_t half = n / 2;
    struct iovec v[2] = {{b, half}, {b + half, n - half}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t sent = 0;
    if (n > 0) {
        int flags = MSG_NOSIGNAL | (below(&j->random, 4) == 0 ? MSG_DONTWAIT : 0);
        switch (below(&j->random, 5)) {
        case 0: sent = write(j->fd, b, n); break;
        case 1: sent = writev(j->fd, v, 2); break;
        case 2: sent = sendmsg(j->fd, &m, flags); break;
        case 3: sent = sendto(j->fd, b, n, flags, NULL, 0); break;
        default: sent = send(j->fd, b, n, flags);
        }
    }
    free(b);
    if (sent < 0 && !passes(errno)) fail("send", j->done);
    if (sent < 0 && errno == EAGAIN) wait_for(j->fd, POLLOUT, &j->random);
    if (sent > 0) j->done += (uint64_t)sent;
    nap(&j->random);
    return j->done == j->total;
}

/* One attempt to receive; 1 at the end of the stream. */
static int receive_some(struct job *j) {
    unsigned char *b = malloc(LARGEST + 1);
    size_t n = a_size(&j->random), half = n / 2;
    struct iovec v[2] = {{b, half}, {b + half, n - half}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    int how = (int)below(&j->random, 7), taken = 1;
    ssize_t got;
    switch (how) {
    case 0: got = read(j->fd, b, n); break;
    case 1: got = readv(j->fd, v, 2); break;
    case 2: got = recvmsg(j->fd, &m, 0); break;
    case 3: got = recv(j->fd, b, n, MSG_DONTWAIT); break;
    case 4: got = recv(j->fd, b, n, MSG_WAITALL); break;
    case 5: got = recv(j->fd, b, n, MSG_PEEK), taken = 0; break;
    default: got = recvfrom(j->fd, b, n, 0, NULL, NULL);
    }
    int e = errno;
    if (got < 0 && !passes(e)) fail("receive", j->done);
    for (ssize_t i = 0; i < got; i++)
        if (b[i] != byte_at(j->direction, j->done + (uint64_t)i)) fail("a wrong byte", j->done + (uint64_t)i);
    free(b);
    if (got > 0 && taken) j->done += (uint64_t)got;
    if (j->done > j->total) fail("more than was sent", j->done);
    if (got < 0 && e == EAGAIN) wait_for(j->fd, POLLIN, &j->random);
    nap(&j->random);
    if (got == 0 && j->done != j->total) fail("the end came early", j->done);
    return got == 0;
}

static void *send_all(void *arg) {
    struct job *j = arg;
    while (!send_some(j)) {}
    if (shutdown(j->fd, SHUT_WR) < 0) fail("shutdown", j->done);
    return NULL;
}

static void *receive_all(void *arg) {
    while (!receive_some(arg)) {}
    return NULL;
}

/* Both directions by one thread, neither of which may block the other. */
static void by_turns(struct job *out, struct job *in) {
    int sent = 0, received = 0;
    fcntl(out->fd, F_SETFL, fcntl(out->fd, F_GETFL) | O_NONBLOCK);
    while (!sent || !received) {
        if (!sent && (sent = send_some(out))) shutdown(out->fd, SHUT_WR);
        if (!received) received = receive_some(in);
    }
}

static void options(int fd, uint64_t *r) {
    int small = 2048 << below(r, 9), one = 1;
    struct timeval t = {0, 1000 + (int)below(r, 30000)};
    if (below(r, 3) == 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (below(r, 3) == 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (below(r, 3) == 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    if (below(r, 3) == 0) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    if (below(r, 2) == 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static uint64_t total_of(uint64_t connection, uint64_t direction) {
    static const uint64_t most[] = {1, 1000, 100000, 1000000, 3000000};
    uint64_t r = stream_of(connection, direction, 7);
    return below(&r, most[below(&r, 5)]);
}

/* This side's part in one connection; side 0 connected, side 1 accepted. Gives the bytes that went both ways. */
static uint64_t exchange(int fd, uint64_t connection, uint64_t me) {
    uint64_t r = stream_of(connection, me, 1), out = connection * 2 + me, in = connection * 2 + 1 - me;
    struct job sending = {fd, out, total_of(connection, me), stream_of(connection, me, 2), 0};
    struct job receiving = {fd, in, total_of(connection, 1 - me), stream_of(connection, me, 3), 0};
    options(fd, &r);
    main_fd = fd;
    if (below(&r, 3) == 0) {
        by_turns(&sending, &receiving);
    } else {
        pthread_t t;
        if (pthread_create(&t, NULL, send_all, &sending) != 0) fail("pthread_create", connection);
        receive_all(&receiving);
        pthread_join(t, NULL);
    }
    main_fd = -1;
    if (close(fd) < 0) fail("close", connection);
    return sending.total + receiving.total;
}

static int call_again(int (*call)(int, const struct sockaddr *, socklen_t), int fd, struct sockaddr_in *a) {
    while (call(fd, (struct sockaddr *)a, sizeof *a) < 0) {
        if (errno == EISCONN) return 0;
        if (errno != EINTR && errno != EALREADY && errno != EINPROGRESS) return -1;
        usleep(500);
    }
    return 0;
}

static int dial(struct sockaddr_in *a) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || call_again(connect, fd, a) < 0) fail("connect", 0);
    return fd;
}

static int take(int l) {
    int fd;
    while ((fd = accept4(l, NULL, NULL, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR) fail("accept", 0);
    return fd;
}

int main(int argc, char **argv) {
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t connections = argc > 2 ? strtoull(argv[2], NULL, 10) : 40;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 4) < 0) fail("listen", 0);
    if (getsockname(l, (struct sockaddr *)&a, &length) < 0) fail("getsockname", 0);
    signal(SIGPIPE, SIG_IGN);
    pid_t other = fork();
    if (other < 0) fail("fork", 0);
    uint64_t me = other == 0, r = stream_of(99, me, 0), bytes = 0;
    who = me ? "the one that accepts" : "the one that connects";
    /* SIGALRM is in use, so another timer is the last resort. */
    struct sigevent end = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {WHOLE_LIMIT_S, 0}};
    timer_t last;
    if (timer_create(CLOCK_MONOTONIC, &end, &last) == 0) timer_settime(last, 0, &limit, NULL);
    if (!me) close(l);
    int handlers = me ? take(l) : dial(&a);
    side = handlers;
    for (uint64_t c = 0; c < connections; c++) {
        storm(below(&r, 4) != 0, &r);
        bytes += exchange(me ? take(l) : dial(&a), c, me);
    }
    storm(0, &r);
    side = -1;
    close(handlers);
    if (me) _exit(0);
    int status;
    while (waitpid(other, &status, 0) < 0) {}
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "seed %llu: the other process ended badly (%x)\n", (unsigned long long)seed, status);
        return 1;
    }
    printf("seed %llu: %llu connections, %llu bytes, %d ticks\n", (unsigned long long)seed,
           (unsigned long long)connections, (unsigned long long)bytes, (int)ticks);
    return 0;
}
