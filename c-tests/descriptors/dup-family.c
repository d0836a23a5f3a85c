/* dup, dup2, dup3, F_DUPFD and F_DUPFD_CLOEXEC on sockets (man 2 dup, man 2 fcntl): the copies are one open description
 * (file status flags, options, data), each with descriptor flags of its own. */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static int opt(int fd, int level, int name) {
    int v = -1;
    socklen_t l = sizeof v;
    return getsockopt(fd, level, name, &v, &l) < 0 ? -errno : v;
}

int main(void) {
    alarm(8);
    int p[2], on = 1, c[6];
    tcp_pair(p);
    fcntl(p[0], F_SETFD, FD_CLOEXEC);
    c[0] = (int)ok("dup", dup(p[0]));
    c[1] = (int)res("dup2 to 40", dup2(p[0], 40));
    c[2] = (int)res("dup3 to 41 O_CLOEXEC", dup3(p[0], 41, O_CLOEXEC));
    c[3] = (int)res("F_DUPFD from 42", fcntl(p[0], F_DUPFD, 42));
    c[4] = (int)res("F_DUPFD_CLOEXEC from 42", fcntl(p[0], F_DUPFD_CLOEXEC, 42));
    c[5] = (int)res("dup3 to 44 with 0", dup3(p[0], 44, 0));
    for (int i = 0; i < 6; i++) fact("copy %d: descriptor flags %d", i, fcntl(c[i], F_GETFD));

    fcntl(c[3], F_SETFL, O_NONBLOCK);
    int nb = !!(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    for (int i = 0; i < 6; i++) nb += !!(fcntl(c[i], F_GETFL) & O_NONBLOCK);
    fact("O_NONBLOCK set on one, seen on: %d of 7", nb);
    fact("access mode: %d", (fcntl(c[2], F_GETFL) & O_ACCMODE) == O_RDWR);
    res("read of nothing", read(c[1], &on, 1));
    int off = 0;
    ioctl(c[0], FIONBIO, &off);
    fact("cleared by FIONBIO on another: %d", !(fcntl(c[4], F_GETFL) & O_NONBLOCK));
    fcntl(c[0], F_SETFD, FD_CLOEXEC);
    fact("descriptor flags are each one's own: %d %d", fcntl(c[0], F_GETFD), fcntl(c[1], F_GETFD));
    setsockopt(c[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fact("option set on one, seen on another: %d", opt(c[2], IPPROTO_TCP, TCP_NODELAY));

    for (int i = 0; i < 6; i++) {
        char m[8];
        must("write", write(c[i], m, (size_t)snprintf(m, sizeof m, "c%d", i)));
        fact("written to copy %d: %s", i, hear(p[1]));
    }
    must("write", write(p[1], "abcdef", 6));
    char b[8] = "";
    for (int i = 0; i < 6; i++) must("read", read(c[i], b + i, 1));
    fact("read from six copies one by one: %s", b);
    close(p[0]);
    for (int i = 0; i < 5; i++) close(c[i]);
    fact("one copy left: %s", poll_text(p[1], POLLIN, 30));
    shutdown(c[5], SHUT_WR);
    fact("shutdown on it: %s", hear(p[1]));
    must("write", write(p[1], "half open", 9));
    fact("reads: %s", hear(c[5]));
    close(c[5]);
    close(p[1]);

    /* Before connect, bind and listen: the copies take part in what comes later. */
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), d = dup(s), port;
    struct sockaddr_in a = in4("127.0.0.1", 0);
    res("bind one", bind(s, (struct sockaddr *)&a, sizeof a));
    res("listen on the other", listen(d, 4));
    port = port_of(d);
    fact("same port: %d", port == port_of(s) && port != 0);
    close(s);
    int q = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), r = dup(q);
    a = in4("127.0.0.1", port);
    res("connect to it", connect(q, (struct sockaddr *)&a, sizeof a));
    close(q);
    int e = (int)ok("accept by the copy", accept(d, NULL, NULL));
    must("write", write(r, "by the copy", 11));
    fact("it says: %s", hear(e));
    close(d);
    a = in4("127.0.0.1", port);
    int t = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect when both listeners are closed", connect(t, (struct sockaddr *)&a, sizeof a));

    /* Errors. */
    res("dup of a closed one", dup(999));
    res("dup2 of a closed one", dup2(999, r));
    must("write", write(r, "unharmed", 8));
    fact("its target: %s", hear(e));
    res("dup2 to -1", dup2(r, -1));
    res("dup2 onto itself", dup2(r, r) == r ? 0 : 1);
    res("dup2 of a closed one onto itself", dup2(999, 999));
    res("dup3 onto itself", dup3(r, r, 0));
    res("dup3 with a bad flag", dup3(r, 60, O_NONBLOCK));
    res("F_DUPFD from -1", fcntl(r, F_DUPFD, -1));
    res("F_DUPFD from a huge number", fcntl(r, F_DUPFD, 1 << 30));
    must("write", write(r, "to the end", 10));
    fact("still connected: %s", hear(e));
    return 0;
}
