/* Threads in sigwait and sigtimedwait beside threads that sleep in socket calls: signals for the process go to whom they are
 * for, the sleepers are not cut, pthread_kill cuts just the one (man 3 sigwait, man 3 pthread_kill). */
#include "t.h"

static int p[4][2], l, port;
static volatile sig_atomic_t handled;
static volatile int handler_in[4];
static __thread int me = -1;

static void handler(int s) {
    (void)s;
    handled++;
    if (me >= 0) handler_in[me]++;
}

static void *waiter(void *unused) {
    (void)unused;
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGTERM);
    long n = 0;
    for (;;) {
        int got = 0;
        sigwait(&s, &got);
        if (got == SIGTERM) return (void *)n;
        /* Each signal becomes a message. */
        if (send(p[3][0], "s", 1, 0) != 1) return (void *)-1L;
        n++;
    }
}

static void *sleeper(void *arg) {
    long i = (long)arg;
    me = (int)i;
    char b[8];
    ssize_t n = recv(p[i][0], b, sizeof b, 0);
    return (void *)(n < 0 ? (long)-errno : (long)n);
}

static void *acceptor(void *unused) {
    (void)unused;
    int c = accept(l, NULL, NULL);
    return (void *)(c < 0 ? (long)-errno : 1L);
}

int main(void) {
    alarm(8);
    for (int i = 0; i < 4; i++) tcp_pair(p[i]);
    l = listener4(&port, 4);
    sigset_t s, old;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &s, &old);
    pthread_t w, t[3], a;
    void *r;
    pthread_create(&w, NULL, waiter, NULL);
    for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, sleeper, (void *)i);
    pthread_create(&a, NULL, acceptor, NULL);
    sleep_ms(40);
    char b[16];
    int heard = 0;
    for (int i = 0; i < 5; i++) {
        kill(getpid(), SIGUSR1);
        heard += recv(p[3][1], b, 1, 0) == 1;
    }
    fact("signals that became messages: %d of 5", heard);
    sleep_ms(20);
    int asleep = 0;
    for (int i = 0; i < 3; i++) asleep += pthread_tryjoin_np(t[i], NULL) == EBUSY;
    fact("sleepers that still sleep: %d of 3, acceptor: %d", asleep, pthread_tryjoin_np(a, NULL) == EBUSY);

    /* pthread_kill of one sleeper, without SA_RESTART. */
    struct sigaction sa = {.sa_handler = handler, .sa_flags = 0};
    sigaction(SIGUSR2, &sa, NULL);
    pthread_kill(t[1], SIGUSR2);
    pthread_join(t[1], &r);
    fact("the one that was meant: %s, handlers run %d, in it %d", (long)r < 0 ? ename((int)-(long)r) : "data", (int)handled,
         handler_in[1]);
    /* With SA_RESTART it goes on. */
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &sa, NULL);
    pthread_kill(t[2], SIGUSR2);
    sleep_ms(40);
    fact("restarted: handler in it %d, still asleep %d", handler_in[2], pthread_tryjoin_np(t[2], NULL) == EBUSY);
    for (int i = 0; i < 3; i += 2) {
        must("send", send(p[i][1], "data", 4, 0));
        pthread_join(t[i], &r);
        fact("sleeper %d got %ld", i, (long)r);
    }
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in n = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&n, sizeof n));
    pthread_join(a, &r);
    fact("acceptor got a connection: %d", (long)r == 1);
    kill(getpid(), SIGTERM);
    pthread_join(w, &r);
    fact("the waiter counted %ld", (long)r);

    /* sigtimedwait: a timeout, a pending signal, and the socket that was used between. */
    struct timespec ts = {0, 30000000};
    res("sigtimedwait of nothing", sigtimedwait(&s, NULL, &ts));
    raise(SIGUSR1);
    must("send", send(p[0][1], "x", 1, 0));
    res("recv with a blocked signal pending", recv(p[0][0], b, 8, 0));
    siginfo_t si;
    int got = sigtimedwait(&s, &si, &ts);
    fact("sigtimedwait: SIGUSR1 %d, from me %d", got == SIGUSR1, si.si_pid == getpid());
    union sigval v = {.sival_int = 77};
    sigqueue(getpid(), SIGUSR1, v);
    got = sigwaitinfo(&s, &si);
    fact("sigwaitinfo: SIGUSR1 %d, value %d", got == SIGUSR1, si.si_value.sival_int);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    /* sigsuspend with a socket's peer that sends the signal. */
    pid_t k = fork();
    if (k == 0) {
        alarm(4);
        if (recv(p[0][0], b, 1, 0) != 1) _exit(1);
        kill(getppid(), SIGUSR2);
        _exit(0);
    }
    handled = 0;
    sigset_t u2;
    sigemptyset(&u2);
    sigaddset(&u2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &u2, &old);
    must("send", send(p[0][1], "g", 1, 0));
    res("sigsuspend", sigsuspend(&old));
    fact("handlers run %d", (int)handled);
    reap("child", k);
    return 0;
}
