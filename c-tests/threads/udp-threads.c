/* Many threads on one UDP socket: each datagram goes to one reader whole; senders share a socket; one thread blocked in
 * recvfrom does not keep another from sending by it (man 7 udp). */
#include "t.h"

enum { T = 5, EACH = 30 };

static int u, s;
static struct sockaddr_in to;
static int seen[T][EACH];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int received;

static void *reader(void *unused) {
    (void)unused;
    for (;;) {
        int d[40];
        ssize_t n = recv(u, d, sizeof d, 0);
        if (n < 0) return (void *)1;
        if (n == 0) return NULL;
        int good = n == (ssize_t)sizeof d;
        for (int i = 2; i < 40; i++) good &= d[i] == d[0] * 1000 + d[1];
        if (!good) return (void *)2;
        pthread_mutex_lock(&m);
        seen[d[0]][d[1]]++;
        received++;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&m);
    }
}

static void *sender(void *arg) {
    for (int k = 0; k < EACH; k++) {
        int d[40] = {(int)(long)arg, k};
        for (int i = 2; i < 40; i++) d[i] = d[0] * 1000 + d[1];
        if (sendto(s, d, sizeof d, 0, (struct sockaddr *)&to, sizeof to) != (ssize_t)sizeof d) return (void *)1;
    }
    return NULL;
}

static void *blocked(void *unused) {
    (void)unused;
    static char b[32];
    ssize_t n = recv(s, b, sizeof b - 1, 0);
    return n > 0 ? b : NULL;
}

int main(void) {
    alarm(8);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    s = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    to = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&to, sizeof to));
    must("bind", bind(s, (struct sockaddr *)&to, sizeof to));
    to.sin_port = htons((uint16_t)port_of(u));
    pthread_t r[T], w[T];
    for (long i = 0; i < T; i++) pthread_create(&r[i], NULL, reader, NULL);
    for (long i = 0; i < T; i++) pthread_create(&w[i], NULL, sender, (void *)i);
    int bad = 0, once = 0;
    void *x;
    for (int i = 0; i < T; i++) {
        pthread_join(w[i], &x);
        bad += x != NULL;
    }
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 3;
    pthread_mutex_lock(&m);
    while (received < T * EACH && pthread_cond_timedwait(&cond, &m, &end) == 0) {}
    pthread_mutex_unlock(&m);
    for (int i = 0; i < T; i++)
        for (int k = 0; k < EACH; k++) once += seen[i][k] == 1;
    fact("senders that failed: %d, datagrams read once and whole: %d of %d", bad, once, T * EACH);
    /* An empty datagram ends one reader. */
    for (int i = 0; i < T; i++) must("sendto", sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof to));
    bad = 0;
    for (int i = 0; i < T; i++) {
        pthread_join(r[i], &x);
        bad += x != NULL;
    }
    fact("readers that failed: %d", bad);

    /* A thread sleeps in recv on s, while this one sends by s and gets the answer there. */
    pthread_create(&r[0], NULL, blocked, NULL);
    sleep_ms(50);
    res("send by the socket that is read", sendto(s, "question", 8, 0, (struct sockaddr *)&to, sizeof to));
    char b[32] = "";
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    res("recvfrom", recvfrom(u, b, sizeof b, 0, (struct sockaddr *)&from, &l));
    res("answer", sendto(u, "the answer", 10, 0, (struct sockaddr *)&from, l));
    pthread_join(r[0], &x);
    fact("the sleeper got: %s", x ? (char *)x : "nothing");

    /* shutdown(SHUT_RD) on a connected UDP socket wakes the reader. */
    must("connect", connect(s, (struct sockaddr *)&to, sizeof to));
    pthread_create(&r[0], NULL, blocked, NULL);
    sleep_ms(50);
    res("shutdown", shutdown(s, SHUT_RD));
    pthread_join(r[0], &x);
    fact("the sleeper got: %s", x ? (char *)x : "nothing");
    return 0;
}
