/* Connections that a statically linked program inherits, by each way to start one: it finds plain streams, with what
 * waited in them before, and not a byte is lost. The first argument is that program (cat.c), the second one a file that
 * exec refuses. Prints the same natively and under the library. */
#include "echoed.h"
#include <spawn.h>

enum { FORK, VFORK, SPAWN, SHELL, WAYS };
static const char *names[] = {"fork", "vfork", "posix_spawn", "shell"};
static void put(const int p[2]) {
    dup2(p[1], 0);
    dup2(p[1], 1);
    close(p[0]);
    close(p[1]);
}

static pid_t start(int way, const char *program, const int p[2]) {
    char self[] = "cat", *arguments[] = {self, NULL};
    posix_spawn_file_actions_t fa;
    pid_t k = -1;
    switch (way) {
    case FORK:
        if ((k = fork()) == 0) {
            put(p);
            execv(program, arguments);
            _exit(99);
        }
        break;
    case VFORK:
        if ((k = vfork()) == 0) {
            put(p);
            execv(program, arguments);
            _exit(99);
        }
        break;
    case SPAWN:
        posix_spawn_file_actions_init(&fa);
        posix_spawn_file_actions_adddup2(&fa, p[1], 0);
        posix_spawn_file_actions_adddup2(&fa, p[1], 1);
        posix_spawn_file_actions_addclosefrom_np(&fa, 3);
        if (posix_spawn(&k, program, &fa, NULL, arguments, environ) != 0) k = -1;
        posix_spawn_file_actions_destroy(&fa);
        break;
    default:
        if ((k = fork()) == 0) {
            put(p);
            execl("/bin/sh", "sh", "-c", "exec $0", program, (char *)NULL);
            _exit(99);
        }
    }
    return k;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    alarm(30);
    signal(SIGPIPE, SIG_IGN);
    make_text();
    for (int way = 0; way < WAYS; way++) {
        int p[2];
        tcp_pair(p);
        must("write", write(p[0], "early ", 6));
        pid_t k = start(way, argv[1], p);
        close(p[1]);
        exchange(names[way], p[0], k);
    }

    /* The exec fails: the connection is what it was. */
    int p[2];
    char b[64];
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) {
        char self[] = "none", *arguments[] = {self, NULL};
        close(p[0]);
        res("exec of what is no program", execv(argv[2], arguments));
        must("write", write(p[1], "still here", 10));
        res("the child reads", read(p[1], b, sizeof b));
        _exit(0);
    }
    close(p[1]);
    res("the parent reads", read(p[0], b, sizeof b));
    must("write", write(p[0], "abc", 3));
    reap("child", k);
    res("then", read(p[0], b, sizeof b));

    /* The program ends while its peer still writes: that is told. */
    tcp_pair(p);
    k = start(FORK, "/bin/true", p);
    close(p[1]);
    reap("a program that reads nothing", k);
    res("its end", read(p[0], b, sizeof b));
    return 0;
}
