/* A write to a connection that is closed: EPIPE and SIGPIPE unless MSG_NOSIGNAL (`man 2 send`); ECONNRESET comes
 * first and once where a reset arrived (RFC 9293 3.10.7), as a pending error that any call takes away. */
#include "stream.h"

static volatile sig_atomic_t pipes;
static void on_pipe(int s) { (void)s; pipes++; }
static void told(const char *label, long r) {
    int e = errno, n = pipes;
    pipes = 0;
    if (r < 0) fact("%s: -1 %s, SIGPIPE %d", label, ename(e), n);
    else fact("%s: %ld, SIGPIPE %d", label, r, n);
}

int main(void) {
    alarm(8);
    struct sigaction sa = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &sa, NULL);
    char b[16];
    int p[2];

    fact("-- own SHUT_WR");
    tcp_pair(p);
    shutdown(p[0], SHUT_WR);
    told("send", send(p[0], "a", 1, 0));
    told("write", write(p[0], "a", 1));
    told("send MSG_NOSIGNAL", send(p[0], "a", 1, MSG_NOSIGNAL));
    struct iovec v = {b, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    told("writev", writev(p[0], &v, 1));
    told("sendmsg", sendmsg(p[0], &m, 0));
    told("sendto", sendto(p[0], "a", 1, 0, NULL, 0));
    fact("SO_ERROR %s", so_error(p[0]));
    close(p[0]); close(p[1]);

    fact("-- peer closed, all read: the first write goes out and is answered by a reset");
    tcp_pair(p);
    close(p[1]);
    await(p[0], POLLIN);
    told("recv", recv(p[0], b, sizeof b, 0));
    told("send 1", send(p[0], "a", 1, 0));
    await(p[0], POLLHUP);
    fact("poll %s", poll_text(p[0], POLLIN | POLLOUT | POLLRDHUP, 0));
    told("send 2", send(p[0], "a", 1, 0));
    told("send 3", send(p[0], "a", 1, 0));
    told("recv after it", recv(p[0], b, sizeof b, 0));
    close(p[0]);

    fact("-- the same, recv first after the reset");
    tcp_pair(p);
    close(p[1]);
    await(p[0], POLLIN);
    told("send 1", send(p[0], "a", 1, 0));
    await(p[0], POLLHUP);
    told("recv", recv(p[0], b, sizeof b, 0));
    told("recv again", recv(p[0], b, sizeof b, 0));
    told("send 2", send(p[0], "a", 1, 0));
    fact("SO_ERROR %s", so_error(p[0]));
    close(p[0]);

    fact("-- the same, SO_ERROR first");
    tcp_pair(p);
    close(p[1]);
    await(p[0], POLLIN);
    told("send 1", send(p[0], "a", 1, 0));
    await(p[0], POLLHUP);
    fact("SO_ERROR %s", so_error(p[0]));
    fact("SO_ERROR %s", so_error(p[0]));
    told("send 2", send(p[0], "a", 1, 0));
    told("send 3 MSG_NOSIGNAL", send(p[0], "a", 1, MSG_NOSIGNAL));
    close(p[0]);

    fact("-- peer sent and closed; the reset comes while its bytes are unread");
    tcp_pair(p);
    must("send", send(p[1], "last words", 10, 0));
    close(p[1]);
    await(p[0], POLLRDHUP);
    told("send 1", send(p[0], "a", 1, 0));
    await(p[0], POLLHUP);
    fact("poll %s", poll_text(p[0], POLLIN | POLLOUT | POLLRDHUP, 0));
    fact_recv("recv", p[0], 4, 0);
    fact_recv("recv", p[0], 100, 0);
    fact_recv("recv", p[0], 100, 0);
    close(p[0]);

    fact("-- peer reset, with no write before");
    tcp_pair(p);
    reset_close(p[1]);
    await(p[0], POLLHUP);
    told("send 1", send(p[0], "a", 1, 0));
    told("send 2", send(p[0], "a", 1, 0));
    told("recv", recv(p[0], b, sizeof b, 0));
    close(p[0]);

    fact("-- default action of SIGPIPE, in a child");
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        tcp_pair(p);
        shutdown(p[0], SHUT_WR);
        if (write(p[0], "a", 1) < 0) _exit(1);
        _exit(2);
    }
    reap("child", pid);
    fact("-- ignored");
    signal(SIGPIPE, SIG_IGN);
    tcp_pair(p);
    shutdown(p[0], SHUT_WR);
    res("write", write(p[0], "a", 1));
    return 0;
}
