// limit: 20
/* Addresses outside of the loopback network: what a socket was before it is connected, bound or sends there is what it is
 * afterwards, under the same number: duplicates, flags, options, epoll registrations (`man 2 connect`, `man 7 ip`).
 * The address is one of this host's, given to lo in a network namespace of the test's own (`man 7 network_namespaces`). */
#include "../stream/stream.h"
#include "../options/opt.h"
#include <net/if.h>
#include <sched.h>

#define HOST "10.98.7.6"
#define SA(...) ((struct sockaddr *)(__VA_ARGS__))

static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) fact("%s: %s", path, ename(errno));
    close(fd);
}

static int give_address(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r;
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, "lo");
    r.ifr_flags = IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &r) < 0) return -1;
    strcpy(r.ifr_name, "lo:1");
    struct sockaddr_in a = in4(HOST, 0);
    memcpy(&r.ifr_addr, &a, sizeof a);
    if (ioctl(fd, SIOCSIFADDR, &r) < 0) return -1;
    close(fd);
    return 0;
}

/* The host that is talked to: accepts and echoes, with the text "host:" before; answers datagrams the same way. */
static void host(int l, int u) {
    char b[2000] = "host:";
    int c[32], n = 0;
    for (;;) {
        struct pollfd p[34] = {{l, POLLIN, 0}, {u, POLLIN, 0}};
        for (int i = 0; i < n; i++) p[2 + i] = (struct pollfd){c[i], POLLIN, 0};
        if (poll(p, (nfds_t)(2 + n), 15000) <= 0) _exit(3);
        if (p[1].revents) {
            /* Where it came from, and with how many hops to go, is part of the answer. */
            struct sockaddr_in from;
            char text[1000], answer[1100], control[100];
            struct iovec v = {text, sizeof text - 1};
            struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                               .msg_controllen = sizeof control};
            ssize_t r = recvmsg(u, &h, 0);
            if (r < 0) continue;
            if (r == 4 && !memcmp(text, "over", 4)) _exit(0);
            int ttl = -1;
            struct cmsghdr *c = CMSG_FIRSTHDR(&h);
            if (c) memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
            int n = snprintf(answer, sizeof answer, "host:%.*s (%s %d)", (int)r, text, inet_ntoa(from.sin_addr), ttl);
            sendto(u, answer, (size_t)n, 0, SA(&from), sizeof from);
        }
        for (int i = n - 1; i >= 0; i--) {
            if (!p[2 + i].revents) continue;
            ssize_t r = read(c[i], b + 5, sizeof b - 5);
            if (r <= 0) {
                close(c[i]);
                c[i] = c[--n];
            } else if (write(c[i], b, (size_t)r + 5) < 0) {}
        }
        if (p[0].revents && n < 32) c[n++] = accept(l, NULL, NULL);
    }
}

static struct sockaddr_in far_tcp, far_udp;

static void flags_of(const char *label, int fd) {
    fact("%s: O_NONBLOCK %s, FD_CLOEXEC %s", label, fcntl(fd, F_GETFL) & O_NONBLOCK ? "yes" : "no", fcntl(fd, F_GETFD) & FD_CLOEXEC ? "yes" : "no");
}

static void names(const char *label, int fd, int mine) {
    struct sockaddr_in a, b;
    socklen_t l = sizeof a;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    int r = getsockname(fd, SA(&a), &l);
    l = sizeof b;
    int q = getpeername(fd, SA(&b), &l);
    fact("%s: name %s, peer %s", label, r ? ename(errno) : addr_text(SA(&a), mine, 0), q ? ename(errno) : addr_text(SA(&b), ntohs(far_tcp.sin_port), ntohs(far_udp.sin_port)));
}

static void told(const char *label, int fd) {
    char b[100];
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    struct pollfd p = {fd, POLLIN, 0};
    int n = poll(&p, 1, 2000);
    memset(&from, 0, sizeof from);
    ssize_t r = recvfrom(fd, b, sizeof b, MSG_DONTWAIT, SA(&from), &l);
    if (r < 0) fact("%s: poll %d, %s", label, n, ename(errno));
    else fact("%s: poll %d, %zd %.*s from %s", label, n, r, (int)r, b, inet_ntoa(from.sin_addr));
}

