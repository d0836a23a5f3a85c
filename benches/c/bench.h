/* What the benchmark programs share: arguments, the second process, clocks and output. They are ordinary socket
 * programs and know nothing of Sockhop; every one runs as it is on the kernel's sockets.
 *
 * Output: one line per figure, "name value unit". CPU seconds are those of both processes within the measured window. */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LISTENERS 16
#define LINE 128

/* One page that both processes see, for what must not disturb the sockets under measurement. */
struct shared {
    _Alignas(LINE) atomic_int ports[MAX_LISTENERS]; /* 0 until the server listens */
    _Alignas(LINE) atomic_int stop;
    _Alignas(LINE) atomic_long done; /* connections that the server has accepted */
    _Alignas(LINE) atomic_long open; /* connections that the server holds */
    _Alignas(LINE) atomic_long sent;
    _Alignas(LINE) double result[8]; /* written by the server, read after it has ended */
};

static struct shared *shared;

static struct {
    double seconds;
    long size;
    int conns, idle, senders, pin_server, pin_client, nodelay, exchange;
    double work_us;
    const char *mode;
} opt = {.seconds = 1, .size = 64, .conns = 50, .senders = 1, .pin_server = -1, .pin_client = -1, .mode = ""};

#define WARM_UP (opt.seconds < 1 ? opt.seconds * 0.2 : 0.2)

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

#define CHECK(call) ({ __typeof__(call) r_ = (call); if (r_ < 0) die(#call); r_; })

static inline double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* CPU seconds of a process, all its threads; 0 when it is gone. */
static inline double cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
        return 0;
    return ts.tv_sec + ts.tv_nsec * 1e-9;
}

struct window {
    pid_t other;
    double begin, cpu_begin, seconds, cpu;
};

static inline void window_open(struct window *w, pid_t other)
{
    w->other = other;
    w->cpu_begin = cpu_of(getpid()) + cpu_of(other);
    w->begin = now();
}

static inline void window_close(struct window *w)
{
    w->seconds = now() - w->begin;
    w->cpu = cpu_of(getpid()) + cpu_of(w->other) - w->cpu_begin;
}

static inline void report(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
    fflush(stdout);
}

static inline void pin(int core)
{
    if (core < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set));
}

/* Work that a program would do for a request: keeps the core busy for that long. */
static inline void work(double us)
{
    if (us <= 0)
        return;
    double end = now() + us * 1e-6;
    while (now() < end)
        ;
}

/* A run that goes wrong ends by itself; whoever started it may have a shorter limit. */
static inline void limit(void)
{
    alarm((unsigned)(opt.seconds * 6) + 50);
}

static inline void usage(const char *program, const char *accepted)
{
    fprintf(stderr, "usage: %s [options]; it takes -%s, where:\n", program, accepted);
    fputs("  -t SECONDS  length of the measured window (1)\n"
          "  -p S,C      pin the server to core S and the client to core C\n"
          "  -s BYTES    size of a message (64)\n"
          "  -n          set TCP_NODELAY\n"
          "  -c N        busy connections (50)\n"
          "  -i N        idle connections beside them (0)\n"
          "  -w US       microseconds of work for each request, on each side (0)\n"
          "  -u N        sending processes (1)\n"
          "  -x          use each connection once before it goes idle\n"
          "  -m WHO      who closes first: client or server\n", stderr);
    exit(2);
}

static inline void parse(int argc, char **argv, const char *accepted)
{
    for (int c; (c = getopt(argc, argv, accepted)) != -1;) {
        switch (c) {
        case 't': opt.seconds = atof(optarg); break;
        case 's': opt.size = atol(optarg); break;
        case 'c': opt.conns = atoi(optarg); break;
        case 'i': opt.idle = atoi(optarg); break;
        case 'u': opt.senders = atoi(optarg); break;
        case 'w': opt.work_us = atof(optarg); break;
        case 'm': opt.mode = optarg; break;
        case 'n': opt.nodelay = 1; break;
        case 'x': opt.exchange = 1; break;
        case 'p':
            if (sscanf(optarg, "%d,%d", &opt.pin_server, &opt.pin_client) == 2)
                break;
            /* fall through */
        default: usage(argv[0], accepted);
        }
    }
    if (optind < argc || opt.seconds <= 0 || opt.size <= 0)
        usage(argv[0], accepted);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    signal(SIGPIPE, SIG_IGN);
    limit();
}

/* Runs `body` in a process of its own. Sockets are made after the fork, so that each belongs to one process. */
static inline pid_t spawn(void (*body)(void), int core)
{
    pid_t parent = getpid();
    pid_t pid = CHECK(fork());
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(1);
    limit();
    pin(core);
    body();
    exit(0);
}

static inline void reap(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0));
    if (status != 0) {
        fprintf(stderr, "the other process ended with status 0x%x\n", status);
        exit(1);
    }
}

static inline struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Binds to a port that is free and publishes it in slot `i`; a stream socket listens first. */
static inline int serve(int type, int i)
{
    int fd = CHECK(socket(AF_INET, type, 0));
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a));
    if (type == SOCK_STREAM)
        CHECK(listen(fd, 4096));
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len));
    atomic_store(&shared->ports[i], ntohs(a.sin_port));
    return fd;
}

static inline int port_of(int i)
{
    int port;
    while ((port = atomic_load(&shared->ports[i])) == 0)
        usleep(100);
    return port;
}

static inline int connect_to(int type, int i)
{
    struct sockaddr_in a = loopback(port_of(i));
    int fd = CHECK(socket(AF_INET, type, 0));
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a));
    return fd;
}

static inline void nodelay(int fd)
{
    int one = 1;
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
}

static inline void send_all(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = CHECK(send(fd, buf, len, 0));
        buf += n;
        len -= (size_t)n;
    }
}

/* False at the end of the stream. */
static inline int recv_all(int fd, char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = CHECK(recv(fd, buf, len, 0));
        if (n == 0)
            return 0;
        buf += n;
        len -= (size_t)n;
    }
    return 1;
}

/* Room for `n` connections in one process; root may raise the hard limit as well. */
static inline void need_files(rlim_t n)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r));
    n += 256;
    if (r.rlim_cur >= n)
        return;
    struct rlimit want = {.rlim_cur = n, .rlim_max = r.rlim_max < n ? n : r.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &want) != 0)
        die("RLIMIT_NOFILE is too low for this many connections");
}

#endif
