/* Every socket call on a closed number, on a file, a pipe, an epoll set and an O_PATH descriptor: EBADF and ENOTSOCK
 * (man 2 of each call; man 2 open: "EBADF" for O_PATH descriptors). */
#include "t.h"

static void all(const char *kind, int fd) {
    struct sockaddr_in a = in4("127.0.0.1", 1);
    struct sockaddr_storage ss;
    struct sockaddr *sa = (struct sockaddr *)&a, *out = (struct sockaddr *)&ss;
    socklen_t len;
    char buf[8] = "x";
    int one = 1;
    struct iovec iov = {buf, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    char label[64];
#define CALL(name, expr) (snprintf(label, sizeof label, "%s: %s", kind, name), errno = 0, ok(label, (long)(expr)))
    CALL("bind", bind(fd, sa, sizeof a));
    CALL("connect", connect(fd, sa, sizeof a));
    CALL("listen", listen(fd, 1));
    CALL("accept", accept(fd, NULL, NULL));
    CALL("accept4", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    len = sizeof ss;
    CALL("getsockname", getsockname(fd, out, &len));
    CALL("getpeername", getpeername(fd, out, &len));
    CALL("send", send(fd, buf, 1, 0));
    CALL("sendto", sendto(fd, buf, 1, 0, sa, sizeof a));
    CALL("sendmsg", sendmsg(fd, &m, 0));
    CALL("sendmmsg", sendmmsg(fd, &mm, 1, 0));
    CALL("recv", recv(fd, buf, 1, MSG_DONTWAIT));
    CALL("recvfrom", recvfrom(fd, buf, 1, MSG_DONTWAIT, out, &len));
    CALL("recvmsg", recvmsg(fd, &m, MSG_DONTWAIT));
    CALL("recvmmsg", recvmmsg(fd, &mm, 1, MSG_DONTWAIT, NULL));
    CALL("recvmmsg of none", recvmmsg(fd, &mm, 0, MSG_DONTWAIT, NULL));
    CALL("sendmmsg of none", sendmmsg(fd, &mm, 0, 0));
    CALL("shutdown", shutdown(fd, SHUT_RDWR));
    CALL("shutdown how 7", shutdown(fd, 7));
    CALL("setsockopt", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    len = sizeof one;
    CALL("getsockopt", getsockopt(fd, SOL_SOCKET, SO_TYPE, &one, &len));
    CALL("sockatmark", sockatmark(fd));
#undef CALL
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    all("fd -1", -1);
    int closed = socket(AF_INET, SOCK_STREAM, 0);
    close(closed);
    all("closed socket", closed);
    all("fd 100000", 100000);
    all("fd INT_MIN", -2147483647 - 1);
    int null = (int)must("open", open("/dev/null", O_RDWR));
    all("device", null);
    int file = (int)must("open", open("/proc/self/exe", O_RDONLY));
    all("file", file);
    int path = (int)must("open", open("/proc/self/exe", O_PATH));
    all("O_PATH", path);
    int p[2];
    must("pipe", pipe(p));
    all("pipe", p[1]);
    int ep = (int)must("epoll", epoll_create1(0));
    all("epoll", ep);
    /* The number of a socket that was replaced by a file is that file. */
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("dup2", dup2(null, s));
    all("socket replaced by a device", s);
    close(s);
    res("close", close(s));
    res("read", read(s, p, 1));
    res("write", write(s, "x", 1));
    res("dup", dup(s));
    res("fcntl F_GETFL", fcntl(s, F_GETFL));
    int n;
    res("ioctl FIONREAD", ioctl(s, FIONREAD, &n));
    struct stat st;
    res("fstat", fstat(s, &st));
    return 0;
}
