/* Nobody at the destination: a connected socket is told once, by the next call or by SO_ERROR; an unconnected one is not told
 * (man 7 udp, "Error handling"; RFC 1122 4.1.3.3). */
#include "dg.h"

static int s, port, v6;

static void open_at(int p) {
    s = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    must("connect", v6 ? con6(s, "::1", p) : con4(s, "127.0.0.1", p));
}

/* Sends one that is refused and waits until the answer is there. */
static void refuse(void) {
    send(s, "x", 1, 0);
    poll(&(struct pollfd){s, POLLIN, 0}, 1, 1000);
}

static void all(void) {
    char b[16];
    port = free_port();
    open_at(port);
    res("first send", send(s, "x", 1, 0));
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 1000));
    fact("poll asking for nothing: %s", poll_text(s, 0, 1000));
    res("second send", send(s, "x", 1, 0));
    sleep_ms(10);
    fact("the second was not sent: %s", poll_text(s, POLLIN | POLLOUT, 20));
    res("third send", send(s, "x", 1, 0));
    poll(&(struct pollfd){s, POLLIN, 0}, 1, 1000);
    res("recv", recv(s, b, sizeof b, MSG_DONTWAIT));
    res("recv again", recv(s, b, sizeof b, MSG_DONTWAIT));
    refuse();
    res("SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    res("SO_ERROR again", get(s, SOL_SOCKET, SO_ERROR));
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    refuse();
    res("the send that is told", send(s, "x", 1, 0));
    res("then recv", recv(s, b, sizeof b, MSG_DONTWAIT));
    refuse();
    res("write", write(s, "x", 1));
    refuse();
    struct pollfd none = {s, 0, 0};
    res("recv with MSG_PEEK takes the error", recv(s, b, sizeof b, MSG_PEEK | MSG_DONTWAIT));
    res("then poll", poll(&none, 1, 20));
    refuse();
    res("recv of 0 bytes", recv(s, b, 0, MSG_DONTWAIT));
    refuse();
    res("read of 0 bytes", read(s, b, 0));
    res("blocking recv", recv(s, b, sizeof b, 0));
    refuse();
    fd_set r, w, e;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    FD_SET(s, &r);
    FD_SET(s, &w);
    FD_SET(s, &e);
    res("select", select(s + 1, &r, &w, &e, &(struct timeval){1, 0}));
    fact("read %d write %d except %d", !!FD_ISSET(s, &r), !!FD_ISSET(s, &w), !!FD_ISSET(s, &e));
    int q = -1;
    res("FIONREAD", ioctl(s, FIONREAD, &q));
    peer("getpeername with an error pending", s, port, 0);
    res("connect again keeps the error", v6 ? con6(s, "::1", port) : con4(s, "127.0.0.1", port));
    res("SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    refuse();
    res("disconnect", discon(s));
    res("after the disconnect, SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    close(s);

    /* A datagram that was queued before the error: the error goes first. */
    int r2 = v6 ? udp6("::1") : udp4("127.0.0.1");
    open_at(port_of(r2));
    if (v6) put6(r2, "queued", "::1", port_of(s)); else put4(r2, "queued", "127.0.0.1", port_of(s));
    wait_in(s);
    close(r2);
    send(s, "x", 1, 0);
    sleep_ms(20);
    fact("datagram and error, poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    res("recv", recv(s, b, sizeof b, MSG_DONTWAIT));
    res("recv", recv(s, b, sizeof b, MSG_DONTWAIT));
    close(s);

    /* A receiver that sleeps is woken by it. */
    open_at(port);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(60);
        send(s, "x", 1, 0);
        _exit(0);
    }
    long t = now_ms();
    res("blocking recv", recv(s, b, sizeof b, 0));
    fact("woke within 2000 ms: %d", now_ms() - t < 2000);
    reap("child", pid);
    close(s);

    s = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 3; i++) {
        res("unconnected send", v6 ? put6(s, "x", "::1", port) : put4(s, "x", "127.0.0.1", port));
        sleep_ms(10);
    }
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    res("SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    res("recv", recv(s, b, sizeof b, MSG_DONTWAIT));
    close(s);
    /* Connected to one that lives, sent to one that does not. */
    r2 = v6 ? udp6("::1") : udp4("127.0.0.1");
    open_at(port_of(r2));
    res("connected, sent elsewhere", v6 ? put6(s, "x", "::1", port) : put4(s, "x", "127.0.0.1", port));
    fact("poll: %s", poll_text(s, POLLIN, 40));
    /* Somebody is there again. */
    close(s);
    close(r2);
    open_at(port);
    refuse();
    r2 = v6 ? udp6p("::1", port) : udp4p("127.0.0.1", port);
    res("the old error is still told", send(s, "x", 1, 0));
    res("then it goes", send(s, "here", 4, 0));
    got("received", r2, port_of(s), 0);
    close(r2);
    close(s);
}

int main(void) {
    alarm(8);
    fact("v4");
    all();
    v6 = 1;
    fact("v6");
    all();
    return 0;
}
