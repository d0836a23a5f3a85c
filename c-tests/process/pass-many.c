/* Several sockets in one SCM_RIGHTS message, in order; a control buffer that is too small (MSG_CTRUNC), sockets among
 * other descriptors, a chain over three processes, and a socket passed through itself (man 7 unix, man 3 cmsg). */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static ssize_t give(int via, const int *fds, int n, const char *text) {
    char c[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec v = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c};
    m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    memcpy(CMSG_DATA(h), fds, (size_t)n * sizeof(int));
    return sendmsg(via, &m, 0);
}

/* Room for `room` descriptors; how many came. */
static int take(int via, int *fds, int room, int *flags, char *text) {
    char c[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec v = {text, 63};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c};
    m.msg_controllen = CMSG_LEN((size_t)room * sizeof(int));
    ssize_t r = recvmsg(via, &m, 0);
    if (r < 0) return -1;
    text[r] = 0;
    *flags = m.msg_flags;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (!h || h->cmsg_type != SCM_RIGHTS) return 0;
    int n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(h), (size_t)n * sizeof(int));
    return n;
}

int main(void) {
    alarm(8);
    int un[2], p[3][2], pi[2], got[8], flags;
    char text[64];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, un));
    must("pipe", pipe(pi));

    /* Three connections, a pipe's end and a listener at once, all closed before receipt. */
    for (int i = 0; i < 3; i++) tcp_pair(p[i]);
    int port, l = listener4(&port, 4), many[5] = {p[2][1], pi[0], p[0][1], l, p[1][1]};
    res("send five", give(un[0], many, 5, "five"));
    for (int i = 0; i < 5; i++) close(many[i]);
    int n = take(un[1], got, 8, &flags, text);
    fact("received %d with '%s', flags %x", n, text, flags);
    for (int i = 0; i < 3; i++) {
        char m[16];
        must("write", write(p[i][0], m, (size_t)snprintf(m, sizeof m, "connection %d", i)));
    }
    must("write", write(pi[1], "the pipe", 8));
    fact("first: %s", hear(got[0]));
    fact("second: %s", hear(got[1]));
    fact("third: %s", hear(got[2]));
    fact("fifth: %s", hear(got[4]));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect to the fourth", connect(c, (struct sockaddr *)&a, sizeof a));
    ok("accept by it", accept(got[3], NULL, NULL));

    /* Room for two of three: the third is closed in the kernel, its peer sees that. */
    int three[3] = {got[0], got[2], got[4]};
    must("give", give(un[0], three, 3, "three"));
    for (int i = 0; i < 3; i++) close(three[i]);
    n = take(un[1], got, 2, &flags, text);
    fact("room for two: %d, MSG_CTRUNC %d", n, !!(flags & MSG_CTRUNC));
    fact("peer of the lost one (1): %s", poll_text(p[1][0], POLLIN | POLLRDHUP, 1000));
    fact("peers of the others: %s", poll_text(p[0][0], POLLIN | POLLRDHUP, 0));
    must("write", write(got[0], "kept", 4));
    fact("the kept one: %s", hear(p[2][0]));

    /* The same socket twice in one message gives two numbers. */
    int twice[2] = {got[0], got[0]}, two[8];
    must("give", give(un[0], twice, 2, "twice"));
    n = take(un[1], two, 8, &flags, text);
    fact("twice: %d, different numbers %d", n, n == 2 && two[0] != two[1]);
    close(two[0]);
    close(got[0]);
    must("write", write(two[1], "the last number", 15));
    fact("peer: %s", hear(p[2][0]));
    close(two[1]);
    fact("peer: %s", hear(p[2][0]));

    /* A chain: the connection goes from here to a child, on to a grandchild, which answers after both have let go. */
    int q[2], down[2], back[2];
    tcp_pair(q);
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, down));
    must("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, back));
    pid_t k = fork();
    if (k == 0) {
        alarm(8);
        close(q[0]);
        close(q[1]);
        pid_t kk = fork();
        int f[8];
        if (kk == 0) {
            alarm(8);
            if (take(back[1], f, 8, &flags, text) != 1) _exit(1);
            strcpy(text, hear(f[0]));
            dprintf(f[0], "grandchild got '%s'", text);
            _exit(0);
        }
        if (take(down[1], f, 8, &flags, text) != 1 || give(back[0], f, 1, "on") != 2) _exit(2);
        close(f[0]);
        int st;
        waitpid(kk, &st, 0);
        _exit(WEXITSTATUS(st));
    }
    must("write", write(q[0], "part one", 8));
    must("give", give(down[0], &q[1], 1, "down"));
    close(q[1]);
    fact("chain: %s", hear(q[0]));
    reap("child", k);
    fact("chain's end: %s", hear(q[0]));

    /* Bad numbers: nothing is sent. Over TCP the control message is passed over and the data goes. */
    int bad[2] = {un[0], 999};
    res("send a closed number", give(un[0], bad, 2, "bad"));
    fact("receiver: %s", poll_text(un[1], POLLIN, 0));
    tcp_pair(q);
    res("SCM_RIGHTS over TCP", give(q[0], &un[0], 1, "tcp"));
    fact("its peer: %s", poll_text(q[1], POLLIN, 20));
    return 0;
}
