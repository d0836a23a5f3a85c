/* Time stamps of a stream (Documentation/networking/timestamping.rst): when a send went on its way and was acknowledged,
 * through the error queue, numbered by its last byte; when bytes came, with recvmsg(2). */
#include "stream.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define REPORT SOF_TIMESTAMPING_SOFTWARE
#define OUT (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK)
#define ONLY (SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY)

static long stamp(int fd, int flags) { return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags); }

/* What one message of the error queue, or of the stream, says; false when there is none within a second. */
static int hear(const char *label, int fd, int flags, size_t room) {
    unsigned char data[400], control[512];
    struct iovec v = {data, room};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = -1;
    for (int i = 0; i < 200 && (n = recvmsg(fd, &h, flags | MSG_DONTWAIT)) < 0; i++) sleep_ms(5);
    if (n < 0) {
        fact("%s: %s", label, ename(errno));
        return 0;
    }
    fact("%s: %zd bytes, flags %x", label, n, (unsigned)h.msg_flags);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
        char what[200] = "";
        if (m->cmsg_level == SOL_SOCKET) {
            struct timespec t[3] = {{0, 0}, {0, 0}, {0, 0}};
            size_t length = m->cmsg_len - CMSG_LEN(0);
            memcpy(t, CMSG_DATA(m), length < sizeof t ? length : sizeof t);
            snprintf(what, sizeof what, "%s%s", t[0].tv_sec >= now.tv_sec - 9 && t[0].tv_sec <= now.tv_sec ? "a moment ago" : "?",
                     t[1].tv_sec || t[2].tv_sec ? ", others" : "");
        } else {
            struct sock_extended_err e;
            memcpy(&e, CMSG_DATA(m), sizeof e);
            sa_family_t family;
            memcpy(&family, CMSG_DATA(m) + sizeof e, sizeof family);
            snprintf(what, sizeof what, "%s origin %d type %d code %d, %s, byte %u, offender's family %d", ename((int)e.ee_errno), e.ee_origin,
                     e.ee_type, e.ee_code, e.ee_info == 0 ? "sent" : e.ee_info == 1 ? "scheduled" : e.ee_info == 2 ? "acknowledged" : "?",
                     e.ee_data, family);
        }
        fact("    level %d type %d length %d: %s", m->cmsg_level, m->cmsg_type, (int)(m->cmsg_len - CMSG_LEN(0)), what);
    }
    if (flags & MSG_ERRQUEUE && n > 0) fact("    ends with \"%.3s\"", data + n - 3);
    return 1;
}

static void none(const char *label, int fd) {
    char b[8];
    struct iovec v = {b, 8};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    res(label, recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT));
}

static void outgoing(int p[2]) {
    int on = 1;
    res("all three", stamp(p[0], REPORT | OUT | SOF_TIMESTAMPING_TX_SCHED | ONLY));
    fact("%s", poll_text(p[0], POLLIN | POLLPRI, 0));
    send(p[0], "hello", 5, 0);
    fact("%s, SO_ERROR %s", poll_text(p[0], POLLIN | POLLPRI, 1000), so_error(p[0]));
    for (int i = 0; i < 3; i++) hear("queue", p[0], MSG_ERRQUEUE, 100);
    none("no more", p[0]);
    fact("%s", poll_text(p[0], POLLIN | POLLPRI, 0));
    setsockopt(p[0], SOL_SOCKET, SO_SELECT_ERR_QUEUE, &on, sizeof on);
    send(p[0], "world!", 6, 0);
    fact("SO_SELECT_ERR_QUEUE: %s", poll_text(p[0], POLLIN | POLLPRI, 1000));
    for (int i = 0; i < 3; i++) hear("queue", p[0], MSG_ERRQUEUE, 100);

    res("with the data", stamp(p[0], REPORT | OUT));
    send(p[0], "not only", 8, 0);
    for (int i = 0; i < 2; i++) hear("queue", p[0], MSG_ERRQUEUE, 400);
    send(p[0], "too long for it", 15, 0);
    for (int i = 0; i < 2; i++) hear("room for 9", p[0], MSG_ERRQUEUE, 9);
    res("the error queue alone", stamp(p[0], OUT | ONLY));
    send(p[0], "ab", 2, 0);
    for (int i = 0; i < 2; i++) hear("not reported", p[0], MSG_ERRQUEUE, 100);

    res("by the message", stamp(p[0], REPORT | ONLY));
    char c[CMSG_SPACE(4)] = {0};
    struct iovec v = {"abcd", 4};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    m->cmsg_level = SOL_SOCKET;
    m->cmsg_type = SO_TIMESTAMPING;
    m->cmsg_len = CMSG_LEN(4);
    *(int *)CMSG_DATA(m) = SOF_TIMESTAMPING_TX_SOFTWARE;
    res("sendmsg", sendmsg(p[0], &h, 0));
    hear("queue", p[0], MSG_ERRQUEUE, 100);
    *(int *)CMSG_DATA(m) = SOF_TIMESTAMPING_RX_SOFTWARE;
    res("sendmsg, not about sending", sendmsg(p[0], &h, 0));
    m->cmsg_type = 81;
    res("sendmsg, SCM_TS_OPT_ID", sendmsg(p[0], &h, 0));
    send(p[0], "plain", 5, 0);
    none("none for the next", p[0]);

    /* The two go out in one segment. */
    res("again", stamp(p[0], REPORT | OUT | ONLY));
    send(p[0], "aa", 2, MSG_MORE);
    send(p[0], "bbb", 3, 0);
    for (int i = 0; i < 2; i++) hear("MSG_MORE", p[0], MSG_ERRQUEUE, 100);
    none("no more", p[0]);
    stamp(p[0], 0);
    res("numbers begin anew", stamp(p[0], REPORT | OUT | ONLY | (1 << 16)));
    send(p[0], "ccc", 3, 0);
    for (int i = 0; i < 2; i++) hear("queue", p[0], MSG_ERRQUEUE, 100);
    char rest[200];
    while (recv(p[1], rest, sizeof rest, MSG_DONTWAIT) > 0) {}
}

