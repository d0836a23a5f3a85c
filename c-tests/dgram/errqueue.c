/* The error queue (`man 7 ip` IP_RECVERR, `man 2 recv` MSG_ERRQUEUE; the kernel's timestamping.rst): time stamps of sent
 * datagrams in software, errors of several sends, what order they come in, what is cut, and what poll says. */
#include "dg.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <time.h>

static void queue(const char *label, int fd, size_t room, size_t control_room, int flags) {
    char control[400], data[200];
    struct sockaddr_storage from;
    memset(&from, 0, sizeof from);
    struct iovec v = {data, room};
    struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = control_room};
    ssize_t r = recvmsg(fd, &h, MSG_ERRQUEUE | flags);
    if (r < 0) {
        fact("%s: %s", label, ename(errno));
        return;
    }
    fact("%s: %zd bytes '%.*s', name length %u family %u, flags%s%s%s, control %zu", label, r, (int)(r < (ssize_t)room ? r : (ssize_t)room), data, h.msg_namelen, from.ss_family,
         h.msg_flags & MSG_ERRQUEUE ? " ERRQUEUE" : "", h.msg_flags & MSG_TRUNC ? " TRUNC" : "", h.msg_flags & MSG_CTRUNC ? " CTRUNC" : "", (size_t)h.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec t[3], now;
            memcpy(t, CMSG_DATA(c), sizeof t);
            clock_gettime(CLOCK_REALTIME, &now);
            long ago = now.tv_sec - t[0].tv_sec;
            fact("  stamp: %s, others %s", ago >= 0 && ago < 10 ? "now" : "?", t[1].tv_sec || t[2].tv_sec ? "set" : "0");
        } else if (c->cmsg_len >= CMSG_LEN(16)) {
            struct sock_extended_err *e = (void *)CMSG_DATA(c);
            struct sockaddr *o = SO_EE_OFFENDER(e);
            fact("  level %d type %d length %zu: errno %s origin %u type %u code %u info %u data %u offender family %d", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len,
                 ename((int)e->ee_errno), e->ee_origin, e->ee_type, e->ee_code, e->ee_info, e->ee_data, o->sa_family);
        } else fact("  level %d type %d length %zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
    }
}

int main(void) {
    alarm(8);
    for (int six = 0; six < 2; six++) {
        int r = six ? udp6("::1") : udp4("127.0.0.1"), s = six ? udp6("::1") : udp4("127.0.0.1"), port = port_of(r);
        fact("%s", six ? "v6" : "v4");
        must("connect", six ? con6(s, "::1", port) : con4(s, "127.0.0.1", port));
        int f = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;
        res("stamps with numbers", set(s, SOL_SOCKET, SO_TIMESTAMPING, f));
        res("send", send(s, "one", 3, 0));
        res("send", send(s, "two", 3, 0));
        fact("poll %s", poll_text(s, POLLIN | POLLOUT | POLLPRI, 1000));
        queue("first", s, 100, 400, 0);
        queue("second", s, 100, 400, 0);
        queue("no more", s, 100, 400, 0);
        fact("poll %s", poll_text(s, POLLIN | POLLOUT, 0));
        res("send", send(s, "cut", 3, 0));
        queue("little room", s, 5, 400, 0);
        res("send", send(s, "no control", 10, 0));
        queue("no control", s, 100, 0, 0);
        res("only the stamp", set(s, SOL_SOCKET, SO_TIMESTAMPING, f | SOF_TIMESTAMPING_OPT_TSONLY));
        res("send", send(s, "three", 5, 0));
        queue("only the stamp", s, 100, 400, 0);
        res("scheduled too", set(s, SOL_SOCKET, SO_TIMESTAMPING, f | SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_TX_SCHED));
        res("send", send(s, "four", 4, 0));
        queue("scheduled", s, 100, 400, 0);
        queue("sent", s, 100, 400, 0);
        res("not reported", set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE));
        res("send", send(s, "five", 4, 0));
        queue("not reported", s, 100, 400, 0);
        res("off", set(s, SOL_SOCKET, SO_TIMESTAMPING, 0));
        res("send", send(s, "six", 3, 0));
        queue("off", s, 100, 400, 0);
        /* Asked for with one datagram. */
        res("reports only", set(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE));
        char control[CMSG_SPACE(4)];
        memset(control, 0, sizeof control);
        struct iovec v = {"seven", 5};
        struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_TIMESTAMPING};
        uint32_t ask = SOF_TIMESTAMPING_TX_SOFTWARE;
        memcpy(CMSG_DATA(c), &ask, 4);
        res("sendmsg", sendmsg(s, &h, 0));
        queue("one datagram's", s, 100, 400, 0);
        res("off", set(s, SOL_SOCKET, SO_TIMESTAMPING, 0));
        close(r);

        /* Errors, with and without the queue. */
        set(s, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, 1);
        set(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
        res("send to nobody", send(s, "lost", 4, 0));
        fact("poll %s", poll_text(s, POLLIN | POLLPRI, 1000));
        res("next send tells", send(s, "lost2", 5, 0));
        int e = -1;
        socklen_t l = sizeof e;
        getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &l);
        fact("SO_ERROR %s", ename(e));
        queue("peek", s, 100, 400, MSG_PEEK);
        queue("error", s, 100, 400, 0);
        queue("no more", s, 100, 400, 0);
        res("send", send(s, "lost3", 5, 0));
        sleep_ms(10);
        res("recv tells", recv(s, control, sizeof control, MSG_DONTWAIT));
        queue("cut", s, 2, 400, 0);
        res("send", send(s, "lost4", 5, 0));
        sleep_ms(10);
        set(s, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, 0);
        queue("emptied when off", s, 100, 400, 0);
        l = sizeof e;
        getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &l);
        fact("SO_ERROR %s", ename(e));
        close(s);
    }
    return 0;
}
