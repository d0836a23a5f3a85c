/* read, write and their vectored, positioned and flagged forms on sockets (man 2 readv, man 2 pread, man 2 lseek). */
#include "t.h"
#include <sys/sendfile.h>

static int p[2];
static char b[64];

static void put(const char *s) { must("write", write(p[1], s, strlen(s))); }

static void show(const char *label, ssize_t n) {
    if (n < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: %zd '%.*s'", label, n, (int)n, b);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    tcp_pair(p);
    static struct iovec many[1025];
    /* Volatile, so that the compiler does not warn of what is wrong on purpose. */
    char *volatile wrong = (char *)8;
    volatile int minus = -1;
    struct iovec v[3] = {{b, 3}, {b + 3, 0}, {b + 3, 5}}, w[3] = {{"ab", 2}, {NULL, 0}, {"cdef", 4}};

    res("writev", writev(p[1], w, 3));
    show("readv", readv(p[0], v, 3));
    put("shortened");
    show("readv of less", readv(p[0], v, 1));
    show("readv of the rest", readv(p[0], v, 3));
    res("writev of nothing", writev(p[1], w, 0));
    res("readv of nothing", readv(p[0], v, 0));
    res("writev with a negative count", writev(p[1], w, minus));
    res("writev with 1025", writev(p[1], many, 1025));
    struct iovec neg[2] = {{b, 1}, {b, (size_t)-1}}, wild[2] = {{"ok", 2}, {wrong, 4}};
    res("writev with a negative length", writev(p[1], neg, 2));
    res("writev with a bad second part", writev(p[1], wild, 2));
    int n = (int)recv(p[0], b, sizeof b, MSG_DONTWAIT);
    fact("what of it arrived: %d", n);
    res("write of a bad pointer", write(p[1], wrong, 4));
    res("write of a bad pointer, 0 bytes", write(p[1], wrong, 0));
    res("read of 0 bytes with nothing there", read(p[0], b, 0));
    put("x");
    res("read to a bad pointer", read(p[0], wrong, 4));
    show("the byte is still there", read(p[0], b, 4));

    /* Positions: a socket has none. */
    put("position");
    res("pread at 0", pread(p[0], b, 4, 0));
    res("pread at 5", pread(p[0], b, 4, 5));
    res("pread at -1", pread(p[0], b, 4, -1));
    res("pwrite", pwrite(p[0], b, 4, 0));
    res("preadv", preadv(p[0], v, 1, 0));
    res("pwritev", pwritev(p[0], w, 1, 0));
    res("preadv at -1", preadv(p[0], v, 1, -1));
    res("lseek", lseek(p[0], 0, SEEK_SET));
    res("lseek to the end", lseek(p[0], 0, SEEK_END));
    show("nothing was eaten", read(p[0], b, sizeof b));

    /* preadv2 with offset -1 is readv with flags. */
    res("preadv2 at -1, RWF_NOWAIT, nothing there", preadv2(p[0], v, 1, -1, RWF_NOWAIT));
    put("nowait!!");
    show("preadv2 at -1, RWF_NOWAIT", preadv2(p[0], v, 3, -1, RWF_NOWAIT));
    put("flags 0");
    show("preadv2 at -1, 0", preadv2(p[0], v, 3, -1, 0));
    put("hipri");
    show("preadv2 at -1, RWF_HIPRI", preadv2(p[0], v, 3, -1, RWF_HIPRI));
    put("offset 0");
    res("preadv2 at 0", preadv2(p[0], v, 3, 0, 0));
    show("still there", read(p[0], b, sizeof b));
    res("preadv2 at -2", preadv2(p[0], v, 3, -2, 0));
    res("preadv2 with an unknown flag", preadv2(p[0], v, 3, -1, 1 << 30));
    res("pwritev2 at -1, 0", pwritev2(p[1], w, 3, -1, 0));
    show("arrives", read(p[0], b, sizeof b));
    res("pwritev2 at -1, RWF_NOWAIT", pwritev2(p[1], w, 1, -1, RWF_NOWAIT));
    show("arrives", read(p[0], b, sizeof b));
    res("pwritev2 at -1, RWF_DSYNC", pwritev2(p[1], w, 1, -1, RWF_DSYNC));
    show("arrives", read(p[0], b, sizeof b));
    res("pwritev2 at 0", pwritev2(p[1], w, 1, 0, 0));
    fact("nothing came: %s", poll_text(p[0], POLLIN, 20));

    /* A datagram is one message, however it is gathered and scattered. */
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), s = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    must("connect", connect(s, (struct sockaddr *)&a, sizeof a));
    res("writev to UDP", writev(s, w, 3));
    res("write to UDP", write(s, "second", 6));
    show("readv of UDP, shorter than the datagram", readv(u, v, 1));
    show("read of UDP", read(u, b, sizeof b));
    res("write of 0 bytes to UDP", write(s, b, 0));
    res("read of it", recv(u, b, sizeof b, MSG_DONTWAIT));
    res("writev of no parts to UDP", writev(s, w, 0));
    res("read of it", recv(u, b, sizeof b, MSG_DONTWAIT));
    res("pwritev2 to UDP at -1", pwritev2(s, w, 3, -1, 0));
    show("preadv2 of UDP, RWF_NOWAIT", preadv2(u, v, 3, -1, RWF_NOWAIT));
    res("preadv2 of UDP with nothing there", preadv2(u, v, 3, -1, RWF_NOWAIT));
    res("pread of UDP", pread(u, b, 4, 0));

    /* Calls for files. */
    res("fsync", fsync(p[0]));
    res("fdatasync", fdatasync(p[0]));
    res("ftruncate", ftruncate(p[0], 0));
    res("fallocate", fallocate(p[0], 0, 0, 10));
    fact("posix_fadvise: %s", ename(posix_fadvise(p[0], 0, 0, POSIX_FADV_DONTNEED)));
    res("readahead", readahead(p[0], 0, 10));
    res("sendfile from a socket", sendfile(p[1], p[0], NULL, 4));
    res("copy_file_range", copy_file_range(p[0], NULL, p[1], NULL, 4, 0));
    fact("connection unharmed: %s", poll_text(p[0], POLLIN | POLLOUT, 0));
    return 0;
}