static void streams(void) {
    int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), d = dup(c), e = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdefull}, got[4];
    must("epoll", epoll_ctl(e, EPOLL_CTL_ADD, c, &ev));
    ev.events = EPOLLIN | EPOLLET;
    ev.data.u64 = 77;
    must("epoll", epoll_ctl(e, EPOLL_CTL_ADD, d, &ev));
    set(c, IPPROTO_TCP, TCP_NODELAY, 1);
    set(c, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(c, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set(c, SOL_SOCKET, SO_RCVBUF, 50000);
    set(c, IPPROTO_IP, IP_TOS, 0x10);
    set(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000);
    struct linger li = {1, 7};
    setsockopt(c, SOL_SOCKET, SO_LINGER, &li, sizeof li);
    struct timeval tv = {3, 0};
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    int number = c;
    res("tcp connect", connect(c, SA(&far_tcp), sizeof far_tcp));
    fact("the same number: %s", c == number && fcntl(c, F_GETFD) >= 0 ? "yes" : "no");
    flags_of("connected", c);
    flags_of("its duplicate", d);
    names("connected", c, 0);
    names("its duplicate", d, 0);
    fact("NODELAY %s KEEPALIVE %s KEEPIDLE %s RCVBUF %s TOS %s USER_TIMEOUT %s", opt_get(c, IPPROTO_TCP, TCP_NODELAY), opt_get(c, SOL_SOCKET, SO_KEEPALIVE),
         opt_get(c, IPPROTO_TCP, TCP_KEEPIDLE), opt_get(d, SOL_SOCKET, SO_RCVBUF), opt_get(d, IPPROTO_IP, IP_TOS), opt_get(d, IPPROTO_TCP, TCP_USER_TIMEOUT));
    socklen_t l = sizeof li;
    memset(&li, 0, sizeof li);
    getsockopt(c, SOL_SOCKET, SO_LINGER, &li, &l);
    l = sizeof tv;
    getsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, &l);
    fact("SO_LINGER %d %d, SO_RCVTIMEO %ld", li.l_onoff, li.l_linger, (long)tv.tv_sec);
    fact("epoll before data: %d", epoll_wait(e, got, 4, 50));
    res("write to the duplicate", write(d, "one", 3));
    await(c, POLLIN);
    int n = epoll_wait(e, got, 4, 1000);
    fact("epoll: %d", n);
    for (int i = 0; i < n; i++) fact("data %llx events %x", (unsigned long long)got[i].data.u64, got[i].events);
    fact("epoll again: %d", epoll_wait(e, got, 4, 0));
    fact_recv("read", c, 100, 0);
    fact("epoll, empty: %d", epoll_wait(e, got, 4, 0));
    ev.events = EPOLLOUT;
    res("EPOLL_CTL_MOD", epoll_ctl(e, EPOLL_CTL_MOD, c, &ev));
    res("epoll", epoll_wait(e, got, 4, 1000));
    res("EPOLL_CTL_DEL", epoll_ctl(e, EPOLL_CTL_DEL, c, NULL));
    pid_t pid = fork();
    if (pid == 0) {
        if (write(c, "child", 5) != 5) _exit(1);
        _exit(0);
    }
    reap("child", pid);
    fact_recv("its answer", d, 100, 0);
    close(c);
    res("write after closing the first", write(d, "two", 3));
    fact_recv("read", d, 100, 0);
    shutdown(d, SHUT_WR);
    fact_recv("the end", d, 100, 0);
    close(d);
    close(e);

    /* Without blocking, registered edge-triggered before. */
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    e = epoll_create1(0);
    ev = (struct epoll_event){.events = EPOLLOUT | EPOLLIN | EPOLLET, .data.u32 = 5};
    must("epoll", epoll_ctl(e, EPOLL_CTL_ADD, c, &ev));
    n = epoll_wait(e, got, 4, 0);
    fact("fresh: %d events %x", n, n > 0 ? got[0].events : 0);
    res("non-blocking connect", connect(c, SA(&far_tcp), sizeof far_tcp));
    do n = epoll_wait(e, got, 4, 2000); while (n == 1 && !(got[0].events & EPOLLOUT));
    fact("then: %d, OUT %s, SO_ERROR %s", n, n == 1 && got[0].events & EPOLLOUT ? "yes" : "no", so_error(c));
    flags_of("connected", c);
    res("connect again", connect(c, SA(&far_tcp), sizeof far_tcp));
    close(c);
    close(e);

    /* Nobody there. */
    struct sockaddr_in nobody = in4(HOST, 1);
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("refused", connect(c, SA(&nobody), sizeof nobody));
    res("then connected", connect(c, SA(&far_tcp), sizeof far_tcp));
    close(c);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(c, SA(&nobody), sizeof nobody);
    await(c, POLLOUT);
    fact("refused later: %s", so_error(c));
    close(c);

    /* Bound before. */
    c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = in4("0.0.0.0", 0);
    must("bind", bind(c, SA(&any), sizeof any));
    int port = port_of(c);
    res("bound, connect", connect(c, SA(&far_tcp), sizeof far_tcp));
    names("bound", c, port);
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    any = in4("127.0.0.1", 0);
    must("bind", bind(c, SA(&any), sizeof any));
    port = port_of(c);
    res("bound to loopback, connect", connect(c, SA(&far_tcp), sizeof far_tcp));
    names("bound to loopback", c, port);
    close(c);

    /* First inside: refused there, then outside. */
    int lport, lo = listener4(&lport, 5);
    c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = in4("127.0.0.1", lport);
    res("inside", connect(c, SA(&in), sizeof in));
    struct sockaddr un = {.sa_family = AF_UNSPEC};
    res("disconnected", connect(c, &un, sizeof un));
    res("outside", connect(c, SA(&far_tcp), sizeof far_tcp));
    res("write", write(c, "three", 5));
    fact_recv("read", c, 100, 0);
    close(c);
    close(lo);
    /* MSG_FASTOPEN with an address. */
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("sendto MSG_FASTOPEN", sendto(c, "fast", 4, MSG_FASTOPEN, SA(&far_tcp), sizeof far_tcp));
    fact_recv("read", c, 100, 0);
    close(c);
    /* IPv6 socket, mapped address. */
    c = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 m = in6("::ffff:" HOST, ntohs(far_tcp.sin_port));
    res("mapped", connect(c, SA(&m), sizeof m));
    res("write", write(c, "four", 4));
    fact_recv("read", c, 100, 0);
    close(c);
}

