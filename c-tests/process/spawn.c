/* posix_spawn with file actions on sockets, system() and popen() beside open sockets (man 3 posix_spawn,
 * posix_spawn_file_actions_adddup2, man 3 system, man 3 popen). */
#include "t.h"
#include <spawn.h>

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    b[strcspn(b, "\n")] = 0;
    return b;
}

static char *const env[] = {"A=b", NULL};

int main(int argc, char **argv) {
    alarm(8);
    /* As the spawned program: says which of the numbers given are sockets. */
    if (argc > 1) {
        int bits = 0;
        for (int i = 1; i < argc; i++) {
            int v, fd = atoi(argv[i]);
            socklen_t l = sizeof v;
            if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &l) == 0 && v == SOCK_STREAM) bits |= 1 << (i - 1);
        }
        return bits;
    }
    int p[2];
    pid_t k;
    posix_spawn_file_actions_t fa;

    /* The connection becomes fd 0 and 1 of cat. */
    tcp_pair(p);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, p[1], 0);
    posix_spawn_file_actions_adddup2(&fa, p[1], 1);
    posix_spawn_file_actions_addclose(&fa, p[1]);
    posix_spawn_file_actions_addclose(&fa, p[0]);
    char *cat[] = {"cat", NULL};
    fact("posix_spawnp: %d", posix_spawnp(&k, "cat", &fa, NULL, cat, environ));
    close(p[1]);
    must("write", write(p[0], "cat it\n", 7));
    fact("cat: %s", hear(p[0]));
    must("shutdown", shutdown(p[0], SHUT_WR));
    fact("end: %s", hear(p[0]));
    reap("cat", k);
    posix_spawn_file_actions_destroy(&fa);
    close(p[0]);

    /* What the spawned program has: a close-on-exec one is gone, one that was dup2ed onto itself is kept. */
    tcp_pair(p);
    char n0[8], n1[8], n2[8];
    snprintf(n0, sizeof n0, "%d", p[0]);
    snprintf(n1, sizeof n1, "%d", p[1]);
    snprintf(n2, sizeof n2, "%d", 20);
    char *self[] = {"self", n0, n1, n2, NULL};
    fact("spawn: %d", posix_spawn(&k, "/proc/self/exe", NULL, NULL, self, environ));
    reap("both inherited (3)", k);
    fcntl(p[0], F_SETFD, FD_CLOEXEC);
    fcntl(p[1], F_SETFD, FD_CLOEXEC);
    fact("spawn: %d", posix_spawn(&k, "/proc/self/exe", NULL, NULL, self, env));
    reap("both close-on-exec (0)", k);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, p[1], p[1]);
    posix_spawn_file_actions_adddup2(&fa, p[0], 20);
    fact("spawn: %d", posix_spawn(&k, "/proc/self/exe", &fa, NULL, self, env));
    reap("dup2 onto itself and onto 20 (6)", k);
    posix_spawn_file_actions_addopen(&fa, p[1], "/dev/null", O_RDWR, 0);
    fact("spawn: %d", posix_spawn(&k, "/proc/self/exe", &fa, NULL, self, env));
    reap("then /dev/null opened over it (4)", k);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3);
    fact("spawn: %d", posix_spawn(&k, "/proc/self/exe", &fa, NULL, self, env));
    reap("then closefrom 3 (0)", k);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addclose(&fa, p[0]);
    fact("spawn of nothing: %s", ename(posix_spawn(&k, "/nonexistent/program", &fa, NULL, self, env)));
    posix_spawn_file_actions_destroy(&fa);
    must("write", write(p[0], "whole", 5));
    fact("the parent's connection: %s", hear(p[1]));

    /* system(): the shell inherits the connection under its number. */
    fcntl(p[0], F_SETFD, 0);
    must("dup2", dup2(p[0], 7));
    fact("system: %d", system("echo from the shell >&7"));
    fact("peer: %s", hear(p[1]));
    must("write", write(p[1], "a line\nsecond\n", 14));
    fact("system: %d", system("read x <&7; echo \"got $x\" >&7"));
    fact("peer: %s", hear(p[1]));
    fact("the rest is still in the socket: %s", hear(p[0]));
    fact("system that fails: %d", WEXITSTATUS(system("exit 5")));

    /* popen(): both directions. */
    must("write", write(p[1], "for popen\n", 10));
    FILE *f = popen("read x <&7; echo \"popen $x\"", "r");
    char b[64] = "";
    if (f && fgets(b, sizeof b, f)) b[strcspn(b, "\n")] = 0;
    fact("popen read: %s", b);
    fact("pclose: %d", f ? pclose(f) : -2);
    f = popen("cat >&7", "w");
    if (f) fputs("into popen\n", f);
    fact("pclose: %d", f ? pclose(f) : -2);
    fact("peer: %s", hear(p[1]));
    close(7);
    close(p[0]);
    fact("end: %s", hear(p[1]));
    return 0;
}
