/* Processes, signals and descriptors of others by syscall(2), with sockets: fork, clone and clone3 without a stack of their
 * own, execve, pidfd_getfd, rt_sigaction, rt_sigprocmask (man 2 of each). */
#include "t.h"
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int p[2];

/* A child that writes on the shared socket, closes it and ends. */
static void child(const char *word) {
    alarm(5);
    char b[8];
    if (write(p[0], word, strlen(word)) < 0 || recv(p[0], b, sizeof b, 0) != 2) _exit(1);
    close(p[0]);
    close(p[1]);
    _exit(0);
}

static void parent(const char *label, long k, const char *word) {
    char b[32] = "";
    if (k < 0) {
        fact("%s: -1 %s", label, ename(errno));
        return;
    }
    ssize_t n = recv(p[1], b, sizeof b, 0);
    fact("%s: heard %zd, right %d", label, n, !strncmp(b, word, (size_t)n));
    must("write", write(p[1], "go", 2));
    reap("  the child", (pid_t)k);
    fact("  still open here: %s", poll_text(p[1], POLLIN | POLLRDHUP, 20));
}

struct action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};
static volatile sig_atomic_t seen;
static void on_signal(int n) { seen = n; }

int main(int argc, char **argv) {
    alarm(8);
    if (argc > 2) {
        /* The program after execve: the connection is its number 40. */
        char b[8];
        must("write", write(40, "exec", 4));
        _exit(recv(40, b, sizeof b, 0) == 2 ? 0 : 1);
    }
    tcp_pair(p);
    long k;
#ifdef SYS_fork
    k = syscall(SYS_fork);
    if (k == 0) child("fork");
    parent("SYS_fork", k, "fork");
#endif
    k = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (k == 0) child("clone");
    parent("SYS_clone", k, "clone");
    struct clone_args a = {.exit_signal = SIGCHLD};
    k = syscall(SYS_clone3, &a, sizeof a);
    if (k == 0) child("clone3");
    parent("SYS_clone3", k, "clone3");
    k = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (k == 0) {
        dup2(p[0], 40);
        char *args[] = {argv[0], "as", "a program", NULL};
        syscall(SYS_execve, "/proc/self/exe", args, environ);
        _exit(9);
    }
    parent("SYS_execve", k, "exec");

    /* A descriptor out of a child's table, with its reference. */
    int t[2], q[2];
    must("pipe", pipe(t));
    must("pipe", pipe(q));
    pid_t c = fork();
    if (c == 0) {
        alarm(5);
        char b;
        int own[2];
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        tcp_pair(own);
        dup2(own[0], 50);
        close(own[0]);
        must("ready", write(t[1], "r", 1));
        must("wait", read(q[0], &b, 1));
        close(50);
        must("closed", write(t[1], "c", 1));
        b = 0;
        _exit(recv(own[1], &b, 1, 0) == 1 && b == 'x' && recv(own[1], &b, 1, 0) == 0 ? 0 : 1);
    }
    char b[8];
    must("ready", read(t[0], b, 1));
    int pidfd = (int)must("pidfd_open", syscall(SYS_pidfd_open, c, 0));
    int taken = (int)ok("SYS_pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 50, 0));
    fact("close-on-exec: %d", fcntl(taken, F_GETFD));
    must("go", write(q[1], "g", 1));
    must("closed", read(t[0], b, 1));
    res("write to it", write(taken, "x", 1));
    res("close", close(taken));
    reap("its owner", c);
    res("SYS_pidfd_getfd of none", syscall(SYS_pidfd_getfd, pidfd, 50, 0));

    /* Handlers: what is set is read back and runs, and bad pointers go on being EFAULT. */
    struct action old = {0}, now = {0};
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    res("SYS_rt_sigaction, the old one", syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8));
    fact("handler is ours: %d", old.handler == (void *)on_signal);
    old.mask = 1UL << (SIGUSR2 - 1);
    res("SYS_rt_sigaction for SIGSEGV", syscall(SYS_rt_sigaction, SIGSEGV, &old, NULL, 8));
    syscall(SYS_rt_sigaction, SIGSEGV, NULL, &now, 8);
    fact("read back: handler %d, mask %d", now.handler == old.handler, now.mask == old.mask);
    res("send from a bad pointer", send(p[0], (void *)8, 4, 0));
    raise(SIGSEGV);
    fact("handler ran for SIGSEGV: %d", seen == SIGSEGV);
    uint64_t set = 1UL << (SIGUSR1 - 1), was = ~0UL;
    res("SYS_rt_sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &was, 8));
    fact("before: %d", was == 0);
    raise(SIGUSR1);
    fact("it waits: %d", seen != SIGUSR1);
    res("SYS_rt_sigprocmask", syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8));
    fact("it came: %d", seen == SIGUSR1);
    res("SYS_rt_sigaction of SIGKILL", syscall(SYS_rt_sigaction, SIGKILL, &old, NULL, 8));
    res("an unknown number", syscall(9999));
    return 0;
}
