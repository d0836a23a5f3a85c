/* Calls on a TCP socket that is not connected, and bad arguments of shutdown (`man 2 shutdown`, `man 2 send`, `man 2
 * recv`). */
#include "stream.h"

static void try_all(const char *what, int fd) {
    char b[8] = "abc";
    struct iovec v = {b, 3};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct sockaddr_storage a;
    socklen_t al = sizeof a;
    fact("-- %s", what);
    res("send", send(fd, b, 3, MSG_NOSIGNAL));
    res("send of 0", send(fd, b, 0, MSG_NOSIGNAL));
    res("write", write(fd, b, 3));
    res("writev", writev(fd, &v, 1));
    res("sendmsg", sendmsg(fd, &m, MSG_NOSIGNAL));
    struct sockaddr_in to = in4("127.0.0.1", 9);
    res("sendto with an address", sendto(fd, b, 3, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to));
    res("recv", recv(fd, b, 3, 0));
    res("recv of 0", recv(fd, b, 0, 0));
    res("recv MSG_DONTWAIT", recv(fd, b, 3, MSG_DONTWAIT));
    res("recv MSG_PEEK", recv(fd, b, 3, MSG_PEEK));
    res("read", read(fd, b, 3));
    res("recvmsg", recvmsg(fd, &m, 0));
    res("recvfrom", recvfrom(fd, b, 3, 0, (struct sockaddr *)&a, &al));
    res("getpeername", getpeername(fd, (struct sockaddr *)&a, &al));
    int n = -1;
    res("FIONREAD", ioctl(fd, FIONREAD, &n));
    res("accept", accept(fd, NULL, NULL));
    res("shutdown 3", shutdown(fd, 3));
    res("shutdown -1", shutdown(fd, -1));
    fact("SO_ERROR %s, poll %s", so_error(fd), poll_text(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
}

/* A shutdown that answers ENOTCONN is remembered all the same. */
static void failed_shutdown(int how, int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char b[4];
    fact("-- fresh, then shutdown %d", how);
    res("shutdown", shutdown(fd, how));
    fact("poll %s", poll_text(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    res("recv", recv(fd, b, 3, MSG_DONTWAIT));
    res("send", send(fd, b, 3, MSG_NOSIGNAL));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
    fact("poll %s, state %s", poll_text(fd, POLLIN | POLLOUT | POLLRDHUP, 0), tcp_state(fd));
    res("recv", recv(fd, b, 3, MSG_DONTWAIT));
    res("send", send(fd, b, 3, MSG_NOSIGNAL));
    close(fd);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    try_all("fresh", fd);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(fd, (struct sockaddr *)&a, sizeof a));
    try_all("bound", fd);
    close(fd);

    int port;
    int ls = listener4(&port, 4);
    for (int how = 0; how < 3; how++) failed_shutdown(how, port);
    close(ls);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    a = in4("127.0.0.1", port);
    res("connect to a port where nobody listens", connect(fd, (struct sockaddr *)&a, sizeof a));
    try_all("refused", fd);
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    try_all("fresh, IPv6", fd);
    close(fd);
    res("shutdown of a closed descriptor", shutdown(fd, SHUT_WR));
    res("send to a closed descriptor", send(fd, "a", 1, 0));
    fd = open("/dev/null", O_RDWR);
    res("shutdown of a file", shutdown(fd, SHUT_WR));
    res("send to a file", send(fd, "a", 1, 0));
    res("recv from a file", recv(fd, &port, 1, 0));
    close(fd);
    int p[2];
    tcp_pair(p);
    res("shutdown 3, connected", shutdown(p[0], 3));
    res("shutdown -1, connected", shutdown(p[0], -1));
    res("listen, connected", listen(p[0], 1));
    res("accept, connected", accept(p[0], NULL, NULL));
    res("connect again", connect(p[0], (struct sockaddr *)&a, sizeof a));
    res("bind, connected", bind(p[0], (struct sockaddr *)&a, sizeof a));
    return 0;
}
