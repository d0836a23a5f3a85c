/* A program to link statically. Gets a connection in a message, from a socket at descriptor 3 or at the path that is its
 * argument, says so there, and copies what comes from it back to it. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int u = 3, c = -1;
    if (argc > 1) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
        u = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(u, (struct sockaddr *)&a, sizeof a) < 0) return 3;
    }
    if (write(u, "ready", 5) != 5) return 4;
    char b[5000], control[CMSG_SPACE(sizeof c)];
    struct iovec v = {b, sizeof b};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(u, &m, 0) <= 0 || !CMSG_FIRSTHDR(&m)) return 5;
    memcpy(&c, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof c);
    long total = 0;
    ssize_t n;
    while ((n = read(c, b, sizeof b)) > 0) {
        total += n;
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(c, b + at, (size_t)(n - at));
            if (w < 0) return 1;
            at += w;
        }
    }
    dprintf(c, "end after %ld", total);
    return n < 0 ? 2 : 0;
}
