/* What is wrong with a message itself: a header that is not there whole, a flag that is the kernel's own (MSG_CMSG_COMPAT), marks
 * and priorities for those who may (man 2 sendmsg, man 3 cmsg, man 7 socket). What splice(2) cannot send stays in the pipe. */
#include "cmsg.h"
#include <sys/mman.h>

static void with_int(const char *label, int fd, struct sockaddr_in *to, int kind, int value, size_t size) {
    _Alignas(struct cmsghdr) char c[64];
    struct iovec v = {"x", 1};
    struct msghdr h = {.msg_name = to, .msg_namelen = to ? sizeof *to : 0, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c,
                       .msg_controllen = CMSG_SPACE(size)};
    memset(c, 0, sizeof c);
    struct cmsghdr *m = (struct cmsghdr *)c;
    m->cmsg_level = SOL_SOCKET, m->cmsg_type = kind, m->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(m), &value, 4);
    res(label, sendmsg(fd, &h, MSG_NOSIGNAL));
}

static void marks(const char *who, int u, struct sockaddr_in *to, int t) {
    fact("%s", who);
    for (int stream = 0; stream < 2; stream++) {
        int fd = stream ? t : u;
        struct sockaddr_in *a = stream ? NULL : to;
        with_int(stream ? "stream, mark" : "mark", fd, a, SO_MARK, 7, 4);
        with_int("mark of 2 bytes", fd, a, SO_MARK, 7, 2);
        with_int("priority 6", fd, a, SO_PRIORITY, 6, 4);
        with_int("priority 7", fd, a, SO_PRIORITY, 7, 4);
        with_int("priority -1", fd, a, SO_PRIORITY, -1, 4);
        with_int("priority of 2 bytes", fd, a, SO_PRIORITY, 1, 2);
    }
}

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), p[2], t[2];
    struct sockaddr_in to = in4("127.0.0.1", port_of(r));
    tcp_pair(t);
    marks("as started", s, &to, t[0]);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0) must("setresuid", setresuid(65534, 65534, 65534));
        marks("as nobody", s, &to, t[0]);
        _exit(0);
    }
    reap("nobody", child);

    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    struct iovec v = {"whole", 5};
    struct msghdr h = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1};
    for (size_t cut = 0; cut < 5; cut += 2) {
        struct msghdr *m = (struct msghdr *)(page + 4096 - sizeof h + cut);
        memcpy(m, &h, sizeof h - cut);
        fact("header less %zu bytes", cut);
        res("sendmsg", sendmsg(s, m, 0));
        res("recvmsg", recvmsg(s, m, MSG_DONTWAIT));
    }
    res("sendmsg with MSG_CMSG_COMPAT", sendmsg(s, &h, (int)0x80000000));
    res("recvmsg with MSG_CMSG_COMPAT", recvmsg(s, &h, (int)0x80000000));
    struct mmsghdr mm = {h, 0};
    res("sendmmsg with MSG_CMSG_COMPAT", sendmmsg(s, &mm, 1, (int)0x80000000));
    res("recvmmsg with MSG_CMSG_COMPAT", recvmmsg(s, &mm, 1, 0x80000000, NULL));
    res("sendto with it", sendto(s, "x", 1, (int)0x80000000, SA(&to), sizeof to));

    must("pipe", pipe(p));
    int u = socket(AF_INET, SOCK_DGRAM, 0), waiting = 0;
    res("write to the pipe", write(p[1], "piped", 5));
    res("splice to no address", splice(p[0], NULL, u, NULL, 5, 0));
    ioctl(p[0], FIONREAD, &waiting);
    fact("in the pipe: %d", waiting);
    res("connect", connect(u, SA(&to), sizeof to));
    while (recv(r, page, 100, MSG_DONTWAIT) >= 0) {}
    res("splice to the peer", splice(p[0], NULL, u, NULL, 5, 0));
    got("arrives", r, port_of(u), 0);
    ioctl(p[0], FIONREAD, &waiting);
    fact("in the pipe: %d", waiting);
    return 0;
}
