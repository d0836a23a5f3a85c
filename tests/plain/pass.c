/* Connections that are sent to a statically linked program in a message, over a pair that was made before it was started
 * and over a path that it connects to: it finds plain streams, with what waited in them before, and not a byte is lost. The
 * argument is that program (take.c). Prints the same natively and under the library. */
#include "echoed.h"
#include <sys/un.h>

static ssize_t pass(int over, int fd) {
    char control[CMSG_SPACE(sizeof fd)] = "";
    struct iovec v = {"here", 4};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(over, &m, 0);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    alarm(30);
    signal(SIGPIPE, SIG_IGN);
    make_text();
    for (int by_path = 0; by_path < 2; by_path++) {
        int u[2], p[2], l = -1;
        char b[16];
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        snprintf(a.sun_path, sizeof a.sun_path, "./take.%d", getpid());
        if (by_path) {
            l = (int)must("socket", socket(AF_UNIX, SOCK_STREAM, 0));
            must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
            must("listen", listen(l, 1));
        } else {
            must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
        }
        pid_t k = fork();
        if (k == 0) {
            if (!by_path) dup2(u[1], 3);
            execl(argv[1], "take", by_path ? a.sun_path : NULL, (char *)NULL);
            _exit(99);
        }
        if (by_path) {
            u[0] = (int)must("accept", accept(l, NULL, NULL));
            close(l);
            unlink(a.sun_path);
        } else {
            close(u[1]);
        }
        must("ready", read(u[0], b, sizeof b));
        tcp_pair(p);
        must("write", write(p[0], "early ", 6));
        fact("%s: sent %zd", by_path ? "by path" : "over a pair", pass(u[0], p[1]));
        close(p[1]);
        exchange("  its text", p[0], k);
        close(u[0]);
    }
    return 0;
}
