/* Victims run streams, datagrams and epoll in a network while a program that keeps to no rule writes garbage into the
 * network's memory. A victim may see any error and any closed connection; it may not crash, not hang, and not be handed
 * bytes of its own memory.
 *
 *     hostile LIBRARY DIRECTORY FIRST COUNT [-v]      (scripts/hostile.sh starts it)
 *
 * The seed decides what is written where; the timing is the machine's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long garbage is written, how long a victim may go on after that, and the port of its server. */
enum { ROUND_MS = 400, GRACE_MS = 15000, PORT = 4000 };

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static uint64_t seed;
static uint64_t random64(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dull;
}
static uint32_t chance(uint32_t below) { return (uint32_t)((random64() >> 32) % below); }

/* ---- the victims ---- */

/* What no peer may ever get to see stands before and behind every buffer that is received into. */
static const unsigned char SECRET[16] = "\x9d\x5b\xe1secret\xf3\x07\xc8\x91\xaa\x10";
enum { ROOM = 160000, MARGIN = 4096 };
struct buffer { unsigned char before[MARGIN], bytes[ROOM], behind[MARGIN]; };

static struct buffer *new_buffer(void) {
    struct buffer *b = malloc(sizeof *b);
    for (size_t i = 0; i < sizeof *b; i++) ((unsigned char *)b)[i] = SECRET[i % sizeof SECRET];
    memset(b->bytes, 'x', ROOM);
    return b;
}

static void fail(const char *what) {
    fprintf(stderr, "victim: %s\n", what);
    _exit(9);
}

static void check(struct buffer *b, ssize_t n) {
    if (n > (ssize_t)ROOM) fail("more bytes than there was room for");
    for (size_t i = 0; i < MARGIN; i++)
        if (b->before[i] != SECRET[i % sizeof SECRET] || b->behind[i] != SECRET[(MARGIN + ROOM + i) % sizeof SECRET])
            fail("wrote past the buffer");
    if (n > 0 && memmem(b->bytes, (size_t)n, SECRET, sizeof SECRET)) fail("was handed its own memory");
}

