// limit: 20
/* SO_ATTACH_FILTER on TCP (man 7 socket; net/ipv4/tcp_ipv4.c, tcp_filter): the program is shown each segment with its header
 * of 32 bytes (40 in a handshake), what it drops is sent again later; a listener's sees the SYN and is inherited. Who is not
 * allowed to (CAP_NET_ADMIN) is told so. */
#include "../stream/stream.h"
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <sys/syscall.h>

static int attach(int fd, struct sock_filter *f, unsigned short n) {
    struct sock_fprog p = {n, f};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p);
}

static int keep(int fd, unsigned k) {
    struct sock_filter f = BPF_STMT(BPF_RET | BPF_K, k);
    return attach(fd, &f, 1);
}

static int detach(int fd) {
    int v = 0;
    return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &v, sizeof v);
}

static int outq(int fd) {
    int v = -1;
    ioctl(fd, SIOCOUTQ, &v);
    return v;
}

/* The queue is empty soon, or not. */
static int drained(int fd) {
    for (int i = 0; i < 300 && outq(fd); i++) sleep_ms(5);
    return outq(fd);
}

static void dropped(int six) {
    int p[2];
    if (six) {
        struct sockaddr_in6 a;
        int l = listener6(&a, 2);
        p[0] = socket(AF_INET6, SOCK_STREAM, 0);
        must("connect", connect(p[0], (struct sockaddr *)&a, sizeof a));
        p[1] = accept(l, NULL, NULL);
        close(l);
    } else {
        tcp_pair(p);
    }
    res("drop all", keep(p[1], 0));
    res("send", send(p[0], "hello", 5, 0));
    fact("receiver %s, sender's queue %d", poll_text(p[1], POLLIN | POLLRDHUP, 100), outq(p[0]));
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    send(p[1], "yo", 2, 0);
    fact("the other way: %s", poll_text(p[0], POLLIN, 1000));
    fact_recv("recv", p[0], 100, MSG_DONTWAIT);
    res("detach", detach(p[1]));
    fact("it is sent again: %s", poll_text(p[1], POLLIN, 3000));
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    fact("sender's queue %d", drained(p[0]));
    res("drop all", keep(p[1], 0));
    close(p[0]);
    fact("the end is dropped: %s", poll_text(p[1], POLLIN | POLLRDHUP, 100));
    fact("%s", tcp_state(p[1]));
    detach(p[1]);
    fact("and comes again: %s", poll_text(p[1], POLLIN | POLLRDHUP, 4000));
    fact("%s", tcp_state(p[1]));
    close(p[1]);
}

static void cut(void) {
    static const unsigned kept[] = {1, 31, 32, 33, 37, 42, 43};
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) {
        int p[2];
        char l[40];
        tcp_pair(p);
        keep(p[1], kept[i]);
        send(p[0], "0123456789", 10, 0);
        poll_text(p[1], POLLIN, 60);
        snprintf(l, sizeof l, "keep %u", kept[i]);
        fact_recv(l, p[1], 100, MSG_DONTWAIT);
        detach(p[1]);
        if (kept[i] < 42) poll_text(p[1], POLLIN, 3000);
        fact_recv("    the rest", p[1], 100, MSG_DONTWAIT);
        close(p[0]);
        close(p[1]);
    }
    struct sock_filter length[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_RET | BPF_A, 0)};
    struct sock_filter letter[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 32), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
    int p[2];
    tcp_pair(p);
    res("as long as it is", attach(p[1], length, 2));
    send(p[0], "abc", 3, 0);
    await(p[1], POLLIN);
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    res("what begins with a", attach(p[1], letter, 4));
    send(p[0], "abc", 3, 0);
    await(p[1], POLLIN);
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    send(p[0], "xbc", 3, 0);
    fact("x: %s", poll_text(p[1], POLLIN, 60));
    struct sock_filter port[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)port_of(p[0]), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
    res("by the sender's port", attach(p[1], port, 4));
    fact("%s", poll_text(p[1], POLLIN, 3000));
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    close(p[0]);
    close(p[1]);
}

static void listener(void) {
    int port, l = listener4(&port, 8), on = 1, v = -1;
    struct sockaddr_in a = in4("127.0.0.1", port);
    fcntl(l, F_SETFL, O_NONBLOCK);
    res("a listener drops all", keep(l, 0));
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), d = socket(AF_INET, SOCK_STREAM, 0), e = socket(AF_INET, SOCK_STREAM, 0);
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("%s", poll_text(c, POLLOUT, 100));
    fact("%s, listener %s", tcp_state(c), poll_text(l, POLLIN, 0));
    struct timeval t = {0, 100000};
    setsockopt(d, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    res("connect, for 100 ms", connect(d, (struct sockaddr *)&a, sizeof a));
    v = 100;
    setsockopt(e, IPPROTO_TCP, TCP_USER_TIMEOUT, &v, sizeof v);
    long start = now_ms();
    res("connect, TCP_USER_TIMEOUT", connect(e, (struct sockaddr *)&a, sizeof a));
    fact("after the first SYN's second: %d; %s", now_ms() - start >= 990, poll_text(e, POLLOUT, 0));
    res("detach", detach(l));
    fact("%s", poll_text(c, POLLOUT, 5000));
    fact("%s", poll_text(l, POLLIN, 1000));
    close(c);
    close(d);
    while (poll_text(l, POLLIN, 100)[0] == 'I') close(accept(l, NULL, NULL));

    res("a listener keeps all", keep(l, 0xffff));
    res("SO_LOCK_FILTER", setsockopt(l, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on));
    c = socket(AF_INET, SOCK_STREAM, 0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(l, POLLIN);
    int s = (int)must("accept", accept(l, NULL, NULL));
    socklen_t n = 0;
    getsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, NULL, &n);
    fact("the accepted one's program: %d", (int)n);
    n = sizeof v;
    getsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &v, &n);
    fact("locked %d", v);
    res("detach", detach(s));
    res("attach", keep(s, 0));
    send(c, "x", 1, 0);
    await(s, POLLIN);
    fact_recv("recv", s, 100, MSG_DONTWAIT);
    d = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    res("a connector drops all", keep(d, 0));
    res("connect", connect(d, (struct sockaddr *)&a, sizeof a));
    fact("%s", poll_text(d, POLLOUT, 60));
    fact("%s", tcp_state(d));
    res("detach none", detach(c));
}

static void may(const char *label, unsigned capability) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{capability, capability, 0}, {0, 0, 0}};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), had = socket(AF_INET, SOCK_STREAM, 0);
        int given = keep(had, 0);
        syscall(SYS_capset, &head, data);
        fact("-- %s", label);
        struct sock_fprog p = {1, NULL};
        res("attach", keep(s, 0));
        res("no program", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p));
        res("length 3", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 3));
        res("length 4", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 4));
        res("bad pointer", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, (void *)8, sizeof p));
        if (!given) res("detach what was attached before", detach(had));
        res("detach", detach(s));
        res("udp", keep(u, 0));
        _exit(0);
    }
    reap("child", pid);
}

int main(void) {
    alarm(18);
    may("with all that this process has", ~0u);
    may("CAP_NET_ADMIN", 1u << CAP_NET_ADMIN);
    may("CAP_NET_RAW", 1u << CAP_NET_RAW);
    may("no capability", 0);
    if (keep(socket(AF_INET, SOCK_STREAM, 0), 0) < 0) return 0;
    dropped(0);
    dropped(1);
    cut();
    listener();
    return 0;
}
