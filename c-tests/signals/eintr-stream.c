/* Blocking calls on streams and a signal handler: with SA_RESTART the call goes on, without it ends with EINTR
 * (man 7 signal, "Interruption of system calls and library functions by signal handlers"). */
#include "t.h"
#include <sys/mman.h>

enum { READ, READV, RECV, RECV_ALL, RECVFROM, RECVMSG, RECVMMSG, PEEK, ACCEPT, ACCEPT4, RECV_UDP, RECVFROM_UDP, RECVMSG_UDP,
       CALLS };
static const char *names[] = {"read", "readv", "recv", "recv MSG_WAITALL", "recvfrom", "recvmsg", "recvmmsg",
                              "recv MSG_PEEK", "accept", "accept4", "recv of UDP", "recvfrom of UDP", "recvmsg of UDP"};

/* Shared with the helper. */
static volatile sig_atomic_t *signals;
static int p[2], l, u, port;

static void handler(int s) {
    (void)s;
    ++*signals;
}

static long call(int which) {
    static char b[64];
    struct iovec v = {b, 4};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    switch (which) {
    case READ: return read(p[0], b, 4);
    case READV: return readv(p[0], &v, 1);
    case RECV: return recv(p[0], b, 4, 0);
    case RECV_ALL: return recv(p[0], b, 4, MSG_WAITALL);
    case RECVFROM: return recvfrom(p[0], b, 4, 0, NULL, NULL);
    case RECVMSG: return recvmsg(p[0], &m, 0);
    case RECVMMSG: return recvmmsg(p[0], &mm, 1, 0, NULL);
    case PEEK: return recv(p[0], b, 4, MSG_PEEK);
    case ACCEPT: return accept(l, NULL, NULL);
    case ACCEPT4: return accept4(l, NULL, NULL, SOCK_CLOEXEC);
    case RECV_UDP: return recv(u, b, 4, 0);
    case RECVFROM_UDP: return recvfrom(u, b, 4, 0, NULL, NULL);
    default: return recvmsg(u, &m, 0);
    }
}

/* Sends two signals, and later what the call waits for. */
static pid_t helper(int which) {
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        for (int i = 1; i <= 2; i++) {
            await_sleep(getppid());
            kill(getppid(), SIGUSR1);
            while (*signals < i) sleep_ms(1);
        }
        await_sleep(getppid());
        struct sockaddr_in a = in4("127.0.0.1", which >= RECV_UDP ? port_of(u) : port);
        int s = socket(AF_INET, which >= RECV_UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
        if (which < ACCEPT) _exit(write(p[1], "data", 4) == 4 ? 0 : 1);
        if (connect(s, (struct sockaddr *)&a, sizeof a) < 0) _exit(2);
        if (which >= RECV_UDP && send(s, "data", 4, 0) != 4) _exit(3);
        _exit(0);
    }
    return k;
}

int main(void) {
    alarm(9);
    signals = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    l = listener4(&port, 8);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    tcp_pair(p);
    for (int which = 0; which < CALLS; which++)
        for (int restart = 0; restart < 2; restart++) {
            struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
            sigaction(SIGUSR1, &sa, NULL);
            *signals = 0;
            pid_t k = helper(which);
            int interrupted = 0;
            long r;
            while ((r = call(which)) < 0 && errno == EINTR) interrupted++;
            int e = errno;
            const char *end = r < 0 ? ename(e) : r == 4 ? "4 bytes" : r == 1 ? "1 message" : "other";
            if (r >= 0 && (which == ACCEPT || which == ACCEPT4)) end = "a connection";
            fact("%s %s: EINTR %d times, signals %d, then %s", names[which], restart ? "SA_RESTART" : "no flags", interrupted,
                 (int)*signals, end);
            if (which == PEEK) must("read", read(p[0], (char[4]){0}, 4));
            if ((which == ACCEPT || which == ACCEPT4) && r >= 0) close((int)r);
            int st;
            waitpid(k, &st, 0);
            if (st) fact("  helper's status %x", st);
        }
    return 0;
}
