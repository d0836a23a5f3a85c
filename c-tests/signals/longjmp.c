/* siglongjmp out of a socket call that sleeps, from a handler, and the socket used again afterwards, many times (man 3
 * sigsetjmp): no call may leave a lock, a mark or a descriptor behind. */
#include "t.h"
#include <setjmp.h>
#include <sys/time.h>

enum { RECV, ACCEPT, POLL, EPOLL, SELECT, RECV_UDP, READV, CALLS };
static const char *names[] = {"recv", "accept", "poll", "epoll_wait", "select", "recv of UDP", "readv"};

static sigjmp_buf back;
static volatile sig_atomic_t armed;

static void handler(int s) {
    (void)s;
    if (armed) {
        armed = 0;
        siglongjmp(back, 1);
    }
}

static int p[2], l, u, ep, port;
static struct sockaddr_in lname, uname_;

static void sleep_in(int which) {
    char b[8];
    struct iovec v = {b, sizeof b};
    struct pollfd pf = {p[0], POLLIN, 0};
    struct epoll_event ev;
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    switch (which) {
    case RECV: recv(p[0], b, sizeof b, 0); break;
    case ACCEPT: accept(l, NULL, NULL); break;
    case POLL: poll(&pf, 1, -1); break;
    case EPOLL: epoll_wait(ep, &ev, 1, -1); break;
    case SELECT: select(p[0] + 1, &r, NULL, NULL, NULL); break;
    case RECV_UDP: recv(u, b, sizeof b, 0); break;
    case READV: if (readv(p[0], &v, 1) < 0) break; break;
    }
}

/* Both directions, a connection, a datagram, readiness: 0 when all of it works. */
static int use(void) {
    char b[8];
    if (send(p[1], "abc", 3, 0) != 3 || recv(p[0], b, 3, MSG_WAITALL) != 3) return 1;
    if (send(p[0], "de", 2, 0) != 2 || recv(p[1], b, 2, MSG_WAITALL) != 2) return 2;
    if (sendto(u, "u", 1, 0, (struct sockaddr *)&uname_, sizeof uname_) != 1 || recv(u, b, 8, 0) != 1) return 4;
    struct epoll_event ev;
    if (epoll_wait(ep, &ev, 1, 0) != 0) return 5;
    return 0;
}

static int use_listener(void) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (struct sockaddr *)&lname, sizeof lname) < 0) return 6;
    int s = accept(l, NULL, NULL);
    if (s < 0) return 7;
    close(s);
    close(c);
    return 0;
}

int main(void) {
    /* SIGALRM is in use, so another timer is the last resort. */
    struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {8, 0}};
    timer_t last;
    must("timer", timer_create(CLOCK_MONOTONIC, &se, &last));
    timer_settime(last, 0, &limit, NULL);
    l = listener4(&port, 8);
    lname = in4("127.0.0.1", port);
    tcp_pair(p);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    uname_ = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&uname_, sizeof uname_));
    uname_.sin_port = htons((uint16_t)port_of(u));
    ep = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
    int first = dup(0);
    close(first);
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &sa, NULL);
    for (volatile int which = 0; which < CALLS; which++) {
        volatile int jumps = 0, bad = 0;
        for (volatile int i = 0; i < 200; i++) {
            struct itimerval it = {{0, 0}, {0, 1000}}, off = {{0, 0}, {0, 0}};
            /* The second argument saves the mask, so that SIGALRM is unblocked after the jump. */
            if (sigsetjmp(back, 1) == 0) {
                armed = 1;
                setitimer(ITIMER_REAL, &it, NULL);
                sleep_in(which);
                armed = 0;
                bad = 100;
            } else {
                jumps++;
            }
            setitimer(ITIMER_REAL, &off, NULL);
            if (!bad && (i % 10 == 0 || i == 199)) bad = use();
            if (!bad && (i % 50 == 0 || which == ACCEPT)) bad = use_listener();
            if (bad) break;
        }
        fact("%s: jumps %d, trouble %d", names[which], jumps, bad);
    }
    int f = dup(0);
    fact("no descriptor is left over: %d", f == first);
    return 0;
}
