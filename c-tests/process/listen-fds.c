/* Socket activation by LISTEN_FDS (man 3 sd_listen_fds): the sockets come as 3, 4, 5, and the program finds out what
 * each of them is by fstat, SO_TYPE, SO_DOMAIN, SO_ACCEPTCONN and getsockname. */
#include "t.h"

static int opt(int fd, int name) {
    int v = -1;
    socklen_t l = sizeof v;
    return getsockopt(fd, SOL_SOCKET, name, &v, &l) < 0 ? -errno : v;
}

static int activated(int port) {
    alarm(8);
    const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
    fact("LISTEN_FDS %s, LISTEN_PID is mine %d", n ? n : "unset", pid && atoi(pid) == getpid());
    fact("LISTEN_FDNAMES %s", names ? names : "unset");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    for (int fd = 3; fd < 7; fd++) {
        struct stat st;
        struct sockaddr_storage ss;
        socklen_t l = sizeof ss;
        memset(&ss, 0, sizeof ss);
        if (fstat(fd, &st) < 0) {
            fact("%d: %s", fd, ename(errno));
            continue;
        }
        fact("%d: socket %d, domain %d, type %d, protocol %d, listening %d", fd, S_ISSOCK(st.st_mode), opt(fd, SO_DOMAIN),
             opt(fd, SO_TYPE), opt(fd, SO_PROTOCOL), opt(fd, SO_ACCEPTCONN));
        int r = getsockname(fd, (struct sockaddr *)&ss, &l);
        fact("  name %d: %s, length %u", r, addr_text((struct sockaddr *)&ss, port, 0), l);
        l = sizeof ss;
        r = getpeername(fd, (struct sockaddr *)&ss, &l);
        fact("  peer: %s", r < 0 ? ename(errno) : "there");
        /* sd_listen_fds sets close-on-exec on each. */
        res("  F_SETFD", fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC));
    }
    /* The activating connection and datagram are waiting already. */
    struct pollfd p[3] = {{3, POLLIN, 0}, {4, POLLIN, 0}, {5, POLLIN, 0}};
    int ready = poll(p, 3, 1000);
    fact("ready %d: %x %x %x", ready, p[0].revents, p[1].revents, p[2].revents);
    char b[64] = "";
    int c = (int)ok("accept", accept4(3, NULL, NULL, SOCK_CLOEXEC));
    res("read", read(c, b, sizeof b - 1));
    fact("request: %s", b);
    dprintf(c, "reply");
    memset(b, 0, sizeof b);
    res("recv", recv(5, b, sizeof b - 1, 0));
    fact("datagram: %s", b);
    res("accept without blocking", accept4(4, NULL, NULL, 0));
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2) return activated(atoi(argv[1]));
    alarm(8);
    int port, l = listener4(&port, 4);
    int six = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0)), u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in6 a6 = in6("::1", 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("bind", bind(six, (struct sockaddr *)&a6, sizeof a6));
    must("listen", listen(six, 4));
    fcntl(six, F_SETFL, O_NONBLOCK);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    must("write", write(c, "request", 7));
    a.sin_port = 0;
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    socklen_t len = sizeof a;
    must("getsockname", getsockname(u, (struct sockaddr *)&a, &len));
    must("sendto", sendto(v, "activation", 10, 0, (struct sockaddr *)&a, sizeof a));
    pid_t k = fork();
    if (k == 0) {
        char pid[16], arg[16];
        int src[3] = {fcntl(l, F_DUPFD, 20), fcntl(six, F_DUPFD, 20), fcntl(u, F_DUPFD, 20)};
        for (int i = 0; i < 3; i++) dup2(src[i], 3 + i);
        close_range(6, 1000, 0);
        snprintf(pid, sizeof pid, "%d", getpid());
        snprintf(arg, sizeof arg, "%d", port);
        setenv("LISTEN_FDS", "3", 1);
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDNAMES", "web:web6:udp", 1);
        execl("/proc/self/exe", "activated", arg, (char *)NULL);
        _exit(127);
    }
    reap("service", k);
    char b[16] = "";
    res("client reads", read(c, b, sizeof b));
    fact("reply: %s", b);
    /* The activator still has the listeners and can start the service again. */
    a = in4("127.0.0.1", port);
    int d = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect after the service's end", connect(d, (struct sockaddr *)&a, sizeof a));
    ok("accept by the activator", accept(l, NULL, NULL));
    return 0;
}
