/* IP_RECVERR and IPV6_RECVERR: errors are queued, with what was sent and where to, and read with MSG_ERRQUEUE
 * (man 7 ip: IP_RECVERR, struct sock_extended_err; man 2 recv: MSG_ERRQUEUE). */
#include "dg.h"
#include <linux/errqueue.h>

static int s, v6;

static void errq(const char *label, size_t room, size_t croom) {
    char b[64] = "", c[512] = "";
    struct sockaddr_storage to;
    struct iovec v = {b, room};
    struct msghdr h = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c,
                       .msg_controllen = croom};
    memset(&to, 0, sizeof to);
    long n = recvmsg(s, &h, MSG_ERRQUEUE);
    if (n < 0) {
        fact("%s: -1 %s", label, ename(errno));
        return;
    }
    fact("%s: %ld \"%s\" was sent to %s len %d, flags%s%s%s", label, n, b, h.msg_namelen ? addr_text(SA(&to), 0, 0) : "-",
         (int)h.msg_namelen, h.msg_flags & MSG_ERRQUEUE ? " ERRQUEUE" : "", h.msg_flags & MSG_TRUNC ? " TRUNC" : "",
         h.msg_flags & MSG_CTRUNC ? " CTRUNC" : "");
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
        struct sock_extended_err e;
        memcpy(&e, CMSG_DATA(m), sizeof e);
        int is = (m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_RECVERR) ||
                 (m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_RECVERR);
        if (!is) {
            fact("    cmsg %d/%d", m->cmsg_level, m->cmsg_type);
            continue;
        }
        fact("    %s len %d: %s origin %d type %d code %d info %u data %u",
             m->cmsg_level == IPPROTO_IP ? "IP_RECVERR" : "IPV6_RECVERR", (int)(m->cmsg_len - CMSG_LEN(0)), ename((int)e.ee_errno),
             e.ee_origin, e.ee_type, e.ee_code, e.ee_info, e.ee_data);
        struct sockaddr *off = SO_EE_OFFENDER((struct sock_extended_err *)CMSG_DATA(m));
        fact("    offender %s", off->sa_family ? addr_text(off, 0, 0) : "none");
    }
}

static long put(const char *t, int port) { return v6 == 1 ? put6(s, t, "::1", port)
                                                 : v6 == 2 ? put6(s, t, "::ffff:127.0.0.1", port) : put4(s, t, "127.0.0.1", port); }

static void settle(void) { poll(&(struct pollfd){s, 0, 0}, 1, 1000); }

static void all(void) {
    char b[32];
    int port = free_port();
    s = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, opt = v6 ? IPV6_RECVERR : IP_RECVERR;
    res("default", get(s, level, opt));
    res("on", set(s, level, opt, 1));
    if (v6 == 2) res("IP_RECVERR too", set(s, IPPROTO_IP, IP_RECVERR, 1));
    errq("empty error queue", 32, 512);
    res("unconnected send", put("hello", port));
    settle();
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    res("a datagram recv takes the error only", recv(s, b, 32, MSG_DONTWAIT));
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    res("recv", recv(s, b, 32, MSG_DONTWAIT));
    errq("error queue", 32, 512);
    fact("poll: %s", poll_text(s, POLLIN | POLLOUT, 0));
    errq("again", 32, 512);

    put("hello", port);
    settle();
    errq("error queue first", 32, 512);
    fact("clears SO_ERROR: %ld, poll %s", get(s, SOL_SOCKET, SO_ERROR), poll_text(s, POLLIN, 0));
    put("one", port);
    settle();
    res("the next send tells it", put("two", port));
    res("and the one after goes", put("three", port));
    sleep_ms(30);
    errq("first", 32, 512);
    fact("SO_ERROR now %s", ename((int)get(s, SOL_SOCKET, SO_ERROR)));
    errq("second", 32, 512);
    errq("third", 32, 512);
    res("SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    put("long payload", port);
    settle();
    errq("room 4", 4, 512);
    put("cramped", port);
    settle();
    errq("no room for control", 32, 0);
    put("cramped", port);
    settle();
    errq("little room for control", 32, 24);
    put("kept", port);
    settle();
    res("SO_ERROR takes the error, not the queue", get(s, SOL_SOCKET, SO_ERROR));
    fact("poll: %s", poll_text(s, POLLIN, 0));
    res("switched off", set(s, level, opt, 0));
    fact("that empties the queue: %s", poll_text(s, POLLIN, 0));
    errq("queue", 32, 512);
    set(s, level, opt, 1);
    if (v6 == 1 ? con6(s, "::1", port) : v6 ? con6(s, "::ffff:127.0.0.1", port) : con4(s, "127.0.0.1", port)) fact("no connect");
    res("connected send", send(s, "connected", 9, 0));
    settle();
    errq("queue", 32, 512);
    res("too large", send(s, (char[66000]){0}, 66000, 0));
    fact("poll: %s", poll_text(s, POLLIN, 0));
    errq("queue of a local error", 32, 512);
    close(s);
}

int main(void) {
    alarm(8);
    for (v6 = 0; v6 < 3; v6++) {
        fact("%s", v6 == 0 ? "v4" : v6 == 1 ? "v6" : "mapped");
        all();
    }
    return 0;
}
