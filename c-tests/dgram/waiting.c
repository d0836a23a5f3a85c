/* A receive that waits: SO_RCVTIMEO, signals with and without SA_RESTART, O_NONBLOCK, a wake-up from a thread; who of several
 * sleepers gets it (man 7 socket, man 7 signal). */
#include "dg.h"
#include <sys/time.h>

static int s, r;
static volatile int hits;

static void on(int sig) { (void)sig, hits++; }

static void in_range(const char *label, long t, long lo, long hi) {
    t = now_ms() - t;
    fact("    %s within %ld..%ld ms: %d", label, lo, hi, t >= lo && t < hi);
}

static void *sender(void *arg) {
    sleep_ms((int)(long)arg);
    send(s, "wake", 4, 0);
    return NULL;
}

static pthread_barrier_t bar;
static int woken;

static void *sleeper(void *arg) {
    char b[8];
    pthread_barrier_wait(&bar);
    if (recv(r, b, sizeof b, 0) >= 0) __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return arg;
}

static void alarm_in(long ms, int flags) {
    struct sigaction sa = {.sa_handler = on, .sa_flags = flags};
    struct itimerval it = {.it_value.tv_usec = ms * 1000};
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
}

int main(void) {
    char b[16];
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    struct timeval tv = {0, 100000}, back;
    socklen_t l = sizeof back;
    res("SO_RCVTIMEO", setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    getsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &back, &l);
    fact("is %ld.%06ld", (long)back.tv_sec, (long)back.tv_usec);
    long t = now_ms();
    res("recv", recv(r, b, sizeof b, 0));
    in_range("gave up", t, 95, 1000);
    t = now_ms();
    res("recvmsg", recvmsg(r, &(struct msghdr){.msg_iov = &(struct iovec){b, 16}, .msg_iovlen = 1}, 0));
    in_range("gave up", t, 95, 1000);
    t = now_ms();
    res("read", read(r, b, sizeof b));
    in_range("gave up", t, 95, 1000);
    t = now_ms();
    res("recv MSG_DONTWAIT", recv(r, b, sizeof b, MSG_DONTWAIT));
    in_range("did not wait", t, 0, 80);
    t = now_ms();
    fact("poll does not mind it: %s", poll_text(r, POLLIN, 150));
    in_range("poll", t, 145, 1000);
    pthread_t th;
    tv.tv_sec = 3;
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    pthread_create(&th, NULL, sender, (void *)60L);
    t = now_ms();
    res("recv, woken by a datagram", recv(r, b, sizeof b, 0));
    in_range("woke", t, 50, 1500);
    pthread_join(th, NULL);
    res("SO_RCVTIMEO 1 s and a million us", setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){1, 1000000}, sizeof tv));
    res("SO_RCVTIMEO -1 s", setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){-1, 0}, sizeof tv));
    t = now_ms();
    res("recv after that", recv(r, b, sizeof b, 0));
    in_range("did not wait", t, 0, 500);

    tv = (struct timeval){3, 0};
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    alarm_in(60, 0);
    res("signal, SO_RCVTIMEO", recv(r, b, sizeof b, 0));
    alarm_in(60, SA_RESTART);
    res("signal with SA_RESTART, SO_RCVTIMEO", recv(r, b, sizeof b, 0));
    tv = (struct timeval){0, 0};
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    alarm_in(60, 0);
    res("signal", recv(r, b, sizeof b, 0));
    alarm_in(60, 0);
    res("signal, recvmsg", recvmsg(r, &(struct msghdr){.msg_iov = &(struct iovec){b, 16}, .msg_iovlen = 1}, 0));
    alarm_in(60, 0);
    res("signal, read", read(r, b, sizeof b));
    alarm_in(60, SA_RESTART);
    pthread_create(&th, NULL, sender, (void *)180L);
    t = now_ms();
    /* The signal may hit the other thread, which then sleeps on: recv must come back with the datagram in either case. */
    res("signal with SA_RESTART, then a datagram", recv(r, b, sizeof b, 0));
    in_range("came back", t, 150, 1500);
    pthread_join(th, NULL);
    alarm_in(60, SA_RESTART);
    t = now_ms();
    struct pollfd p = {r, POLLIN, 0};
    res("poll is never restarted", poll(&p, 1, 2000));
    in_range("poll", t, 50, 1500);
    fact("signals seen: %d", hits);
    fcntl(r, F_SETFL, O_NONBLOCK);
    res("O_NONBLOCK", recv(r, b, sizeof b, 0));
    fcntl(r, F_SETFL, 0);

    signal(SIGALRM, SIG_DFL);
    alarm(6);
    /* Three sleepers, one datagram at a time: each wakes one. */
    pthread_t x[3];
    pthread_barrier_init(&bar, NULL, 4);
    for (int i = 0; i < 3; i++) pthread_create(&x[i], NULL, sleeper, NULL);
    pthread_barrier_wait(&bar);
    for (int i = 1; i <= 3; i++) {
        sleep_ms(50);
        send(s, "x", 1, 0);
        for (int k = 0; k < 100 && __atomic_load_n(&woken, __ATOMIC_SEQ_CST) < i; k++) sleep_ms(10);
        sleep_ms(20);
        fact("after %d datagrams %d awake", i, __atomic_load_n(&woken, __ATOMIC_SEQ_CST));
    }
    for (int i = 0; i < 3; i++) pthread_join(x[i], NULL);
    return 0;
}
