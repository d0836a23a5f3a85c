/* The time of arrival: SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING in software, SIOCGSTAMP (man 7 socket; the kernel's
 * Documentation/networking/timestamping.rst). */
#include "cmsg.h"
#include <linux/sockios.h>

static int s, r, sp;

static long long ns(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }

/* The times of two datagrams, read 120 ms after the first came: the time is that of arrival, not of reading. */
static void arrival(void) {
    struct timespec before, after, t[2];
    clock_gettime(CLOCK_REALTIME, &before);
    put4(s, "1", "127.0.0.1", port_of(r));
    wait_in(r);
    clock_gettime(CLOCK_REALTIME, &after);
    sleep_ms(120);
    put4(s, "2", "127.0.0.1", port_of(r));
    sleep_ms(60);
    for (int i = 0; i < 2; i++) {
        char d[8], c[128];
        struct iovec v = {d, 8};
        struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
        if (!wait_in(r) || recvmsg(r, &h, 0) < 0 || !CMSG_FIRSTHDR(&h)) {
            fact("no time stamp");
            return;
        }
        memcpy(&t[i], CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof t[i]);
    }
    long long gap = (ns(&t[1]) - ns(&t[0])) / 1000000;
    fact("the first between its sending and its being ready: %d, 100..1500 ms between the two: %d",
         ns(&t[0]) >= ns(&before) && ns(&t[0]) <= ns(&after), gap >= 100 && gap < 1500);
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1"), sp = port_of(s);
    int p = port_of(r);
    struct timeval tv;
    struct timespec ts;
    res("SIOCGSTAMP before any", ioctl(r, SIOCGSTAMP, &tv));
    put4(s, "x", "127.0.0.1", p);
    got("received", r, sp, 0);
    fact("SO_TIMESTAMP %ld", get(r, SOL_SOCKET, SO_TIMESTAMP));
    res("SO_TIMESTAMP 1", set(r, SOL_SOCKET, SO_TIMESTAMP, 1));
    fact("SO_TIMESTAMP %ld SO_TIMESTAMPNS %ld", get(r, SOL_SOCKET, SO_TIMESTAMP), get(r, SOL_SOCKET, SO_TIMESTAMPNS));
    put4(s, "x", "127.0.0.1", p);
    show("SO_TIMESTAMP", r, 512, 0, sp, 0);
    res("SO_TIMESTAMPNS 1", set(r, SOL_SOCKET, SO_TIMESTAMPNS, 1));
    fact("SO_TIMESTAMP %ld SO_TIMESTAMPNS %ld", get(r, SOL_SOCKET, SO_TIMESTAMP), get(r, SOL_SOCKET, SO_TIMESTAMPNS));
    put4(s, "x", "127.0.0.1", p);
    show("SO_TIMESTAMPNS", r, 512, 0, sp, 0);
    sleep_ms(30);
    arrival();
    put4(s, "x", "127.0.0.1", p);
    show("peeked", r, 512, MSG_PEEK, sp, 0);
    show("taken", r, 512, 0, sp, 0);
    res("SIOCGSTAMP with SO_TIMESTAMPNS on", ioctl(r, SIOCGSTAMP, &tv));
    res("SO_TIMESTAMP 0", set(r, SOL_SOCKET, SO_TIMESTAMP, 0));
    fact("SO_TIMESTAMP %ld SO_TIMESTAMPNS %ld", get(r, SOL_SOCKET, SO_TIMESTAMP), get(r, SOL_SOCKET, SO_TIMESTAMPNS));
    put4(s, "x", "127.0.0.1", p);
    show("off", r, 512, 0, sp, 0);
    close(r);

    r = udp4("127.0.0.1"), p = port_of(r);
    put4(s, "x", "127.0.0.1", p);
    got("received", r, sp, 0);
    res("SIOCGSTAMP", ioctl(r, SIOCGSTAMP, &tv));
    put4(s, "y", "127.0.0.1", p);
    got("received", r, sp, 0);
    clock_gettime(CLOCK_REALTIME, &ts);
    res("SIOCGSTAMP after the next", ioctl(r, SIOCGSTAMP, &tv));
    fact("within the last 5 s: %d", tv.tv_sec <= ts.tv_sec && tv.tv_sec >= ts.tv_sec - 5);
    res("SIOCGSTAMPNS", ioctl(r, SIOCGSTAMPNS, &ts));
    fact("the same second: %d", ts.tv_sec == tv.tv_sec);
    close(r);

    r = udp4("127.0.0.1"), p = port_of(r);
    res("SO_TIMESTAMPING", get(r, SOL_SOCKET, SO_TIMESTAMPING));
    int f = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    res("SO_TIMESTAMPING rx software", set(r, SOL_SOCKET, SO_TIMESTAMPING, f));
    fact("is %s", get(r, SOL_SOCKET, SO_TIMESTAMPING) == f ? "the same" : "other");
    /* The kernel starts to stamp a moment after the first socket asks. */
    sleep_ms(100);
    put4(s, "x", "127.0.0.1", p);
    show("SO_TIMESTAMPING", r, 512, 0, sp, 0);
    set(r, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    put4(s, "x", "127.0.0.1", p);
    show("with SO_TIMESTAMPNS", r, 512, 0, sp, 0);
    set(r, SOL_SOCKET, SO_TIMESTAMPNS, 0);
    res("generation without reporting", set(r, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE));
    put4(s, "x", "127.0.0.1", p);
    show("gives none", r, 512, 0, sp, 0);
    res("unknown bits", set(r, SOL_SOCKET, SO_TIMESTAMPING, 1 << 30));
    res("with 3 bytes", setsockopt(r, SOL_SOCKET, SO_TIMESTAMPING, &f, 3));

    /* A time stamp of sending comes back through the error queue, with the datagram. */
    res("tx software", set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                           SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID));
    put4(s, "tx", "127.0.0.1", p);
    fact("sender: %s", poll_text(s, POLLIN, 1000));
    char d[64], c[256];
    struct iovec v = {d, 64};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    res("error queue", recvmsg(s, &h, MSG_ERRQUEUE));
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
        if (m->cmsg_level == SOL_SOCKET) cmsg_fact(m, 0, 0);
        else fact("    level %d type %d: %s origin %d info %u data %u", m->cmsg_level, m->cmsg_type, ename(*(int *)CMSG_DATA(m)),
                  CMSG_DATA(m)[4], *(unsigned *)(CMSG_DATA(m) + 8), *(unsigned *)(CMSG_DATA(m) + 12));
    }
    return 0;
}
