/* UDP sockets shared by fork: each datagram goes to one reader, the port stays taken while one process holds the
 * socket, and connect() in one process is seen in the other (man 7 udp, man 2 fork). */
#include "t.h"

enum { N = 60 };

static struct sockaddr_in name_of(int fd) {
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    must("getsockname", getsockname(fd, (struct sockaddr *)&a, &l));
    return a;
}

static int bound(void) {
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    return u;
}

int main(void) {
    alarm(8);
    int u = bound(), s = bound(), tell[2];
    struct sockaddr_in to = name_of(u);
    must("pipe", pipe(tell));

    /* Three children read one socket; a message "end" stops one of them. */
    pid_t kid[3];
    for (int k = 0; k < 3; k++)
        if ((kid[k] = fork()) == 0) {
            alarm(8);
            char b[64];
            for (;;) {
                ssize_t n = recv(u, b, sizeof b, 0);
                if (n < 0) _exit(1);
                if (n == 3) _exit(0);
                int32_t v = atoi(b + 4);
                if (n != 12 || write(tell[1], &v, sizeof v) != sizeof v) _exit(2);
            }
        }
    int seen[N] = {0}, once = 0;
    for (int i = 0; i < N; i++) {
        char b[16];
        snprintf(b, sizeof b, "msg %07d", i);
        must("sendto", sendto(s, b, 12, 0, (struct sockaddr *)&to, sizeof to));
    }
    for (int i = 0; i < N; i++) {
        int32_t v;
        must("tell", read(tell[0], &v, sizeof v));
        if (v >= 0 && v < N) seen[v]++;
    }
    for (int i = 0; i < N; i++) once += seen[i] == 1;
    fact("datagrams that were read exactly once: %d of %d", once, N);
    for (int k = 0; k < 3; k++) must("sendto", sendto(s, "end", 3, 0, (struct sockaddr *)&to, sizeof to));
    for (int k = 0; k < 3; k++) reap("reader", kid[k]);

    /* The child sends by the inherited socket: the source is the parent's address, the answer can be read by the parent. */
    char b[64];
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    struct sockaddr_in peer = name_of(s);
    if ((kid[0] = fork()) == 0) _exit(sendto(u, "hello", 5, 0, (struct sockaddr *)&peer, sizeof peer) != 5);
    reap("sender", kid[0]);
    ssize_t n = recvfrom(s, b, sizeof b, 0, (struct sockaddr *)&from, &l);
    fact("got %zd from %s", n, addr_text((struct sockaddr *)&from, port_of(u), port_of(s)));
    must("sendto", sendto(s, "answer", 6, 0, (struct sockaddr *)&from, l));
    n = recv(u, b, sizeof b, 0);
    fact("parent reads the answer: %.*s", (int)n, b);

    /* A queue that was filled before fork is one queue. */
    for (int i = 0; i < 3; i++)
        must("sendto", sendto(s, &"onetwotri"[3 * i], 3, 0, (struct sockaddr *)&to, sizeof to));
    if ((kid[0] = fork()) == 0) _exit(recv(u, b, sizeof b, 0) == 3 && memcmp(b, "one", 3) == 0 ? 0 : 1);
    reap("child takes the first", kid[0]);
    n = recv(u, b, sizeof b, 0);
    fact("parent takes: %.*s", (int)n, b);
    if ((kid[0] = fork()) == 0) _exit(recv(u, b, sizeof b, 0) == 3 && memcmp(b, "tri", 3) == 0 ? 0 : 1);
    reap("child takes the third", kid[0]);
    res("then", recv(u, b, sizeof b, MSG_DONTWAIT));

    /* connect and disconnect in the child hold for the parent. */
    if ((kid[0] = fork()) == 0) _exit(connect(u, (struct sockaddr *)&peer, sizeof peer) != 0);
    reap("child connects", kid[0]);
    l = sizeof from;
    res("parent's getpeername", getpeername(u, (struct sockaddr *)&from, &l));
    res("parent's send without an address", send(u, "x", 1, 0));
    res("arrives", recv(s, b, sizeof b, 0));
    int other = bound();
    must("sendto", sendto(other, "stranger", 8, 0, (struct sockaddr *)&to, sizeof to));
    res("from a stranger", recv(u, b, sizeof b, MSG_DONTWAIT));
    peer.sin_family = AF_UNSPEC;
    if ((kid[0] = fork()) == 0) _exit(connect(u, (struct sockaddr *)&peer, sizeof peer) != 0);
    reap("child disconnects", kid[0]);
    res("parent's getpeername", getpeername(u, (struct sockaddr *)&from, &l));
    res("parent's send without an address", send(u, "x", 1, 0));

    /* The port is free when the last holder has gone. */
    int hold[2];
    must("pipe", pipe(hold));
    to = name_of(u);
    if ((kid[0] = fork()) == 0) {
        alarm(8);
        close(hold[1]);
        _exit(read(hold[0], b, 1) != 0);
    }
    close(u);
    int v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    res("bind while the child holds it", bind(v, (struct sockaddr *)&to, sizeof to));
    must("connect", connect(s, (struct sockaddr *)&to, sizeof to));
    res("send to it", send(s, "kept", 4, 0));
    res("and again", send(s, "kept", 4, 0));
    close(hold[1]);
    reap("holder", kid[0]);
    res("send when it is gone", send(s, "lost", 4, 0));
    res("the error comes with the next", send(s, "lost", 4, 0));
    res("bind when it is gone", bind(v, (struct sockaddr *)&to, sizeof to));
    return 0;
}
