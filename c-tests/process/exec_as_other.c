// A program that is started as another user (setresuid(2), then exec(3), as su and setpriv do) has the same sockets around it
// as the one that started it: it reaches root's listener, and root reaches its own. Also when its environment is made for
// it. Only root can ask; everybody else prints the same lines.
#include "t.h"
#include <grp.h>

enum { OTHER = 65534 };

/* The new program: asks root's listener, then listens itself and tells on the connection where. */
static int started(int port) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), own_port;
    if (ok("the new program connects to root's socket", connect(c, (struct sockaddr *)&a, sizeof a)) < 0) return 1;
    int l = listener4(&own_port, 1);
    must("write", write(c, &own_port, sizeof own_port));
    int s = (int)must("accept", accept(l, NULL, NULL));
    char byte = 0;
    fact("the new program is sent: %ld", (long)read(s, &byte, 1));
    return 0;
}

static void try_with(const char *what, int self, char **environment) {
    int port, l = listener4(&port, 4), own_port = 0;
    fact("%s", what);
    pid_t child = (pid_t)must("fork", fork());
    if (child == 0) {
        char text[16];
        snprintf(text, sizeof text, "%d", port);
        close(l);
        if (geteuid() == 0) {
            must("setgroups", setgroups(0, NULL));
            must("setresgid", setresgid(OTHER, OTHER, OTHER));
            must("setresuid", setresuid(OTHER, OTHER, OTHER));
        }
        fexecve(self, (char *[]){"exec_as_other", text, NULL}, environment);
        _exit(93);
    }
    struct pollfd p = {.fd = l, .events = POLLIN};
    if (poll(&p, 1, 5000) == 1) {
        int s = (int)must("accept", accept(l, NULL, NULL));
        must("read", read(s, &own_port, sizeof own_port));
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", own_port);
        ok("root connects to the new program's socket", connect(c, (struct sockaddr *)&a, sizeof a));
        must("write", write(c, "x", 1));
        reap("the new program", child);
        close(c);
        close(s);
    } else {
        reap("the new program, which never came", child);
    }
    close(l);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    alarm(8);
    if (argc == 2) return started(atoi(argv[1]));
    int self = (int)must("open", open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    try_with("with the environment as it is", self, environ);
    try_with("with an environment of its own", self, (char *[]){"PATH=/bin:/usr/bin", NULL});
    return 0;
}
