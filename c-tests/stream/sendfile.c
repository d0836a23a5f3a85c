/* sendfile to a TCP socket (`man 2 sendfile`): with an offset and without, beyond the end of the file, to a socket
 * that is full, with wrong descriptors. */
#include "stream.h"
#include <sys/sendfile.h>

enum { SIZE = 3000000 };
static int p[2];
static unsigned char in[SIZE];

static int same(size_t at, const unsigned char *b, long n) {
    for (long i = 0; i < n; i++) if (b[i] != pat(at + (size_t)i)) return 0;
    return 1;
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    FILE *t = tmpfile();
    int f = fileno(t);
    for (size_t i = 0; i < SIZE; i++) in[i] = pat(i);
    must("write", (long)fwrite(in, 1, SIZE, t));
    fflush(t);
    tcp_pair(p);

    off_t off = 100;
    lseek(f, 7, SEEK_SET);
    res("offset 100, 1000 bytes", sendfile(p[0], f, &off, 1000));
    fact("offset %ld, file position %ld", (long)off, (long)lseek(f, 0, SEEK_CUR));
    long r = read_full(p[1], in, 1000);
    fact("came %ld, right: %s", r, same(100, in, r) ? "yes" : "no");
    res("no offset, 500 bytes", sendfile(p[0], f, NULL, 500));
    fact("file position %ld", (long)lseek(f, 0, SEEK_CUR));
    r = read_full(p[1], in, 500);
    fact("came %ld, right: %s", r, same(7, in, r) ? "yes" : "no");
    off = SIZE - 10;
    res("over the end", sendfile(p[0], f, &off, 1000));
    fact("offset %ld", (long)off - SIZE);
    read_full(p[1], in, 10);
    res("at the end", sendfile(p[0], f, &off, 1000));
    res("0 bytes", sendfile(p[0], f, NULL, 0));
    off = -1;
    res("offset -1", sendfile(p[0], f, &off, 10));

    /* The whole file with a reader that reads at the same time. */
    pid_t pid = fork();
    if (pid == 0) {
        close(p[0]);
        long n = read_full(p[1], in, SIZE);
        _exit(n == SIZE && same(0, in, n) ? 0 : 1);
    }
    off = 0;
    long sum = 0;
    while (sum < SIZE && (r = sendfile(p[0], f, &off, (size_t)(SIZE - sum))) > 0) sum += r;
    fact("sent the whole file: %s, offset right: %s", sum == SIZE ? "yes" : "no", off == sum ? "yes" : "no");
    reap("reader", pid);

    /* Non-blocking and full: a part, then EAGAIN; the offset tells how far. */
    nonblock(p[0], 1);
    lseek(f, 0, SEEK_SET);
    sum = 0;
    int rounds = 0;
    do { r = sendfile(p[0], f, NULL, SIZE); if (r > 0) sum += r;
        if (lseek(f, 0, SEEK_CUR) == SIZE) lseek(f, 0, SEEK_SET); } while (r > 0 && ++rounds < 1000);
    res("full", r);
    fact("file position is what was taken: %s", lseek(f, 0, SEEK_CUR) == sum % SIZE ? "yes" : "no");
    long got = 0;
    int right = 1;
    while (got < sum) {
        r = read(p[1], in, 100000);
        if (r <= 0) break;
        for (long i = 0; i < r; i++) right &= in[i] == pat((size_t)((got + i) % SIZE));
        got += r;
    }
    fact("all of it came: %s, right: %s", got == sum ? "yes" : "no", right ? "yes" : "no");
    nonblock(p[0], 0);

    off = 0;
    int wo = open("/dev/null", O_WRONLY), q[2];
    must("pipe", pipe(q));
    res("from a bad descriptor", sendfile(p[0], -1, &off, 10));
    res("to a bad descriptor", sendfile(-1, f, &off, 10));
    res("from a write-only descriptor", sendfile(p[0], wo, NULL, 10));
    must("send", send(p[1], "from socket", 11, 0));
    await(p[0], POLLIN);
    res("from a socket to a file", sendfile(wo, p[0], NULL, 5));
    res("from a socket with an offset", sendfile(wo, p[0], &off, 5));
    fact_recv("what is left of it", p[0], 100, MSG_DONTWAIT);
    must("write", write(q[1], "from pipe", 9));
    res("from a pipe to a socket", sendfile(p[0], q[0], NULL, 9));
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    int z = open("/dev/zero", O_RDONLY);
    res("from /dev/zero", sendfile(p[0], z, NULL, 10));
    read_full(p[1], in, 10);
    res("a bad offset pointer", sendfile(p[0], f, (off_t *)8, 10));
    int u = socket(AF_INET, SOCK_STREAM, 0);
    off = 0;
    res("to an unconnected socket", sendfile(u, f, &off, 10));
    fact("offset %ld", (long)off);
    shutdown(p[0], SHUT_WR);
    res("after SHUT_WR", sendfile(p[0], f, &off, 10));
    int x = open("/dev/null", O_RDONLY);
    res("to a read-only descriptor", sendfile(x, f, &off, 10));
    return 0;
}
