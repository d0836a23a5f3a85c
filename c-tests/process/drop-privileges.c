/* A daemon that root starts and that becomes another user, goes into a directory of its own (man 2 chroot), or both, keeps
 * its network: it connects, listens, sends and is rung as before, with sockets from before and from after. */
#include "t.h"
#include <grp.h>

static int tcp_port, udp_port;
static int listener, udp;
static int toparent[2];


static void leave(const char *how) {
    if (strchr(how, 'c')) {
        char place[] = "/tmp/chroot-XXXXXX";
        if (!mkdtemp(place) || chmod(place, 0755) < 0 || chroot(place) < 0) fact("chroot: %s", ename(errno));
        must("chdir", chdir("/"));
        /* From the outside nobody would find it again: it is removed by the parent, which gets its name. */
        must("pipe", write(toparent[1], place, sizeof place));
    }
    if (strchr(how, 'u')) {
        must("setgroups", setgroups(0, NULL));
        must("setgid", setgid(65534));
        must("setuid", setuid(65534));
    }
}

static int in_poll(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 5000) == 1 && p.revents == POLLIN;
}

static int inet(int kind) { return (int)must("socket", socket(AF_INET, kind, 0)); }


static int dial(int fd, int port) {
    struct sockaddr_in a = in4("127.0.0.1", port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

/* A connection that has to wait for room in the listener's queue. */
static void waits(void) {
    int full = inet(SOCK_STREAM), first = inet(SOCK_STREAM), second = inet(SOCK_STREAM);
    must("listen", listen(full, 0));
    must("connect", dial(first, port_of(full)));
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(100);
        _exit(accept(full, NULL, NULL) < 0);
    }
    ok("connect that waits", dial(second, port_of(full)));
    close(full);
    waitpid(pid, NULL, 0);
}

static void child(const char *how) {
    char b[100] = "";
    leave(how);
    /* A client of who stayed. */
    int c = inet(SOCK_STREAM);
    ok("connect", dial(c, tcp_port));
    res("write", write(c, "hello", 5));
    fact("answer in poll: %d", in_poll(c));
    res("read", read(c, b, sizeof b));
    close(c);
    c = inet(SOCK_STREAM);
    ok("connect, refused", dial(c, 1));
    close(c);
    if (strlen(how) > 1) waits();
    /* A server for who stayed. */
    int l = inet(SOCK_STREAM);
    ok("listen", listen(l, 5));
    int port = port_of(l);
    must("pipe", write(toparent[1], &port, sizeof port));
    fact("a connection in poll: %d", in_poll(l));
    int a = (int)must("accept", accept(l, NULL, NULL));
    res("read", read(a, b, sizeof b));
    /* Both ways of datagrams, with a receiver that sleeps in poll. */
    int u = inet(SOCK_DGRAM);
    struct sockaddr_in any = in4("127.0.0.1", 0);
    ok("bind", bind(u, (struct sockaddr *)&any, sizeof any));
    must("connect", dial(u, udp_port));
    sleep_ms(50);
    res("send", send(u, "datagram", 8, 0));
    fact("answer in poll: %d", in_poll(u));
    res("recv", recv(u, b, sizeof b, 0));
    _exit(0);
}

static void one(const char *how) {
    fact("-- %s", strchr(how, 'c') ? strchr(how, 'u') ? "chroot and user" : "chroot" : "user");
    char place[] = "/tmp/chroot-XXXXXX", b[100];
    int port;
    must("pipe", pipe(toparent));
    listener = listener4(&tcp_port, 5);
    udp = inet(SOCK_DGRAM);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    socklen_t n = sizeof a;
    must("bind", bind(udp, (struct sockaddr *)&a, sizeof a));
    udp_port = port_of(udp);
    pid_t pid = fork();
    if (pid == 0) child(how);
    if (strchr(how, 'c')) must("pipe", read(toparent[0], place, sizeof place));
    must("listener", in_poll(listener) - 1);
    int c = (int)must("accept", accept(listener, NULL, NULL));
    must("read", read(c, b, sizeof b));
    sleep_ms(50); /* so that the other side sleeps */
    must("write", write(c, "answer", 6));
    must("pipe", read(toparent[0], &port, sizeof port));
    int d = inet(SOCK_STREAM);
    sleep_ms(50);
    must("connect", dial(d, port));
    must("write", write(d, "to the server", 13));
    must("datagram", in_poll(udp) - 1);
    must("recvfrom", recvfrom(udp, b, sizeof b, 0, (struct sockaddr *)&a, &n));
    sleep_ms(50);
    must("sendto", sendto(udp, "back", 4, 0, (struct sockaddr *)&a, n));
    int status;
    must("waitpid", waitpid(pid, &status, 0));
    fact("exit %d", WEXITSTATUS(status));
    if (strchr(how, 'c')) rmdir(place);
    close(c);
    close(d);
    close(listener);
    close(udp);
    close(toparent[0]);
    close(toparent[1]);
}

int main(void) {
    alarm(8);
    if (geteuid() != 0) {
        fact("only root may do that");
        return 0;
    }
    /* The first process drops before it has any socket. */
    pid_t pid = fork();
    if (pid == 0) {
        must("setuid", setuid(65534));
        int l, port;
        l = listener4(&port, 5);
        int c = inet(SOCK_STREAM);
        ok("dropped before the first socket: connect", dial(c, port));
        _exit(accept(l, NULL, NULL) < 0);
    }
    int status;
    must("waitpid", waitpid(pid, &status, 0));
    fact("exit %d", WEXITSTATUS(status));
    one("u");
    one("c");
    one("cu");
    return 0;
}
