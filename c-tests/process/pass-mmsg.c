/* Sockets in several messages of one sendmmsg over a unix socket (man 2 sendmmsg, man 7 unix): each is in flight until
 * it is received, and a call that fails half way sends only the first ones. */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static char control[3][CMSG_SPACE(sizeof(int))], room[CMSG_SPACE(sizeof(int))];
static char text[3][8] = {"one", "two", "three"};
static struct iovec parts[3];
static struct mmsghdr m[3];

static void put(int i, int fd) {
    memset(control[i], 0, sizeof control[i]);
    parts[i] = (struct iovec){text[i], strlen(text[i])};
    m[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = control[i],
                                   .msg_controllen = sizeof control[i]};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m[i].msg_hdr);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
}

static int take(int via, char *b) {
    struct iovec v = {b, 8};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    memset(b, 0, 8);
    if (recvmsg(via, &h, MSG_DONTWAIT) < 0) return -1;
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int main(void) {
    alarm(8);
    int un[2], p[3][2];
    char b[8];
    must("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, un));
    for (int i = 0; i < 3; i++) tcp_pair(p[i]);

    for (int i = 0; i < 3; i++) put(i, p[i][1]);
    res("send three", sendmmsg(un[0], m, 3, 0));
    for (int i = 0; i < 3; i++) close(p[i][1]);
    for (int i = 0; i < 3; i++) {
        fact("in flight %d: %s", i, poll_text(p[i][0], POLLIN | POLLRDHUP, 10));
        must("write", write(p[i][0], text[i], strlen(text[i])));
    }
    int got[3];
    for (int i = 0; i < 3; i++) {
        got[i] = take(un[1], b);
        fact("message '%s': %d", b, got[i] >= 0);
        fact("  reads: %s", hear(got[i]));
    }

    /* The second number is bad: one message goes, and only its socket is held. */
    put(0, got[0]);
    put(1, 999);
    put(2, got[2]);
    res("send with a bad one", sendmmsg(un[0], m, 3, 0));
    for (int i = 0; i < 3; i++) close(got[i]);
    fact("sent one lives: %s", poll_text(p[0][0], POLLIN | POLLRDHUP, 10));
    fact("another ended: %s", hear(p[1][0]));
    fact("one after the bad one ended: %s", hear(p[2][0]));
    got[0] = take(un[1], b);
    fact("message '%s': %d", b, got[0] >= 0);
    fact("no more: %d", take(un[1], b) < 0 && errno == EAGAIN);
    close(got[0]);
    fact("then: %s", hear(p[0][0]));
    return 0;
}
