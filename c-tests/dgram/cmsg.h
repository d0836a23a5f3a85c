/* Control messages as text, in the order in which they came: shared by the tests about ancillary data. */
#ifndef SOCKHOP_CMSG_H
#define SOCKHOP_CMSG_H
#include "dg.h"
#include <linux/net_tstamp.h>

/* What one control message says; times are told as "set" or "zero" only. */
U static void cmsg_fact(struct cmsghdr *m, int a, int b) {
    int len = (int)(m->cmsg_len - CMSG_LEN(0)), i = 0;
    char t[2][64], ifn[IF_NAMESIZE] = "?";
    unsigned char *d = CMSG_DATA(m);
    if (len >= 4) memcpy(&i, d, 4);
    /* One that was cut for lack of room: none but IP_TOS (one byte) is shorter than 4, and the long ones are 12 and more. */
    int t16 = m->cmsg_level == SOL_SOCKET && (m->cmsg_type == SO_TIMESTAMP || m->cmsg_type == SO_TIMESTAMPNS);
    int t12 = m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_PKTINFO;
    if ((t16 && len < 16) || (t12 && len < 12)) {
        fact("    level %d type %d cut to %d", m->cmsg_level, m->cmsg_type, len);
        return;
    }
    if (m->cmsg_level == IPPROTO_IP) switch (m->cmsg_type) {
        case IP_PKTINFO: {
            struct in_pktinfo p;
            memcpy(&p, d, sizeof p);
            fact("    IP_PKTINFO len %d: to %s local %s on %s", len, inet_ntop(AF_INET, &p.ipi_addr, t[0], 64),
                 inet_ntop(AF_INET, &p.ipi_spec_dst, t[1], 64), p.ipi_ifindex ? if_indextoname((unsigned)p.ipi_ifindex, ifn) : "0");
            return;
        }
        case IP_ORIGDSTADDR: fact("    IP_ORIGDSTADDR len %d: %s", len, addr_text(SA(d), a, b)); return;
        case IP_TOS: fact("    IP_TOS len %d: 0x%02x", len, *d); return;
        case IP_TTL: fact("    IP_TTL len %d: %d", len, i); return;
        case IP_RECVFRAGSIZE: fact("    IP_RECVFRAGSIZE len %d: %d", len, i); return;
    }
    if (m->cmsg_level == IPPROTO_IPV6) switch (m->cmsg_type) {
        case IPV6_PKTINFO: case IPV6_2292PKTINFO: {
            struct in6_pktinfo p;
            memcpy(&p, d, sizeof p);
            fact("    IPV6_%sPKTINFO len %d: to %s on %s", m->cmsg_type == IPV6_PKTINFO ? "" : "2292", len,
                 inet_ntop(AF_INET6, &p.ipi6_addr, t[0], 64), p.ipi6_ifindex ? if_indextoname(p.ipi6_ifindex, ifn) : "0");
            return;
        }
        case 74: fact("    IPV6_ORIGDSTADDR len %d: %s", len, addr_text(SA(d), a, b)); return;
        case IPV6_TCLASS: fact("    IPV6_TCLASS len %d: 0x%02x", len, i); return;
        case IPV6_HOPLIMIT: fact("    IPV6_HOPLIMIT len %d: %d", len, i); return;
        case IPV6_2292HOPLIMIT: fact("    IPV6_2292HOPLIMIT len %d: %d", len, i); return;
        case 11: fact("    IPV6_FLOWINFO len %d", len); return; /* the label is made up by the sender */
    }
    if (m->cmsg_level == SOL_SOCKET) switch (m->cmsg_type) {
        case SO_TIMESTAMP: case SO_TIMESTAMPNS: {
            long v[2];
            memcpy(v, d, sizeof v);
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            fact("    %s len %d: within the last 5 s %d", m->cmsg_type == SO_TIMESTAMP ? "SO_TIMESTAMP" : "SO_TIMESTAMPNS", len,
                 v[0] <= now.tv_sec && v[0] >= now.tv_sec - 5);
            return;
        }
        case SO_TIMESTAMPING: {
            struct timespec v[3];
            memcpy(v, d, sizeof v);
            fact("    SO_TIMESTAMPING len %d: software %s, other %s, hardware %s", len, v[0].tv_sec ? "set" : "zero",
                 v[1].tv_sec ? "set" : "zero", v[2].tv_sec ? "set" : "zero");
            return;
        }
        case SO_RXQ_OVFL: fact("    SO_RXQ_OVFL len %d: %d", len, i); return;
    }
    if (m->cmsg_level == SOL_UDP && m->cmsg_type == UDP_GRO) {
        fact("    UDP_GRO len %d: %d", len, i);
        return;
    }
    fact("    level %d type %d len %d", m->cmsg_level, m->cmsg_type, len);
}

/* Receives one with `room` bytes for control and tells everything. */
U static long show(const char *label, int fd, size_t room, int flags, int a, int b) {
    static char data[70000];
    char c[1024];
    struct sockaddr_storage ss;
    struct iovec v = {data, sizeof data};
    struct msghdr h = {.msg_name = &ss, .msg_namelen = sizeof ss, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c,
                       .msg_controllen = room};
    memset(c, 0x55, sizeof c);
    if (!wait_in(fd)) {
        fact("%s: nothing", label);
        return -1;
    }
    long n = recvmsg(fd, &h, flags | MSG_DONTWAIT);
    if (n < 0) {
        fact("%s: -1 %s", label, ename(errno));
        return n;
    }
    fact("%s: %ld from %s, controllen %zu%s%s", label, n, addr_text(SA(&ss), a, b), h.msg_controllen,
         h.msg_flags & MSG_TRUNC ? " TRUNC" : "", h.msg_flags & MSG_CTRUNC ? " CTRUNC" : "");
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) cmsg_fact(m, a, b);
    return n;
}

/* Sends text with one control message of int value v (len bytes of it); level -1: none. */
U static long put_cmsg(int fd, const char *s, const void *to, socklen_t tl, int level, int type, const void *v, size_t len) {
    _Alignas(struct cmsghdr) char c[256];
    struct iovec iov = {(void *)(uintptr_t)s, strlen(s)};
    struct msghdr h = {.msg_name = (void *)(uintptr_t)to, .msg_namelen = tl, .msg_iov = &iov, .msg_iovlen = 1};
    memset(c, 0, sizeof c);
    if (level >= 0) {
        h.msg_control = c;
        h.msg_controllen = CMSG_SPACE(len);
        struct cmsghdr *m = CMSG_FIRSTHDR(&h);
        m->cmsg_level = level;
        m->cmsg_type = type;
        m->cmsg_len = CMSG_LEN(len);
        memcpy(CMSG_DATA(m), v, len);
    }
    return sendmsg(fd, &h, 0);
}
#endif