static void datagrams(void) {
    int in = socket(AF_INET, SOCK_DGRAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(in, SA(&a), sizeof a));
    struct sockaddr_in near = in4("127.0.0.1", port_of(in));
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 9}, got[2];
    int e = epoll_create1(0);
    must("epoll", epoll_ctl(e, EPOLL_CTL_ADD, u, &ev));
    set(u, IPPROTO_IP, IP_RECVTOS, 1);
    set(u, IPPROTO_IP, IP_TTL, 33);

    res("udp inside", sendto(u, "near", 4, 0, SA(&near), sizeof near));
    told("heard", in);
    res("udp outside", sendto(u, "far", 3, 0, SA(&far_udp), sizeof far_udp));
    fact("epoll %d", epoll_wait(e, got, 2, 2000));
    told("answer", u);
    struct sockaddr_in back = in4("127.0.0.1", port_of(u));
    res("inside, the other way", sendto(in, "back", 4, 0, SA(&back), sizeof back));
    fact("epoll %d", epoll_wait(e, got, 2, 2000));
    told("both sides live", u);
    res("outside again", sendto(u, "far2", 4, 0, SA(&far_udp), sizeof far_udp));
    char b[100];
    ssize_t r = recv(u, b, sizeof b, 0);
    fact("blocking recv: %zd", r);
    int nb = 0;
    res("outside once more", sendto(u, "far33", 5, 0, SA(&far_udp), sizeof far_udp));
    await(u, POLLIN);
    ioctl(u, FIONREAD, &nb);
    fact("FIONREAD %d", nb);
    told("peeked at, taken", u);

    /* Ancillary data outwards and back. */
    char control[64];
    struct iovec v = {"tos", 3};
    struct msghdr h;
    memset(&h, 0, sizeof h);
    memset(control, 0, sizeof control);
    h.msg_name = &far_udp;
    h.msg_namelen = sizeof far_udp;
    h.msg_iov = &v;
    h.msg_iovlen = 1;
    h.msg_control = control;
    h.msg_controllen = CMSG_SPACE(sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_TTL;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    int ttl = 7;
    memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
    res("with IP_TTL", sendmsg(u, &h, 0));
    told("answer", u);
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    h.msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
    struct in_pktinfo info;
    memset(&info, 0, sizeof info);
    inet_pton(AF_INET, "127.0.0.9", &info.ipi_spec_dst);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    res("with IP_PKTINFO", sendmsg(u, &h, 0));
    told("answer", u);
    c->cmsg_type = IP_TTL;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    ttl = 999;
    memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
    h.msg_controllen = CMSG_SPACE(sizeof(int));
    res("with a bad IP_TTL", sendmsg(u, &h, 0));
    char in_control[200], data[100];
    struct iovec w = {data, sizeof data};
    res("plain", sendto(u, "cmsg", 4, 0, SA(&far_udp), sizeof far_udp));
    await(u, POLLIN);
    memset(&h, 0, sizeof h);
    h.msg_iov = &w;
    h.msg_iovlen = 1;
    h.msg_control = in_control;
    h.msg_controllen = sizeof in_control;
    r = recvmsg(u, &h, 0);
    c = CMSG_FIRSTHDR(&h);
    fact("recvmsg %zd, control %s", r, !c ? "none" : c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS ? "IP_TOS" : "other");
    struct mmsghdr mm[2];
    memset(mm, 0, sizeof mm);
    struct iovec mv[2] = {{"m1", 2}, {"m2", 2}};
    for (int i = 0; i < 2; i++) {
        mm[i].msg_hdr.msg_name = i ? (void *)&near : (void *)&far_udp;
        mm[i].msg_hdr.msg_namelen = sizeof near;
        mm[i].msg_hdr.msg_iov = &mv[i];
        mm[i].msg_hdr.msg_iovlen = 1;
    }
    res("sendmmsg to both", sendmmsg(u, mm, 2, 0));
    told("near", in);
    told("far", u);
    res("too long", sendto(u, data, 0, 0, SA(&far_udp), sizeof far_udp));
    told("empty one", u);
    static char big[70000];
    res("EMSGSIZE", sendto(u, big, sizeof big, 0, SA(&far_udp), sizeof far_udp));
    struct sockaddr_in nobody = in4(HOST, 1);
    set(u, IPPROTO_IP, IP_RECVERR, 1);
    res("nobody", sendto(u, "x", 1, 0, SA(&nobody), sizeof nobody));
    await(u, POLLERR);
    fact("poll %s, SO_ERROR %s", poll_text(u, 0, 100), so_error(u));
    memset(&h, 0, sizeof h);
    h.msg_control = in_control;
    h.msg_controllen = sizeof in_control;
    res("MSG_ERRQUEUE", recvmsg(u, &h, MSG_ERRQUEUE));
    struct sock_extended_err { uint32_t ee_errno; uint8_t ee_origin, ee_type, ee_code, ee_pad; uint32_t ee_info, ee_data; } *err = NULL;
    c = CMSG_FIRSTHDR(&h);
    while (c && (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR)) c = CMSG_NXTHDR(&h, c);
    if (c) err = (void *)CMSG_DATA(c);
    fact("it: %s", err ? ename((int)err->ee_errno) : "none");
    set(u, IPPROTO_IP, IP_TTL, 44);
    set(u, IPPROTO_IP, IP_RECVTOS, 0);
    res("another TTL", sendto(u, "ttl", 3, 0, SA(&far_udp), sizeof far_udp));
    await(u, POLLIN);
    memset(&h, 0, sizeof h);
    h.msg_iov = &w;
    h.msg_iovlen = 1;
    h.msg_control = in_control;
    h.msg_controllen = sizeof in_control;
    r = recvmsg(u, &h, 0);
    fact("%.*s, control length %zu", (int)(r > 0 ? r : 0), data, (size_t)h.msg_controllen);
    close(u);

    /* Connected inside, then outside, then inside. */
    u = socket(AF_INET, SOCK_DGRAM, 0);
    ev.data.u32 = 10;
    must("epoll", epoll_ctl(e, EPOLL_CTL_ADD, u, &ev));
    set(u, SOL_SOCKET, SO_BROADCAST, 1);
    res("connected inside", connect(u, SA(&near), sizeof near));
    int port = port_of(u);
    res("send", send(u, "near", 4, 0));
    told("heard", in);
    res("connected outside", connect(u, SA(&far_udp), sizeof far_udp));
    names("connected outside", u, port);
    res("send", send(u, "far", 3, 0));
    fact("epoll %d", epoll_wait(e, got, 2, 2000));
    told("answer", u);
    fact("SO_BROADCAST %s", opt_get(u, SOL_SOCKET, SO_BROADCAST));
    struct sockaddr un = {.sa_family = AF_UNSPEC};
    res("disconnected", connect(u, &un, sizeof un));
    names("disconnected", u, port);
    res("sendto outside", sendto(u, "far", 3, 0, SA(&far_udp), sizeof far_udp));
    told("answer", u);
    close(u);
    /* Connected outside at once, with a duplicate and without blocking. */
    u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int d = dup(u);
    res("connect", connect(u, SA(&far_udp), sizeof far_udp));
    flags_of("connected", u);
    flags_of("its duplicate", d);
    res("recv", recv(u, b, sizeof b, 0));
    res("send on the duplicate", send(d, "dup", 3, 0));
    told("answer", u);
    struct sockaddr_in other = in4(HOST, 1);
    res("connect to nobody", connect(d, SA(&other), sizeof other));
    send(d, "x", 1, 0);
    await(d, POLLERR);
    res("refused", send(d, "x", 1, 0));
    close(u);
    close(d);
    /* Bound to the host's address. */
    u = socket(AF_INET, SOCK_DGRAM, 0);
    a = in4(HOST, 0);
    res("bind", bind(u, SA(&a), sizeof a));
    names("bound outside", u, port_of(u));
    res("sendto", sendto(u, "bound", 5, 0, SA(&far_udp), sizeof far_udp));
    told("answer", u);
    close(u);
    close(in);
}

