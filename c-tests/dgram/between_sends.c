/* What changes between two sends to the same place counts for the second (`man 7 udp`, `man 7 socket`): who is bound there, how
 * the sender and the receiver are set, an error that waits, a fork. Each step first sends three datagrams that arrive. */
#include "dg.h"
#include <linux/filter.h>

static int s, r, port;
static char said[300];

/* All that waits at `fd` within a moment, and forgets it. */
static const char *heard(int fd) {
    char b[64];
    said[0] = 0;
    for (ssize_t n; (n = recv(fd, b, sizeof b, MSG_DONTWAIT)) >= 0;)
        snprintf(said + strlen(said), sizeof said - strlen(said), " \"%.*s\"", (int)n, b);
    return said[0] ? said : " nothing";
}

/* Three datagrams that arrive, so that whatever a sender remembers is remembered. */
static void warm(void) {
    for (int i = 0; i < 3; i++) {
        char b[8];
        must("warm send", send(s, "warm", 4, 0));
        wait_in(r);
        must("warm recv", recv(r, b, sizeof b, 0));
    }
}

static void fresh(void) {
    r = udp4("127.0.0.1"), port = port_of(r), s = udp4("127.0.0.1");
    must("connect", con4(s, "127.0.0.1", port));
    warm();
}

static void end(void) { close(r), close(s); }

static void receiver_goes(void) {
    fresh();
    close(r);
    res("receiver closed: send", send(s, "a", 1, 0));
    res("then", send(s, "b", 1, 0));
    r = udp4p("127.0.0.1", port);
    res("another bound there: send", send(s, "c", 1, 0));
    wait_in(r);
    fact("it hears:%s", heard(r));
    int more = udp4p("127.0.0.1", 0);
    res("connect to another port", con4(s, "127.0.0.1", port_of(more)));
    res("send", send(s, "d", 1, 0));
    wait_in(more);
    fact("the other hears:%s", heard(more));
    fact("the first:%s", heard(r));
    res("disconnect", discon(s));
    res("send", send(s, "e", 1, 0));
    close(more);
    end();
}

static void binders(void) {
    int any = udp4("0.0.0.0");
    port = port_of(any), s = udp4("127.0.0.1"), r = any;
    set(any, SOL_SOCKET, SO_REUSEADDR, 1);
    for (int i = 0; i < 3; i++) put4(s, "w", "127.0.0.1", port);
    wait_in(any);
    sleep_ms(5);
    heard(any);
    int one = socket(AF_INET, SOCK_DGRAM, 0);
    set(one, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("a more specific one binds", bind(one, SA(&a), sizeof a));
    put4(s, "specific", "127.0.0.1", port);
    wait_in(one);
    fact("it hears:%s", heard(one));
    res("it connects elsewhere", con4(one, "127.0.0.1", 9));
    put4(s, "back", "127.0.0.1", port);
    wait_in(any);
    fact("the wildcard hears:%s", heard(any));
    res("it connects to the sender", con4(one, "127.0.0.1", port_of(s)));
    put4(s, "peer", "127.0.0.1", port);
    wait_in(one);
    fact("it hears:%s", heard(one));
    close(one);
    put4(s, "again", "127.0.0.1", port);
    wait_in(any);
    fact("the wildcard hears:%s", heard(any));
    end();
}

static void group(void) {
    int member[4], sender[40], count[4] = {0}, all = 0, used = 0;
    for (int i = 0; i < 40; i++) sender[i] = udp4("127.0.0.1");
    for (int k = 0; k < 4; k++) {
        member[k] = socket(AF_INET, SOCK_DGRAM, 0);
        set(member[k], SOL_SOCKET, SO_REUSEPORT, 1);
        struct sockaddr_in a = in4("127.0.0.1", k ? port : 0);
        must("bind", bind(member[k], SA(&a), sizeof a));
        port = port_of(member[0]);
        for (int i = 0; i < 40; i++) put4(sender[i], "x", "127.0.0.1", port);
        sleep_ms(5);
        memset(count, 0, sizeof count), all = used = 0;
        for (int j = 0; j <= k; j++) {
            char b[4];
            while (recv(member[j], b, sizeof b, MSG_DONTWAIT) >= 0) count[j]++;
            all += count[j], used += count[j] > 0;
        }
        fact("%d in the group: %d arrive, at each of them: %s", k + 1, all, used == k + 1 ? "yes" : "no");
    }
    for (int k = 0; k < 4; k++) close(member[k]);
    for (int i = 0; i < 40; i++) close(sender[i]);
}

static void sender_is_set(void) {
    fresh();
    set(r, IPPROTO_IP, IP_RECVTOS, 1), set(r, IPPROTO_IP, IP_RECVTTL, 1);
    for (int i = 0; i < 3; i++) {
        if (i == 1) set(s, IPPROTO_IP, IP_TOS, 0x20);
        if (i == 2) set(s, IPPROTO_IP, IP_TTL, 9);
        char b[8], c[128];
        struct iovec v = {b, sizeof b};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
        send(s, "t", 1, 0);
        wait_in(r);
        must("recvmsg", recvmsg(r, &m, 0));
        int tos = -1, ttl = -1;
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
            if (h->cmsg_type == IP_TOS) tos = *CMSG_DATA(h);
            if (h->cmsg_type == IP_TTL) memcpy(&ttl, CMSG_DATA(h), sizeof ttl);
        }
        fact("set %d: tos %d ttl %d", i, tos, ttl);
    }
    set(s, IPPROTO_UDP, UDP_CORK, 1);
    res("corked: send", send(s, "one", 3, 0));
    res("send", send(s, "two", 3, 0));
    fact("heard:%s", heard(r));
    set(s, IPPROTO_UDP, UDP_CORK, 0);
    wait_in(r);
    fact("uncorked:%s", heard(r));
    warm();
    res("MSG_MORE", send(s, "more", 4, MSG_MORE));
    res("and the rest", send(s, "rest", 4, 0));
    wait_in(r);
    fact("heard:%s", heard(r));
    warm();
    set(s, IPPROTO_UDP, 103 /* UDP_SEGMENT */, 2);
    res("segments of 2: send", send(s, "aabbc", 5, 0));
    sleep_ms(5);
    fact("heard:%s", heard(r));
    set(s, IPPROTO_UDP, 103, 0);
    warm();
    res("shut down for writing", shutdown(s, SHUT_WR));
    signal(SIGPIPE, SIG_IGN);
    res("send", send(s, "x", 1, 0));
    end();
}

