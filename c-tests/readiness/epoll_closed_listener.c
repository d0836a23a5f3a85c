/* A process closes a listener that its epoll instance watches, and another process has it still: the registration lives
 * with the open file description (epoll(7), questions and answers, 6). It goes on being told of connections, and that it
 * looks takes nothing away from the one that accepts them. */
#include "t.h"
#include <sys/epoll.h>

static void ask(int pipe_to, int pipe_from) {
    char b = 0;
    must("ask", write(pipe_to, &b, 1));
    must("answer", read(pipe_from, &b, 1));
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 5), to[2], from[2];
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("pipe", pipe(to));
    must("pipe", pipe(from));
    pid_t k = fork();
    if (k == 0) {
        close(to[1]);
        close(from[0]);
        int e = (int)must("epoll_create1", epoll_create1(0));
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 7}, got = {0};
        must("epoll_ctl", epoll_ctl(e, EPOLL_CTL_ADD, l, &ev));
        must("close", close(l));
        char b;
        for (int round = 0; read(to[0], &b, 1) == 1; round++) {
            int n = epoll_wait(e, &got, 1, 0);
            fact("round %d: the one that closed it is told %d, events %x", round, n, n == 1 ? got.events : 0);
            fflush(stdout);
            must("answer", write(from[1], &b, 1));
        }
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    ask(to[1], from[0]);
    for (int round = 0; round < 3; round++) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        ask(to[1], from[0]);
        struct pollfd p = {l, POLLIN, 0};
        fact("the one that has it is told %d", poll(&p, 1, 1000));
        fflush(stdout);
        int got = (int)must("accept", accept(l, NULL, NULL));
        ask(to[1], from[0]);
        p.revents = 0;
        fact("afterwards %d", poll(&p, 1, 0));
        fflush(stdout);
        close(got);
        close(c);
    }
    close(to[1]);
    reap("child", k);
    return 0;
}
