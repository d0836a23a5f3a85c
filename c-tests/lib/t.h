/* What every c-test shares: facts on stdout, one a line, in an order and a wording that never vary.
 *
 * A test knows nothing of Sockhop. It asks its socket layer questions and prints what it was told;
 * the harness runs it on the kernel, then under the library, and compares the two outputs to the letter.
 */
#ifndef SOCKHOP_T_H
#define SOCKHOP_T_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One fact, one line. Flushed at once, so that the facts before a crash or a hang are there to read. */
__attribute__((format(printf, 1, 2), unused)) static void fact(const char *fmt, ...) {
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(1, line, (size_t)n) < 0) _exit(90);
}

/* The name of an errno ("ECONNREFUSED"), "0" for none. */
__attribute__((unused)) static const char *ename(int e) {
    if (e == 0) return "0";
    const char *n = strerrorname_np(e);
    return n ? n : "?";
}

/* The outcome of a call that answers -1 and errno: "label: 3" or "label: -1 EBADF". Gives the result back. */
__attribute__((unused)) static long res(const char *label, long r) {
    int e = errno;
    if (r < 0) fact("%s: -1 %s", label, ename(e));
    else fact("%s: %ld", label, r);
    errno = e;
    return r;
}

/* The same where a good result is a number that varies (a descriptor): "label: ok". */
__attribute__((unused)) static long ok(const char *label, long r) {
    int e = errno;
    if (r < 0) fact("%s: -1 %s", label, ename(e));
    else fact("%s: ok", label);
    errno = e;
    return r;
}

/* A step that has to work for the test to make sense: stops the test, saying which, when it does not. */
__attribute__((unused)) static long must(const char *label, long r) {
    if (r < 0) {
        fact("must %s: %s", label, ename(errno));
        exit(91);
    }
    return r;
}

__attribute__((unused)) static struct sockaddr_in in4(const char *ip, int port) {
    struct sockaddr_in a;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

__attribute__((unused)) static struct sockaddr_in6 in6(const char *ip, int port) {
    struct sockaddr_in6 a;
    memset(&a, 0, sizeof a);
    a.sin6_family = AF_INET6;
    a.sin6_port = htons((uint16_t)port);
    inet_pton(AF_INET6, ip, &a.sin6_addr);
    return a;
}

/* The local port of a socket in host order, 0 when it has none. */
__attribute__((unused)) static int port_of(int fd) {
    struct sockaddr_storage ss;
    socklen_t l = sizeof ss;
    memset(&ss, 0, sizeof ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &l) < 0) return 0;
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}

/* An address as text; the port as "0", "port" (not 0), or, where it equals one of the two given, by that one's name. */
__attribute__((unused)) static const char *addr_text(const struct sockaddr *sa, int a, int b) {
    static __thread char out[4][160];
    static __thread int turn;
    char ip[64] = "?";
    int port = -1;
    char *o = out[turn++ & 3];
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *s = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &s->sin_addr, ip, sizeof ip);
        port = ntohs(s->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)sa;
        inet_ntop(AF_INET6, &s->sin6_addr, ip, sizeof ip);
        port = ntohs(s->sin6_port);
    } else {
        snprintf(o, 160, "family %d", sa->sa_family);
        return o;
    }
    snprintf(o, 160, "%s port %s", ip, port == 0 ? "0" : a && port == a ? "A" : b && port == b ? "B" : "other");
    return o;
}

__attribute__((unused)) static void sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

/* Waits until a process or thread (its number) sleeps, as it does in a call that blocks: several looks in a row say so. */
__attribute__((unused)) static void await_sleep(pid_t id) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
    for (int looks = 0, in_a_row = 0; looks < 2000 && in_a_row < 5; looks++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
        if (fd >= 0) close(fd);
        line[n > 0 ? n : 0] = 0;
        /* The state comes after the name, which is in brackets. */
        char *end = strrchr(line, ')');
        in_a_row = end && end[1] && end[2] == 'S' ? in_a_row + 1 : 0;
        sleep_ms(3);
    }
}

__attribute__((unused)) static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

/* A listener on 127.0.0.1 with a port of the system's choice; the port through *port. */
__attribute__((unused)) static int listener4(int *port, int backlog) {
    int l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, backlog));
    *port = port_of(l);
    return l;
}

/* The same on ::1; its address is in *a. */
__attribute__((unused)) static int listener6(struct sockaddr_in6 *a, int backlog) {
    socklen_t n = sizeof *a;
    int l = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    *a = in6("::1", 0);
    must("bind", bind(l, (struct sockaddr *)a, n));
    must("listen", listen(l, backlog));
    must("getsockname", getsockname(l, (struct sockaddr *)a, &n));
    return l;
}

/* A connected pair of TCP sockets over 127.0.0.1: p[0] connected, p[1] was accepted. */
__attribute__((unused)) static void tcp_pair(int p[2]) {
    int port, l = listener4(&port, 8);
    p[0] = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(p[0], (struct sockaddr *)&a, sizeof a));
    p[1] = (int)must("accept", accept(l, NULL, NULL));
    close(l);
}

/* Small buffers on both sides of TCP pairs, then as much from each p[0] as goes in: a state that stays full until somebody
 * reads. It is one when nothing more fits for twice as long as TCP waits before it probes a closed window. */
__attribute__((unused)) static void stuff_all(int (*p)[2], int pairs) {
    static char some[65536];
    int small = 65536;
    for (int i = 0; i < pairs; i++) {
        setsockopt(p[i][0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        setsockopt(p[i][1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    for (int quiet = 0; quiet < 20; quiet++) {
        for (int i = 0; i < pairs; i++)
            while (send(p[i][0], some, sizeof some, MSG_DONTWAIT) > 0 || send(p[i][0], some, 1, MSG_DONTWAIT) > 0) quiet = 0;
        sleep_ms(20);
    }
}

/* The same for one pair. */
__attribute__((unused)) static void stuff(int p[2]) {
    stuff_all((int (*)[2])p, 1);
}

/* The poll events of one descriptor after at most ms milliseconds, as text ("IN OUT HUP"). */
__attribute__((unused)) static const char *poll_text(int fd, short want, int ms) {
    static __thread char out[4][120];
    static __thread int turn;
    char *o = out[turn++ & 3];
    struct pollfd p = {fd, want, 0};
    int n = poll(&p, 1, ms);
    o[0] = 0;
    if (n < 0) snprintf(o, 120, "-1 %s", ename(errno));
    static const struct { short bit; const char *name; } t[] = {
        {POLLIN, "IN"}, {POLLPRI, "PRI"}, {POLLOUT, "OUT"}, {POLLRDHUP, "RDHUP"}, {POLLERR, "ERR"}, {POLLHUP, "HUP"}, {POLLNVAL, "NVAL"}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++)
        if (p.revents & t[i].bit) { if (o[0]) strcat(o, " "); strcat(o, t[i].name); }
    if (!o[0]) strcpy(o, "none");
    return o;
}

/* Waits for a child and tells how it ended: "exit 0", "signal 9". */
__attribute__((unused)) static void reap(const char *label, pid_t pid) {
    int st = 0;
    pid_t r;
    do r = waitpid(pid, &st, 0); while (r < 0 && errno == EINTR);
    if (r < 0) fact("%s: wait %s", label, ename(errno));
    else if (WIFEXITED(st)) fact("%s: exit %d", label, WEXITSTATUS(st));
    else fact("%s: signal %d", label, WTERMSIG(st));
}
#endif
