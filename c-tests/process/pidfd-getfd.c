/* pidfd_getfd(2): a process takes a copy of another's socket; like dup, the same open description, always close-on-exec. */
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

int main(void) {
    alarm(8);
    int up[2], down[2];
    int32_t n[3];
    char b;
    must("pipe", pipe(up));
    must("pipe", pipe(down));
    pid_t k = fork();
    if (k == 0) {
        alarm(8);
        /* Sockets that only the child has. */
        int port, p[2], l = listener4(&port, 4);
        tcp_pair(p);
        must("write", write(p[0], "data of the child", 17));
        fcntl(p[1], F_SETFL, O_NONBLOCK);
        n[0] = p[1], n[1] = l, n[2] = port;
        if (write(up[1], n, sizeof n) < 0 || read(down[0], &b, 1) != 1) _exit(1);
        close(p[1]);
        close(l);
        if (write(up[1], "c", 1) < 0) _exit(2);
        char text[64] = "";
        if (read(p[0], text, sizeof text) != 15 || strcmp(text, "from the parent")) _exit(3);
        _exit(read(p[0], text, sizeof text) == 0 ? 0 : 4);
    }
    must("numbers", read(up[0], n, sizeof n));
    int pf = (int)syscall(SYS_pidfd_open, k, 0);
    int c = pf < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pf, n[0], 0);
    if (c < 0 && (errno == EPERM || errno == ENOSYS)) {
        fact("not allowed here");
        kill(k, SIGKILL);
        waitpid(k, NULL, 0);
        return 0;
    }
    ok("pidfd_getfd", c);
    fact("descriptor flags %d, nonblocking %d", fcntl(c, F_GETFD), !!(fcntl(c, F_GETFL) & O_NONBLOCK));
    int l = (int)ok("pidfd_getfd of the listener", syscall(SYS_pidfd_getfd, pf, n[1], 0));
    res("pidfd_getfd of a closed number", syscall(SYS_pidfd_getfd, pf, 999, 0));
    res("pidfd_getfd with flags", syscall(SYS_pidfd_getfd, pf, n[0], 1));
    fact("reads: %s", hear(c));
    must("go", write(down[1], "g", 1));
    must("closed", read(up[0], &b, 1));
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", n[2]);
    res("connect to the listener that the child closed", connect(d, (struct sockaddr *)&a, sizeof a));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    must("write", write(s, "through a copied listener", 25));
    fact("reads: %s", hear(d));
    must("write", write(c, "from the parent", 15));
    sleep_ms(30);
    close(c);
    reap("child", k);
    return 0;
}
