/* With SO_RCVTIMEO or SO_SNDTIMEO set, a call that a handler interrupts ends with EINTR even under SA_RESTART (man 7 signal:
 * "socket interfaces, when a timeout has been set"). */
#include "t.h"

enum { READ, RECV, RECVMSG, READV, RECVFROM, RECVMMSG, ACCEPT, RECV_UDP, SEND, WRITE, CALLS };
static const char *names[] = {"read",     "recv",   "recvmsg",     "readv", "recvfrom",
                              "recvmmsg", "accept", "recv of UDP", "send",  "write"};

static volatile sig_atomic_t signals;
static int p[2], l, u;
static char big[65536];

static void handler(int s) {
    (void)s;
    signals++;
}

static long call(int which) {
    static char b[64];
    struct iovec v = {b, sizeof b};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    switch (which) {
    case READ: return read(p[0], b, sizeof b);
    case RECV: return recv(p[0], b, sizeof b, 0);
    case RECVMSG: return recvmsg(p[0], &m, 0);
    case READV: return readv(p[0], &v, 1);
    case RECVFROM: return recvfrom(p[0], b, sizeof b, 0, NULL, NULL);
    case RECVMMSG: return recvmmsg(p[0], &mm, 1, 0, NULL);
    case ACCEPT: return accept(l, NULL, NULL);
    case RECV_UDP: return recv(u, b, sizeof b, 0);
    case SEND: return send(p[0], b, 1, 0);
    default: return write(p[0], b, 1);
    }
}

static void run(int which, int restart, long timeout_ms, int signal_at) {
    struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
    struct timeval tv = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    int fd = which == ACCEPT ? l : which == RECV_UDP ? u : p[0];
    sigaction(SIGUSR1, &sa, NULL);
    must("timeout", setsockopt(fd, SOL_SOCKET, which >= SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, sizeof tv));
    signals = 0;
    long start = now_ms();
    pid_t k = -1;
    if (signal_at && (k = fork()) == 0) {
        alarm(5);
        await_sleep(getppid());
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    long r = call(which), t;
    int e = errno;
    t = now_ms() - start;
    const char *when = t < signal_at / 3 ? "too early" : signal_at && t < timeout_ms - 5 ? "at the signal"
                       : t >= timeout_ms - 5 && t < timeout_ms + 1500 ? "at the timeout" : "late";
    fact("%s %s, timeout %ld ms%s: %ld %s, %s, signals %d", names[which], restart ? "SA_RESTART" : "no flags", timeout_ms,
         signal_at ? ", a signal" : "", r, r < 0 ? ename(e) : "ok", when, (int)signals);
    if (k > 0) waitpid(k, NULL, 0);
}

int main(void) {
    alarm(9);
    int port;
    l = listener4(&port, 4);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    tcp_pair(p);
    stuff(p);
    for (int which = 0; which < CALLS; which++) {
        run(which, 0, 3000, 30);
        run(which, 1, 3000, 30);
        run(which, 1, 60, 0);
    }

    /* The other direction's timeout does not count: under SA_RESTART the call goes on, until data comes. */
    struct timeval none = {0, 0}, tv = {3, 0};
    int q[2];
    tcp_pair(q);
    setsockopt(q[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    setsockopt(q[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    signals = 0;
    pid_t k = fork();
    if (k == 0) {
        sleep_ms(30);
        kill(getppid(), SIGUSR1);
        sleep_ms(30);
        _exit(write(q[1], "data", 4) == 4 ? 0 : 1);
    }
    res("recv with SO_SNDTIMEO alone, SA_RESTART", recv(q[0], big, 8, 0));
    fact("signals %d", (int)signals);
    reap("helper", k);
    /* A timeout that is taken off again. */
    setsockopt(q[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(q[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    k = fork();
    if (k == 0) {
        sleep_ms(30);
        kill(getppid(), SIGUSR1);
        sleep_ms(30);
        _exit(write(q[1], "data", 4) == 4 ? 0 : 1);
    }
    res("recv with the timeout taken off, SA_RESTART", recv(q[0], big, 8, 0));
    reap("helper", k);
    return 0;
}
