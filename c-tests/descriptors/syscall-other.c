/* syscall(2) by number for datagrams, readiness and vectors with flags (see syscall-stream.c). */
#include "t.h"
#include <sys/syscall.h>

static char b[64];

int main(void) {
    alarm(8);
    struct sockaddr_in a = in4("127.0.0.1", 0), from;
    socklen_t l;
    int u = (int)ok("SYS_socket", syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0));
    int s = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    res("SYS_sendto", syscall(SYS_sendto, s, "sendto", 6, 0, &a, sizeof a));
    l = sizeof from;
    res("SYS_recvfrom", syscall(SYS_recvfrom, u, b, sizeof b, 0, &from, &l));
    fact("from the sender: %d, length %u", ntohs(from.sin_port) == port_of(s), l);
    struct iovec io[2] = {{(void *)(uintptr_t)"msg ", 4}, {(void *)(uintptr_t)"parts", 5}}, in[2] = {{b, 32}, {b + 32, 32}};
    struct msghdr m = {.msg_iov = io, .msg_iovlen = 2, .msg_name = &a, .msg_namelen = sizeof a};
    res("SYS_sendmsg", syscall(SYS_sendmsg, s, &m, 0));
    memset(&from, 0, sizeof from);
    m = (struct msghdr){.msg_iov = in, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    res("SYS_recvmsg", syscall(SYS_recvmsg, u, &m, 0));
    fact("from the sender: %d, flags %x", ntohs(from.sin_port) == port_of(s), m.msg_flags);
    res("SYS_connect", syscall(SYS_connect, s, &a, sizeof a));
    struct mmsghdr mm[2] = {{.msg_hdr = {.msg_iov = io, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = io + 1, .msg_iovlen = 1}}};
    res("SYS_sendmmsg", syscall(SYS_sendmmsg, s, mm, 2, 0));
    struct mmsghdr mi[2] = {{.msg_hdr = {.msg_iov = in, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = in + 1, .msg_iovlen = 1}}};
    res("SYS_recvmmsg", syscall(SYS_recvmmsg, u, mi, 2, 0, NULL));
    fact("lengths %u %u", mi[0].msg_len, mi[1].msg_len);
    res("SYS_write", syscall(SYS_write, s, "write", 5));
    res("SYS_read", syscall(SYS_read, u, b, sizeof b));
    res("SYS_pwritev2 at -1", syscall(SYS_pwritev2, s, io, 2, -1L, -1L, 0));
    res("SYS_preadv2 at -1, RWF_NOWAIT", syscall(SYS_preadv2, u, in, 2, -1L, -1L, RWF_NOWAIT));
    res("SYS_preadv at 0", syscall(SYS_preadv, u, in, 2, 0L, 0L));
    res("SYS_getsockname", syscall(SYS_getsockname, s, &from, &(socklen_t){sizeof from}));
    fact("its port: %d", ntohs(from.sin_port) == port_of(s));

    /* Readiness. */
    struct timespec soon = {0, 20000000}, now = {0, 0};
    struct pollfd p[2] = {{u, POLLIN, 0}, {s, POLLIN | POLLOUT, 0}};
#ifdef SYS_poll
    res("SYS_poll", syscall(SYS_poll, p, 2, 0));
    fact("revents %x %x", p[0].revents, p[1].revents);
#endif
    must("send", send(s, "ready", 5, 0));
    res("SYS_ppoll", syscall(SYS_ppoll, p, 2, &now, NULL, 8));
    fact("revents %x %x", p[0].revents, p[1].revents);
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(u, &r);
    FD_SET(s, &r);
    FD_SET(s, &w);
#ifdef SYS_select
    res("SYS_select", syscall(SYS_select, (u > s ? u : s) + 1, &r, &w, NULL, &(struct timeval){1, 0}));
    fact("readable %d %d, writable %d", !!FD_ISSET(u, &r), !!FD_ISSET(s, &r), !!FD_ISSET(s, &w));
#endif
    FD_ZERO(&r);
    FD_SET(u, &r);
    res("SYS_pselect6", syscall(SYS_pselect6, u + 1, &r, NULL, NULL, &soon, NULL));
    int ep = (int)ok("SYS_epoll_create1", syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = 0xfeedfacecafeULL}}, got[4] = {{.events = 0}};
    res("SYS_epoll_ctl", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, u, &ev));
    res("the same again", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, u, &ev));
