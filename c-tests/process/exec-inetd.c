/* inetd style: a connection on 0, 1 and 2 of a program that knows nothing of sockets, read and written by stdio inside
 * the C library and by other programs (man 3 stdio, man 2 execve). */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    size_t n = 0;
    /* To the end of the stream: how stdio cuts its output is not asked here. */
    for (;;) {
        ssize_t r = read(fd, b + n, 250 - n);
        if (r < 0) snprintf(b + n, sizeof b - n, "-1 %s", ename(errno));
        if (r <= 0) break;
        n += (size_t)r;
        b[n] = 0;
    }
    for (char *c = b; *c; c++)
        if (*c == '\n') *c = '/';
    return b;
}

static int child(const char *how) {
    char line[64], word[32] = "";
    int v = 0;
    if (!strcmp(how, "stdio")) {
        while (fgets(line, sizeof line, stdin)) {
            line[strcspn(line, "\n")] = 0;
            printf("line %s\n", line);
        }
        fprintf(stderr, "eof %d error %d tty %d\n", feof(stdin) != 0, ferror(stdin) != 0, isatty(0));
        dprintf(1, "direct\n");
    } else if (!strcmp(how, "scanf")) {
        if (scanf("%31s %d", word, &v) == 2) printf("word %s number %d\n", word, v);
        int c = getchar();
        printf("then %d\n", c);
        while ((c = getchar_unlocked()) != EOF) putchar(c - 32);
        puts("");
    } else if (!strcmp(how, "unbuffered")) {
        setvbuf(stdin, NULL, _IONBF, 0);
        setvbuf(stdout, NULL, _IONBF, 0);
        char *l = NULL;
        size_t n = 0;
        if (getline(&l, &n, stdin) > 0) fputs(l, stdout);
        /* Unbuffered stdin leaves the rest in the socket for the next program. */
        execl("/bin/cat", "cat", (char *)NULL);
    } else if (!strcmp(how, "mixed")) {
        struct sockaddr_in a;
        socklen_t l = sizeof a;
        if (getpeername(0, (struct sockaddr *)&a, &l) < 0) return 1;
        ssize_t n = read(STDIN_FILENO, line, 6);
        if (write(STDOUT_FILENO, line, (size_t)n) != n || send(2, " sent", 5, 0) != 5) return 2;
        fwrite(" fwrite", 1, 7, stdout);
        fflush(stdout);
        perror(" perror");
        psignal(SIGUSR1, "psignal");
    }
    return 0;
}

static void run(const char *label, const char *path, const char *say, char *const *argv) {
    int p[2];
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) {
        for (int i = 0; i < 3; i++) dup2(p[1], i);
        close_range(3, 100, 0);
        alarm(5);
        execv(path, argv);
        _exit(127);
    }
    close(p[1]);
    must("write", write(p[0], say, strlen(say)));
    must("shutdown", shutdown(p[0], SHUT_WR));
    fact("%s: %s", label, hear(p[0]));
    reap(label, k);
    close(p[0]);
}

int main(int argc, char **argv) {
    if (argc == 2) return child(argv[1]);
    alarm(8);
    char exe[] = "/proc/self/exe", self[] = "self", sh[] = "/bin/sh", c[] = "-c", cat[] = "/bin/cat";
    char stdio[] = "stdio", scan[] = "scanf", unbuffered[] = "unbuffered", mixed[] = "mixed";
    char once[] = "read x; echo got $x", loop[] = "while read x; do echo \"<$x>\"; done; echo done >&2";
    char both[] = "read x; echo first $x; cat; exit 3";
    run("stdio", exe, "alpha\nbeta\ngamma", (char *[]){self, stdio, NULL});
    run("scanf", exe, "word 42\nupper", (char *[]){self, scan, NULL});
    run("unbuffered", exe, "first\nsecond\nthird\n", (char *[]){self, unbuffered, NULL});
    run("mixed", exe, "mixed\n", (char *[]){self, mixed, NULL});
    run("cat", cat, "all of it\nto the end\n", (char *[]){cat, NULL});
    /* A shell reads a line byte by byte from what it cannot seek in, so the program after it gets the rest. */
    run("sh read", sh, "a line\n", (char *[]){sh, c, once, NULL});
    run("sh loop", sh, "one\ntwo\nthree\n", (char *[]){sh, c, loop, NULL});
    run("sh and cat", sh, "one\ntwo\nthree\n", (char *[]){sh, c, both, NULL});
    return 0;
}
