/* syscall(2) with the number of each socket call does what the function of that name does: programs that make their calls
 * so (Go-like runtimes in C, some event loops) meet the same sockets. Streams here; the rest in syscall-other.c. */
#include "t.h"
#include <sys/syscall.h>

static char b[64];

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in a = in4("127.0.0.1", 0), from;
    socklen_t l = sizeof a;
    int on = 1, v = 0;

    int ls = (int)ok("SYS_socket", syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    fact("SYS_fcntl F_GETFD: %ld", syscall(SYS_fcntl, ls, F_GETFD));
    res("SYS_setsockopt", syscall(SYS_setsockopt, ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    l = sizeof v;
    res("SYS_getsockopt", syscall(SYS_getsockopt, ls, SOL_SOCKET, SO_REUSEADDR, &v, &l));
    fact("value %d, length %u", v, l);
    res("SYS_bind", syscall(SYS_bind, ls, &a, sizeof a));
    res("SYS_listen", syscall(SYS_listen, ls, 8));
    l = sizeof a;
    res("SYS_getsockname", syscall(SYS_getsockname, ls, &a, &l));
    fact("a port: %d, and by the function: %d", a.sin_port != 0, port_of(ls) == ntohs(a.sin_port));

    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("SYS_connect", syscall(SYS_connect, c, &a, sizeof a));
    l = sizeof from;
    int s = (int)ok("SYS_accept4", syscall(SYS_accept4, ls, &from, &l, SOCK_NONBLOCK));
    fact("client's address: %d, length %u", ntohs(from.sin_port) == port_of(c), l);
    fact("nonblocking: %d", !!(syscall(SYS_fcntl, s, F_GETFL) & O_NONBLOCK));
    int c2 = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(c2, (struct sockaddr *)&a, sizeof a));
#ifdef SYS_accept
    int s2 = (int)ok("SYS_accept", syscall(SYS_accept, ls, NULL, NULL));
#else
    int s2 = (int)ok("SYS_accept", syscall(SYS_accept4, ls, NULL, NULL, 0));
#endif
    l = sizeof from;
    res("SYS_getpeername", syscall(SYS_getpeername, c, &from, &l));
    fact("the listener's port: %d", from.sin_port == a.sin_port);

    /* Each way of sending against each function that receives, and the other way round. */
    res("SYS_write", syscall(SYS_write, c, "write", 5));
    poll_text(s, POLLIN, 1000);
    res("recv", recv(s, b, sizeof b, 0));
    res("SYS_sendto", syscall(SYS_sendto, c, "sendto", 6, MSG_NOSIGNAL, NULL, 0));
    poll_text(s, POLLIN, 1000);
    res("SYS_read", syscall(SYS_read, s, b, sizeof b));
    struct iovec io[2] = {{(void *)(uintptr_t)"two ", 4}, {(void *)(uintptr_t)"parts", 5}};
    struct msghdr m = {.msg_iov = io, .msg_iovlen = 2};
    res("SYS_sendmsg", syscall(SYS_sendmsg, c, &m, 0));
    poll_text(s, POLLIN, 1000);
    res("SYS_recvfrom with MSG_PEEK", syscall(SYS_recvfrom, s, b, sizeof b, MSG_PEEK, NULL, NULL));
    struct iovec in[1] = {{b, sizeof b}};
    m = (struct msghdr){.msg_iov = in, .msg_iovlen = 1};
    res("SYS_recvmsg", syscall(SYS_recvmsg, s, &m, 0));
    res("SYS_writev", syscall(SYS_writev, c, io, 2));
    poll_text(s, POLLIN, 1000);
    res("SYS_readv", syscall(SYS_readv, s, in, 1));
    fact("read: %.9s", b);
    res("SYS_read of nothing", syscall(SYS_read, s, b, sizeof b));
    struct mmsghdr mm[2] = {{.msg_hdr = {.msg_iov = io, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = io + 1, .msg_iovlen = 1}}};
    res("SYS_sendmmsg", syscall(SYS_sendmmsg, c, mm, 2, 0));
    poll_text(s, POLLIN, 1000);
    res("read", read(s, b, sizeof b));
    res("write", write(s, "by functions", 12));
    res("SYS_read", syscall(SYS_read, c, b, sizeof b));
    res("SYS_pread64", syscall(SYS_pread64, c, b, 4, 0));
    res("SYS_lseek", syscall(SYS_lseek, c, 0, SEEK_CUR));

    /* Numbers. */
    int d = (int)ok("SYS_dup", syscall(SYS_dup, c));
    res("write to the copy", write(d, "copy", 4));
    poll_text(s, POLLIN, 1000);
    res("read", read(s, b, sizeof b));
    res("SYS_close", syscall(SYS_close, d));
    res("write to the closed copy", write(d, "x", 1));
#ifdef SYS_dup2
    res("SYS_dup2", syscall(SYS_dup2, c, 77));
    res("SYS_dup3", syscall(SYS_dup3, c, 78, O_CLOEXEC));
    res("send by 77", send(77, "77", 2, 0));
    poll_text(s, POLLIN, 1000);
    res("read", read(s, b, sizeof b));
    res("SYS_close 77", syscall(SYS_close, 77));
#endif
    fact("SYS_fcntl F_DUPFD: %ld", syscall(SYS_fcntl, c, F_DUPFD, 80));
    res("SYS_close_range", syscall(SYS_close_range, 78, 90, 0));
    res("send by 80", send(80, "x", 1, 0));
    res("SYS_fcntl F_SETFL", syscall(SYS_fcntl, c, F_SETFL, O_NONBLOCK));
    res("read of nothing", read(c, b, 1));
    v = -1;
    must("write", write(s, "12345", 5));
    poll_text(c, POLLIN, 1000);
    res("SYS_ioctl FIONREAD", syscall(SYS_ioctl, c, FIONREAD, &v));
    fact("value %d", v);
    struct stat st;
    res("SYS_fstat", syscall(SYS_fstat, c, &st));
    fact("socket: %d", S_ISSOCK(st.st_mode));

    /* A file takes the number of a socket that was closed by its number. */
    int old = s2;
    res("SYS_close", syscall(SYS_close, s2));
    res("client of it reads", read(c2, b, sizeof b));
    int f = (int)must("open", open("/dev/zero", O_RDWR));
    fact("same number: %d", f == old);
    res("read of the file", read(f, b, 4));
    fact("zeroes: %d", b[0] == 0 && b[3] == 0);
    res("SYS_dup2 of the file over a socket", syscall(SYS_dup3, f, c2, 0) == c2 ? 0 : -1);
    res("read of that number", read(c2, b, 8));

    res("SYS_shutdown", syscall(SYS_shutdown, c, SHUT_WR));
    poll_text(s, POLLIN, 1000);
    res("SYS_read", syscall(SYS_read, s, b, sizeof b));
    res("SYS_write after SHUT_WR", syscall(SYS_write, c, "x", 1));
    res("SYS_recvfrom of a closed number", syscall(SYS_recvfrom, 999, b, 1, 0, NULL, NULL));
    res("SYS_sendto of a file", syscall(SYS_sendto, f, b, 1, 0, NULL, 0));
    return 0;
}
