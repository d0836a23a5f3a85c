/* sendmmsg: how many were sent, msg_len of each, what an error after the first does (man 2 sendmmsg). */
#include "dg.h"
enum { N = 8 };

static struct mmsghdr m[1100];
static struct iovec v[1100];
static char text[N][16];
static struct sockaddr_in to[N];
static int s, r, rp;

static void build(int n) {
    memset(m, 0, sizeof m);
    for (int i = 0; i < n; i++) {
        snprintf(text[i % N], 16, "%.*s", i % N + 1, "message8");
        v[i] = (struct iovec){text[i % N], strlen(text[i % N])};
        to[i % N] = in4("127.0.0.1", rp);
        m[i].msg_hdr = (struct msghdr){.msg_name = &to[i % N], .msg_namelen = sizeof to[0], .msg_iov = &v[i], .msg_iovlen = 1};
        m[i].msg_len = 77;
    }
}

static int drain(void) {
    int n = 0;
    char b[64];
    for (sleep_ms(20); recv(r, b, sizeof b, MSG_DONTWAIT) >= 0; n++) {}
    return n;
}

static void lens(const char *label, int n) {
    fact("%s: msg_len %u %u %u %u, received %d", label, m[0].msg_len, m[1].msg_len, m[2].msg_len, m[n - 1].msg_len, drain());
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), rp = port_of(r), s = udp4("127.0.0.1");
    build(N);
    res("eight", sendmmsg(s, m, N, 0));
    for (int i = 0; i < N; i++) got("received", r, port_of(s), 0);
    fact("msg_len of the last %u", m[N - 1].msg_len);
    build(N);
    res("vlen 0", sendmmsg(s, m, 0, 0));
    res("vlen 3", sendmmsg(s, m, 3, 0));
    lens("three", 4);

    build(N);
    to[0].sin_port = 0;
    res("the first has port 0", sendmmsg(s, m, N, 0));
    lens("first bad", N);
    res("SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    build(N);
    to[2].sin_port = 0;
    res("the third has port 0", sendmmsg(s, m, N, 0));
    lens("third bad", N);
    res("the error is gone: SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    res("next send", put4(s, "x", "127.0.0.1", rp));
    drain();
    build(N);
    static char big[66000];
    v[1] = (struct iovec){big, sizeof big};
    res("the second is too large", sendmmsg(s, m, N, 0));
    lens("second too large", N);
    build(N);
    m[1].msg_hdr.msg_name = NULL, m[1].msg_hdr.msg_namelen = 0;
    res("the second has no destination", sendmmsg(s, m, N, 0));
    lens("second without destination", N);
    build(N);
    m[3].msg_hdr.msg_iov = (struct iovec *)8;
    res("the fourth has a bad iovec", sendmmsg(s, m, N, 0));
    lens("fourth bad", N);
    build(N);
    v[0].iov_base = (void *)8;
    res("the first has bad data", sendmmsg(s, m, N, 0));
    lens("first bad data", N);
    res("bad vector", sendmmsg(s, (struct mmsghdr *)8, 2, 0));
    res("bad vector of 0", sendmmsg(s, (struct mmsghdr *)8, 0, 0));
    res("bad descriptor", sendmmsg(-1, m, 2, 0));
    int pi[2];
    must("pipe", pipe(pi));
    res("not a socket", sendmmsg(pi[1], m, 2, 0));

    /* More than UIO_MAXIOV: 1024 are sent at most. A queue as large as that is not to be had, so each goes to a port of nobody. */
    int u = socket(AF_INET, SOCK_DGRAM, 0), nobody = free_port();
    build(1100);
    for (int i = 0; i < N; i++) to[i] = in4("127.0.0.1", nobody);
    res("vlen 1100", sendmmsg(u, m, 1100, 0));
    fact("msg_len 1023: %u, 1024: %u", m[1023].msg_len, m[1024].msg_len);

    /* A connected one whose peer is not there: the error of the first comes before a later one. */
    build(N);
    for (int i = 0; i < N; i++) m[i].msg_hdr.msg_name = NULL, m[i].msg_hdr.msg_namelen = 0;
    con4(u, "127.0.0.1", nobody);
    send(u, "x", 1, 0);
    poll(&(struct pollfd){u, 0, 0}, 1, 1000);
    res("pending error", sendmmsg(u, m, 1, 0));
    con4(u, "127.0.0.1", rp);
    res("connected, without names", sendmmsg(u, m, N, MSG_DONTWAIT));
    lens("connected", N);
    /* Different destinations in one call. */
    int r2 = udp4("127.0.0.1");
    build(4);
    to[1] = to[3] = in4("127.0.0.1", port_of(r2));
    res("two destinations", sendmmsg(s, m, 4, 0));
    got("at one", r, port_of(s), 0);
    got("at one", r, port_of(s), 0);
    got("at the other", r2, port_of(s), 0);
    got("at the other", r2, port_of(s), 0);
    return 0;
}
