/* Every way to exec: the program starts itself again and goes on with the sockets that it inherited: a listener, a
 * connection with data waiting in it, a UDP socket; close-on-exec ones are gone (man 2 execve, man 3 exec). */
#include "t.h"
#include <sys/syscall.h>

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

/* After the exec: listener 10, connection 11, UDP 12, close-on-exec connection 13. */
static int child(const char *form) {
    char b[64] = "", u[64] = "";
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    alarm(8);
    ssize_t n = read(11, b, sizeof b - 1);
    if (n < 0) return 1;
    if (recvfrom(12, u, sizeof u - 1, 0, (struct sockaddr *)&from, &l) < 0) return 2;
    if (sendto(12, "udp reply", 9, 0, (struct sockaddr *)&from, l) != 9) return 3;
    const char *gone = fcntl(13, F_GETFD) < 0 ? ename(errno) : "open";
    dprintf(11, "%s read '%s' and '%s', close-on-exec %s, variable %d", form, b, u, gone, getenv("EXEC_FORM") != NULL);
    int c = accept(10, NULL, NULL);
    if (c < 0) return 4;
    dprintf(c, "accepted after %s", form);
    return 0;
}

static void start(const char *form, const char *dir, const char *base) {
    char *argv[] = {(char *)(uintptr_t)"self", (char *)(uintptr_t)"child", (char *)(uintptr_t)form, NULL};
    char *none[] = {NULL}, path[32] = "EXEC_FORM=1";
    char *one[] = {path, NULL};
    static const char exe[] = "/proc/self/exe";
    setenv("EXEC_FORM", "1", 1);
    if (strstr(form, "by name")) setenv("PATH", dir, 1);
    int f = open(exe, O_RDONLY | O_CLOEXEC);
    if (!strcmp(form, "execve")) execve(exe, argv, environ);
    if (!strcmp(form, "execve with no environment")) execve(exe, argv, none);
    if (!strcmp(form, "execve with one variable")) execve(exe, argv, one);
    if (!strcmp(form, "execv")) execv(exe, argv);
    if (!strcmp(form, "execvp")) execvp(exe, argv);
    if (!strcmp(form, "execvp by name")) execvp(base, argv);
    if (!strcmp(form, "execvpe")) execvpe(exe, argv, none);
    if (!strcmp(form, "execvpe by name")) execvpe(base, argv, one);
    if (!strcmp(form, "execl")) execl(exe, "self", "child", form, (char *)NULL);
    if (!strcmp(form, "execle")) execle(exe, "self", "child", form, (char *)NULL, none);
    if (!strcmp(form, "execlp by name")) execlp(base, "self", "child", form, (char *)NULL);
    if (!strcmp(form, "fexecve")) fexecve(f, argv, one);
    if (!strcmp(form, "execveat")) execveat(AT_FDCWD, exe, argv, one, 0);
    if (!strcmp(form, "execveat of a descriptor")) execveat(f, "", argv, none, AT_EMPTY_PATH);
    if (!strcmp(form, "SYS_execve")) syscall(SYS_execve, exe, argv, environ);
    _exit(100);
}

int main(int argc, char **argv) {
    if (argc == 3) return child(argv[2]);
    alarm(9);
    char dir[4096] = "";
    if (readlink("/proc/self/exe", dir, sizeof dir - 1) < 0) return 1;
    char *base = strrchr(dir, '/');
    *base++ = 0;
    static const char *forms[] = {
        "execve", "execve with no environment", "execve with one variable", "execv", "execvp", "execvp by name",
        "execvpe", "execvpe by name", "execl", "execle", "execlp by name", "fexecve", "execveat",
        "execveat of a descriptor", "SYS_execve"};
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        int port, l = listener4(&port, 4), p[2], g[2];
        tcp_pair(p);
        tcp_pair(g);
        int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        int v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", 0);
        socklen_t len = sizeof a;
        must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
        must("getsockname", getsockname(u, (struct sockaddr *)&a, &len));
        must("connect", connect(v, (struct sockaddr *)&a, sizeof a));
        must("write", write(p[0], "waiting", 7));
        must("send", send(v, "datagram", 8, 0));
        a = in4("127.0.0.1", port);
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        pid_t k = fork();
        if (k == 0) {
            dup2(l, 10);
            dup2(p[1], 11);
            dup2(u, 12);
            dup3(g[1], 13, O_CLOEXEC);
            close_range(3, 9, 0);
            close_range(14, 1000, 0);
            start(forms[i], dir, base);
        }
        close(l);
        close(p[1]);
        close(u);
        close(g[1]);
        fact("%s", hear(p[0]));
        fact("  peer of the close-on-exec one: %s", hear(g[0]));
        fact("  %s", hear(v));
        fact("  %s", hear(c));
        reap("  program", k);
        fact("  end: %s", hear(p[0]));
        close(p[0]);
        close(g[0]);
        close(v);
        close(c);
    }
    return 0;
}
