/* An edge-triggered listener whose server accepts until EAGAIN, and clients that connect at the same time, round by round:
 * each arrival is an edge, also one that comes while the server is busy with another, so no client is forgotten (man 7
 * epoll). */
// limit: 20
#include "t.h"

enum { CLIENTS = 4, ROUNDS = 200 };

static int client(int go, int port) {
    char b;
    while (read(go, &b, 1) == 1) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", port);
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        if (recv(c, &b, 1, 0) != 1) return 1;
        close(c);
    }
    return 0;
}

int main(void) {
    alarm(18);
    int port, l = listener4(&port, 64), ep = epoll_create1(0), go[CLIENTS][2];
    fcntl(l, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, got;
    must("add", epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev));
    pid_t kid[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) must("pipe", pipe(go[i]));
    for (int i = 0; i < CLIENTS; i++)
        if ((kid[i] = fork()) == 0) {
            alarm(16);
            for (int k = 0; k < CLIENTS; k++) close(go[k][1]);
            _exit(client(go[i][0], port));
        }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) must("go", write(go[i][1], "g", 1));
        for (int served = 0; served < CLIENTS;) {
            must("epoll_wait", epoll_wait(ep, &got, 1, -1));
            for (int c; (c = accept(l, NULL, NULL)) >= 0; served++) {
                must("send", send(c, "x", 1, MSG_NOSIGNAL));
                close(c);
            }
            if (errno != EAGAIN) must("accept", -1);
        }
    }
    fact("every client of every round was served");
    for (int i = 0; i < CLIENTS; i++) close(go[i][1]);
    for (int i = 0; i < CLIENTS; i++) reap("client", kid[i]);
    return 0;
}
