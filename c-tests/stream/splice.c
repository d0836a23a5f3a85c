/* splice between pipes and a TCP socket, tee and vmsplice with it, copy_file_range (`man 2 splice`, `man 2 tee`,
 * `man 2 vmsplice`, `man 2 copy_file_range`). */
#include "stream.h"

static int p[2], q[2];
static void fact_pipe(const char *label) {
    char b[64];
    fcntl(q[0], F_SETFL, O_NONBLOCK);
    ssize_t r = read(q[0], b, sizeof b);
    if (r < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: %zd %.*s", label, r, (int)r, b);
    fcntl(q[0], F_SETFL, 0);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    tcp_pair(p);
    must("pipe", pipe(q));
    must("write", write(q[1], "through the pipe", 16));
    res("pipe to socket", splice(q[0], NULL, p[0], NULL, 100, 0));
    fact_recv("recv", p[1], 100, 0);
    must("send", send(p[1], "and back again", 14, 0));
    await(p[0], POLLIN);
    res("socket to pipe, 3 bytes", splice(p[0], NULL, q[1], NULL, 3, 0));
    fact_pipe("pipe");
    res("socket to pipe, all", splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_MOVE));
    fact_pipe("pipe");
    /* SPLICE_F_NONBLOCK is about the pipe alone: a blocking socket with nothing there would block. */
    res("empty pipe, SPLICE_F_NONBLOCK", splice(q[0], NULL, p[0], NULL, 100, SPLICE_F_NONBLOCK));
    nonblock(p[0], 1);
    res("nothing there, O_NONBLOCK socket", splice(p[0], NULL, q[1], NULL, 100, 0));
    nonblock(p[0], 0);
    res("length 0", splice(p[0], NULL, q[1], NULL, 0, 0));
    loff_t off = 0;
    res("offset on a socket", splice(p[0], &off, q[1], NULL, 1, 0));
    res("offset on the socket side, out", splice(q[0], NULL, p[0], &off, 1, 0));
    res("socket to socket", splice(p[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK));
    res("bad descriptor", splice(-1, NULL, q[1], NULL, 1, 0));
    res("unknown flag", splice(p[0], NULL, q[1], NULL, 1, 0x100));

    must("write", write(q[1], "teed", 4));
    res("tee to a socket", tee(q[0], p[0], 10, SPLICE_F_NONBLOCK));
    res("tee from a socket", tee(p[0], q[1], 10, SPLICE_F_NONBLOCK));
    int r[2];
    must("pipe", pipe(r));
    res("tee pipe to pipe", tee(q[0], r[1], 10, 0));
    res("first copy to socket", splice(q[0], NULL, p[0], NULL, 10, SPLICE_F_MORE));
    res("second copy to socket", splice(r[0], NULL, p[0], NULL, 10, 0));
    char b[32];
    fact("arrived %ld", read_full(p[1], b, 8));
    fact("%.8s", b);

    char one[] = "vm", two[] = "spliced";
    struct iovec v[2] = {{one, 2}, {two, 7}};
    res("vmsplice", vmsplice(q[1], v, 2, 0));
    res("vmsplice to a socket", vmsplice(p[0], v, 2, 0));
    res("pipe to socket", splice(q[0], NULL, p[0], NULL, 100, 0));
    memset(b, 0, sizeof b);
    read_full(p[1], b, 9);
    fact("%.9s", b);

    FILE *t = tmpfile();
    fputs("file data", t);
    fflush(t);
    int f = fileno(t);
    loff_t fo = 0;
    res("copy_file_range to a socket", copy_file_range(f, &fo, p[0], NULL, 5, 0));
    res("copy_file_range from a socket", copy_file_range(p[0], NULL, f, NULL, 5, 0));
    res("splice file to socket", splice(f, &fo, p[0], NULL, 5, 0));
    res("splice file to pipe", splice(f, &fo, q[1], NULL, 5, 0));
    res("and on to the socket", splice(q[0], NULL, p[0], NULL, 5, 0));
    fact_recv("recv", p[1], 10, 0);

    /* A megabyte through a pipe, in a proxy of two sockets. */
    int o[2];
    tcp_pair(o);
    pid_t w = fork();
    if (w == 0) {
        static unsigned char big[1 << 20];
        for (size_t i = 0; i < sizeof big; i++) big[i] = pat(i);
        long n = write_full(p[1], big, sizeof big);
        shutdown(p[1], SHUT_WR);
        _exit(n == (long)sizeof big ? 0 : 1);
    }
    pid_t rd = fork();
    if (rd == 0) {
        static unsigned char big[(1 << 20) + 1];
        close(o[0]);
        long n = read_full(o[1], big, sizeof big), bad = 0;
        for (long i = 0; i < n; i++) bad += big[i] != pat((size_t)i);
        _exit(n == 1 << 20 && !bad ? 0 : 1);
    }
    long total = 0, k;
    while ((k = splice(p[0], NULL, q[1], NULL, 1 << 16, SPLICE_F_MOVE)) > 0) {
        total += k;
        while (k > 0) { long m = splice(q[0], NULL, o[0], NULL, (size_t)k, SPLICE_F_MOVE); if (m <= 0) break; k -= m; }
    }
    fact("passed on %ld, then %ld", total, k);
    shutdown(o[0], SHUT_WR);
    reap("writer", w);
    reap("reader", rd);
    must("write", write(q[1], "x", 1));
    res("pipe to socket after SHUT_WR", splice(q[0], NULL, o[0], NULL, 1, 0));
    int u = socket(AF_INET, SOCK_STREAM, 0);
    res("unconnected socket to pipe", splice(u, NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK));
    return 0;
}
