/* One socket in two processes after fork (`man 2 fork`: the descriptors refer to the same open descriptions): the
 * stream is shared, flags and options are, shutdown is; close is not, the connection ends with the last descriptor. */
#include "stream.h"

int main(void) {
    alarm(8);
    int p[2], up[2], v;
    char b[64];
    socklen_t n = sizeof v;
    tcp_pair(p);
    must("pipe", pipe(up));

    pid_t pid = fork();
    if (pid == 0) {
        close(up[1]);
        char s[16];
        ssize_t r = recv(p[1], s, 3, 0);
        if (r != 3 || memcmp(s, "abc", 3)) _exit(1);
        nonblock(p[1], 1);
        int big = 77777, on = 1;
        setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
        setsockopt(p[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (send(p[1], "from the child", 14, 0) != 14) _exit(2);
        close(p[0]);
        close(p[1]);
        read(up[0], s, 1);
        _exit(0);
    }
    must("send", send(p[0], "abcdef", 6, 0));
    fact("answer: %ld", read_full(p[0], b, 14));
    fact("O_NONBLOCK set by the child: %s", fcntl(p[1], F_GETFL) & O_NONBLOCK ? "yes" : "no");
    getsockopt(p[1], IPPROTO_TCP, TCP_NODELAY, &v, &n);
    fact("TCP_NODELAY set by the child: %d", v);
    getsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &v, &n);
    fact("SO_RCVBUF set by the child: %d", v);
    fact_recv("what the child left", p[1], 10, 0);
    sleep_ms(20);
    fact("the child's close did not end it: %s", poll_text(p[0], POLLIN | POLLRDHUP, 20));
    res("send", send(p[1], "alive", 5, 0));
    fact_recv("recv", p[0], 10, 0);
    close(up[1]);
    reap("child", pid);
    fact("nor did its exit: %s", poll_text(p[0], POLLIN | POLLRDHUP, 20));

    /* The parent closes, the child holds on; then the child's death ends the connection. */
    int q[2];
    tcp_pair(q);
    pid = fork();
    if (pid == 0) {
        close(q[0]);
        char s[8];
        while (recv(q[1], s, 8, 0) > 0) send(q[1], "echo", 4, 0);
        _exit(0);
    }
    close(q[1]);
    res("send to the child's end", send(q[0], "x", 1, 0));
    fact_recv("recv", q[0], 10, 0);
    kill(pid, SIGKILL);
    reap("child", pid);
    fact("after its death: %s", poll_text(q[0], POLLIN | POLLRDHUP, 1000));
    close(q[0]);

    /* shutdown acts on the socket, not on the descriptor. */
    pid = fork();
    if (pid == 0) _exit(shutdown(p[1], SHUT_WR) == 0 ? 0 : 1);
    reap("child", pid);
    fact_recv("peer sees the end", p[0], 10, 0);
    res("own send", send(p[1], "x", 1, MSG_NOSIGNAL));
    res("the other direction", send(p[0], "y", 1, 0));
    await(p[1], POLLIN);
    fact_recv("recv", p[1], 10, 0);

    /* Readers in three processes: each byte goes to exactly one of them. */
    tcp_pair(q);
    pid_t k[3];
    int cnt[2];
    must("pipe", pipe(cnt));
    for (int i = 0; i < 3; i++) {
        k[i] = fork();
        if (k[i] == 0) {
            close(q[0]);
            unsigned char c;
            unsigned s = 0;
            while (recv(q[1], &c, 1, 0) == 1) s += c;
            _exit(write(cnt[1], &s, sizeof s) == sizeof s ? 0 : 1);
        }
    }
    unsigned want = 0, sum = 0, part;
    for (int i = 0; i < 2000; i++) { unsigned char c = pat((size_t)i); want += c; must("send", send(q[0], &c, 1, 0)); }
    shutdown(q[0], SHUT_WR);
    for (int i = 0; i < 3; i++) { reap("reader", k[i]); if (read(cnt[0], &part,
        sizeof part) == sizeof part) sum += part; }
    fact("sum of what the three read is right: %s", sum == want ? "yes" : "no");

    /* A listener in two processes. */
    int port, l = listener4(&port, 8);
    for (int i = 0; i < 2; i++) {
        k[i] = fork();
        if (k[i] == 0) { int s = accept(l, NULL, NULL); _exit(send(s, "served", 6, 0) == 6 ? 0 : 1); }
    }
    close(l);
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int i = 0; i < 2; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        fact("recv %ld", read_full(c, b, 6));
        close(c);
    }
    reap("acceptor", k[0]);
    reap("acceptor", k[1]);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    res("connect when both are gone", connect(c, (struct sockaddr *)&a, sizeof a));
    return 0;
}