static void receiver_is_set(void) {
    fresh();
    struct sock_filter a_only[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
                                   BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog p = {4, a_only};
    res("filter for a", setsockopt(r, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p));
    send(s, "b", 1, 0), send(s, "a", 1, 0);
    wait_in(r);
    sleep_ms(5);
    fact("heard:%s", heard(r));
    set(r, SOL_SOCKET, SO_DETACH_FILTER, 0);
    warm();
    res("receiver connects elsewhere", con4(r, "127.0.0.1", 9));
    res("send", send(s, "c", 1, 0));
    sleep_ms(5);
    fact("heard:%s", heard(r));
    res("sender's error", get(s, SOL_SOCKET, SO_ERROR));
    res("receiver connects to the sender", con4(r, "127.0.0.1", port_of(s)));
    warm();
    set(r, SOL_SOCKET, SO_RCVBUF, 1);
    int many = 0;
    for (int i = 0; i < 2000; i++) send(s, "full", 4, 0);
    sleep_ms(5);
    for (char b[8]; recv(r, b, sizeof b, MSG_DONTWAIT) >= 0;) many++;
    fact("a small buffer keeps few of 2000: %s", many > 0 && many < 20 ? "yes" : "no");
    set(r, SOL_SOCKET, SO_RCVBUF, 1 << 17);
    warm();
    end();
}

static void forked(void) {
    fresh();
    pid_t k = fork();
    if (k == 0) {
        close(r);
        _exit(send(s, "child", 5, 0) == 5 ? 0 : 1);
    }
    int st = 0;
    waitpid(k, &st, 0);
    wait_in(r);
    fact("child %d, heard:%s", WEXITSTATUS(st), heard(r));
    res("parent sends", send(s, "parent", 6, 0));
    wait_in(r);
    fact("heard:%s", heard(r));
    k = fork();
    if (k == 0) {
        close(r), close(s);
        r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
        con4(s, "127.0.0.1", port_of(r));
        warm();
        _exit(0);
    }
    waitpid(k, &st, 0);
    fact("sockets of the child's own: %d", WEXITSTATUS(st));
    warm();
    fact("nothing besides:%s", heard(r));
    end();
}

static void bad_memory(void) {
    fresh();
    res("bad buffer", send(s, (void *)8, 4, 0));
    fact("heard:%s", heard(r));
    warm();
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("bad address", sendto(s, "x", 1, 0, (void *)8, sizeof a));
    res("short address", sendto(s, "x", 1, 0, SA(&a), 15));
    res("no length", sendto(s, "x", 1, 0, SA(&a), 0));
    res("long address", sendto(s, "x", 1, 0, SA(&a), 129));
    res("no address, some length", sendto(s, "null", 4, 0, NULL, sizeof a));
    a.sin_port = 0;
    res("port 0", sendto(s, "x", 1, 0, SA(&a), sizeof a));
    wait_in(r);
    fact("heard:%s", heard(r));
    end();
}

int main(void) {
    alarm(9);
    receiver_goes();
    binders();
    group();
    sender_is_set();
    receiver_is_set();
    forked();
    bad_memory();
    return 0;
}
