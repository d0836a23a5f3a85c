/* SO_RCVTIMEO and SO_SNDTIMEO (`man 7 socket`): recv and accept give EAGAIN, connect EINPROGRESS, send EAGAIN or a
 * short count. With a time limit set, a handler's interruption is EINTR even with SA_RESTART (`man 7 signal`). */
#include "stream.h"

static void on_alrm(int s) { (void)s; }

static int set(int fd, int opt, long sec, long usec) {
    struct timeval tv = {sec, usec};
    return setsockopt(fd, SOL_SOCKET, opt, &tv, sizeof tv);
}
static void get(const char *label, int fd, int opt) {
    struct timeval tv = {-1, -1};
    socklen_t l = sizeof tv;
    int r = getsockopt(fd, SOL_SOCKET, opt, &tv, &l);
    fact("%s: %d, %ld s %ld us, length %u", label, r, (long)tv.tv_sec, (long)tv.tv_usec, l);
}
static long t0;
static void took(const char *label, long r) {
    int e = errno;
    long t = now_ms() - t0;
    fact("%s: %ld %s, within 90..1500 ms: %s", label, r, r < 0 ? ename(e) : "", t >= 90 && t < 1500 ? "yes" : "no");
}

int main(void) {
    alarm(8);
    int p[2], port;
    char b[8];
    tcp_pair(p);
    get("SO_RCVTIMEO by default", p[0], SO_RCVTIMEO);
    get("SO_SNDTIMEO by default", p[0], SO_SNDTIMEO);
    res("set 100 ms", set(p[0], SO_RCVTIMEO, 0, 100000));
    get("SO_RCVTIMEO", p[0], SO_RCVTIMEO);
    t0 = now_ms();
    took("recv", recv(p[0], b, 1, 0));
    t0 = now_ms();
    took("read", read(p[0], b, 1));
    t0 = now_ms();
    took("recv MSG_PEEK", recv(p[0], b, 1, MSG_PEEK));
    t0 = now_ms();
    ssize_t r = recv(p[0], b, 1, MSG_DONTWAIT);
    fact("recv MSG_DONTWAIT: %zd %s, at once: %s", r, ename(errno), now_ms() - t0 < 80 ? "yes" : "no");
    must("send", send(p[1], "x", 1, 0));
    res("with data", recv(p[0], b, 1, 0));
    int d = dup(p[0]);
    get("the dup's", d, SO_RCVTIMEO);
    close(d);

    struct sigaction sa = {.sa_handler = on_alrm, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    set(p[0], SO_RCVTIMEO, 3, 0);
    t0 = now_ms(); /* before the fork: the child's time starts there */
    pid_t me = getpid(), pid = fork();
    if (pid == 0) { sleep_ms(100); kill(me, SIGUSR1); sleep_ms(200); send(p[1], "y", 1, 0); _exit(0); }
    took("a limit, SA_RESTART and a signal", recv(p[0], b, 1, 0));
    recv(p[0], b, 1, 0);
    reap("child", pid);
    set(p[0], SO_RCVTIMEO, 0, 0);
    t0 = now_ms();
    pid = fork();
    if (pid == 0) { sleep_ms(50); kill(me, SIGUSR1); sleep_ms(50); send(p[1], "y", 1, 0); _exit(0); }
    took("no limit, SA_RESTART and a signal", recv(p[0], b, 1, 0));
    reap("child", pid);

    static char big[1 << 22];
    int small = 16384;
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    set(p[0], SO_SNDTIMEO, 0, 100000);
    t0 = now_ms();
    r = send(p[0], big, sizeof big, 0);
    fact("a send larger than fits: a short count: %s", r > 0 && r < (ssize_t)sizeof big ? "yes" : "no");
    for (int i = 0; i < 10 && r > 0; i++) { t0 = now_ms(); r = send(p[0], big, sizeof big, 0); }
    took("send when full", r);
    t0 = now_ms();
    took("write when full", write(p[0], big, 1));
    close(p[0]); close(p[1]);

    int l = listener4(&port, 0);
    set(l, SO_RCVTIMEO, 0, 100000);
    t0 = now_ms();
    took("accept", accept(l, NULL, NULL));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0), c2 = socket(AF_INET, SOCK_STREAM, 0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    set(c2, SO_SNDTIMEO, 0, 100000);
    t0 = now_ms();
    took("connect to a full queue", connect(c2, (struct sockaddr *)&a, sizeof a));
    t0 = now_ms();
    took("connect again", connect(c2, (struct sockaddr *)&a, sizeof a));
    close(c2);
    int s = (int)ok("accept", accept(l, NULL, NULL));
    get("an accepted socket inherits SO_RCVTIMEO", s, SO_RCVTIMEO);

    errno = 0;
    res("usec 1000000", set(s, SO_RCVTIMEO, 0, 1000000));
    res("usec -1", set(s, SO_RCVTIMEO, 0, -1));
    res("sec -1", set(s, SO_RCVTIMEO, -1, 0));
    get("after sec -1", s, SO_RCVTIMEO);
    res("1.5 s", set(s, SO_SNDTIMEO, 1, 500000));
    get("SO_SNDTIMEO", s, SO_SNDTIMEO);
    res("a very long time", set(s, SO_SNDTIMEO, 0x7fffffffffffffffL, 0));
    get("SO_SNDTIMEO", s, SO_SNDTIMEO);
    struct timeval tv = {1, 0};
    res("length 8", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 8));
    return 0;
}