#ifdef SYS_epoll_wait
    res("SYS_epoll_wait", syscall(SYS_epoll_wait, ep, got, 4, 0));
    fact("events %x, data %llx", got[0].events, (unsigned long long)got[0].data.u64);
#endif
    res("SYS_epoll_pwait", syscall(SYS_epoll_pwait, ep, got, 4, 0, NULL, 8));
    res("SYS_epoll_pwait2", syscall(SYS_epoll_pwait2, ep, got, 4, &now, NULL, 8));
    res("epoll_wait", epoll_wait(ep, got, 4, 0));
    must("recv", recv(u, b, sizeof b, 0));
    /* A mask has to be as large as the kernel's; the size of none is not looked at. */
    sigset_t none;
    sigemptyset(&none);
    struct { const sigset_t *mask; size_t size; } pair = {&none, 4};
    res("SYS_epoll_pwait with half a mask", syscall(SYS_epoll_pwait, ep, got, 4, 0, &none, (size_t)4));
    res("SYS_epoll_pwait2 with half a mask", syscall(SYS_epoll_pwait2, ep, got, 4, &now, &none, (size_t)4));
    res("SYS_ppoll with a long mask", syscall(SYS_ppoll, p, 1, &now, &none, sizeof none));
    res("SYS_pselect6 with half a mask", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &now, &pair));
    res("SYS_epoll_pwait with a whole one", syscall(SYS_epoll_pwait, ep, got, 4, 0, &none, (size_t)8) >= 0 ? 0 : -1);
    res("SYS_epoll_pwait with nothing", syscall(SYS_epoll_pwait, ep, got, 4, 20, NULL, 8));
    res("SYS_poll with nothing", syscall(SYS_ppoll, p, 1, &soon, NULL, 8));

    /* A registration made by number and one by the function are in the same instance. */
    int t[2];
    tcp_pair(t);
    ev.data.u64 = 2;
    res("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, t[0], &ev));
    must("write", write(t[1], "tcp", 3));
    must("send", send(s, "udp", 3, 0));
    res("SYS_epoll_pwait of both", syscall(SYS_epoll_pwait, ep, got, 4, 1000, NULL, 8) > 0 ? 0 : -1);
    poll_text(t[0], POLLIN, 1000);
    res("epoll_wait of both", epoll_wait(ep, got, 4, 0));
    res("SYS_close of a registered one", syscall(SYS_close, t[0]));
    res("epoll_wait then", epoll_wait(ep, got, 4, 0));
    res("SYS_recvfrom", syscall(SYS_recvfrom, u, b, sizeof b, MSG_DONTWAIT, NULL, NULL));
    res("epoll_wait then", epoll_wait(ep, got, 4, 0));

    /* Files and pipes by number are left alone. */
    int pi[2];
    res("SYS_pipe2", syscall(SYS_pipe2, pi, 0));
    res("SYS_write to a pipe", syscall(SYS_write, pi[1], "pipe", 4));
    res("SYS_read of it", syscall(SYS_read, pi[0], b, sizeof b));
    int un[2];
    res("SYS_socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, un));
    res("SYS_sendto to it", syscall(SYS_sendto, un[0], "unix", 4, 0, NULL, 0));
    res("SYS_recvfrom of it", syscall(SYS_recvfrom, un[1], b, sizeof b, 0, NULL, NULL));
    fact("SYS_getpid is getpid: %d", syscall(SYS_getpid) == getpid());
    res("an unknown number", syscall(100000));
    res("SYS_socketpair of AF_INET", syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, un));
    res("SYS_socket of an unknown family", syscall(SYS_socket, 250, SOCK_STREAM, 0));
    return 0;
}
