/* Control messages on the way out that are wrong: which are EINVAL, which are passed over (man 3 cmsg, man 7 ip, man 2 sendmsg). */
#include "cmsg.h"

static int s, r;
static struct sockaddr_in to;

static void one(const char *label, int level, int type, size_t claim, size_t room, int value) {
    _Alignas(struct cmsghdr) char c[256];
    struct iovec v = {"x", 1};
    struct msghdr h = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1,
                       .msg_control = c, .msg_controllen = room};
    memset(c, 0, sizeof c);
    struct cmsghdr *m = (struct cmsghdr *)c;
    m->cmsg_level = level;
    m->cmsg_type = type;
    m->cmsg_len = claim;
    memcpy(CMSG_DATA(m), &value, 4);
    res(label, sendmsg(s, &h, 0));
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    to = in4("127.0.0.1", port_of(r));
    set(r, IPPROTO_IP, IP_RECVTTL, 1);
    size_t ok4 = CMSG_LEN(4), sp4 = CMSG_SPACE(4);
    one("good IP_TTL", IPPROTO_IP, IP_TTL, ok4, sp4, 9);
    show("    received", r, 512, 0, port_of(s), 0);
    one("controllen without padding", IPPROTO_IP, IP_TTL, ok4, ok4, 9);
    one("cmsg_len 0", IPPROTO_IP, IP_TTL, 0, sp4, 9);
    one("cmsg_len 15", IPPROTO_IP, IP_TTL, 15, sp4, 9);
    one("cmsg_len 16, no data", IPPROTO_IP, IP_TTL, 16, sp4, 9);
    one("cmsg_len one too short", IPPROTO_IP, IP_TTL, ok4 - 1, sp4, 9);
    one("cmsg_len one too long", IPPROTO_IP, IP_TTL, ok4 + 1, sp4, 9);
    one("cmsg_len beyond controllen", IPPROTO_IP, IP_TTL, 100, sp4, 9);
    one("cmsg_len enormous", IPPROTO_IP, IP_TTL, (size_t)-1, sp4, 9);
    one("controllen below a header", IPPROTO_IP, IP_TTL, ok4, 15, 9);
    one("controllen 1", IPPROTO_IP, IP_TTL, ok4, 1, 9);
    one("controllen 0", IPPROTO_IP, IP_TTL, ok4, 0, 9);
    one("unknown type of SOL_IP", IPPROTO_IP, 77, ok4, sp4, 9);
    one("IP_RECVTTL as a message", IPPROTO_IP, IP_RECVTTL, ok4, sp4, 9);
    one("level 99", 99, 1, ok4, sp4, 9);
    one("level IPPROTO_TCP", IPPROTO_TCP, 1, ok4, sp4, 9);
    one("level SOL_UDP, unknown type", SOL_UDP, 77, ok4, sp4, 9);
    one("level SOL_IPV6 on a v4 socket", IPPROTO_IPV6, IPV6_HOPLIMIT, ok4, sp4, 9);
    one("SOL_SOCKET, unknown type", SOL_SOCKET, 77, ok4, sp4, 9);
    one("SCM_RIGHTS", SOL_SOCKET, SCM_RIGHTS, ok4, sp4, r);
    one("SCM_CREDENTIALS", SOL_SOCKET, SCM_CREDENTIALS, ok4, sp4, 0);
    one("SO_TIMESTAMPING, bits of tx", SOL_SOCKET, SO_TIMESTAMPING, ok4, sp4, 2);
    one("SO_TIMESTAMPING, a bit of rx", SOL_SOCKET, SO_TIMESTAMPING, ok4, sp4, 8);
    one("SO_TIMESTAMPING of two bytes", SOL_SOCKET, SO_TIMESTAMPING, CMSG_LEN(2), sp4, 2);
    one("IP_PKTINFO of 4 bytes", IPPROTO_IP, IP_PKTINFO, ok4, sp4, 0);
    one("UDP_SEGMENT of 4 bytes", SOL_UDP, UDP_SEGMENT, ok4, sp4, 1000);
    one("UDP_SEGMENT of 2 bytes", SOL_UDP, UDP_SEGMENT, CMSG_LEN(2), sp4, 1000);

    struct iovec v = {"x", 1};
    struct msghdr h = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1};
    h.msg_control = NULL, h.msg_controllen = 24;
    res("control NULL, controllen 24", sendmsg(s, &h, 0));
    h.msg_control = (void *)8;
    res("control 8, controllen 24", sendmsg(s, &h, 0));
    char c[256] = "";
    h.msg_control = c, h.msg_controllen = (size_t)1 << 31;
    res("controllen 2^31", sendmsg(s, &h, 0));
    h.msg_controllen = 4 << 20;
    static char big[4 << 20];
    h.msg_control = big;
    res("controllen of 4 MiB", sendmsg(s, &h, 0));

    /* Two messages: each counts; of the same twice, the last. */
    _Alignas(struct cmsghdr) char d[128] = "";
    h.msg_control = d, h.msg_controllen = 2 * CMSG_SPACE(4);
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    m->cmsg_level = IPPROTO_IP, m->cmsg_type = IP_TTL, m->cmsg_len = CMSG_LEN(4);
    *(int *)CMSG_DATA(m) = 11;
    m = (struct cmsghdr *)(d + CMSG_SPACE(4));
    m->cmsg_level = IPPROTO_IP, m->cmsg_type = IP_TTL, m->cmsg_len = CMSG_LEN(4);
    *(int *)CMSG_DATA(m) = 12;
    while (recv(r, c, sizeof c, MSG_DONTWAIT) >= 0) {}
    sleep_ms(20);
    while (recv(r, c, sizeof c, MSG_DONTWAIT) >= 0) {}
    res("IP_TTL twice", sendmsg(s, &h, 0));
    show("    received", r, 512, 0, port_of(s), 0);
    m->cmsg_type = 77;
    res("the second is unknown", sendmsg(s, &h, 0));
    quiet("then nothing is sent", r);
    m->cmsg_level = 99;
    res("the second has a foreign level", sendmsg(s, &h, 0));
    show("    received", r, 512, 0, port_of(s), 0);
    return 0;
}
