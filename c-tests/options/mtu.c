/* IP_MTU, IP_MTU_DISCOVER, IPV6_MTU, IPV6_DONTFRAG, IPV6_RECVPATHMTU, IPV6_PATHMTU and EMSGSIZE (`man 7 ip`, `man 7 ipv6`,
 * RFC 3542); SO_BINDTODEVICE and what it lets through; extension headers that need privileges. */
#include "../dgram/dg.h"
#include "opt.h"
#include <linux/errqueue.h>

static char big[70000];

static void queue(const char *label, int fd) {
    char control[300], data[100];
    struct sockaddr_storage from;
    struct iovec v = {data, sizeof data};
    struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t r = recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (r < 0) {
        fact("%s: %s", label, ename(errno));
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        struct sock_extended_err *e = (void *)CMSG_DATA(c);
        fact("%s: %zd bytes, name length %u, level %d type %d length %zu: errno %s origin %u type %u code %u info %u data %u", label, r, h.msg_namelen,
             c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len, ename((int)e->ee_errno), e->ee_origin, e->ee_type, e->ee_code, e->ee_info, e->ee_data);
    }
}

int main(void) {
    alarm(8);
    int r4 = udp4("127.0.0.1"), r6 = udp6("::1"), p4 = port_of(r4), p6 = port_of(r6);
    set(r4, SOL_SOCKET, SO_RCVBUF, 1 << 20);
    set(r6, SOL_SOCKET, SO_RCVBUF, 1 << 20);
    static const int how[] = {0, 1, 2, 3, 4, 5}, sizes[] = {1472, 65507, 65508, 65527, 65528, 66000};
    for (unsigned i = 0; i < sizeof how / sizeof *how; i++) {
        int a = opt_socket(2), b = opt_socket(3);
        res("IP_MTU_DISCOVER", set(a, IPPROTO_IP, IP_MTU_DISCOVER, how[i]));
        res("IPV6_MTU_DISCOVER", set(b, IPPROTO_IPV6, IPV6_MTU_DISCOVER, how[i]));
        fact("%d: IP_MTU unconnected %s, IPV6_MTU %s", how[i], opt_get(a, IPPROTO_IP, IP_MTU), opt_get(b, IPPROTO_IPV6, IPV6_MTU));
        must("connect", con4(a, "127.0.0.1", p4));
        must("connect", con6(b, "::1", p6));
        fact("%d: IP_MTU %s, IPV6_MTU %s, IP_MTU of v6 %s", how[i], opt_get(a, IPPROTO_IP, IP_MTU), opt_get(b, IPPROTO_IPV6, IPV6_MTU), opt_get(b, IPPROTO_IP, IP_MTU));
        for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            ssize_t x = send(a, big, (size_t)sizes[k], 0);
            int e4 = errno;
            ssize_t y = send(b, big, (size_t)sizes[k], 0);
            /* IP_PMTUDISC_INTERFACE sends a packet of 65536 bytes, whose length its header cannot say. */
            const char *four = how[i] == 4 && sizes[k] == 65508 ? "?" : x < 0 ? ename(e4) : "sent";
            fact("%d: %d bytes: v4 %s, v6 %s", how[i], sizes[k], four, y < 0 ? ename(errno) : "sent");
            char sink[10];
            while (recv(r4, sink, sizeof sink, MSG_DONTWAIT) >= 0) {}
            while (recv(r6, sink, sizeof sink, MSG_DONTWAIT) >= 0) {}
        }
        close(a);
        close(b);
    }
    int a = opt_socket(2), b = opt_socket(3);
    set(a, IPPROTO_IP, IP_RECVERR, 1);
    set(b, IPPROTO_IPV6, IPV6_RECVERR, 1);
    must("connect", con4(a, "127.0.0.1", p4));
    must("connect", con6(b, "::1", p6));
    res("v4 too long", send(a, big, 65508, 0));
    fact("poll %s, SO_ERROR %s", poll_text(a, 0, 0), opt_get(a, SOL_SOCKET, SO_ERROR));
    queue("v4", a);
    queue("v4, no more", a);
    res("v6 too long", send(b, big, 65528, 0));
    fact("poll %s, SO_ERROR %s", poll_text(b, 0, 0), opt_get(b, SOL_SOCKET, SO_ERROR));
    queue("v6", b);
    queue("v6, no more", b);
    close(a);
    close(b);

    /* IPV6_MTU bounds fragments, IPV6_DONTFRAG forbids them. */
    b = opt_socket(3);
    must("connect", con6(b, "::1", p6));
    res("IPV6_MTU 1280", set(b, IPPROTO_IPV6, IPV6_MTU, 1280));
    fact("reads %s", opt_get(b, IPPROTO_IPV6, IPV6_MTU));
    res("2000 bytes", send(b, big, 2000, 0));
    fact("heard %zd", recv(r6, big, sizeof big, 0));
    res("IPV6_DONTFRAG", set(b, IPPROTO_IPV6, IPV6_DONTFRAG, 1));
    res("IPV6_RECVPATHMTU", set(b, IPPROTO_IPV6, IPV6_RECVPATHMTU, 1));
    res("1200 bytes", send(b, big, 1200, 0));
    res("2000 bytes", send(b, big, 2000, 0));
    char control[300];
    struct iovec v = {big, 100};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    fact("poll %s", poll_text(b, POLLIN, 0));
    ssize_t r = recvmsg(b, &h, MSG_DONTWAIT);
    fact("recvmsg: %zd %s", r, r < 0 ? ename(errno) : "");
    if (r >= 0)
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
            struct ip6_mtuinfo m;
            memcpy(&m, CMSG_DATA(c), sizeof m);
            fact("level %d type %d length %zu: mtu %u port %s", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len, m.ip6m_mtu, ntohs(m.ip6m_addr.sin6_port) == p6 ? "the peer's" : "another");
        }
    struct ip6_mtuinfo m;
    socklen_t l = sizeof m;
    memset(&m, 0, sizeof m);
    res("IPV6_PATHMTU", getsockopt(b, IPPROTO_IPV6, IPV6_PATHMTU, &m, &l));
    fact("mtu %u, length %u", m.ip6m_mtu, l);
    close(b);
    /* By sendmsg */
    b = opt_socket(3);
    must("connect", con6(b, "::1", p6));
    int one = 1;
    memset(control, 0, sizeof control);
    h = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof one)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof one), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_DONTFRAG};
    memcpy(CMSG_DATA(c), &one, sizeof one);
    v.iov_len = 1300;
    res("cmsg IPV6_DONTFRAG", sendmsg(b, &h, 0));
    close(b);

    /* Devices */
    a = opt_socket(2);
    res("SO_BINDTODEVICE lo", setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    res("send through it", put4(a, "x", "127.0.0.1", p4));
    int other = udp4("0.0.0.0");
    res("SO_BINDTODEVICE none0", setsockopt(other, SOL_SOCKET, SO_BINDTODEVICE, "none0", 6));
    res("SO_BINDTOIFINDEX 1", set(other, SOL_SOCKET, 62, 1));
    char name[IF_NAMESIZE] = "";
    l = sizeof name;
    res("SO_BINDTODEVICE", getsockopt(other, SOL_SOCKET, SO_BINDTODEVICE, name, &l));
    fact("%s, length %u", name, l);
    return 0;
}
