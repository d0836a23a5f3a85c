/* SO_COOKIE: a 64-bit number that one socket has alone, for its life: the same by a dup, in a child, after exec and
 * when it was passed over a unix socket (man 7 socket has no entry; linux net/core/sock_diag.c). SO_NETNS_COOKIE is
 * the network's. */
#include "opt.h"
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static uint64_t cookie(int fd, int opt) {
    uint64_t c = 0;
    socklen_t l = sizeof c;
    if (getsockopt(fd, SOL_SOCKET, opt, &c, &l) < 0) return 0;
    return c;
}

int main(int argc, char **argv) {
    alarm(8);
    if (argc == 3) {
        /* The program after exec: does the number that came along still say the same? */
        _exit(cookie(atoi(argv[1]), SO_COOKIE) == strtoull(argv[2], NULL, 10) ? 0 : 1);
    }
    int s[4], all = 1, differ = 1;
    for (int k = 0; k < 4; k++) s[k] = opt_socket(k);
    for (int k = 0; k < 4; k++) all &= cookie(s[k], SO_COOKIE) != 0;
    for (int k = 1; k < 4; k++)
        for (int i = 0; i < k; i++) differ &= cookie(s[k], SO_COOKIE) != cookie(s[i], SO_COOKIE);
    fact("cookies of four sockets: none 0 %s, all different %s", all ? "yes" : "no", differ ? "yes" : "no");
    uint64_t c = cookie(s[0], SO_COOKIE);
    fact("asked again the same: %s", cookie(s[0], SO_COOKIE) == c ? "yes" : "no");
    int d = dup(s[0]);
    fact("by a dup the same: %s", cookie(d, SO_COOKIE) == c ? "yes" : "no");
    struct sockaddr_in z = in4("127.0.0.1", 0);
    must("bind", bind(s[0], (struct sockaddr *)&z, sizeof z));
    must("listen", listen(s[0], 2));
    fact("after bind and listen the same: %s", cookie(s[0], SO_COOKIE) == c ? "yes" : "no");
    pid_t pid = fork();
    if (pid == 0) _exit(cookie(d, SO_COOKIE) == c ? 0 : 1);
    reap("in a child the same", pid);
    pid = fork();
    if (pid == 0) {
        char fd[16], num[32];
        snprintf(fd, sizeof fd, "%d", d);
        snprintf(num, sizeof num, "%llu", (unsigned long long)c);
        execl("/proc/self/exe", argv[0], fd, num, (char *)NULL);
        _exit(99);
    }
    reap("after exec the same", pid);
    int sv[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u;
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u};
    memset(&u, 0, sizeof u);
    u.h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&u.h), &d, sizeof d);
    must("sendmsg", sendmsg(sv[0], &m, 0));
    char b;
    v.iov_base = &b;
    must("recvmsg", recvmsg(sv[1], &m, 0));
    int got = -1;
    memcpy(&got, CMSG_DATA(&u.h), sizeof got);
    fact("passed over a unix socket: another number %s, the same cookie %s", got != d ? "yes" : "no",
         cookie(got, SO_COOKIE) == c ? "yes" : "no");
    z.sin_port = htons((uint16_t)port_of(s[0]));
    int k = opt_socket(0);
    must("connect", connect(k, (struct sockaddr *)&z, sizeof z));
    int a = (int)must("accept", accept(s[0], NULL, NULL));
    fact("accepted: its own %s, not the listener's %s, not the client's %s", cookie(a, SO_COOKIE) ? "yes" : "no",
         cookie(a, SO_COOKIE) != c ? "yes" : "no",
         cookie(a, SO_COOKIE) != cookie(k, SO_COOKIE) ? "yes" : "no");
    c = cookie(k, SO_COOKIE);
    close(k);
    k = opt_socket(0);
    fact("a new socket after a close has a new one: %s", cookie(k, SO_COOKIE) != c ? "yes" : "no");
    uint64_t n = cookie(s[0], SO_NETNS_COOKIE);
    fact("SO_NETNS_COOKIE not 0 %s, the same for all %s", n ? "yes" : "no",
         n == cookie(s[1], SO_NETNS_COOKIE) && n == cookie(s[2], SO_NETNS_COOKIE) && n == cookie(a, SO_NETNS_COOKIE)
             ? "yes" : "no");
    return 0;
}
