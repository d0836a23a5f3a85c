/* SIGSTOP and SIGCONT of a peer process: its connection stays, what is sent to it waits, timeouts of the other side run
 * out, and after SIGCONT all goes on; a call that slept through it is not cut (man 7 signal: SIGCONT restarts the
 * calls on sockets that have no timeout). */
#include "t.h"

static void stop(pid_t k) {
    int st;
    kill(k, SIGSTOP);
    waitpid(k, &st, WUNTRACED);
    fact("stopped: %d", WIFSTOPPED(st));
}

int main(void) {
    alarm(8);
    int p[2], port, l = listener4(&port, 4), up[2];
    char b[64] = "";
    must("pipe", pipe(up));
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) {
        alarm(6);
        close(p[0]);
        /* An echo by recv, then accept, then poll, then epoll_wait; each is stopped while it sleeps. */
        ssize_t n = recv(p[1], b, sizeof b, 0);
        if (n != 5 || send(p[1], b, 5, 0) != 5) _exit(n < 0 ? errno : 200);
        int c = accept(l, NULL, NULL);
        if (c < 0) _exit(errno);
        if (send(c, "hi", 2, 0) != 2) _exit(201);
        struct pollfd pf = {c, POLLIN, 0};
        int r = poll(&pf, 1, 5000), e = errno;
        dprintf(c, "poll %d %s", r, r < 0 ? ename(e) : "ok");
        recv(c, b, sizeof b, MSG_DONTWAIT);
        int ep = epoll_create1(0);
        struct epoll_event ev = {.events = EPOLLIN};
        epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
        if (write(up[1], "e", 1) != 1) _exit(202);
        r = epoll_wait(ep, &ev, 1, 1500);
        e = errno;
        dprintf(c, "epoll_wait %d %s", r, r < 0 ? ename(e) : "ok");
        struct timeval tv = {1, 0};
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        while (recv(c, b, sizeof b, MSG_DONTWAIT) > 0) {}
        if (write(up[1], "t", 1) != 1) _exit(203);
        r = (int)recv(c, b, sizeof b, 0);
        e = errno;
        dprintf(c, "recv with a timeout %d %s", r, r < 0 ? ename(e) : "ok");
        _exit(0);
    }
    close(p[1]);
    sleep_ms(40);
    stop(k);
    must("send", send(p[0], "hello", 5, 0));
    fact("while it is stopped: %s", poll_text(p[0], POLLIN | POLLRDHUP, 60));
    struct timeval tv = {0, 50000};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    res("recv with a timeout", recv(p[0], b, sizeof b, 0));
    kill(k, SIGCONT);
    tv.tv_sec = 3;
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    res("after SIGCONT", recv(p[0], b, sizeof b, 0));

    sleep_ms(40);
    stop(k);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect to the stopped one", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("no answer: %s", poll_text(c, POLLIN, 40));
    kill(k, SIGCONT);
    res("accepted after SIGCONT", recv(c, b, sizeof b, 0));

    sleep_ms(40);
    stop(k);
    kill(k, SIGCONT);
    sleep_ms(30);
    must("send", send(c, "x", 1, 0));
    ssize_t n = recv(c, b, sizeof b - 1, 0);
    fact("stopped in poll: %.*s", (int)n, b);

    must("ready", read(up[0], b, 1));
    sleep_ms(40);
    stop(k);
    kill(k, SIGCONT);
    n = recv(c, b, sizeof b - 1, 0);
    fact("stopped in epoll_wait without a handler: %.*s", (int)n, b);

    must("ready", read(up[0], b, 1));
    sleep_ms(40);
    stop(k);
    kill(k, SIGCONT);
    n = recv(c, b, sizeof b - 1, 0);
    fact("stopped in recv that has SO_RCVTIMEO: %.*s", (int)n, b);
    reap("child", k);

    /* Killed while it is stopped: the peer sees the end at once. */
    int q[2];
    tcp_pair(q);
    if ((k = fork()) == 0) {
        alarm(4);
        pause();
    }
    close(q[1]);
    stop(k);
    kill(k, SIGKILL);
    res("killed while stopped: recv", recv(q[0], b, sizeof b, 0));
    reap("child", k);
    return 0;
}
