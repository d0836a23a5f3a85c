/* A timer signal every millisecond whose handler sends and receives on the socket that the interrupted code is using, in the
 * middle of its calls (man 7 signal-safety: send, recv, write, read, close, socket are async-signal-safe). */
#include "t.h"
#include <sys/time.h>

enum { LEN = 64 };

static int p[2], u, v;
static struct sockaddr_in to;
static volatile sig_atomic_t ticks, trouble, udp_sent, opened;
static volatile long handler_sent;

/* The handler's messages begin with H and are numbered; those of the main line with M. */
static void on_tick(int s) {
    (void)s;
    int keep = errno;
    char m[LEN];
    ticks++;
    memset(m, 'h', sizeof m);
    m[0] = 'H';
    long n = handler_sent;
    memcpy(m + 8, &n, sizeof n);
    ssize_t r = send(p[0], m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r == LEN) handler_sent = n + 1;
    else if (r >= 0 || errno != EAGAIN) trouble = 1;
    /* What can be peeked at begins with a letter of ours. */
    char c = 0;
    r = recv(p[1], &c, 1, MSG_PEEK | MSG_DONTWAIT);
    if (r == 0 || (r < 0 && errno != EAGAIN)) trouble = 2;
    if (sendto(u, "tick", 4, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == 4) udp_sent++;
    struct pollfd pf = {p[0], POLLOUT, 0};
    if (poll(&pf, 1, 0) < 0) trouble = 3;
    int d = dup(p[0]), f = socket(AF_INET, SOCK_STREAM, 0);
    if (d < 0 || f < 0) trouble = 4;
    else opened++;
    close(d);
    close(f);
    errno = keep;
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    tcp_pair(p);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    to = in4("127.0.0.1", 0);
    must("bind", bind(v, (struct sockaddr *)&to, sizeof to));
    to.sin_port = htons((uint16_t)port_of(v));
    struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval it = {{0, 1000}, {0, 1000}};

    /* Both ends are in this process: each round sends one message and takes as many as are there, at least one. */
    long sent = 0, got_m = 0, got_h = 0, wrong = 0, udp = 0, start = now_ms(), lost_errno = 0;
    setitimer(ITIMER_REAL, &it, NULL);
    while (now_ms() - start < 300) {
        char m[LEN];
        memset(m, 'm', sizeof m);
        m[0] = 'M';
        memcpy(m + 8, &sent, sizeof sent);
        if (send(p[0], m, sizeof m, 0) != LEN) {
            wrong++;
            break;
        }
        sent++;
        for (;;) {
            ssize_t r = recv(p[1], m, sizeof m, MSG_WAITALL);
            long n;
            memcpy(&n, m + 8, sizeof n);
            if (r != LEN) wrong++;
            else if (m[0] == 'M' && n == got_m && m[20] == 'm' && m[LEN - 1] == 'm') got_m++;
            else if (m[0] == 'H' && n == got_h && m[20] == 'h' && m[LEN - 1] == 'h') got_h++;
            else wrong++;
            if (wrong || got_m == sent) break;
        }
        if (wrong) break;
        errno = 0;
        if (recv(v, m, sizeof m, MSG_DONTWAIT) == 4) udp++;
        else if (errno != EAGAIN) lost_errno++;
    }
    it = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &it, NULL);
    char m[LEN];
    while (!wrong && got_h < handler_sent && recv(p[1], m, sizeof m, MSG_WAITALL) == LEN) {
        long n;
        memcpy(&n, m + 8, sizeof n);
        if (m[0] == 'H' && n == got_h) got_h++;
        else wrong++;
    }
    while (recv(v, m, sizeof m, MSG_DONTWAIT) == 4) udp++;
    fact("main line's messages all arrived: %d, in order and whole: %d", got_m == sent, wrong == 0);
    fact("handler's messages all arrived: %d", got_h == handler_sent);
    fact("datagrams of the handler all arrived: %d", udp == udp_sent);
    fact("at least 50 ticks: %d, at least 200 messages: %d", ticks >= 50, sent >= 200);
    fact("trouble in the handler: %d, each tick opened sockets: %d", (int)trouble, opened == ticks);
    fact("errno that was not the call's own: %ld", lost_errno);
    fact("nothing is left: %s", poll_text(p[1], POLLIN, 20));
    int f = dup(0);
    fact("no descriptor is left over: %d", f == v + 1);
    return 0;
}
