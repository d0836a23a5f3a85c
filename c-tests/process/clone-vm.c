/* Processes in one memory: with one descriptor table too (CLONE_VM and CLONE_FILES: what the child closes, opens and dups
 * is the parent's), and with tables of their own (CLONE_VM alone: it is not) (man 2 clone). The parent waits meanwhile. */
#include "t.h"
#include <sched.h>

static int p[2], l, port, made, copy;
static char stack[262144] __attribute__((aligned(16)));

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static int works(void *unused) {
    (void)unused;
    struct sockaddr_in a = in4("127.0.0.1", port);
    made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0 || connect(made, (struct sockaddr *)&a, sizeof a) < 0) return 1;
    if (write(made, "child", 5) != 5) return 2;
    copy = dup2(made, 60);
    close(p[0]);
    return copy == 60 ? 0 : 3;
}

static pid_t run(int flags) {
    return (pid_t)must("clone", clone(works, stack + sizeof stack, flags | SIGCHLD, NULL));
}

static const char *open_or_not(int fd) { return fcntl(fd, F_GETFD) < 0 ? ename(errno) : "open"; }

int main(void) {
    alarm(8);
    l = listener4(&port, 8);
    tcp_pair(p);

    reap("one memory, one table", run(CLONE_VM | CLONE_FILES));
    fact("closed by the child: %s", open_or_not(p[0]));
    res("send on it", send(p[0], "x", 1, 0));
    fact("its peer: %s", hear(p[1]));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact("reads: %s", hear(s));
    must("write", write(s, "to the parent", 13));
    fact("the parent reads the child's descriptor: %s", hear(made));
    close(made);
    fact("a copy is left: %s", poll_text(s, POLLIN | POLLRDHUP, 30));
    must("write", write(60, "through the copy", 16));
    fact("reads: %s", hear(s));
    close(60);
    fact("then: %s", hear(s));
    close(s);
    close(p[1]);

    tcp_pair(p);
    reap("one memory, two tables", run(CLONE_VM));
    fact("closed by the child: %s", open_or_not(p[0]));
    must("write", write(p[0], "still mine", 10));
    fact("its peer: %s", hear(p[1]));
    fact("made by the child: %s, copy %s", open_or_not(made), open_or_not(60));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact("reads: %s", hear(s));
    fact("then: %s", hear(s));
    close(p[0]);
    fact("end: %s", hear(p[1]));
    return 0;
}
