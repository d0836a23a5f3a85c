/* A handler ends poll, select and epoll_wait with EINTR whether SA_RESTART is set or not (`man 7 signal`, "never
 * restarted"); an ignored signal, or a stop and a continue, do not end poll and select, but do end epoll_wait. recv
 * and accept are restarted by SA_RESTART, and give EINTR without it. */
#include "ready.h"

static int p[2], ep, l;
static void on_usr1(int s) { (void)s; }

static long call(int i) {
    struct pollfd f = {p[0], POLLIN, 0};
    struct epoll_event e;
    fd_set r;
    char b;
    struct timeval tv = {0, 400000};
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    struct timespec ts = {0, 400000000};
    switch (i) {
    case 0: return poll(&f, 1, 400);
    case 1: return ppoll(&f, 1, &ts, NULL);
    case 2: return select(p[0] + 1, &r, NULL, NULL, &tv);
    case 3: return pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL);
    case 4: return epoll_wait(ep, &e, 1, 400);
    case 5: return recv(p[0], &b, 1, 0);
    default: return accept(l, NULL, NULL);
    }
}
static const char *const names[] = {"poll", "ppoll", "select", "pselect", "epoll_wait", "recv", "accept"};

/* Runs call i while a child sends sig after 60 ms; recv and accept get what they wait for after 160 ms. */
static void with(const char *how, int i, int sig, int port) {
    pid_t me = getpid(), k = fork();
    if (k == 0) {
        sleep_ms(60);
        kill(me, sig);
        sleep_ms(100);
        if (i == 5) put(p[1], "x");
        if (i == 6) {
            struct sockaddr_in a = in4("127.0.0.1", port);
            int c = socket(AF_INET, SOCK_STREAM, 0);
            connect(c, (struct sockaddr *)&a, sizeof a);
        }
        _exit(0);
    }
    errno = 0;
    long n = call(i);
    int e = errno;
    fact("%s, %s: %s %s", names[i], how, n < 0 ? "-1" : i == 6 ? "accepted" : n == 0 ? "0" : "1", n < 0 ? ename(e) : "");
    if (i == 6 && n >= 0) close((int)n);
    reap("child", k);
    /* Whatever the child still delivered belongs to the next try. */
    if (n < 0 && i == 5) drain(p[0]);
    if (n < 0 && i == 6) close((int)must("accept", accept(l, NULL, NULL)));
}

int main(void) {
    alarm(9);
    int port;
    l = listener4(&port, 4);
    tcp_pair(p);
    ep = ep_new();
    add(ep, p[0], EPOLLIN, 1);
    struct sigaction sa = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < 7; i++) with("a handler", i, SIGUSR1, port);
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &sa, NULL);
    for (int i = 0; i < 7; i++) with("a handler with SA_RESTART", i, SIGUSR1, port);
    signal(SIGUSR1, SIG_IGN);
    with("an ignored signal", 0, SIGUSR1, port);
    with("an ignored signal", 4, SIGUSR1, port);
    with("an ignored signal", 5, SIGUSR1, port);
    return 0;
}