/* What the far end's buffer has no room for was not sent. */
static void later(void) {
    int p[2], small = 65536;
    static char big[400000], sink[400000];
    tcp_pair(p);
    setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    nonblock(p[0], 1);
    while (send(p[0], big, sizeof big, 0) > 0) {}
    stamp(p[0], REPORT | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_TSONLY);
    small = 4 << 20;
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    fact("one more goes in: %d", send(p[0], "x", 1, 0) == 1);
    fact("a full buffer: %s", poll_text(p[0], POLLPRI, 50));
    none("nothing yet", p[0]);
    for (int i = 0; i < 400 && poll_text(p[0], POLLPRI, 5)[0] == 'n'; i++)
        while (recv(p[1], sink, sizeof sink, MSG_DONTWAIT) > 0) {}
    fact("when it was read: %s", poll_text(p[0], POLLPRI, 1000));
    hear("queue", p[0], MSG_ERRQUEUE, 100);
    close(p[0]);
    close(p[1]);
}

static void incoming(int p[2]) {
    static const struct { const char *name; int option; } by[] = {{"SO_TIMESTAMP", SO_TIMESTAMP}, {"SO_TIMESTAMPNS", SO_TIMESTAMPNS},
        {"SO_TIMESTAMP_NEW", 63}, {"SO_TIMESTAMPNS_NEW", 64}};
    int on = 1, off = 0;
    for (unsigned i = 0; i < sizeof by / sizeof *by; i++) {
        res(by[i].name, setsockopt(p[1], SOL_SOCKET, by[i].option, &on, sizeof on));
        /* The kernel starts to stamp a moment after the first socket asks. */
        sleep_ms(30);
        send(p[0], "xy", 2, 0);
        hear("peeked", p[1], MSG_PEEK, 1);
        hear("taken", p[1], 0, 10);
    }
    setsockopt(p[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
    setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &on, sizeof on);
    res("SO_TIMESTAMPING", stamp(p[1], SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE));
    send(p[0], "x", 1, 0);
    await(p[1], POLLIN);
    char b[8], c[200];
    struct iovec v = {b, 8};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    res("with TCP_INQ", recvmsg(p[1], &h, 0));
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) fact("    level %d type %d", m->cmsg_level, m->cmsg_type);
    setsockopt(p[1], IPPROTO_TCP, TCP_INQ, &off, sizeof off);
    setsockopt(p[1], SOL_SOCKET, SO_TIMESTAMP, &off, sizeof off);
    send(p[0], "x", 1, 0);
    hear("SO_TIMESTAMPING alone", p[1], 0, 10);

    /* The time is that at which the last byte came, not that of reading. */
    struct timespec before, after, t;
    send(p[0], "1", 1, 0);
    await(p[1], POLLIN);
    sleep_ms(60);
    clock_gettime(CLOCK_REALTIME, &before);
    send(p[0], "2", 1, 0);
    clock_gettime(CLOCK_REALTIME, &after);
    sleep_ms(60);
    h.msg_controllen = sizeof c;
    res("both", recvmsg(p[1], &h, 0));
    memcpy(&t, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof t);
    long long at = t.tv_sec * 1000000000LL + t.tv_nsec, low = before.tv_sec * 1000000000LL + before.tv_nsec;
    /* A few microseconds are the clocks'. */
    fact("at the second one's time: %d", at > low - 50000 && at < after.tv_sec * 1000000000LL + after.tv_nsec + 50000);
    struct timeval tv;
    res("SIOCGSTAMP", ioctl(p[1], 0x8906, &tv));
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    h.msg_controllen = sizeof c;
    res("the end", recvmsg(p[1], &h, 0));
    fact("control data %zu", h.msg_controllen);
}

int main(void) {
    alarm(8);
    int p[2], q[2];
    tcp_pair(p);
    outgoing(p);
    incoming(p);
    later();
    struct sockaddr_in6 a;
    int l = listener6(&a, 2);
    q[0] = socket(AF_INET6, SOCK_STREAM, 0);
    res("not connected, numbered", stamp(q[0], REPORT | OUT | ONLY));
    must("connect", connect(q[0], (struct sockaddr *)&a, sizeof a));
    q[1] = accept(l, NULL, NULL);
    stamp(q[0], REPORT | OUT);
    send(q[0], "six", 3, 0);
    for (int i = 0; i < 2; i++) hear("IPv6", q[0], MSG_ERRQUEUE, 400);
    close(q[1]);
    return 0;
}
