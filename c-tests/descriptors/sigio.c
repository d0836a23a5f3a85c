/* Signal-driven I/O: O_ASYNC with F_SETOWN and F_SETSIG on connections, listeners and UDP sockets (man 2 fcntl,
 * man 7 socket: SIGIO; man 2 send: SIGURG for urgent data). */
#include "t.h"

static volatile sig_atomic_t count, last, code, band;

static void on_signal(int s, siginfo_t *i, void *unused) {
    (void)unused;
    count++;
    last = s;
    code = i->si_code;
    band = (int)i->si_band;
}

/* Signals that came within a second; the count itself may be more than one for one event. */
static const char *came(void) {
    static char t[100];
    for (int i = 0; i < 1000 && !count; i++) sleep_ms(1);
    sleep_ms(5);
    if (!count) return "nothing";
    snprintf(t, sizeof t, "%s", last == SIGIO ? "SIGIO" : last == SIGUSR1 ? "SIGUSR1" : last == SIGURG ? "SIGURG" : "other");
    count = 0;
    return t;
}

static int quiet(int ms) {
    sleep_ms(ms);
    int c = count;
    count = 0;
    return c == 0;
}

int main(void) {
    alarm(9);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGIO, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGURG, &sa, NULL);
    int p[2];
    char b[64];
    tcp_pair(p);

    fcntl(p[0], F_SETFL, O_ASYNC);
    must("write", write(p[1], "no owner", 8));
    fact("O_ASYNC without an owner, quiet: %d", quiet(30));
    must("read", read(p[0], b, sizeof b));
    fcntl(p[0], F_SETOWN, getpid());
    must("write", write(p[1], "data", 4));
    fact("data: %s", came());
    must("write", write(p[1], "more", 4));
    fact("more data: %s", came());
    res("read", read(p[0], b, sizeof b));
    fact("reading raises nothing: %d", quiet(20));
    fcntl(p[0], F_SETSIG, SIGUSR1);
    must("write", write(p[1], "data", 4));
    fact("F_SETSIG SIGUSR1: %s", came());
    fact("si_code is POLL_IN %d, si_band has POLLIN %d", code == POLL_IN, !!(band & POLLIN));
    fcntl(p[0], F_SETFL, 0);
    must("write", write(p[1], "data", 4));
    fact("O_ASYNC off, quiet: %d", quiet(30));
    int on = 1;
    ioctl(p[0], FIOASYNC, &on);
    must("write", write(p[1], "data", 4));
    fact("on by FIOASYNC: %s", came());
    fcntl(p[0], F_SETSIG, 0);
    shutdown(p[1], SHUT_WR);
    fact("peer's half-close: %s", came());
    close(p[1]);
    quiet(20);
    close(p[0]);

    /* Urgent data: SIGURG goes to the owner without O_ASYNC. */
    tcp_pair(p);
    fcntl(p[0], F_SETOWN, getpid());
    must("send", send(p[1], "!", 1, MSG_OOB));
    fact("urgent data: %s", came());
    close(p[0]);
    close(p[1]);

    /* A copy of the descriptor shares O_ASYNC and the owner. */
    tcp_pair(p);
    int d = dup(p[0]);
    fcntl(d, F_SETOWN, getpid());
    fcntl(d, F_SETFL, O_ASYNC);
    fact("the first has O_ASYNC: %d", !!(fcntl(p[0], F_GETFL) & O_ASYNC));
    close(d);
    must("write", write(p[1], "data", 4));
    fact("data when the copy is closed: %s", came());
    must("read", read(p[0], b, sizeof b));
    close(p[0]);
    must("write", write(p[1], "data", 4));
    fact("data when all is closed, quiet: %d", quiet(30));
    close(p[1]);

    int port, l = listener4(&port, 4);
    fcntl(l, F_SETOWN, getpid());
    fcntl(l, F_SETFL, O_ASYNC);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("a connection to a listener: %s", came());
    int s = (int)must("accept", accept(l, NULL, NULL));
    fact("the accepted one has O_ASYNC: %d, an owner: %d", !!(fcntl(s, F_GETFL) & O_ASYNC), fcntl(s, F_GETOWN) != 0);

    /* The outcome of a connect, also of one that does not block, comes with a signal. */
    for (int blocks = 0; blocks < 2; blocks++) {
        int flags = O_ASYNC | (blocks ? 0 : O_NONBLOCK);
        fcntl(l, F_SETFL, 0);
        c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        fcntl(c, F_SETOWN, getpid());
        fcntl(c, F_SETFL, flags);
        quiet(10);
        res(blocks ? "connect" : "connect without blocking", connect(c, (struct sockaddr *)&a, sizeof a));
        fact("its outcome: %s", came());
        close(c);
        close(accept(l, NULL, NULL));
        int none = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in nobody = in4("127.0.0.1", 0);
        must("bind", bind(none, (struct sockaddr *)&nobody, sizeof nobody));
        nobody.sin_port = htons((uint16_t)port_of(none));
        c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        fcntl(c, F_SETOWN, getpid());
        fcntl(c, F_SETFL, flags);
        quiet(10);
        res("connect to nobody", connect(c, (struct sockaddr *)&nobody, sizeof nobody));
        fact("its outcome: %s", came());
        close(c);
        close(none);
    }

    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    socklen_t len = sizeof a;
    must("getsockname", getsockname(u, (struct sockaddr *)&a, &len));
    fcntl(u, F_SETOWN, getpid());
    fcntl(u, F_SETFL, O_ASYNC | O_NONBLOCK);
    quiet(10);
    must("sendto", sendto(v, "datagram", 8, 0, (struct sockaddr *)&a, sizeof a));
    fact("a datagram: %s", came());
    res("recv", recv(u, b, sizeof b, 0));

    /* The signal goes to another process that owns it. */
    int t[2];
    must("pipe", pipe(t));
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        fcntl(u, F_SETOWN, getpid());
        must("ready", write(t[1], "r", 1));
        _exit(strcmp(came(), "SIGIO") ? 1 : 0);
    }
    must("ready", read(t[0], b, 1));
    must("sendto", sendto(v, "for the child", 13, 0, (struct sockaddr *)&a, sizeof a));
    reap("child that owns it gets SIGIO", k);
    fact("the parent does not: %d", quiet(20));
    return 0;
}
