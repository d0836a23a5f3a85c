/* SO_TIMESTAMP and its kin: one style at a time, what is read back, and the control messages that come with a
 * datagram (man 7 socket; Documentation/networking/timestamping). */
#include "opt.h"
#include <linux/net_tstamp.h>

static void read_all(const char *label, int fd) {
    fact("%s: SO_TIMESTAMP %s, SO_TIMESTAMPNS %s, new style %s, new style ns %s", label, opt_get(fd, SOL_SOCKET, 29),
         opt_get(fd, SOL_SOCKET, 35),
         opt_get(fd, SOL_SOCKET, 63), opt_get(fd, SOL_SOCKET, 64));
}

/* Sends itself a datagram and lists the control messages that come with it. Stamping of packets is switched on a
 * moment after the option, so where a message is awaited (tries above 1) a datagram without one is followed by
 * another. */
static void deliver_within(const char *label, int fd, int tries) {
    struct sockaddr_in a = in4("127.0.0.1", port_of(fd));
    union { char b[256]; struct cmsghdr h; } c;
    char d[8], line[300];
    struct iovec v = {d, sizeof d};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = sizeof c};
    do {
        m.msg_controllen = sizeof c;
        must("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
        must("recvmsg", recvmsg(fd, &m, 0));
        if (m.msg_controllen == 0 && tries > 1) sleep_ms(20);
    } while (m.msg_controllen == 0 && --tries > 0);
    int p = snprintf(line, sizeof line, "%s:", label);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        /* All of them begin with seconds as a 64-bit number. */
        int64_t sec = 0;
        memcpy(&sec, CMSG_DATA(h), sizeof sec);
        p += snprintf(line + p, sizeof line - (size_t)p, " level %d type %d length %d, near now %s;", h->cmsg_level,
                      h->cmsg_type, (int)h->cmsg_len,
                      llabs((long long)(sec - time(NULL))) <= 5 ? "yes" : "no");
    }
    fact("%s flags %d", line, m.msg_flags);
}

static void deliver(const char *label, int fd) { deliver_within(label, fd, 1); }

int main(void) {
    alarm(8);
    int fd = opt_socket(2);
    struct sockaddr_in z = in4("127.0.0.1", 0);
    must("bind", bind(fd, (struct sockaddr *)&z, sizeof z));
    read_all("at first", fd);
    deliver("nothing asked", fd);
    static const struct { const char *name; int opt; } t[] = {{"SO_TIMESTAMP", 29}, {"SO_TIMESTAMPNS", 35},
        {"SO_TIMESTAMP_NEW", 63}, {"SO_TIMESTAMPNS_NEW", 64}};
    for (int i = 0; i < 4; i++) {
        char l[64];
        must("set", opt_set(fd, SOL_SOCKET, t[i].opt, 1));
        snprintf(l, sizeof l, "%s on", t[i].name);
        read_all(l, fd);
        deliver(l, fd);
        /* Switching another style off switches this one off. */
        must("set", opt_set(fd, SOL_SOCKET, t[(i + 1) % 4].opt, 0));
        snprintf(l, sizeof l, "%s off", t[(i + 1) % 4].name);
        read_all(l, fd);
    }
    deliver("all off", fd);
    must("set", opt_set(fd, SOL_SOCKET, 29, 1));
    must("set", opt_set(fd, SOL_SOCKET, 35, 1));
    read_all("one after the other", fd);
    deliver("one after the other", fd);
    must("set", opt_set(fd, SOL_SOCKET, 35, 0));

    static const struct opt_row rows[] = {{O(SO_TIMESTAMPING), ALL, {-1, 0, 1, 8, 16, 64, 24, 127, 1 << 20, END}}};
    opt_table(SOL_SOCKET, rows, 1);
    must("set", opt_set(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE));
    deliver_within("SO_TIMESTAMPING software", fd, 75);
    must("set", opt_set(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE));
    deliver("SO_TIMESTAMPING without reporting", fd);
    must("set", opt_set(fd, SOL_SOCKET, SO_TIMESTAMPING, 0));
    deliver("SO_TIMESTAMPING off", fd);
    /* A dup receives by the same rule: the option belongs to the socket. */
    must("set", opt_set(fd, SOL_SOCKET, SO_TIMESTAMP, 1));
    int d = dup(fd);
    close(fd);
    deliver("a dup", d);
    /* recv has no room for it and does not mind. */
    z = in4("127.0.0.1", port_of(d));
    char b[8];
    must("sendto", sendto(d, "x", 1, 0, (struct sockaddr *)&z, sizeof z));
    res("plain recv", recv(d, b, sizeof b, 0));
    struct iovec v = {b, sizeof b};
    char small[20];
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = small, .msg_controllen = sizeof small};
    must("sendto", sendto(d, "x", 1, 0, (struct sockaddr *)&z, sizeof z));
    res("recvmsg with control too small", recvmsg(d, &m, 0));
    fact("MSG_CTRUNC %s, control length after %d", m.msg_flags & MSG_CTRUNC ? "yes" : "no", (int)m.msg_controllen);
    m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1};
    must("sendto", sendto(d, "x", 1, 0, (struct sockaddr *)&z, sizeof z));
    res("recvmsg without control", recvmsg(d, &m, 0));
    fact("MSG_CTRUNC %s", m.msg_flags & MSG_CTRUNC ? "yes" : "no");
    return 0;
}
