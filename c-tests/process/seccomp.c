/* A program that confines itself (seccomp(2), RLIMIT_NOFILE of 1) to read, write, poll and little else goes on using the
 * sockets that it has, blocking and not, whatever its socket layer needs for it; what its filter refuses is refused. As
 * the unprivileged half of sshd does. */
#include "t.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(int by_number) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(close),
        ALLOW(shutdown),
        ALLOW(exit_group),
        ALLOW(ppoll),
#ifdef SYS_poll
        ALLOW(poll),
#endif
        ALLOW(brk),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(futex),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    must("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (by_number) must("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    else must("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Echoes, first after a poll of one descriptor, then by blocking reads; then a large block, more than any buffer. */
static void child(int fd, int by_number) {
    struct rlimit one = {1, 1}, none = {0, 0};
    char b[4096];
    ssize_t n;
    must("rlimit", setrlimit(RLIMIT_NOFILE, &one));
    must("rlimit", setrlimit(RLIMIT_FSIZE, &none));
    confine(by_number);
    for (int i = 0; i < 20; i++) {
        struct pollfd p = {fd, POLLIN, 0};
        if (i < 10 && poll(&p, 1, -1) != 1) _exit(10);
        if ((n = read(fd, b, sizeof b)) <= 0 || write(fd, b, (size_t)n) != n) _exit(11);
    }
    for (size_t left = 8 << 20; left > 0; left -= (size_t)n)
        if ((n = read(fd, b, left < sizeof b ? left : sizeof b)) <= 0) _exit(12);
    for (size_t left = 8 << 20; left > 0; left -= (size_t)n)
        if ((n = write(fd, b, left < sizeof b ? left : sizeof b)) <= 0) _exit(13);
    shutdown(fd, SHUT_WR);
    if (read(fd, b, sizeof b) != 0) _exit(14);
    close(fd);
    if (syscall(SYS_uname, b) != -1 || errno != EDOM) _exit(15);
    syscall(SYS_getppid);
    _exit(16);
}

static void one(int by_number) {
    int p[2], status;
    static char big[1 << 16];
    tcp_pair(p);
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        close(p[0]);
        child(p[1], by_number);
    }
    close(p[1]);
    int good = 0;
    for (int i = 0; i < 20; i++) {
        char b[16] = "";
        if (i % 3 == 0) sleep_ms(20); /* so that the other side sleeps */
        must("write", write(p[0], "hello", 5));
        good += read(p[0], b, sizeof b) == 5 && memcmp(b, "hello", 5) == 0;
    }
    fact("echoes: %d", good);
    for (size_t left = 8 << 20; left > 0; left -= sizeof big) must("write", write(p[0], big, sizeof big));
    size_t got = 0;
    for (ssize_t n; (n = read(p[0], big, sizeof big)) > 0;) got += (size_t)n;
    fact("came back: %zu", got);
    close(p[0]);
    must("waitpid", waitpid(pid, &status, 0));
    if (WIFSIGNALED(status)) fact("a forbidden call: signal %s", sigabbrev_np(WTERMSIG(status)));
    else fact("exit %d", WEXITSTATUS(status));
}

int main(void) {
    alarm(8);
    for (int by_number = 0; by_number < 2; by_number++) one(by_number);
    struct sock_fprog bad = {1, (struct sock_filter *)8};
    must("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    res("a filter that cannot be read", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bad));
    res("none", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    struct sock_filter f = BPF_STMT(BPF_LD | BPF_IMM, 0);
    bad = (struct sock_fprog){1, &f};
    res("one that does not return", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bad));
    bad.len = 0;
    res("one of no instructions", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bad));
    res("mode", prctl(PR_GET_SECCOMP));
    return 0;
}
