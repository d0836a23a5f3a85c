/* An epoll instance inherited by fork is one instance in two processes (`man 7 epoll`, Q&A): additions by one are
 * seen by the other, an edge goes to one of them; descriptors that only the child opened are told of in the parent,
 * too. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2], q[2], up[2], down[2], ep = ep_new();
    char b[16];
    tcp_pair(p);
    tcp_pair(q);
    must("pipe", pipe(up));
    must("pipe", pipe(down));
    add(ep, p[0], EPOLLIN, 1);

    pid_t k = fork();
    if (k == 0) {
        /* The child adds a socket, then waits for what the parent sends. */
        add(ep, q[0], EPOLLIN, 2);
        must("write", write(up[1], "+", 1));
        must("read", read(down[0], b, 1));
        struct epoll_event e[4];
        int n = epoll_wait(ep, e, 4, 2000);
        char c = (char)('0' + n);
        must("write", write(up[1], &c, 1));
        must("read", read(down[0], b, 1));
        int d[2];
        tcp_pair(d);
        add(ep, d[0], EPOLLIN, 3);
        put(d[1], "only in the child");
        await(d[0], POLLIN);
        must("write", write(up[1], "!", 1));
        must("read", read(down[0], b, 1));
        _exit(0);
    }
    must("read", read(up[0], b, 1));
    put(q[1], "x");
    fact("added by the child: %s", ep_text(ep, 1000));
    must("write", write(down[1], "g", 1));
    must("read", read(up[0], b, 1));
    fact("the child's wait gave %c", b[0]);
    put(p[1], "y");
    fact("both: %s", ep_text(ep, 1000));
    drain(p[0]);
    drain(q[0]);
    must("write", write(down[1], "g", 1));
    must("read", read(up[0], b, 1));
    fact("a socket that only the child has: %s", ep_text(ep, 1000));
    must("write", write(down[1], "g", 1));
    reap("child", k);
    fact("after the child's end: %s", ep_text(ep, 0));
    res("delete what the child added, by the same number", ctl(ep, EPOLL_CTL_DEL, q[0], 0, 0));

    /* Workers of a prefork server: each has its own instance over one listener. */
    int port, l = listener4(&port, 16);
    nonblock(l);
    pid_t w[3];
    for (int i = 0; i < 3; i++) {
        w[i] = fork();
        if (w[i] == 0) {
            int own = ep_new(), served = 0;
            add(own, l, EPOLLIN, 1);
            for (;;) {
                struct epoll_event e;
                if (epoll_wait(own, &e, 1, 400) < 1) break;
                int s = accept(l, NULL, NULL);
                if (s < 0) continue;
                put(s, "served");
                close(s);
                served++;
            }
            _exit(served <= 12 ? 0 : 1);
        }
    }
    struct sockaddr_in a = in4("127.0.0.1", port);
    int good = 0;
    for (int i = 0; i < 12; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c, (struct sockaddr *)&a, sizeof a) == 0 && recv(c, b, 6, MSG_WAITALL) == 6) good++;
        close(c);
    }
    fact("12 requests to 3 workers, answered: %d", good);
    for (int i = 0; i < 3; i++) reap("worker", w[i]);
    return 0;
}
