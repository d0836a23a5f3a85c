/* alarm() and setitimer() around socket calls: alarm as a timeout for a blocking recv, accept and connect; an interval timer
 * during a bulk transfer that loses nothing; sleeping calls keep their remaining time (man 2 alarm, man 2 setitimer). */
#include "t.h"
#include <sys/time.h>

static volatile sig_atomic_t ticks;

static void handler(int s) {
    (void)s;
    ticks++;
}

static void set(int flags) {
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGALRM, &sa, NULL);
}

static void timer(long first_us, long every_us) {
    struct itimerval it = {{0, every_us}, {0, first_us}};
    setitimer(ITIMER_REAL, &it, NULL);
}

enum { TOTAL = 6000000 };

static unsigned char byte_at(long i) { return (unsigned char)((i * 2654435761u) >> 13); }

int main(void) {
    /* SIGALRM is in use, so another timer is the last resort. */
    struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {8, 0}};
    timer_t last;
    must("timer", timer_create(CLOCK_MONOTONIC, &se, &last));
    timer_settime(last, 0, &limit, NULL);
    int p[2], port, l = listener4(&port, 2), u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    char b[64];
    tcp_pair(p);

    set(0);
    long start = now_ms();
    alarm(1);
    res("recv under alarm(1)", recv(p[0], b, sizeof b, 0));
    fact("after a second: %d", now_ms() - start >= 950 && now_ms() - start < 2500);
    timer(40000, 0);
    res("accept under a timer", accept(l, NULL, NULL));
    timer(40000, 0);
    res("recvfrom of UDP under a timer", recvfrom(u, b, sizeof b, 0, NULL, NULL));
    timer(40000, 0);
    res("poll under a timer", poll(&(struct pollfd){p[0], POLLIN, 0}, 1, 3000));
    fact("ticks: %d", (int)ticks);

    /* A timer that ticks while a call sleeps under SA_RESTART, many times. */
    set(SA_RESTART);
    ticks = 0;
    timer(5000, 5000);
    pid_t k = fork();
    if (k == 0) {
        /* Timers are not inherited. */
        sleep_ms(150);
        _exit(send(p[1], "late", 4, 0) == 4 ? 0 : 1);
    }
    res("recv under 5 ms ticks", recv(p[0], b, sizeof b, 0));
    fact("at least 10 ticks: %d", ticks >= 10);
    timer(0, 0);
    reap("helper", k);

    /* Bulk in both directions under a 1 ms timer, without SA_RESTART in the parent: counts add up, no byte is lost. */
    if ((k = fork()) == 0) {
        static char eb[30000];
        set(SA_RESTART);
        timer(1000, 1000);
        close(p[0]);
        ssize_t n;
        while ((n = recv(p[1], eb, sizeof eb, 0)) > 0)
            for (ssize_t done = 0, w; done < n; done += w)
                if ((w = send(p[1], eb + done, (size_t)(n - done), 0)) <= 0) _exit(1);
        _exit(n == 0 ? 0 : 2);
    }
    close(p[1]);
    set(0);
    ticks = 0;
    timer(1000, 1000);
    static unsigned char out[50000], in[50000];
    long sent = 0, got = 0, wrong = 0;
    while (got < TOTAL && wrong == 0) {
        struct pollfd pf = {p[0], (short)(POLLIN | (sent < TOTAL ? POLLOUT : 0)), 0};
        if (poll(&pf, 1, 3000) < 0 && errno != EINTR) wrong = 1;
        if (pf.revents & POLLOUT && sent < TOTAL) {
            size_t n = sizeof out;
            if (n > (size_t)(TOTAL - sent)) n = (size_t)(TOTAL - sent);
            for (size_t i = 0; i < n; i++) out[i] = byte_at(sent + (long)i);
            ssize_t r = send(p[0], out, n, MSG_DONTWAIT);
            if (r > 0) sent += r;
            else if (r == 0 || (errno != EINTR && errno != EAGAIN)) wrong = 2;
        }
        if (pf.revents & POLLIN) {
            ssize_t r = recv(p[0], in, sizeof in, 0);
            for (ssize_t i = 0; i < r; i++)
                if (in[i] != byte_at(got + i)) wrong = 3;
            if (r > 0) got += r;
            else if (r == 0 || errno != EINTR) wrong = 4;
        }
    }
    timer(0, 0);
    fact("bulk echo: sent %ld, got %ld, wrong %ld, at least one tick: %d", sent, got, wrong, ticks >= 1);
    shutdown(p[0], SHUT_WR);
    res("end", recv(p[0], b, 1, 0));
    reap("echo", k);
    fact("alarm(0) tells that none is left: %d", alarm(0) == 0);
    return 0;
}
