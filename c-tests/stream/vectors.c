/* readv, writev, sendmsg and recvmsg with several pieces (`man 2 readv`, `man 2 sendmsg`): empty ones, very many,
 * sums that overflow, counts that are out of range. */
#include "stream.h"
#include <limits.h>

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    volatile int minus = -1; /* volatile: the compiler would warn */
    struct iovec w[5] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"", 0}, {"f", 1}};
    res("writev with empty ones", writev(p[0], w, 5));
    await(p[1], POLLIN);
    char a[2], b[1], c[10];
    struct iovec r[5] = {{NULL, 0}, {a, 2}, {NULL, 0}, {b, 1}, {c, sizeof c}};
    res("readv", readv(p[1], r, 5));
    fact("%.2s|%.1s|%.3s", a, b, c);

    res("writev of none", writev(p[0], w, 0));
    res("writev of none from NULL", writev(p[0], NULL, 0));
    struct iovec empty[3] = {{NULL, 0}, {a, 0}, {NULL, 0}};
    res("writev of empty ones", writev(p[0], empty, 3));
    res("readv of none", readv(p[1], r, 0));
    res("readv of empty ones", readv(p[1], empty, 3));
    res("writev count -1", writev(p[0], w, minus));
    res("readv count -1", readv(p[1], r, minus));

    static struct iovec many[IOV_MAX + 1], back[IOV_MAX];
    static unsigned char out[IOV_MAX + 1], in[IOV_MAX * 2];
    for (int i = 0; i <= IOV_MAX; i++) {
        out[i] = pat((size_t)i);
        many[i] = (struct iovec){out + i, 1};
    }
    for (int i = 0; i < IOV_MAX; i++) back[i] = (struct iovec){in + 2 * (IOV_MAX - 1 - i), 1};
    fact("IOV_MAX %d", IOV_MAX);
    res("writev of IOV_MAX", writev(p[0], many, IOV_MAX));
    res("writev of IOV_MAX + 1", writev(p[0], many, IOV_MAX + 1));
    long got = 0;
    while (got < IOV_MAX) {
        ssize_t n = readv(p[1], back + got, (int)(IOV_MAX - got));
        if (n <= 0) break;
        got += n;
    }
    int bad = 0;
    for (int i = 0; i < IOV_MAX; i++) bad += in[2 * (IOV_MAX - 1 - i)] != pat((size_t)i) || in[2 * i + 1];
    fact("readv of IOV_MAX: %ld, wrong bytes %d", got, bad);

    struct msghdr m = {.msg_iov = many, .msg_iovlen = IOV_MAX + 1};
    res("sendmsg of IOV_MAX + 1", sendmsg(p[0], &m, 0));
    res("recvmsg of IOV_MAX + 1", recvmsg(p[1], &m, MSG_DONTWAIT));
    m.msg_iovlen = 0;
    res("sendmsg of none", sendmsg(p[0], &m, 0));
    res("recvmsg of none, nothing there", recvmsg(p[1], &m, MSG_DONTWAIT));
    m.msg_iovlen = (size_t)-1;
    res("sendmsg of SIZE_MAX", sendmsg(p[0], &m, 0));

    /* Lengths: one above SSIZE_MAX is EINVAL; a sum above it is cut for the kernel's limit per call. */
    struct iovec big[2] = {{out, (size_t)-1}, {out, 1}};
    struct msghdr bm = {.msg_iov = big, .msg_iovlen = 2};
    res("writev, a length of SIZE_MAX", writev(p[0], big, 2));
    res("readv, a length of SIZE_MAX", readv(p[1], big, 2));
    res("sendmsg, a length of SIZE_MAX", sendmsg(p[0], &bm, 0));
    res("recvmsg, a length of SIZE_MAX", recvmsg(p[1], &bm, MSG_DONTWAIT));
    must("send", send(p[0], "tail", 4, 0));
    await(p[1], POLLIN);
    struct iovec huge[2] = {{in, 8}, {in + 8, SSIZE_MAX}};
    struct msghdr hm = {.msg_iov = huge, .msg_iovlen = 2};
    res("readv, a sum above SSIZE_MAX", readv(p[1], huge, 2));
    must("send", send(p[0], "tail", 4, 0));
    sleep_ms(20);
    res("recvmsg, a sum above SSIZE_MAX", recvmsg(p[1], &hm, MSG_DONTWAIT));
    res("recv of what is left", recv(p[1], in, 100, MSG_DONTWAIT));
    must("send", send(p[0], "tail", 4, 0));
    await(p[1], POLLIN);
    res("recv with an honest small amount and length SIZE_MAX", recv(p[1], in, (size_t)-1, MSG_DONTWAIT));
    res("recv of what is left", recv(p[1], in, 100, MSG_DONTWAIT));

    /* preadv has no meaning on a socket; preadv2 and pwritev2 with offset -1 do. */
    struct iovec v = {"pw", 2}, u = {in, 10};
    res("pwrite", pwrite(p[0], "x", 1, 0));
    res("pread", pread(p[1], in, 1, 0));
    res("pwritev", pwritev(p[0], &v, 1, 0));
    res("pwritev2 at -1", pwritev2(p[0], &v, 1, -1, 0));
    await(p[1], POLLIN);
    res("preadv2 at -1", preadv2(p[1], &u, 1, -1, 0));
    fact("%.2s", in);
    res("preadv2 RWF_NOWAIT with nothing there", preadv2(p[1], &u, 1, -1, RWF_NOWAIT));
    res("lseek", lseek(p[0], 0, SEEK_CUR));
    return 0;
}
