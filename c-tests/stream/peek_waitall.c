/* MSG_PEEK leaves the bytes where they are; MSG_WAITALL waits for the whole amount unless the stream ends, an error
 * or a signal comes, or the time of SO_RCVTIMEO is over (`man 2 recv`, `man 7 socket`). */
#include "stream.h"

static void on_usr1(int s) { (void)s; }

struct late { int fd, ms; const char *text; int end; pthread_t kick; };
static void *late_main(void *v) {
    struct late *l = v;
    sleep_ms(l->ms);
    if (l->text) { ssize_t r = send(l->fd, l->text, strlen(l->text), MSG_NOSIGNAL); (void)r; }
    if (l->end) shutdown(l->fd, SHUT_WR);
    if (l->kick) pthread_kill(l->kick, SIGUSR1);
    return NULL;
}

int main(void) {
    alarm(8);
    int p[2];
    pthread_t t;
    tcp_pair(p);
    must("send", send(p[0], "abcdefgh", 8, 0));
    await(p[1], POLLIN);
    fact_recv("peek 3", p[1], 3, MSG_PEEK);
    fact_recv("peek 3 again", p[1], 3, MSG_PEEK);
    fact_recv("peek 100", p[1], 100, MSG_PEEK);
    fact_recv("recv 3", p[1], 3, 0);
    fact_recv("peek after it", p[1], 100, MSG_PEEK | MSG_DONTWAIT);
    must("send", send(p[0], "ijkl", 4, 0));
    sleep_ms(20);
    fact_recv("peek across two sends", p[1], 100, MSG_PEEK);
    fact_recv("peek waitall of what is there", p[1], 9, MSG_PEEK | MSG_WAITALL);
    fact_recv("waitall with dontwait", p[1], 100, MSG_WAITALL | MSG_DONTWAIT);
    fact_recv("peek of nothing", p[1], 5, MSG_PEEK | MSG_DONTWAIT);
    fact_recv("peek of 0 bytes of nothing", p[1], 0, MSG_PEEK | MSG_DONTWAIT);

    /* Complete: the second half comes 50 ms later. */
    must("send", send(p[0], "12345", 5, 0));
    struct late l = {p[0], 50, "67890", 0, 0};
    pthread_create(&t, NULL, late_main, &l);
    fact_recv("waitall 10", p[1], 10, MSG_WAITALL);
    pthread_join(t, NULL);
    /* A peek that waits for more than is there. */
    must("send", send(p[0], "12345", 5, 0));
    pthread_create(&t, NULL, late_main, &l);
    fact_recv("peek waitall 10", p[1], 10, MSG_PEEK | MSG_WAITALL);
    pthread_join(t, NULL);
    fact_recv("still there", p[1], 100, 0);

    /* Cut short by the time limit, with and without some bytes. */
    struct timeval tv = {0, 60000};
    setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    must("send", send(p[0], "part", 4, 0));
    await(p[1], POLLIN);
    fact_recv("waitall until the limit", p[1], 10, MSG_WAITALL);
    fact_recv("waitall with nothing until the limit", p[1], 10, MSG_WAITALL);
    tv.tv_usec = 0;
    setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);

    /* Cut short by a handler: what is there is the answer, EINTR only with nothing. */
    struct sigaction sa = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &sa, NULL);
    must("send", send(p[0], "sig", 3, 0));
    await(p[1], POLLIN);
    struct late k = {-1, 60, NULL, 0, pthread_self()};
    pthread_create(&t, NULL, late_main, &k);
    fact_recv("waitall and a signal", p[1], 10, MSG_WAITALL);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, late_main, &k);
    fact_recv("waitall with nothing and a signal", p[1], 10, MSG_WAITALL);
    pthread_join(t, NULL);
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &sa, NULL);
    must("send", send(p[0], "sig", 3, 0));
    await(p[1], POLLIN);
    pthread_create(&t, NULL, late_main, &k);
    fact_recv("waitall and a signal with SA_RESTART", p[1], 10, MSG_WAITALL);
    pthread_join(t, NULL);

    /* Cut short by the end of the stream. */
    must("send", send(p[0], "la", 2, 0));
    struct late e = {p[0], 50, "st", 1, 0};
    pthread_create(&t, NULL, late_main, &e);
    fact_recv("waitall until the end", p[1], 10, MSG_WAITALL);
    pthread_join(t, NULL);
    fact_recv("peek at the end", p[1], 10, MSG_PEEK);
    fact_recv("waitall at the end", p[1], 10, MSG_WAITALL);

    /* Over the border of an iovec. */
    char a[3], b[4];
    struct iovec v[2] = {{a, 3}, {b, 4}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    must("send", send(p[1], "1234567", 7, 0));
    await(p[0], POLLIN);
    res("recvmsg peek", recvmsg(p[0], &m, MSG_PEEK));
    fact("%.3s|%.4s", a, b);
    memset(a, 0, 3); memset(b, 0, 4);
    res("recvmsg waitall", recvmsg(p[0], &m, MSG_WAITALL));
    fact("%.3s|%.4s flags %#x", a, b, (unsigned)m.msg_flags);
    return 0;
}
