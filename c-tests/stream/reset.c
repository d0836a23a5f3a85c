/* How a connection is reset: close with unread data (RFC 9293 3.10.4, RFC 2525 2.17), SO_LINGER with 0 seconds (`man
 * 7 socket`), connect to AF_UNSPEC; what the other side sees afterwards, and that unread bytes there are lost or
 * not. */
#include "stream.h"

#define ALL (POLLIN | POLLOUT | POLLRDHUP)

static void after(int fd) {
    await(fd, POLLHUP);
    sleep_ms(5);
    fact("poll %s, state %s", poll_text(fd, ALL, 0), tcp_state(fd));
    fact_recv("recv", fd, 100, MSG_DONTWAIT);
    fact_recv("recv", fd, 100, MSG_DONTWAIT);
    fact("poll %s", poll_text(fd, ALL, 0));
    res("send", send(fd, "x", 1, MSG_NOSIGNAL));
    fact("SO_ERROR %s", so_error(fd));
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    res("getpeername", getpeername(fd, (struct sockaddr *)&a, &l));
    l = sizeof a;
    res("getsockname", getsockname(fd, (struct sockaddr *)&a, &l));
    res("shutdown", shutdown(fd, SHUT_RDWR));
    close(fd);
}

int main(void) {
    alarm(8);
    int p[2];

    fact("-- closed with unread data");
    tcp_pair(p);
    must("send", send(p[0], "never read", 10, 0));
    await(p[1], POLLIN);
    close(p[1]);
    after(p[0]);

    fact("-- closed with half of the data read");
    tcp_pair(p);
    must("send", send(p[0], "never read", 10, 0));
    await(p[1], POLLIN);
    fact_recv("peer", p[1], 5, 0);
    close(p[1]);
    after(p[0]);

    fact("-- closed with data peeked at only");
    tcp_pair(p);
    must("send", send(p[0], "never read", 10, 0));
    await(p[1], POLLIN);
    fact_recv("peer", p[1], 50, MSG_PEEK);
    close(p[1]);
    after(p[0]);

    fact("-- closed with all of it read: no reset");
    tcp_pair(p);
    must("send", send(p[0], "read", 4, 0));
    await(p[1], POLLIN);
    fact_recv("peer", p[1], 50, 0);
    close(p[1]);
    await(p[0], POLLRDHUP);
    fact("poll %s, state %s", poll_text(p[0], ALL, 0), tcp_state(p[0]));
    fact_recv("recv", p[0], 100, MSG_DONTWAIT);
    fact("SO_ERROR %s", so_error(p[0]));
    close(p[0]);

    fact("-- closed with unread data, after bytes of its own that the other side has not read");
    tcp_pair(p);
    must("send", send(p[0], "never read", 10, 0));
    must("send", send(p[1], "answer", 6, 0));
    await(p[0], POLLIN);
    await(p[1], POLLIN);
    close(p[1]);
    after(p[0]);

    fact("-- SO_LINGER 0, after bytes of its own");
    tcp_pair(p);
    must("send", send(p[1], "answer", 6, 0));
    await(p[0], POLLIN);
    reset_close(p[1]);
    after(p[0]);

    fact("-- SO_LINGER 0 after SHUT_WR on both sides: all is said, no reset");
    tcp_pair(p);
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    shutdown(p[1], SHUT_WR);
    await(p[0], POLLHUP);
    reset_close(p[1]);
    sleep_ms(20);
    fact("poll %s, SO_ERROR %s", poll_text(p[0], ALL, 0), so_error(p[0]));
    close(p[0]);

    fact("-- peer dies by a signal: the kernel closes for it");
    tcp_pair(p);
    pid_t pid = fork();
    if (pid == 0) { close(p[0]); pause(); _exit(0); }
    close(p[1]);
    kill(pid, SIGKILL);
    reap("child", pid);
    await(p[0], POLLRDHUP);
    fact("poll %s", poll_text(p[0], ALL, 0));
    fact_recv("recv", p[0], 100, MSG_DONTWAIT);
    close(p[0]);

    fact("-- peer dies with unread data");
    tcp_pair(p);
    pid = fork();
    if (pid == 0) { close(p[0]); pause(); _exit(0); }
    close(p[1]);
    must("send", send(p[0], "never read", 10, 0));
    kill(pid, SIGKILL);
    reap("child", pid);
    after(p[0]);

    fact("-- disconnected by connect to AF_UNSPEC");
    tcp_pair(p);
    struct sockaddr u = {.sa_family = AF_UNSPEC};
    res("connect AF_UNSPEC", connect(p[1], &u, sizeof u));
    fact("own state %s, poll %s", tcp_state(p[1]), poll_text(p[1], ALL, 0));
    res("own send", send(p[1], "x", 1, MSG_NOSIGNAL));
    after(p[0]);

    fact("-- a blocked reader is woken");
    tcp_pair(p);
    pid = fork();
    if (pid == 0) { close(p[0]); sleep_ms(60); reset_close(p[1]); _exit(0); }
    close(p[1]);
    fact_recv("blocked recv", p[0], 10, 0);
    fact_recv("recv", p[0], 10, 0);
    reap("child", pid);
    return 0;
}
