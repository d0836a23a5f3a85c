/* A connection that the parent accepted and the child serves: an end of stream is seen by the peer only when the last
 * descriptor of the connection is closed, in whichever process that is (man 2 fork, man 2 close). */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

/* Lets the other side of a pipe go on, or waits until it does. */
static void go(int p[2]) { must("go", write(p[1], "g", 1)); }
static void await(int p[2]) { char b; must("await", read(p[0], &b, 1)); }

int main(void) {
    alarm(8);
    int p[2], up[2], down[2];
    must("pipe", pipe(up));
    must("pipe", pipe(down));

    /* The classic: the parent closes its copy right after fork. */
    tcp_pair(p);
    pid_t kid = fork();
    if (kid == 0) {
        alarm(8);
        close(p[0]);
        char b[64];
        ssize_t n = read(p[1], b, sizeof b);
        if (n > 0) n = write(p[1], b, (size_t)n);
        await(down);
        _exit(n > 0 ? 0 : 1);
    }
    close(p[1]);
    must("write", write(p[0], "echo me", 7));
    fact("reply of the child: %s", hear(p[0]));
    fact("while the child lives: %s", poll_text(p[0], POLLIN | POLLRDHUP, 100));
    go(down);
    reap("child", kid);
    fact("after its exit: %s", hear(p[0]));
    close(p[0]);

    /* close in the child does not end it for the parent. */
    tcp_pair(p);
    if ((kid = fork()) == 0) {
        close(p[0]);
        close(p[1]);
        _exit(0);
    }
    reap("child that closes both ends", kid);
    fact("peer of the closed one: %s", poll_text(p[0], POLLIN | POLLRDHUP, 100));
    must("write", write(p[1], "still here", 10));
    fact("parent writes: %s", hear(p[0]));
    must("write", write(p[0], "and back", 8));
    fact("peer writes: %s", hear(p[1]));
    close(p[1]);
    fact("last close: %s", hear(p[0]));
    close(p[0]);

    /* The parent closes first, then the child writes and closes. */
    tcp_pair(p);
    if ((kid = fork()) == 0) {
        alarm(8);
        close(p[0]);
        await(down);
        must("write", write(p[1], "from the child", 14));
        close(p[1]);
        go(up);
        await(down);
        _exit(0);
    }
    close(p[1]);
    fact("parent closed its copy: %s", poll_text(p[0], POLLIN | POLLRDHUP, 100));
    go(down);
    await(up);
    fact("child wrote and closed: %s", hear(p[0]));
    fact("then: %s", hear(p[0]));
    go(down);
    reap("child", kid);
    close(p[0]);

    /* shutdown works on the connection, not on the descriptor: it ends the stream for all holders. */
    tcp_pair(p);
    if ((kid = fork()) == 0) {
        int r = shutdown(p[1], SHUT_WR);
        _exit(r == 0 ? 0 : errno);
    }
    reap("child that shuts down", kid);
    fact("peer: %s", hear(p[0]));
    signal(SIGPIPE, SIG_IGN);
    res("parent's write after the child's SHUT_WR", write(p[1], "x", 1));
    must("write", write(p[0], "other way", 9));
    fact("other way: %s", hear(p[1]));
    if ((kid = fork()) == 0) _exit(shutdown(p[1], SHUT_RD) == 0 ? 0 : errno);
    reap("child shuts the reading side", kid);
    res("parent's read", read(p[1], (char[8]){0}, 8));

    /* Both ends in two processes, each with a copy of both: nothing ends until all four are closed or dead. */
    int q[2];
    tcp_pair(q);
    if ((kid = fork()) == 0) {
        alarm(8);
        await(down);
        _exit(0);
    }
    close(q[1]);
    fact("child holds the other end: %s", poll_text(q[0], POLLIN | POLLRDHUP, 50));
    go(down);
    reap("child", kid);
    fact("child gone: %s", poll_text(q[0], POLLIN | POLLRDHUP, 1000));
    return 0;
}
