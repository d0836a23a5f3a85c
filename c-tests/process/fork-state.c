/* What two processes share of one socket after fork: file status flags, options, the address, the connection, pending
 * errors, the port; and what each has alone: the descriptor flags (man 2 fork, man 2 fcntl). */
#include "t.h"

static int fds[8];

/* Runs one step in a child and waits for its end. */
static void in_child(const char *label, int (*step)(void)) {
    pid_t kid = fork();
    if (kid == 0) {
        alarm(8);
        _exit(step());
    }
    reap(label, kid);
}

static int set_nonblock(void) { return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0; }
static int clear_nonblock(void) { return fcntl(fds[0], F_SETFL, 0) < 0; }
static int set_ioctl(void) { int on = 1; return ioctl(fds[0], FIONBIO, &on) < 0; }
static int set_cloexec(void) { return fcntl(fds[0], F_SETFD, FD_CLOEXEC) < 0; }
static int set_options(void) {
    int on = 1;
    struct timeval tv = {0, 50000};
    return setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) |
           setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) |
           setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
}
static int do_bind(void) {
    struct sockaddr_in a = in4("127.0.0.1", 0);
    return bind(fds[1], (struct sockaddr *)&a, sizeof a);
}
static int do_listen(void) { return listen(fds[1], 4); }
static int do_connect(void) {
    struct sockaddr_in a = in4("127.0.0.1", port_of(fds[1]));
    return connect(fds[2], (struct sockaddr *)&a, sizeof a) < 0 || send(fds[2], "by the child", 12, 0) != 12;
}
static int do_accept(void) {
    int c = accept(fds[1], NULL, NULL);
    return c < 0 || send(c, "accepted", 8, 0) != 8;
}
static int serve_one(void) {
    int c = accept(fds[3], NULL, NULL);
    char b[8];
    return c < 0 || send(c, "hi", 2, 0) != 2 || read(c, b, sizeof b) != 0;
}
static int read_some(void) { char b[4]; return read(fds[0], b, 4) == 4 && memcmp(b, "abcd", 4) == 0 ? 0 : 1; }
static int peek_some(void) { char b[4]; return recv(fds[0], b, 4, MSG_PEEK) == 4 && memcmp(b, "efgh", 4) == 0 ? 0 : 1; }

static int opt(int fd, int level, int name) {
    int v = -1;
    socklen_t l = sizeof v;
    return getsockopt(fd, level, name, &v, &l) < 0 ? -errno : v;
}

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    fds[0] = p[0];
    char b[64];

    in_child("child sets O_NONBLOCK", set_nonblock);
    fact("parent sees O_NONBLOCK: %d", !!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
    res("parent's read of nothing", read(p[0], b, sizeof b));
    in_child("child clears it", clear_nonblock);
    fact("parent sees O_NONBLOCK: %d", !!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
    in_child("child sets it with FIONBIO", set_ioctl);
    res("parent's read of nothing", read(p[0], b, sizeof b));
    must("fcntl", fcntl(p[0], F_SETFL, 0));
    in_child("child sets FD_CLOEXEC", set_cloexec);
    fact("parent's descriptor flags: %d", fcntl(p[0], F_GETFD));
    in_child("child sets options", set_options);
    fact("parent sees keepalive %d nodelay %d", opt(p[0], SOL_SOCKET, SO_KEEPALIVE), opt(p[0], IPPROTO_TCP, TCP_NODELAY));
    long t = now_ms();
    res("parent's read under the child's SO_RCVTIMEO", read(p[0], b, sizeof b));
    t = now_ms() - t;
    fact("it took 40..1000 ms: %d", t >= 40 && t <= 1000);

    must("write", write(p[1], "abcdefgh", 8));
    in_child("child reads the first half", read_some);
    in_child("child peeks at the second", peek_some);
    ssize_t n = read(p[0], b, sizeof b);
    fact("parent reads %zd: %.*s", n, (int)(n > 0 ? n : 0), b);

    fds[1] = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    fds[2] = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    in_child("child binds", do_bind);
    fact("parent's socket has a port: %d", port_of(fds[1]) != 0);
    in_child("child listens", do_listen);
    fact("parent sees SO_ACCEPTCONN: %d", opt(fds[1], SOL_SOCKET, SO_ACCEPTCONN));
    in_child("child connects the parent's socket", do_connect);
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    res("parent's getpeername", getpeername(fds[2], (struct sockaddr *)&a, &l));
    fact("peer's port is the listener's: %d", ntohs(a.sin_port) == port_of(fds[1]));
    int c = (int)ok("parent accepts it", accept(fds[1], NULL, NULL));
    n = read(c, b, sizeof b);
    fact("and reads: %.*s", (int)(n > 0 ? n : 0), b);
    a = in4("127.0.0.1", port_of(fds[1]));
    res("connecting it again", connect(fds[2], (struct sockaddr *)&a, sizeof a));
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(d, (struct sockaddr *)&a, sizeof a));
    in_child("child accepts and exits", do_accept);
    n = recv(d, b, sizeof b, 0);
    fact("the client got: %.*s", (int)(n > 0 ? n : 0), b);
    res("then", recv(d, b, sizeof b, 0));

    /* bind and listen before fork, close in the parent: the port is taken until the child ends. */
    int port;
    fds[3] = listener4(&port, 4);
    pid_t kid = fork();
    if (kid == 0) {
        alarm(8);
        _exit(serve_one());
    }
    close(fds[3]);
    int on = 1, e = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("reuse", setsockopt(e, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    a = in4("127.0.0.1", port);
    res("bind while the child listens", bind(e, (struct sockaddr *)&a, sizeof a));
    int f = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect to the child", connect(f, (struct sockaddr *)&a, sizeof a));
    n = read(f, b, sizeof b);
    fact("it says: %.*s", (int)(n > 0 ? n : 0), b);
    close(f);
    reap("child", kid);
    int g = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect after its end", connect(g, (struct sockaddr *)&a, sizeof a));
    res("bind after its end", bind(e, (struct sockaddr *)&a, sizeof a));
    return 0;
}
