/* SO_ATTACH_FILTER with classic BPF on a datagram socket: the program sees the UDP header (8 bytes) and the data, what it returns
 * is how many bytes of both are kept, 0 drops (man 7 socket; the kernel's Documentation/networking/filter.rst). */
#include "dg.h"
#include <linux/filter.h>

static int s, r;

static int attach(struct sock_filter *f, unsigned short n) {
    struct sock_fprog p = {n, f};
    return setsockopt(r, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p);
}

static void hears(const char *label) {
    static const char *t[] = {"alpha", "beta", "a", "", "abcdefghij"};
    char line[200] = "", b[64];
    for (int i = 0; i < 5; i++) send(s, t[i], strlen(t[i]), 0);
    sleep_ms(20);
    for (ssize_t n; (n = recv(r, b, sizeof b, MSG_DONTWAIT)) >= 0;)
        snprintf(line + strlen(line), sizeof line - strlen(line), " \"%.*s\"", (int)n, b);
    fact("%s:%s", label, line[0] ? line : " nothing");
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffffffff)}, none[] = {BPF_STMT(BPF_RET | BPF_K, 0)},
        keep8[] = {BPF_STMT(BPF_RET | BPF_K, 8)}, keep10[] = {BPF_STMT(BPF_RET | BPF_K, 10)}, keep3[] = {BPF_STMT(BPF_RET | BPF_K, 3)},
        a_only[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
                    BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)},
        by_length[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 12, 0, 1),
                       BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)},
        header[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 12, 0, 1),
                    BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)},
        from[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)port_of(s), 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, 11), BPF_STMT(BPF_RET | BPF_K, 0)},
        by_a[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 1), BPF_STMT(BPF_RET | BPF_A, 0)},
        bad[] = {BPF_STMT(0xffff, 0)}, endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 1)},
        jump[] = {BPF_JUMP(BPF_JMP | BPF_JA, 9, 0, 0), BPF_STMT(BPF_RET | BPF_K, 1)};
    hears("no filter");
    res("detach none", set(r, SOL_SOCKET, SO_DETACH_FILTER, 0));
    res("keep all", attach(all, 1));
    hears("all");
    res("keep none", attach(none, 1));
    hears("none");
    res("sender's SO_ERROR", get(s, SOL_SOCKET, SO_ERROR));
    res("keep 8", attach(keep8, 1));
    hears("8: the header");
    res("keep 10", attach(keep10, 1));
    hears("10: two bytes of data");
    res("keep 3", attach(keep3, 1));
    hears("3: less than the header");
    res("keep 10 again", attach(keep10, 1));
    send(s, "abcdefghij", 10, 0);
    wait_in(r);
    char b[64];
    struct iovec v = {b, 64};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    int q = -1;
    ioctl(r, FIONREAD, &q);
    res("cut by a filter, MSG_TRUNC asked", recvmsg(r, &h, MSG_TRUNC));
    fact("FIONREAD %d flags %d", q, h.msg_flags);
    res("what begins with a", attach(a_only, 4));
    hears("a (a load beyond the end drops)");
    res("by length", attach(by_length, 4));
    hears("longer than 12 with the header");
    res("by the header's length field", attach(header, 4));
    hears("of 12 with the header");
    res("by the source port", attach(from, 4));
    hears("from the sender, three bytes");
    res("by A: all but one byte", attach(by_a, 3));
    hears("all but one byte");

    res("queued before a filter", (send(s, "early", 5, 0), wait_in(r)));
    attach(none, 1);
    got("is not filtered", r, 0, 0);
    res("unknown instruction", attach(bad, 1));
    res("no return", attach(endless, 1));
    res("jump beyond the end", attach(jump, 2));
    res("no instruction", attach(all, 0));
    res("4097 instructions", attach(all, 4097));
    res("bad pointer", attach((struct sock_filter *)8, 1));
    res("with 3 bytes", setsockopt(r, SOL_SOCKET, SO_ATTACH_FILTER, all, 3));
    hears("the one before stays");
    res("detach", set(r, SOL_SOCKET, SO_DETACH_FILTER, 0));
    hears("detached");
    res("detach again", set(r, SOL_SOCKET, SO_DETACH_FILTER, 0));

    res("keep 10", attach(keep10, 1));
    struct sock_filter back[4];
    socklen_t l = 4;
    res("SO_GET_FILTER", getsockopt(r, SOL_SOCKET, SO_GET_FILTER, back, &l));
    fact("instructions %d, same %d", (int)l, !memcmp(back, keep10, sizeof keep10));
    res("SO_LOCK_FILTER is", get(r, SOL_SOCKET, SO_LOCK_FILTER));
    res("SO_LOCK_FILTER 1", set(r, SOL_SOCKET, SO_LOCK_FILTER, 1));
    res("attach when locked", attach(all, 1));
    res("detach when locked", set(r, SOL_SOCKET, SO_DETACH_FILTER, 0));
    res("unlock", set(r, SOL_SOCKET, SO_LOCK_FILTER, 0));
    res("lock again", set(r, SOL_SOCKET, SO_LOCK_FILTER, 1));
    hears("it goes on");
    int d = dup(r);
    close(r);
    r = d;
    hears("in a dup too");
    return 0;
}
