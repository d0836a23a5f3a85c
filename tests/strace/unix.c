/* A program whose sockets are all AF_UNIX, and so the kernel's, for scripts/strace-compare.sh.
 *
 * Between the two marks on standard output, its system calls must be the same with the library as without it. The
 * library's own anchors are unix sockets too: these ones must not be taken for them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(90);
}

static int check(int result) {
    if (result < 0) _exit(91);
    return result;
}

int main(void) {
    char text[64];
    int value = 0, pair[2];
    socklen_t length = sizeof value;
    struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "socket"}, there;
    socklen_t here_length = sizeof here, there_length = sizeof there;

    say("== begin ==\n");
    int l = check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check(bind(l, (struct sockaddr *)&here, here_length));
    check(listen(l, 4));
    int c = check(socket(AF_UNIX, SOCK_STREAM, 0));
    check(connect(c, (struct sockaddr *)&here, here_length));
    int s = check(accept4(l, NULL, NULL, SOCK_CLOEXEC));
    check(getsockname(s, (struct sockaddr *)&there, &there_length));
    there_length = sizeof there;
    check(getpeername(c, (struct sockaddr *)&there, &there_length));
    check(getsockopt(c, SOL_SOCKET, SO_TYPE, &value, &length));
    value = 1;
    check(setsockopt(c, SOL_SOCKET, SO_PASSCRED, &value, sizeof value));
    value = 0;
    check(setsockopt(c, SOL_SOCKET, SO_PASSCRED, &value, sizeof value));
    check((int)send(c, "one", 3, MSG_NOSIGNAL));
    check((int)write(c, "two", 3));
    check((int)recv(s, text, 3, MSG_PEEK));
    check(ioctl(s, FIONREAD, &value));
    check((int)read(s, text, sizeof text));
    struct iovec v[2] = {{"th", 2}, {"ree", 3}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    check((int)sendmsg(s, &m, 0));
    struct iovec w = {text, sizeof text};
    struct msghdr n = {.msg_iov = &w, .msg_iovlen = 1};
    check((int)recvmsg(c, &n, 0));
    struct pollfd q = {s, POLLIN | POLLOUT, 0};
    check(poll(&q, 1, 0));
    int d = check(dup(c));
    check(close(d));
    check(shutdown(c, SHUT_WR));
    if (recv(s, text, sizeof text, 0) != 0) _exit(92);
    check(close(s));
    check(close(c));
    check(close(l));
    check(unlink("socket"));

    check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
    check((int)sendto(pair[0], "datagram", 8, 0, NULL, 0));
    struct mmsghdr many[2] = {{.msg_hdr = n}, {.msg_hdr = n}};
    check(recvmmsg(pair[1], many, 2, 0, NULL));
    if (recvfrom(pair[1], text, sizeof text, 0, NULL, NULL) >= 0) _exit(93);
    check(fcntl(pair[0], F_SETFL, O_RDWR));
    check(close(pair[0]));
    check(close(pair[1]));
    say("== end ==\n");
    return 0;
}
