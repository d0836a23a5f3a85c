/* Pointers to nowhere, in calls that are made by syscall(2) and so read no memory in the C library: EFAULT (man 2 of each), for
 * sockets of every kind, and sizes of signal sets that are none (EINVAL). */
#include "t.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define BAD ((void *)-1L)
#define CALL(label, ...) res(label, syscall(__VA_ARGS__))

static char *guard;

static void messages(const char *what, int s) {
    char b[8];
    struct iovec v = {b, sizeof b};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    struct msghdr *bad[] = {NULL, BAD, (struct msghdr *)guard, (struct msghdr *)(guard - 40)};
    fact("%s", what);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CALL("  sendmsg", SYS_sendmsg, s, bad[i], MSG_NOSIGNAL);
        CALL("  recvmsg", SYS_recvmsg, s, bad[i], MSG_DONTWAIT);
        CALL("  sendmmsg", SYS_sendmmsg, s, bad[i], 2, MSG_NOSIGNAL);
        CALL("  recvmmsg", SYS_recvmmsg, s, bad[i], 2, MSG_DONTWAIT, NULL);
    }
    h.msg_iov = BAD;
    CALL("  sendmsg, list", SYS_sendmsg, s, &h, MSG_NOSIGNAL);
    h.msg_iov = &v, h.msg_control = BAD, h.msg_controllen = 64;
    CALL("  sendmsg, control", SYS_sendmsg, s, &h, MSG_NOSIGNAL);
    h.msg_control = guard - 16, h.msg_controllen = 64;
    memset(guard - 16, 0, 16);
    CALL("  sendmsg, control cut", SYS_sendmsg, s, &h, MSG_NOSIGNAL);
    h.msg_control = NULL, h.msg_controllen = 0, h.msg_name = BAD, h.msg_namelen = 16;
    CALL("  sendmsg, name", SYS_sendmsg, s, &h, MSG_NOSIGNAL);
    CALL("  sendto", SYS_sendto, s, BAD, 8, MSG_NOSIGNAL, NULL, 0);
    CALL("  write", SYS_write, s, guard, 8);
    CALL("  writev", SYS_writev, s, BAD, 1);
    CALL("  readv", SYS_readv, s, BAD, 1);
    CALL("  recvmmsg, time", SYS_recvmmsg, s, &h, 1, MSG_DONTWAIT, BAD);
    CALL("  connect", SYS_connect, s, BAD, 16);
    CALL("  bind", SYS_bind, s, BAD, 16);
    CALL("  getsockname", SYS_getsockname, s, BAD, BAD);
    CALL("  setsockopt", SYS_setsockopt, s, SOL_SOCKET, SO_RCVLOWAT, BAD, 4);
    CALL("  getsockopt", SYS_getsockopt, s, SOL_SOCKET, SO_RCVLOWAT, BAD, BAD);
    CALL("  ioctl", SYS_ioctl, s, FIONREAD, BAD);
    CALL("  fcntl", SYS_fcntl, s, F_GETLK, BAD);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    guard = page + 4096;
    mprotect(guard, 4096, PROT_NONE);
    int t[2], u[2], d = socket(AF_INET, SOCK_DGRAM, 0), e = epoll_create1(0), three = 3;
    tcp_pair(t);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
    messages("tcp", t[0]);
    messages("udp", d);
    messages("unix", u[0]);

    struct pollfd p = {t[0], POLLIN, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(t[0], &set);
    struct timespec now = {0, 0}, wrong = {0, -1};
    struct { const void *mask; size_t size; } pair = {&set, 3}, bad_pair = {BAD, 8};
    struct epoll_event ev = {EPOLLIN, {0}};
    CALL("poll", SYS_poll, BAD, 1, 0);
    CALL("ppoll, list", SYS_ppoll, guard, 1, &now, NULL, 8);
    CALL("ppoll, time", SYS_ppoll, &p, 1, BAD, NULL, 8);
    CALL("ppoll, wrong time", SYS_ppoll, &p, 1, &wrong, NULL, 8);
    CALL("ppoll, mask", SYS_ppoll, &p, 1, &now, BAD, 8);
    CALL("ppoll, mask of 3 bytes", SYS_ppoll, &p, 1, NULL, &set, 3);
    CALL("ppoll, no mask of 3 bytes", SYS_ppoll, &p, 1, &now, NULL, 3);
    CALL("select, set", SYS_select, t[0] + 1, BAD, NULL, NULL, &now);
    CALL("select, time", SYS_select, t[0] + 1, &set, NULL, NULL, BAD);
    CALL("pselect6, set", SYS_pselect6, t[0] + 1, NULL, BAD, NULL, &now, NULL);
    CALL("pselect6, time", SYS_pselect6, t[0] + 1, &set, NULL, NULL, guard, NULL);
    CALL("pselect6, pair", SYS_pselect6, t[0] + 1, &set, NULL, NULL, &now, BAD);
    CALL("pselect6, mask", SYS_pselect6, t[0] + 1, &set, NULL, NULL, &now, &bad_pair);
    CALL("pselect6, mask of 3 bytes", SYS_pselect6, t[0] + 1, &set, NULL, NULL, NULL, &pair);
    CALL("epoll_ctl", SYS_epoll_ctl, e, EPOLL_CTL_ADD, t[0], BAD);
    must("epoll_ctl", epoll_ctl(e, EPOLL_CTL_ADD, t[0], &ev));
    CALL("epoll_pwait, mask", SYS_epoll_pwait, e, &ev, 1, 0, BAD, 8);
    CALL("epoll_pwait, mask of 3 bytes", SYS_epoll_pwait, e, &ev, 1, -1, &three, 3);
    CALL("epoll_pwait2, time", SYS_epoll_pwait2, e, &ev, 1, BAD, NULL, 8);
    CALL("epoll_pwait2, wrong time", SYS_epoll_pwait2, e, &ev, 1, &wrong, NULL, 8);
    must("send", send(t[1], "x", 1, 0));
    poll(&p, 1, 2000);
    CALL("epoll_wait, events", SYS_epoll_wait, e, BAD, 1, 1000);
    CALL("epoll_wait, events cut", SYS_epoll_wait, e, guard - 11, 1, 1000);

    CALL("rt_sigaction, new", SYS_rt_sigaction, SIGUSR1, BAD, NULL, 8);
    CALL("rt_sigaction, old", SYS_rt_sigaction, SIGUSR1, NULL, BAD, 8);
    CALL("rt_sigaction, size", SYS_rt_sigaction, SIGUSR1, NULL, NULL, 3);
    CALL("rt_sigprocmask, new", SYS_rt_sigprocmask, SIG_BLOCK, BAD, NULL, 8);
    CALL("rt_sigprocmask, old", SYS_rt_sigprocmask, SIG_BLOCK, NULL, BAD, 8);
    CALL("rt_sigprocmask, size", SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 3);
    CALL("getrlimit", SYS_getrlimit, RLIMIT_NOFILE, BAD);
    CALL("setrlimit", SYS_setrlimit, RLIMIT_NOFILE, BAD);
    CALL("prlimit64", SYS_prlimit64, 0, RLIMIT_NOFILE, BAD, NULL);
    CALL("prlimit64, old", SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, BAD);
    CALL("socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, BAD);
    CALL("clone3", SYS_clone3, BAD, 88);
    char *none[] = {NULL};
    CALL("execve, path", SYS_execve, BAD, none, none);
    CALL("execve, arguments", SYS_execve, "/bin/true", BAD, none);
    CALL("execve, environment", SYS_execve, "/bin/true", none, BAD);
    char *wild[] = {BAD, NULL};
    CALL("execve, an argument", SYS_execve, "/bin/true", wild, none);
    CALL("execve, a variable", SYS_execve, "/bin/true", none, wild);
    CALL("execveat, path", SYS_execveat, AT_FDCWD, BAD, none, none, 0);
    return 0;
}
