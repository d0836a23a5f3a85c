/* shutdown of a datagram socket: allowed when connected, ENOTCONN when not (with an effect all the same on Linux); what poll,
 * receive and send say afterwards (man 2 shutdown, man 2 send: EPIPE). */
#include "dg.h"

static volatile int pipes;

static void on_pipe(int sig) { (void)sig, pipes++; }

static void state(const char *label, int fd) {
    char b[16];
    short want = POLLIN | POLLOUT | POLLRDHUP;
    fact("%s: poll %s", label, poll_text(fd, want, 0));
    res("    recv, MSG_DONTWAIT", recv(fd, b, sizeof b, MSG_DONTWAIT));
    struct timeval tv = {0, 60000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    res("    recv, waiting 60 ms", recv(fd, b, sizeof b, 0));
    res("    read", read(fd, b, sizeof b));
}

static void pair(int *a, int *b) {
    *a = udp4("127.0.0.1"), *b = udp4("127.0.0.1");
    con4(*a, "127.0.0.1", port_of(*b));
    con4(*b, "127.0.0.1", port_of(*a));
}

int main(void) {
    alarm(8);
    int a, b;
    char buf[16];
    signal(SIGPIPE, on_pipe);
    pair(&a, &b);
    state("open", a);
    res("how 3", shutdown(a, 3));
    res("how -1", shutdown(a, -1));
    send(b, "before", 6, 0);
    wait_in(a);
    res("SHUT_RD", shutdown(a, SHUT_RD));
    fact("with one queued: poll %s", poll_text(a, POLLIN | POLLOUT | POLLRDHUP, 0));
    got("what was queued", a, port_of(b), 0);
    state("SHUT_RD", a);
    res("the peer sends", send(b, "after", 5, 0));
    got("it arrives", a, port_of(b), 0);
    fact("peer: SO_ERROR %ld poll %s", get(b, SOL_SOCKET, SO_ERROR), poll_text(b, POLLIN | POLLOUT | POLLRDHUP, 0));
    res("sending still goes", send(a, "x", 1, 0));
    got("at the peer", b, port_of(a), 0);
    res("SHUT_RD again", shutdown(a, SHUT_RD));

    res("SHUT_WR", shutdown(a, SHUT_WR));
    state("SHUT_RD and SHUT_WR", a);
    res("send", send(a, "x", 1, 0));
    res("write", write(a, "x", 1));
    res("sendto", put4(a, "x", "127.0.0.1", port_of(b)));
    res("send MSG_NOSIGNAL", send(a, "x", 1, MSG_NOSIGNAL));
    res("send of nothing", send(a, "", 0, 0));
    fact("SIGPIPE %d times", pipes);
    quiet("nothing at the peer", b);
    res("connect does not open it again", con4(a, "127.0.0.1", port_of(b)));
    res("send", send(a, "x", 1, 0));
    res("disconnect", discon(a));
    res("sendto", put4(a, "x", "127.0.0.1", port_of(b)));
    fact("poll %s", poll_text(a, POLLIN | POLLOUT | POLLRDHUP, 0));
    peer("peer", a, 0, 0);
    close(a), close(b);

    pair(&a, &b);
    res("SHUT_WR only", shutdown(a, SHUT_WR));
    state("SHUT_WR", a);
    res("send", send(a, "x", 1, 0));
    send(b, "in", 2, 0);
    got("receiving goes on", a, port_of(b), 0);
    fact("peer is not told: poll %s", poll_text(b, POLLIN | POLLOUT | POLLRDHUP, 20));
    close(a), close(b);

    pair(&a, &b);
    res("SHUT_RDWR", shutdown(a, SHUT_RDWR));
    state("SHUT_RDWR", a);
    peer("still has a peer", a, port_of(b), 0);
    close(a), close(b);

    a = udp4("127.0.0.1"), b = udp4("127.0.0.1");
    res("unconnected, SHUT_RD", shutdown(a, SHUT_RD));
    state("unconnected after SHUT_RD", a);
    put4(b, "hello", "127.0.0.1", port_of(a));
    got("it hears", a, port_of(b), 0);
    res("unconnected, SHUT_WR", shutdown(a, SHUT_WR));
    res("sendto", put4(a, "x", "127.0.0.1", port_of(b)));
    fact("poll %s", poll_text(a, POLLIN | POLLOUT | POLLRDHUP, 0));
    close(a);
    a = socket(AF_INET, SOCK_DGRAM, 0);
    res("fresh, SHUT_RDWR", shutdown(a, SHUT_RDWR));
    fact("poll %s", poll_text(a, POLLIN | POLLOUT | POLLRDHUP, 0));
    close(a);
    a = socket(AF_INET6, SOCK_DGRAM, 0);
    res("fresh v6, SHUT_RDWR", shutdown(a, SHUT_RDWR));
    fact("poll %s", poll_text(a, POLLIN | POLLOUT | POLLRDHUP, 0));
    close(a), close(b);

    /* It wakes one that sleeps in recv or in poll. */
    for (int i = 0; i < 2; i++) {
        pair(&a, &b);
        pid_t pid = fork();
        if (pid == 0) {
            sleep_ms(80);
            shutdown(a, SHUT_RDWR);
            _exit(0);
        }
        long t = now_ms();
        if (i) fact("sleeping poll: %s", poll_text(a, POLLIN, 3000));
        else res("sleeping recv", recv(a, buf, sizeof buf, 0));
        fact("woke within 2000 ms: %d", now_ms() - t < 2000);
        reap("child", pid);
        close(a), close(b);
    }
    return 0;
}
