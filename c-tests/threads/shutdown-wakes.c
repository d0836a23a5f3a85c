/* shutdown() in one thread wakes all that sleep on the socket in others, in whatever call (man 2 shutdown); close() does
 * not: a sleeper holds the socket until it returns (man 2 close, "Multithreaded processes"). */
#include "t.h"

enum { READ, RECV_ALL, RECVMSG, POLL, SELECT, EPOLL, CALLS };
static const char *names[] = {"read", "recv MSG_WAITALL", "recvmsg", "poll", "select", "epoll_wait"};

static int fd;

struct job { int call; long r; int err, events; volatile pid_t tid; };

static void settled(struct job *j) {
    while (j->tid == 0) sleep_ms(1);
    await_sleep(j->tid);
}

static void *run(void *arg) {
    struct job *j = arg;
    char b[16];
    j->tid = gettid();
    errno = 0;
    if (j->call == READ) j->r = read(fd, b, sizeof b);
    if (j->call == RECV_ALL) j->r = recv(fd, b, sizeof b, MSG_WAITALL);
    if (j->call == RECVMSG) {
        struct iovec v = {b, sizeof b};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        j->r = recvmsg(fd, &m, 0);
    }
    if (j->call == POLL) {
        struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
        j->r = poll(&p, 1, 3000);
        j->events = p.revents;
    }
    if (j->call == SELECT) {
        fd_set r;
        FD_ZERO(&r);
        FD_SET(fd, &r);
        j->r = select(fd + 1, &r, NULL, NULL, &(struct timeval){3, 0});
        j->events = !!FD_ISSET(fd, &r);
    }
    if (j->call == EPOLL) {
        int ep = epoll_create1(0);
        struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP}, got = {.events = 0};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        j->r = epoll_wait(ep, &got, 1, 3000);
        j->events = (int)got.events;
        close(ep);
    }
    j->err = errno;
    return NULL;
}

int main(void) {
    alarm(9);
    signal(SIGPIPE, SIG_IGN);
    static const char *hows[] = {"SHUT_RD", "SHUT_WR", "SHUT_RDWR"};
    for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
        if (how == SHUT_WR) continue;
        int p[2];
        tcp_pair(p);
        fd = p[0];
        pthread_t t[CALLS];
        struct job j[CALLS] = {{.call = 0}};
        for (int i = 0; i < CALLS; i++) {
            j[i].call = i;
            pthread_create(&t[i], NULL, run, &j[i]);
        }
        for (int i = 0; i < CALLS; i++) settled(&j[i]);
        long start = now_ms();
        fact("%s: %d", hows[how], shutdown(fd, how));
        for (int i = 0; i < CALLS; i++) {
            pthread_join(t[i], NULL);
            fact("  %s: %ld %s, events %x", names[i], j[i].r, j[i].r < 0 ? ename(j[i].err) : "ok", j[i].events);
        }
        fact("  all woke within 1000 ms: %d", now_ms() - start < 1000);
        /* Data that comes after SHUT_RD is still received by TCP. */
        res("  peer writes", write(p[1], "late", 4));
        sleep_ms(10);
        char b[8];
        res("  read", recv(fd, b, sizeof b, 0));
        res("  peer writes", write(p[1], "x", 1));
        close(p[0]);
        close(p[1]);
    }

    /* SHUT_WR does not wake a reader, the peer's end does. */
    int p[2];
    tcp_pair(p);
    fd = p[0];
    pthread_t t;
    struct job j = {.call = READ};
    pthread_create(&t, NULL, run, &j);
    settled(&j);
    shutdown(fd, SHUT_WR);
    sleep_ms(40);
    fact("SHUT_WR: the reader still sleeps: %d", pthread_tryjoin_np(t, NULL) == EBUSY);
    must("write", write(p[1], "abc", 3));
    pthread_join(t, NULL);
    fact("data wakes it: %ld", j.r);

    /* close in another thread: the sleeper stays, gets what the peer sends, and the end comes to the peer after that. */
    for (int half = 0; half < 2; half++) {
        close(p[1]);
        tcp_pair(p);
        fd = p[0];
        j = (struct job){.call = half ? RECVMSG : READ};
        pthread_create(&t, NULL, run, &j);
        settled(&j);
        close(p[0]);
        sleep_ms(60);
        fact("close: the reader still sleeps: %d, peer sees %s", pthread_tryjoin_np(t, NULL) == EBUSY,
             poll_text(p[1], POLLIN, 0));
        if (half) shutdown(p[1], SHUT_WR);
        else must("write", write(p[1], "for the sleeper", 15));
        pthread_join(t, NULL);
        fact("it got %ld", j.r);
        fact("now the peer sees: %s", poll_text(p[1], POLLIN | POLLRDHUP, 1000));
    }
    close(p[1]);

    /* A writer that waits for room, woken by shutdown of its socket. */
    tcp_pair(p);
    stuff(p);
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        await_sleep(getppid());
        _exit(shutdown(p[0], SHUT_WR) == 0 ? 0 : 1);
    }
    long start = now_ms();
    res("a blocked send when a child shuts its side down", send(p[0], "x", 1, 0));
    fact("within 1500 ms: %d", now_ms() - start < 1500);
    reap("child", k);
    return 0;
}
