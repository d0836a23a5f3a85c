/* recvmmsg: MSG_WAITFORONE, the timeout that is looked at only after each datagram, names, control messages, errors after the first
 * (man 2 recvmmsg, BUGS too). */
#include "dg.h"
enum { N = 6 };

static struct mmsghdr m[N];
static struct iovec v[N];
static char text[N][16], control[N][64];
static struct sockaddr_in from[N];
static int s, r;

static void build(void) {
    memset(m, 0, sizeof m);
    memset(text, 0, sizeof text);
    for (int i = 0; i < N; i++) {
        v[i] = (struct iovec){text[i], 15};
        m[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[0], .msg_iov = &v[i], .msg_iovlen = 1,
                                       .msg_control = control[i], .msg_controllen = sizeof control[i]};
        m[i].msg_len = 77;
    }
}

static void put(int n) {
    for (int i = 0; i < n; i++) send(s, "datagram" + 8 - i - 1, (size_t)i + 1, 0);
    sleep_ms(20);
}

static void tell(int n) {
    for (int i = 0; i < n; i++)
        fact("    %u \"%s\" from %s namelen %d controllen %zu flags %d", m[i].msg_len, text[i], addr_text(SA(&from[i]), port_of(s), 0),
             (int)m[i].msg_hdr.msg_namelen, m[i].msg_hdr.msg_controllen, m[i].msg_hdr.msg_flags);
    if (n < N) fact("    the next is untouched: len %u", m[n].msg_len);
}

static void *later(void *arg) {
    for (int i = 0; i < 2; i++) {
        sleep_ms(150);
        send(s, "late", 4, 0);
    }
    return arg;
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    build();
    res("nothing there, MSG_DONTWAIT", recvmmsg(r, m, N, MSG_DONTWAIT, NULL));
    res("vlen 0", recvmmsg(r, m, 0, 0, NULL));
    put(3);
    build();
    tell((int)res("three there, MSG_DONTWAIT", recvmmsg(r, m, N, MSG_DONTWAIT, NULL)));
    put(4);
    build();
    tell((int)res("four there, vlen 2", recvmmsg(r, m, 2, 0, NULL)));
    build();
    tell((int)res("MSG_WAITFORONE", recvmmsg(r, m, N, MSG_WAITFORONE, NULL)));
    set(r, IPPROTO_IP, IP_RECVTTL, 1);
    put(2);
    build();
    tell((int)res("with a control message each", recvmmsg(r, m, N, MSG_DONTWAIT, NULL)));
    set(r, IPPROTO_IP, IP_RECVTTL, 0);
    put(2);
    build();
    tell((int)res("MSG_PEEK sees the first again and again", recvmmsg(r, m, 3, MSG_PEEK | MSG_DONTWAIT, NULL)));
    build();
    res("they are still there", recvmmsg(r, m, N, MSG_DONTWAIT, NULL));

    struct timespec t = {0, 0};
    put(3);
    build();
    res("timeout 0: one datagram", recvmmsg(r, m, N, 0, &t));
    fact("left %ld.%09ld", (long)t.tv_sec, t.tv_nsec);
    while (recv(r, text[0], 15, MSG_DONTWAIT) >= 0) {}
    pthread_t th;
    build();
    pthread_create(&th, NULL, later, NULL);
    t = (struct timespec){0, 50000000};
    long t0 = now_ms();
    res("timeout 50 ms, the first comes after 150 ms", recvmmsg(r, m, N, 0, &t));
    fact("it waited for the first: %d, left %ld.%09ld", now_ms() - t0 >= 140 && now_ms() - t0 < 1200, (long)t.tv_sec, t.tv_nsec);
    pthread_join(th, NULL);
    recv(r, text[0], 15, MSG_DONTWAIT);
    t = (struct timespec){5, 0};
    put(3);
    build();
    res("timeout 5 s, vlen 3, three there", recvmmsg(r, m, 3, 0, &t));
    fact("left more than 3 s, less than 5: %d", t.tv_sec >= 3 && t.tv_sec < 5);
    t = (struct timespec){0, 1000000000};
    res("1e9 nanoseconds", recvmmsg(r, m, 3, MSG_DONTWAIT, &t));
    t = (struct timespec){-1, 0};
    res("-1 seconds", recvmmsg(r, m, 3, MSG_DONTWAIT, &t));
    res("timeout NULL-like pointer", recvmmsg(r, m, 3, MSG_DONTWAIT, (struct timespec *)8));
    struct timeval tv = {0, 100000};
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    put(2);
    build();
    t0 = now_ms();
    res("SO_RCVTIMEO 100 ms, two of six", recvmmsg(r, m, N, 0, NULL));
    fact("waited 90..1200 ms: %d", now_ms() - t0 >= 90 && now_ms() - t0 < 1200);
    res("and now", recvmmsg(r, m, N, 0, NULL));

    put(3);
    build();
    v[1].iov_base = (void *)8;
    res("the second has bad room", recvmmsg(r, m, N, MSG_DONTWAIT, NULL));
    res("the error waits: SO_ERROR", get(r, SOL_SOCKET, SO_ERROR));
    build();
    res("the rest", recvmmsg(r, m, N, MSG_DONTWAIT, NULL));
    fact("    \"%s\"", text[0]);
    put(1);
    res("bad vector", recvmmsg(r, (struct mmsghdr *)8, 2, MSG_DONTWAIT, NULL));
    build();
    recvmmsg(r, m, N, MSG_DONTWAIT, NULL);

    /* A pending error is told first. */
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    con4(u, "127.0.0.1", free_port());
    send(u, "x", 1, 0);
    poll(&(struct pollfd){u, 0, 0}, 1, 1000);
    build();
    res("pending error", recvmmsg(u, m, N, MSG_DONTWAIT, NULL));
    res("then", recvmmsg(u, m, N, MSG_DONTWAIT, NULL));
    return 0;
}
