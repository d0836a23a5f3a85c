/* A connection that arrives in a message (`man 7 unix`, SCM_RIGHTS) in a process that has had sockets before and has none
 * now, while others came and went in between: it is as good as one of its own. */
#include "t.h"

static int pass(int over, int fd) {
    char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(over, &m, 0) == 1 ? 0 : -1;
}

static int take(int over) {
    char byte, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int fd = -1;
    if (recvmsg(over, &m, 0) != 1 || CMSG_FIRSTHDR(&m) == NULL) return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static void sender(int over) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int l = must("socket", socket(AF_INET, SOCK_STREAM, 0)), c = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("bind", bind(l, (struct sockaddr *)&a, n));
    must("listen", listen(l, 1));
    must("getsockname", getsockname(l, (struct sockaddr *)&a, &n));
    must("connect", connect(c, (struct sockaddr *)&a, n));
    int s = must("accept", accept(l, NULL, NULL));
    must("send", send(c, "hello", 5, 0));
    must("sendmsg", pass(over, s));
    char answer[8] = "";
    long r = recv(c, answer, sizeof answer, 0);
    _exit(r == 3 && memcmp(answer, "you", 3) == 0 ? 0 : 1);
}

int main(void) {
    alarm(8);
    int pair[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    for (int i = 0; i < 3; i++) {
        close(must("socket", socket(AF_INET, SOCK_STREAM, 0)));
        pid_t pid = fork();
        if (pid == 0) exit(0);
        reap("a child without sockets", pid);
        pid = fork();
        if (pid == 0) sender(pair[1]);
        int fd = take(pair[0]);
        char text[8] = "";
        long r = read(fd, text, sizeof text);
        fact("read %ld: %s", r, text);
        struct sockaddr_in a;
        socklen_t n = sizeof a;
        res("getsockname", getsockname(fd, (struct sockaddr *)&a, &n));
        fact("of an internet socket: %s", a.sin_family == AF_INET ? "yes" : "no");
        res("write", write(fd, "you", 3));
        reap("the sender heard it", pid);
        res("read at the end", read(fd, text, sizeof text));
        close(fd);
    }
    return 0;
}
