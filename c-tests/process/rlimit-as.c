/* A limit on the process' memory (man 2 getrlimit, RLIMIT_AS) is for what the program itself maps: sockets, also many
 * with full buffers, go on working under a small one, and it is told as it was set. As vsftpd limits itself. */
#include "t.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define MB (1024UL * 1024)

static void show(const char *label) {
    struct rlimit r;
    must("getrlimit", getrlimit(RLIMIT_AS, &r));
    fact("%s: %lu MB, %lu MB", label, r.rlim_cur / MB, r.rlim_max / MB);
    must("prlimit", prlimit(0, RLIMIT_AS, NULL, &r));
    fact("%s, by prlimit: %lu MB, %lu MB", label, r.rlim_cur / MB, r.rlim_max / MB);
}

static void mapping(size_t length) {
    void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fact("mapping %zu MB: %s", length / MB, p == MAP_FAILED ? ename(errno) : "ok");
    if (p != MAP_FAILED) munmap(p, length);
}

static void sockets(void) {
    int p[20][2];
    static char b[100000];
    size_t sent = 0, got = 0;
    for (int i = 0; i < 20; i++) {
        tcp_pair(p[i]);
        for (size_t k = 0; k < sizeof b;) k += (size_t)must("write", write(p[i][0], b + k, sizeof b - k));
        sent += sizeof b;
        shutdown(p[i][0], SHUT_WR);
    }
    for (int i = 0; i < 20; i++) {
        for (ssize_t n; (n = read(p[i][1], b, sizeof b)) > 0;) got += (size_t)n;
        close(p[i][0]);
        close(p[i][1]);
    }
    fact("all that was sent came: %d", got == sent);
}

/* `before`: the process has sockets when it sets the limit. */
static void child(int before) {
    if (before) sockets();
    show("at the start");
    struct rlimit r = {200 * MB, 300 * MB}, old;
    res("set", setrlimit(RLIMIT_AS, &r));
    show("set");
    sockets();
    mapping(100 * MB);
    mapping(220 * MB);
    r = (struct rlimit){280 * MB, 300 * MB};
    res("raised", prlimit(0, RLIMIT_AS, &r, &old));
    fact("old: %lu MB, %lu MB", old.rlim_cur / MB, old.rlim_max / MB);
    mapping(220 * MB);
    r = (struct rlimit){300 * MB, 200 * MB};
    res("more than the hard one", setrlimit(RLIMIT_AS, &r));
    res("bad pointer", setrlimit(RLIMIT_AS, (struct rlimit *)8));
    /* A child inherits it. */
    pid_t pid = fork();
    if (pid == 0) {
        show("in a child");
        sockets();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    _exit(0);
}

/* All of them, and bad pointers, before the process has any socket. */
static void first_of_all(void) {
    int good = 0;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit r;
        good += getrlimit(i, &r) == 0 && prlimit(0, i, NULL, &r) == 0;
    }
    fact("all limits: %d", good == RLIM_NLIMITS);
    res("RLIMIT_NOFILE, bad pointer", setrlimit(RLIMIT_NOFILE, (struct rlimit *)8));
    res("RLIMIT_AS, bad pointer", setrlimit(RLIMIT_AS, (struct rlimit *)8));
    res("RLIMIT_AS, bad pointer to the old one", getrlimit(RLIMIT_AS, (struct rlimit *)8));
    res("no such limit", getrlimit(99, &(struct rlimit){0, 0}));
}

int main(void) {
    alarm(8);
    first_of_all();
    for (int before = 0; before < 2; before++) {
        pid_t pid = fork();
        if (pid == 0) child(before);
        int status;
        must("waitpid", waitpid(pid, &status, 0));
        fact("exit %d", WEXITSTATUS(status));
    }
    return 0;
}
