/* Processes made without fork(): clone() without CLONE_VM, the raw system call, _Fork, and CLONE_FILES, where both
 * processes have one descriptor table (man 2 clone). */
#include "t.h"
#include <sched.h>
#include <sys/syscall.h>

static int p[2], l, port;
static char stack[65536] __attribute__((aligned(16)));

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static int echo_once(void *unused) {
    (void)unused;
    char b[64];
    close(p[0]);
    ssize_t n = read(p[1], b, sizeof b);
    if (n <= 0 || write(p[1], b, (size_t)n) != n) return 1;
    int c = accept(l, NULL, NULL);
    if (c < 0 || write(c, "accepted", 8) != 8) return 2;
    close(l);
    close(p[1]);
    return 0;
}

static void drive(const char *label, pid_t k) {
    must("write", write(p[0], label, strlen(label)));
    fact("%s: echo %s", label, hear(p[0]));
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("%s: new connection %s", label, hear(c));
    reap(label, k);
    fact("%s: its end %s", label, hear(c));
    close(c);
    fact("%s: parent's connection %s", label, poll_text(p[0], POLLIN, 30));
}

/* In one table with the parent: closes p[0], opens a connection under a number that the parent then uses. */
static int shares(void *unused) {
    (void)unused;
    close(p[0]);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (c < 0 || connect(c, (struct sockaddr *)&a, sizeof a) < 0) return 200;
    if (dup2(c, 50) != 50) return 201;
    close(c);
    return 0;
}

int main(void) {
    alarm(8);
    l = listener4(&port, 8);
    tcp_pair(p);
    drive("clone", (pid_t)must("clone", clone(echo_once, stack + sizeof stack, SIGCHLD, NULL)));

    pid_t k = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (k == 0) _exit(echo_once(NULL));
    drive("SYS_clone", k);
#ifdef SYS_fork
    k = (pid_t)syscall(SYS_fork);
    if (k == 0) _exit(echo_once(NULL));
    drive("SYS_fork", k);
#endif
    k = _Fork();
    if (k == 0) _exit(echo_once(NULL));
    drive("_Fork", k);

    k = (pid_t)must("clone", clone(shares, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL));
    reap("CLONE_FILES", k);
    fact("closed by the child: %s", fcntl(p[0], F_GETFD) < 0 ? ename(errno) : "open");
    res("send on it", send(p[0], "x", 1, 0));
    fact("peer: %s", hear(p[1]));
    int s = (int)ok("accept of the child's connection", accept(l, NULL, NULL));
    must("write", write(s, "for both", 8));
    fact("parent reads the child's descriptor: %s", hear(50));
    must("write", write(50, "back", 4));
    fact("and writes: %s", hear(s));
    close(50);
    fact("closed: %s", hear(s));
    return 0;
}
