/* A blocking connect() that has to wait, because the listener's queue is full (man 2 listen, man 2 connect EINTR,
 * man 7 socket SO_SNDTIMEO): an interrupted one goes on in the background. */
#include "t.h"

static volatile sig_atomic_t signals;
static struct sockaddr_in a;

static void handler(int s) {
    (void)s;
    signals++;
}

static int fresh(void) { return (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)); }
static int dial(int fd) { return connect(fd, (struct sockaddr *)&a, sizeof a); }

/* A listener whose queue of one is full. */
static int full_listener(int *inside) {
    int port, l = listener4(&port, 0);
    a = in4("127.0.0.1", port);
    *inside = fresh();
    must("first connect", dial(*inside));
    return l;
}

/* Sends a signal; after that, if asked, takes what is in the queue. */
static pid_t helper(int l, int take) {
    pid_t k = fork();
    if (k == 0) {
        alarm(6);
        sleep_ms(50);
        kill(getppid(), SIGUSR1);
        sleep_ms(50);
        if (take && accept(l, NULL, NULL) < 0) _exit(1);
        /* Kept open until the parent has seen its own connection. */
        sleep_ms(take ? 1500 : 0);
        _exit(0);
    }
    return k;
}

int main(void) {
    alarm(9);
    struct sigaction sa = {.sa_handler = handler};
    int in, l = full_listener(&in), c = fresh(), v = -1;
    socklen_t len = sizeof v;

    sigaction(SIGUSR1, &sa, NULL);
    pid_t k = helper(l, 0);
    long start = now_ms();
    res("no flags: connect", dial(c));
    fact("signals %d, within 1000 ms %d", (int)signals, now_ms() - start < 1000);
    reap("helper", k);
    fcntl(c, F_SETFL, O_NONBLOCK);
    res("again, without blocking", dial(c));
    fact("not writable: %s", poll_text(c, POLLOUT, 20));
    fcntl(c, F_SETFL, 0);
    /* Room in the queue: the connection that was begun is made. */
    close((int)must("accept", accept(l, NULL, NULL)));
    fact("room: %s", poll_text(c, POLLOUT, 4000));
    res("SO_ERROR", getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len));
    fact("is %s", ename(v));
    res("connect", dial(c));
    res("connect", dial(c));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    must("write", write(c, "made", 4));
    res("read", read(s, &v, 4));
    close(s);
    close(c);
    close(l);
    close(in);

    /* With SA_RESTART the call goes on, and comes back connected. */
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &sa, NULL);
    signals = 0;
    l = full_listener(&in);
    c = fresh();
    k = helper(l, 1);
    res("SA_RESTART: connect", dial(c));
    fact("signals %d", (int)signals);
    kill(k, SIGKILL);
    reap("helper", k);
    close(c);
    close(l);
    close(in);

    /* With SO_SNDTIMEO it is not restarted; and the timeout itself is EINPROGRESS. */
    signals = 0;
    l = full_listener(&in);
    c = fresh();
    struct timeval tv = {3, 0};
    setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    k = helper(l, 0);
    res("SO_SNDTIMEO and SA_RESTART: connect", dial(c));
    fact("signals %d", (int)signals);
    reap("helper", k);
    close(c);
    c = fresh();
    tv = (struct timeval){0, 60000};
    setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    start = now_ms();
    res("SO_SNDTIMEO runs out: connect", dial(c));
    fact("in time: %d", now_ms() - start >= 55 && now_ms() - start < 1000);
    res("again", dial(c));
    close(c);
    return 0;
}