int main(int argc, char **argv) {
    alarm(18);
    if (argc < 2) {
        /* Anew in the namespaces, as a program that never was anywhere else. */
        int uid = (int)getuid(), gid = (int)getgid();
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
            fact("skipped: no network namespaces here");
            return 0;
        }
        /* Root in there, or the next line takes the capabilities away (`man 7 user_namespaces`). */
        put("/proc/self/setgroups", "deny");
        char map[40];
        snprintf(map, sizeof map, "0 %d 1", uid);
        put("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %d 1", gid);
        put("/proc/self/gid_map", map);
        execl("/proc/self/exe", argv[0], "inside", NULL);
        return 92;
    }
    if (give_address() < 0) {
        fact("skipped: no address can be given in a network namespace");
        return 0;
    }
    int l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    far_tcp = far_udp = in4(HOST, 0);
    must("bind", bind(l, SA(&far_tcp), sizeof far_tcp));
    must("bind", bind(u, SA(&far_udp), sizeof far_udp));
    must("listen", listen(l, 8));
    far_tcp.sin_port = htons((uint16_t)port_of(l));
    far_udp.sin_port = htons((uint16_t)port_of(u));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(18);
        set(u, IPPROTO_IP, IP_RECVTTL, 1);
        host(l, u);
    }
    close(l);
    close(u);
    streams();
    datagrams();
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    sendto(s, "over", 4, 0, SA(&far_udp), sizeof far_udp);
    reap("host", pid);
    return 0;
}