static struct sockaddr_in name(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int patient(int fd) {
    struct timeval t = {0, 50000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    return fd;
}

static int datagram_socket(int port) {
    int on = 1, u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = name(port);
    setsockopt(u, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(u, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(u, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(u, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    bind(u, (struct sockaddr *)&a, sizeof a);
    return u;
}

static int listener(void) {
    int on = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = name(PORT);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind(l, (struct sockaddr *)&a, sizeof a);
    listen(l, 8);
    return l;
}

static void watch(int e, int fd, uint32_t events) {
    struct epoll_event v = {.events = events, .data.fd = fd};
    epoll_ctl(e, EPOLL_CTL_ADD, fd, &v);
}

/* An epoll server for streams and datagrams, that starts anew now and then. */
static void serve(long until) {
    struct buffer *b = new_buffer();
    while (now_ms() < until) {
        int e = epoll_create1(0), l = listener(), u = datagram_socket(PORT), held = 0;
        watch(e, l, EPOLLIN);
        watch(e, u, EPOLLIN | EPOLLET);
        long restart = now_ms() + 30 + chance(200);
        int fds[256] = {0};
        while (now_ms() < restart && now_ms() < until) {
            struct epoll_event events[32];
            int n = epoll_wait(e, events, 32, 5);
            for (int i = 0; i < n; i++) {
                int fd = events[i].data.fd;
                if (fd == l) {
                    int c = accept4(l, NULL, NULL, SOCK_NONBLOCK);
                    if (c >= 0 && held < 256) {
                        fds[held++] = c;
                        watch(e, c, EPOLLIN | EPOLLRDHUP | (chance(2) ? EPOLLET : 0) | (chance(4) ? 0 : EPOLLOUT));
                    } else if (c >= 0) {
                        close(c);
                    }
                    continue;
                }
                struct sockaddr_in from;
                socklen_t length = sizeof from;
                ssize_t got = recvfrom(fd, b->bytes, 1 + chance(ROOM), 0, (struct sockaddr *)&from, &length);
                check(b, got);
                if (got > 0) sendto(fd, b->bytes, (size_t)got, MSG_NOSIGNAL, fd == u ? (void *)&from : NULL, fd == u ? length : 0);
                if (fd != u && (got == 0 || (got < 0 && errno != EAGAIN))) shutdown(fd, SHUT_RDWR), epoll_ctl(e, EPOLL_CTL_DEL, fd, NULL);
            }
        }
        for (int i = 0; i < held; i++) close(fds[i]);
        close(u);
        close(l);
        close(e);
    }
}

/* Blocking streams, with everything that looks into shared state on the way. */
static void stream(long until) {
    struct buffer *b = new_buffer();
    while (now_ms() < until) {
        int c = patient(socket(AF_INET, SOCK_STREAM, 0)), value = 0;
        struct sockaddr_in a = name(PORT), from;
        socklen_t length = sizeof from;
        if (connect(c, (struct sockaddr *)&a, sizeof a) == 0) {
            for (int round = chance(40); round > 0 && now_ms() < until; round--) {
                size_t n = 1 + chance(chance(3) ? 500 : 100000);
                ssize_t sent = send(c, b->bytes, n, MSG_NOSIGNAL | (chance(8) ? 0 : MSG_OOB) | (chance(8) ? 0 : MSG_MORE));
                if (sent <= 0 && errno != EAGAIN) break;
                int flags = (chance(5) ? 0 : MSG_PEEK) | (chance(8) ? 0 : MSG_WAITALL) | (chance(16) ? 0 : MSG_OOB) |
                            (chance(10) ? 0 : MSG_TRUNC) | (chance(6) ? 0 : MSG_DONTWAIT);
                ssize_t got = recv(c, b->bytes, 1 + chance(ROOM), flags);
                check(b, flags & MSG_TRUNC ? 0 : got);
                if (got == 0) break;
                if (chance(4) == 0) ioctl(c, FIONREAD, &value), ioctl(c, SIOCATMARK, &value);
                if (chance(8) == 0) setsockopt(c, SOL_SOCKET, SO_SNDBUF, &(int){(int)chance(300000)}, sizeof(int));
                if (chance(16) == 0) setsockopt(c, SOL_SOCKET, SO_OOBINLINE, &(int){(int)chance(2)}, sizeof(int));
            }
        }
        struct tcp_info info;
        socklen_t size = sizeof info;
        getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &size);
        getpeername(c, (struct sockaddr *)&from, &length);
        if (chance(2)) shutdown(c, (int)chance(3));
        close(c);
    }
}

/* Datagrams between two sockets, and by poll and select. */
static void datagrams(long until) {
    struct buffer *b = new_buffer();
    static unsigned char control[1024];
    while (now_ms() < until) {
        int u = datagram_socket(PORT + 1), c = patient(socket(AF_INET, SOCK_DGRAM, 0));
        struct sockaddr_in a = name(chance(3) ? PORT : PORT + 1);
        struct ip_mreq group = {.imr_multiaddr.s_addr = htonl(0xefff0101), .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
        setsockopt(u, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
        connect(c, (struct sockaddr *)&a, sizeof a);
        for (int round = 60; round > 0 && now_ms() < until; round--) {
            send(c, b->bytes, chance(chance(4) ? 300 : 60000), MSG_NOSIGNAL);
            struct iovec v = {b->bytes, 1 + chance(ROOM)};
            struct sockaddr_storage from;
            struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1,
                               .msg_control = control, .msg_controllen = sizeof control};
            int fd = chance(2) ? u : c;
            check(b, recvmsg(fd, &m, (chance(4) ? 0 : MSG_PEEK) | (chance(8) ? 0 : MSG_ERRQUEUE) | (fd == c && chance(2) ? MSG_DONTWAIT : 0)));
            struct pollfd p[2] = {{u, POLLIN, 0}, {c, POLLIN | POLLOUT, 0}};
            if (chance(3) == 0) poll(p, 2, (int)chance(4));
            fd_set set;
            FD_ZERO(&set);
            FD_SET(u, &set);
            if (chance(8) == 0) select(u + 1, &set, NULL, NULL, &(struct timeval){0, 1000});
        }
        close(u);
        close(c);
    }
}

/* Timeouts and flags of a socket are in the spoilt memory too: a call may block for ever, as on a silent peer. A signal has
 * to end it. */
static void nudged(int sig) { (void)sig; }

struct pair { int fd; long until; };

static void *reader(void *p) {
    struct pair *pair = p;
    struct buffer *b = new_buffer();
    while (now_ms() < pair->until) {
        ssize_t n = read(pair->fd, b->bytes, 1 + (size_t)random() % ROOM);
        check(b, n);
        if (n == 0 || (n < 0 && errno != EAGAIN)) break;
    }
    free(b);
    return NULL;
}

static void *writer(void *p) {
    struct pair *pair = p;
    struct buffer *b = new_buffer();
    while (now_ms() < pair->until)
        if (send(pair->fd, b->bytes, 1 + (size_t)random() % ROOM, MSG_NOSIGNAL) < 0 && errno != EAGAIN) break;
    free(b);
    return NULL;
}

/* Two threads that read and two that write at the ends of one connection. */
static void threads(long until) {
    while (now_ms() < until) {
        int l = socket(AF_INET, SOCK_STREAM, 0), c = patient(socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = name(0);
        socklen_t length = sizeof a;
        bind(l, (struct sockaddr *)&a, sizeof a);
        listen(patient(l), 1);
        getsockname(l, (struct sockaddr *)&a, &length);
        int s = connect(c, (struct sockaddr *)&a, sizeof a) < 0 ? -1 : accept(l, NULL, NULL);
        if (s >= 0) {
            long stop = now_ms() + 20 + chance(100);
            struct pair one = {patient(s), stop < until ? stop : until}, two = {c, one.until};
            pthread_t t[4];
            void *(*const what[4])(void *) = {reader, writer, reader, writer};
            for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, what[i], i < 2 ? &one : &two);
            /* Joined only when nobody nudges them any more. */
            for (int i = 0; i < 4; i++)
                while (pthread_tryjoin_np(t[i], NULL) == EBUSY) {
                    if (now_ms() > one.until) pthread_kill(t[i], SIGUSR1);
                    usleep(2000);
                }
            close(s);
        } else {
            usleep(1000);
        }
        close(c);
        close(l);
    }
}

static const struct { const char *name; void (*run)(long); } victims[] = {
    {"serve", serve}, {"stream", stream}, {"datagrams", datagrams}, {"threads", threads},
};
enum { VICTIMS = sizeof victims / sizeof *victims };

/* ---- the hostile one ---- */

static unsigned char *arena;
static size_t arena_size;
/* The parts of the file that have pages. */
static struct { size_t from, to; } extents[512];
static int extents_found;
static int arena_fd = -1;

static int open_arena(const char *directory) {
    DIR *d = opendir(directory);
    if (!d) return 0;
    char path[2 * PATH_MAX] = "";
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "arena-", 6) == 0 && !strchr(e->d_name, '.')) snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
    closedir(d);
    struct stat st;
    if (!*path || (arena_fd = open(path, O_RDWR)) < 0) return 0;
    fstat(arena_fd, &st);
    arena_size = (size_t)st.st_size;
    arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, arena_fd, 0);
    return arena != MAP_FAILED;
}

static void find_extents(void) {
    extents_found = 0;
    off_t at = 0;
    while (extents_found < 512) {
        off_t from = lseek(arena_fd, at, SEEK_DATA);
        if (from < 0) return;
        off_t to = lseek(arena_fd, from, SEEK_HOLE);
        if (to <= from) return;
        extents[extents_found].from = (size_t)from;
        extents[extents_found++].to = (size_t)to;
        at = to;
    }
}

/* A word in use, most often: one that is not 0. Each part of the file is as likely as any other, whatever its size. */
static size_t somewhere(void) {
    size_t at = 0;
    for (int tries = 0; tries < 40 && extents_found > 0; tries++) {
        int e = (int)chance((uint32_t)extents_found);
        size_t length = extents[e].to - extents[e].from;
        if (chance(2) && length > 65536) length = 65536;
        at = extents[e].from + (random64() % length & ~(size_t)3);
        if (*(uint32_t *)(arena + at) != 0 || chance(30) == 0) break;
    }
    return at;
}

static void spoil(size_t at) {
    volatile uint32_t *word = (volatile uint32_t *)(arena + at);
    volatile uint64_t *wide = (volatile uint64_t *)(arena + (at & ~(size_t)7));
    switch (chance(14)) {
    case 0: *word = (uint32_t)random64(); break;
    case 1: *wide = random64(); break;
    case 2: *word = 0; break;
    case 3: *word = UINT32_MAX; break;
    case 4: *wide = UINT64_MAX - chance(3); break;
    case 5: *word ^= 1u << chance(32); break;
    case 6: *wide ^= 1ull << chance(64); break;
    case 7: *word = chance(300); break;
    /* Numbers of chunks: a class in the top byte. */
    case 8: *word = chance(6) << 24 | chance(80); break;
    case 9: *word = *(uint32_t *)(arena + somewhere()); break;
    case 10: *wide = *(uint64_t *)(arena + (somewhere() & ~(size_t)7)); break;
    case 11: *wide += random64() % 200000 - 100000; break;
    case 12: *word += chance(5) - 2; break;
    default:
        /* A line from elsewhere. */
        memcpy(arena + (at & ~(size_t)63), arena + (somewhere() & ~(size_t)63), 64);
    }
}

/* It takes pages away under itself, too. */
static sigjmp_buf missed;
static void miss(int sig) {
    (void)sig;
    siglongjmp(missed, 1);
}

/* Takes pages away under the victims, here and there or all. */
static void cut(void) {
    off_t length = (off_t)arena_size;
    if (chance(2)) length = chance(2) ? 0 : (off_t)(somewhere() & ~(size_t)4095);
    if (length == (off_t)arena_size) {
        off_t at = (off_t)(somewhere() & ~(size_t)4095);
        fallocate(arena_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 4096 * (off_t)(1 + chance(64)));
    } else if (ftruncate(arena_fd, length) == 0 && chance(2)) {
        usleep(chance(20000));
        if (ftruncate(arena_fd, (off_t)arena_size) != 0) perror("ftruncate");
    }
}

static void spoil_for_a_while(void) {
    const long until = now_ms() + ROUND_MS;
    /* Some seeds let things run for longer in between than others. */
    const uint32_t burst = 1 + chance(chance(3) ? 8 : 200), pause_us = chance(chance(2) ? 10000 : 500);
    size_t frozen[4];
    signal(SIGBUS, miss);
    find_extents();
    for (int i = 0; i < 4; i++) frozen[i] = somewhere();
    const int cuts = chance(6) == 0;
    for (volatile int round = 0; now_ms() < until; round++) {
        if (cuts && chance(20) == 0) cut();
        if (round % 16 == 0 || cuts) find_extents();
        if (extents_found == 0) {
            usleep(pause_us);
            continue;
        }
        if (sigsetjmp(missed, 1) == 0) {
            for (uint32_t i = chance(burst) + 1; i > 0; i--) spoil(somewhere());
            if (chance(4) == 0) spoil(frozen[chance(4)]);
        }
        usleep(pause_us);
    }
}

/* ---- one round ---- */

static const char *library, *directory;
static int verbose;

static pid_t start(int which, const char *network, uint64_t its_seed, const char *told) {
    char number[32], length[32], argument[16];
    snprintf(number, sizeof number, "%llu", (unsigned long long)its_seed);
    snprintf(argument, sizeof argument, "%d", which);
    snprintf(length, sizeof length, "%d", ROUND_MS);
    pid_t p = fork();
    if (p != 0) return p;
    int out = open(told, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    setpgid(0, 0);
    setenv("LD_PRELOAD", library, 1);
    setenv("SOCKHOP_DIR", network, 1);
    setenv("SOCKHOP_NET", "n", 1);
    execl("/proc/self/exe", "hostile", "victim", argument, number, length, (char *)NULL);
    _exit(127);
}

/* Does its end say that something went wrong? Signals that a socket's owner is sent are no fault. */
static const char *verdict(int status) {
    static char text[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NULL;
    if (WIFEXITED(status)) {
        snprintf(text, sizeof text, "exited with %d", WEXITSTATUS(status));
        return text;
    }
    switch (WTERMSIG(status)) {
    case SIGSEGV: case SIGBUS: case SIGABRT: case SIGILL: case SIGFPE: case SIGTRAP: case SIGSYS:
        snprintf(text, sizeof text, "died of signal %d", WTERMSIG(status));
        return text;
    }
    return NULL;
}

static int round_of(uint64_t number) {
    char network[PATH_MAX], inside[PATH_MAX + 8], told[PATH_MAX + 16], command[PATH_MAX + 32];
    snprintf(network, sizeof network, "%s/%llu", directory, (unsigned long long)number);
    snprintf(inside, sizeof inside, "%s/n", network);
    snprintf(told, sizeof told, "%s/told", directory);
    unlink(told);
    mkdir(network, 0700);
    seed = number * 0x9e3779b97f4a7c15ull + 1;
    pid_t pids[VICTIMS];
    for (int i = 0; i < VICTIMS; i++) pids[i] = start(i, network, random64(), told);
    int failed = 0;
    long limit = now_ms() + 3000;
    while (!open_arena(inside) && now_ms() < limit) usleep(1000);
    if (arena_fd < 0) {
        printf("seed %llu: the victims made no network\n", (unsigned long long)number);
        failed = 1;
    } else {
        usleep(chance(30) * 1000);
        spoil_for_a_while();
    }
    limit = now_ms() + GRACE_MS;
    for (int i = 0; i < VICTIMS; i++) {
        int status = 0;
        while (waitpid(pids[i], &status, WNOHANG) == 0) {
            if (now_ms() >= limit) {
                printf("seed %llu: %s hangs\n", (unsigned long long)number, victims[i].name);
                if (verbose) {
                    fflush(stdout);
                    printf("process %d stays for a minute\n", pids[i]);
                    fflush(stdout);
                    sleep(60);
                }
                kill(-pids[i], SIGKILL);
                waitpid(pids[i], &status, 0);
                status = 0;
                failed = 1;
                break;
            }
            usleep(1000);
        }
        const char *wrong = verdict(status);
        if (wrong) {
            printf("seed %llu: %s %s\n", (unsigned long long)number, victims[i].name, wrong);
            failed = 1;
        }
    }
    FILE *f = fopen(told, "r");
    char line[400];
    while (f && fgets(line, sizeof line, f)) {
        if (strstr(line, "panicked")) failed = 1;
        if (failed || verbose) printf("seed %llu: %s", (unsigned long long)number, line);
    }
    if (f) fclose(f);
    if (arena_fd >= 0) {
        munmap(arena, arena_size);
        close(arena_fd);
        arena_fd = -1;
    }
    snprintf(command, sizeof command, "rm -rf '%s'", network);
    if (system(command) != 0) failed = 1;
    fflush(stdout);
    return failed;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "victim") == 0) {
        seed = strtoull(argv[3], NULL, 10) | 1;
        srandom((unsigned)seed);
        signal(SIGPIPE, SIG_IGN);
        struct sigaction a = {.sa_handler = nudged};
        sigaction(SIGUSR1, &a, NULL);
        sigaction(SIGALRM, &a, NULL);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 150000}, {0, 150000}}, NULL);
        victims[atoi(argv[2]) % VICTIMS].run(now_ms() + atoi(argv[4]));
        return 0;
    }
    if (argc < 5) return 2;
    library = argv[1];
    directory = argv[2];
    verbose = argc > 5;
    unsigned long first = strtoul(argv[3], NULL, 10), count = strtoul(argv[4], NULL, 10), failed = 0;
    for (unsigned long i = first; i < first + count; i++) failed += (unsigned long)round_of(i);
    printf("%lu passed, %lu failed\n", count - failed, failed);
    return failed != 0;
}
