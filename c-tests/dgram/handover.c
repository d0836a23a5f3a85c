/* A datagram socket in other hands: passed with SCM_RIGHTS, kept across exec, moved by dup2; fed by splice and sendfile; SIGIO
 * (man 7 unix, man 2 execve, man 2 splice, man 2 fcntl: O_ASYNC). */
#include "dg.h"
#include <sys/sendfile.h>

static volatile int ios;

static void on_io(int sig) { (void)sig, ios++; }

/* After exec: fd s is bound and connected, one datagram waits. */
static int second_life(int s) {
    char b[32] = "";
    if (!wait_in(s) || recv(s, b, sizeof b - 1, 0) != 6 || strcmp(b, "queued")) return 1;
    if (send(s, "from exec", 9, 0) != 9) return 2;
    if (!wait_in(s) || recv(s, b, sizeof b, 0) != 5) return 3;
    return 0;
}

static void pass(int via, int fd) {
    _Alignas(struct cmsghdr) char c[CMSG_SPACE(sizeof fd)];
    struct msghdr h = {.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    m->cmsg_level = SOL_SOCKET, m->cmsg_type = SCM_RIGHTS, m->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(m), &fd, sizeof fd);
    must("pass", sendmsg(via, &h, 0));
}

static int take(int via) {
    _Alignas(struct cmsghdr) char c[CMSG_SPACE(sizeof(int))];
    char b[1];
    int fd = -1;
    struct msghdr h = {.msg_iov = &(struct iovec){b, 1}, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    if (recvmsg(via, &h, 0) == 1 && CMSG_FIRSTHDR(&h)) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof fd);
    return fd;
}

int main(int argc, char **argv) {
    alarm(8);
    if (argc > 1) return second_life(atoi(argv[1]));
    int r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), sp = port_of(s), sv[2], p[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    pid_t pid = fork();
    if (pid == 0) {
        close(s), close(r);
        int fd = take(sv[1]);
        char b[16];
        if (fd < 0 || !wait_in(fd) || recv(fd, b, sizeof b, 0) != 5) _exit(1);
        struct sockaddr_in a;
        socklen_t l = sizeof a;
        int back = take(sv[1]);
        if (back < 0 || getsockname(fd, SA(&a), &l)) _exit(2);
        _exit(sendto(back, "reply", 5, 0, SA(&a), l) == 5 ? 0 : 3);
    }
    put4(s, "early", "127.0.0.1", port_of(r));
    pass(sv[0], r);
    pass(sv[0], s);
    reap("the other process", pid);
    got("its reply, sent with our own socket", r, sp, 0);

    con4(s, "127.0.0.1", port_of(r)), con4(r, "127.0.0.1", sp);
    send(s, "queued", 6, 0);
    wait_in(r);
    pid = fork();
    if (pid == 0) {
        char n[16];
        snprintf(n, sizeof n, "%d", r);
        execv("/proc/self/exe", (char *[]){argv[0], n, NULL});
        _exit(9);
    }
    got("from the program after exec", s, port_of(r), 0);
    send(s, "again", 5, 0);
    reap("exec", pid);
    fcntl(r, F_SETFD, FD_CLOEXEC);
    fact("CLOEXEC %d", fcntl(r, F_GETFD));
    int other = udp4("127.0.0.1"), op = port_of(other), d = dup2(r, other);
    fact("dup2 over another socket: %d, its name now that of the first: %d", d == other, port_of(other) == port_of(r));
    fact("CLOEXEC is not copied: %d", fcntl(other, F_GETFD));
    int again = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", op);
    res("the port of the one replaced is free", bind(again, SA(&a), sizeof a));
    send(s, "dup", 3, 0);
    got("received through it", other, sp, 0);

    must("pipe", pipe(p));
    res("into the pipe", write(p[1], "through a pipe", 14));
    res("splice to the socket", splice(p[0], NULL, s, NULL, 100, 0));
    got("received", r, sp, 0);
    FILE *f = tmpfile();
    fputs("through a file", f);
    fflush(f);
    off_t o = 0;
    res("sendfile to the socket", sendfile(s, fileno(f), &o, 100));
    got("received", r, sp, 0);
    fact("offset %ld", (long)o);
    send(s, "spliced", 7, 0);
    wait_in(r);
    res("splice from the socket", splice(r, NULL, p[1], NULL, 100, 0));
    while (recv(r, (char[16]){0}, 16, MSG_DONTWAIT) >= 0) {}
    FILE *w = fdopen(dup(s), "w");
    fprintf(w, "by %s", "stdio");
    res("fflush", fflush(w));
    got("received", r, sp, 0);
    fclose(w);

    signal(SIGIO, on_io);
    res("F_SETOWN", fcntl(r, F_SETOWN, getpid()));
    fact("F_GETOWN is this process: %d", fcntl(r, F_GETOWN) == getpid());
    res("O_ASYNC", fcntl(r, F_SETFL, O_ASYNC));
    send(s, "io", 2, 0);
    for (int i = 0; i < 100 && !ios; i++) sleep_ms(10);
    fact("SIGIO came: %d", ios > 0);
    got("received", r, sp, 0);
    return 0;
}
