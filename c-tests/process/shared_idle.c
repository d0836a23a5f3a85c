/* A process that sleeps in a call on a socket that another process holds too costs nothing: it is woken once, by what it
 * waits for (`man 2 recv`, `man 2 poll`, `man 7 epoll`, fork(2): descriptors refer to the same open file descriptions).
 * How often it went to sleep is in /proc/PID/status (proc(5), voluntary_ctxt_switches). Also after the other holder was
 * killed. */
#include "t.h"

enum { RECV, POLL, SELECT, EPOLL, SEND, ACCEPT, POLL_TWO, INHERITED };
static const char *names[] = {"recv", "poll", "select", "epoll_wait", "send", "accept", "poll of two", "an inherited epoll"};
static int inherited;

static long switches(pid_t p) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)p);
    int fd = (int)must("open", open(path, O_RDONLY));
    ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = 0;
    char *at = strstr(line, "\nvoluntary_ctxt_switches:");
    return at ? atol(at + 25) : -1;
}

static void sleep_in(int how, int fd, int other) {
    char b[4];
    struct pollfd p[2] = {{fd, POLLIN, 0}, {other, POLLIN, 0}};
    if (how == RECV && recv(fd, b, 4, 0) == 1) _exit(0);
    if (how == POLL && poll(p, 1, -1) == 1) _exit(0);
    if (how == POLL_TWO && poll(p, 2, -1) == 1) _exit(0);
    if (how == ACCEPT && accept(fd, NULL, NULL) >= 0) _exit(0);
    if (how == SEND && send(fd, b, 4, 0) == 4) _exit(0);
    if (how == SELECT) {
        fd_set r;
        FD_ZERO(&r);
        FD_SET(fd, &r);
        if (select(fd + 1, &r, NULL, NULL, NULL) == 1) _exit(0);
    }
    if (how == INHERITED) {
        struct epoll_event e;
        if (epoll_wait(inherited, &e, 1, -1) == 1) _exit(0);
    }
    if (how == EPOLL) {
        int ep = epoll_create1(0);
        struct epoll_event e = {.events = EPOLLIN};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
        if (epoll_wait(ep, &e, 1, -1) == 1) _exit(0);
    }
    _exit(1);
}

static void try(const char *what, int how, int held, int far, int other, void (*wake)(int)) {
    pid_t k = fork();
    if (k == 0) sleep_in(how, held, other);
    await_sleep(k);
    long before = switches(k);
    sleep_ms(250);
    long slept = switches(k) - before;
    wake(far);
    int st = 0;
    waitpid(k, &st, 0);
    fact("%s in %s: woken for nothing %s, then by what it waits for: %s", what, names[how], slept > 2 ? "often" : "never",
        WIFEXITED(st) && WEXITSTATUS(st) == 0 ? "yes" : "no");
}

static void write_one(int fd) { must("write", write(fd, "x", 1)); }
static char taken[1 << 16];
static void read_all(int fd) { while (recv(fd, taken, sizeof taken, MSG_DONTWAIT) > 0) {} sleep_ms(20);
    while (recv(fd, taken, sizeof taken, MSG_DONTWAIT) > 0) {} }
static int port;
static void connect_one(int fd) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
}

static void udp_pair(int p[2]) {
    for (int i = 0; i < 2; i++) p[i] = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(p[0], (struct sockaddr *)&a, sizeof a));
    a = in4("127.0.0.1", port_of(p[0]));
    must("connect", connect(p[1], (struct sockaddr *)&a, sizeof a));
}

int main(void) {
    alarm(12);
    int p[2], q[2];
    for (int how = RECV; how <= EPOLL; how++) {
        tcp_pair(p);
        try("TCP", how, p[0], p[1], -1, write_one);
        close(p[0]);
        close(p[1]);
    }
    tcp_pair(p);
    struct epoll_event e = {.events = EPOLLIN};
    inherited = epoll_create1(0);
    must("add", epoll_ctl(inherited, EPOLL_CTL_ADD, p[0], &e));
    try("TCP", INHERITED, p[0], p[1], -1, write_one);
    tcp_pair(p);
    tcp_pair(q);
    try("TCP", POLL_TWO, p[0], q[1], q[0], write_one);
    stuff(p);
    try("TCP", SEND, p[0], p[1], -1, read_all);
    int l = listener4(&port, 4), c = socket(AF_INET, SOCK_STREAM, 0);
    try("TCP", ACCEPT, l, c, -1, connect_one);
    for (int how = POLL; how <= EPOLL; how++) {
        udp_pair(p);
        try("UDP", how, p[0], p[1], -1, write_one);
        close(p[0]);
        close(p[1]);
    }

    /* A holder that is killed in its sleep: the other one sleeps on. */
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) sleep_in(RECV, p[0], -1);
    await_sleep(k);
    kill(k, SIGKILL);
    reap("killed", k);
    try("TCP, another reader was killed,", RECV, p[0], p[1], -1, write_one);
    return 0;
}
