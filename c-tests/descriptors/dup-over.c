/* dup2 over an open socket closes it silently (man 2 dup): its peer sees the end when it was the last copy, the number
 * then means the new file, and never again the socket. */
#include "t.h"
#include <sys/eventfd.h>
#include <sys/mman.h>

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
    signal(SIGPIPE, SIG_IGN);
    int p[2], q[2];
    char b[64] = "";

    tcp_pair(p);
    tcp_pair(q);
    int n = p[0];
    fact("dup2 of a connection over another: %d", dup2(q[0], n) == n);
    fact("peer of the one replaced: %s", hear(p[1]));
    must("write", write(n, "via the old number", 18));
    fact("peer of the new one: %s", hear(q[1]));
    close(q[0]);
    fact("still open by the old number: %s", poll_text(q[1], POLLIN, 30));
    close(n);
    fact("closed: %s", hear(q[1]));
    close(p[1]);
    close(q[1]);

    /* A file over the number: what is written and read there is the file's. */
    tcp_pair(p);
    n = p[0];
    int f = (int)must("memfd", memfd_create("f", 0));
    must("dup2", dup2(f, n));
    res("write to the number", write(n, "for the file", 12));
    fact("peer: %s", hear(p[1]));
    res("pread of the file", pread(f, b, sizeof b, 0));
    fact("it holds: %s", b);
    res("lseek by the number", lseek(n, 0, SEEK_SET));
    fact("read by the number: %s", hear(n));
    res("send", send(n, "x", 1, 0));
    res("recv", recv(n, b, 1, 0));
    res("getsockname", getsockname(n, (struct sockaddr *)b, &(socklen_t){16}));
    res("shutdown", shutdown(n, SHUT_RDWR));
    struct stat st;
    res("fstat", fstat(n, &st));
    fact("regular file: %d of %ld bytes", S_ISREG(st.st_mode), (long)st.st_size);
    close(n);
    close(p[1]);

    /* And back: a socket over a file's number. */
    tcp_pair(p);
    must("dup2", dup2(p[0], f));
    must("write", write(f, "socket now", 10));
    fact("peer: %s", hear(p[1]));
    res("lseek", lseek(f, 0, SEEK_SET));
    close(p[0]);

    /* A pipe, an eventfd, a unix socket over it, one after the other. */
    int pi[2], un[2], ev = (int)must("eventfd", eventfd(0, EFD_NONBLOCK));
    must("pipe", pipe(pi));
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, un));
    must("dup2", dup2(pi[1], f));
    fact("peer: %s", hear(p[1]));
    must("write", write(f, "pipe", 4));
    fact("pipe: %s", hear(pi[0]));
    must("dup2", dup2(ev, f));
    uint64_t v = 5;
    res("write to the eventfd", write(f, &v, sizeof v));
    v = 0;
    res("read from it", read(ev, &v, sizeof v));
    fact("value %d", (int)v);
    must("dup2", dup2(un[0], f));
    must("send", send(f, "unix", 4, 0));
    fact("unix: %s", hear(un[1]));
    struct sockaddr_storage ss = {0};
    socklen_t l = sizeof ss;
    getsockname(f, (struct sockaddr *)&ss, &l);
    fact("family is AF_UNIX: %d", ss.ss_family == AF_UNIX);

    /* A listener replaced: connections are refused, and those that waited are reset. */
    int port, ls = listener4(&port, 4), c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    must("dup2", dup2(pi[0], ls));
    fact("waiting connection: %s", hear(c));
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("new connection", connect(d, (struct sockaddr *)&a, sizeof a));
    res("accept", accept(ls, NULL, NULL));

    /* dup3 the same; dup2 onto itself changes nothing, not even FD_CLOEXEC. */
    tcp_pair(p);
    must("dup3", dup3(pi[0], p[0], O_CLOEXEC));
    fact("dup3 over it: %s, flags %d", hear(p[1]), fcntl(p[0], F_GETFD));
    tcp_pair(q);
    fcntl(q[0], F_SETFD, FD_CLOEXEC);
    fact("onto itself: %d, flags %d", dup2(q[0], q[0]) == q[0], fcntl(q[0], F_GETFD));
    must("write", write(q[0], "the same", 8));
    fact("peer: %s", hear(q[1]));

    /* Unread data in the one replaced: its peer gets a reset. */
    must("write", write(q[1], "unread", 6));
    must("dup2", dup2(pi[0], q[0]));
    fact("peer with data unread: %s", hear(q[1]));

    /* A UDP socket replaced: its port is free. */
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), w = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    l = sizeof a;
    must("getsockname", getsockname(u, (struct sockaddr *)&a, &l));
    must("dup2", dup2(pi[0], u));
    res("bind of its port", bind(w, (struct sockaddr *)&a, sizeof a));
    return 0;
}
