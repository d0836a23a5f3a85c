/* Odd sides of sendfile and splice with sockets (`man 2 sendfile`, `man 2 splice`): files without a size, directories, a
 * file that ends early, datagrams, pipes that are empty, full, ended or without a reader, and signals. */
#include "stream.h"
#include <sys/sendfile.h>
#include <sys/eventfd.h>

static int p[2], q[2];
static volatile sig_atomic_t pipes;
static void on_pipe(int n) {
    (void)n;
    pipes++;
}

static void *later(void *v) {
    sleep_ms(60);
    must("write", write(q[1], "late", 4));
    return v;
}

static void *drains(void *v) {
    static char b[1 << 17];
    sleep_ms(60);
    must("read", read(q[0], b, sizeof b));
    return v;
}

int main(void) {
    alarm(8);
    struct sigaction sa = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &sa, NULL);
    char b[4096], c[4096];
    tcp_pair(p);

    int f = open("/proc/self/stat", O_RDONLY);
    res("a file of /proc that cannot be spliced", sendfile(p[0], f, NULL, sizeof b));
    close(f);
    f = open("/proc/version", O_RDONLY);
    long n = sendfile(p[0], f, NULL, sizeof b);
    long got = n > 0 ? recv(p[1], b, sizeof b, 0) : 0;
    fact("a file of /proc: something %d, all of it %d, then %zd", n > 10, got == n, sendfile(p[0], f, NULL, 100));
    fact("position is past it: %d", lseek(f, 0, SEEK_CUR) == n);
    close(f);
    f = open("/", O_RDONLY | O_DIRECTORY);
    res("a directory", sendfile(p[0], f, NULL, 10));
    close(f);
    f = eventfd(1, 0);
    res("an eventfd", sendfile(p[0], f, NULL, 8));
    close(f);
    f = open("/dev/null", O_RDONLY);
    res("/dev/null", sendfile(p[0], f, NULL, 8));
    close(f);

    FILE *t = tmpfile();
    f = fileno(t);
    must("write", write(f, "0123456789", 10));
    off_t off = 4;
    res("a file longer than asked", sendfile(p[0], f, &off, 3));
    fact_recv("recv", p[1], 100, 0);
    off = 100;
    res("beyond its end", sendfile(p[0], f, &off, 3));
    fact("offset %ld", (long)off);
    res("count above SSIZE_MAX", sendfile(p[0], f, &off, (size_t)-1));
    int a = open("/dev/null", O_PATH);
    res("from an O_PATH descriptor", sendfile(p[0], a, NULL, 3));
    fcntl(p[0], F_SETFL, O_APPEND);
    off = 0;
    res("to a socket with O_APPEND", sendfile(p[0], f, &off, 3));
    fact_recv("recv", p[1], 100, MSG_DONTWAIT);
    must("pipe", pipe(q));
    must("write", write(q[1], "x", 1));
    res("splice to a socket with O_APPEND", splice(q[0], NULL, p[0], NULL, 1, 0));
    fcntl(p[0], F_SETFL, 0);

    /* sendfile from a socket goes to a pipe alone. */
    must("read", read(q[0], b, 1));
    must("send", send(p[1], "to the pipe", 11, 0));
    await(p[0], POLLIN);
    res("sendfile from a socket to a pipe", sendfile(q[1], p[0], NULL, 6));
    res("the rest", sendfile(q[1], p[0], NULL, 100));
    n = read(q[0], b, sizeof b);
    fact("pipe: %ld %.*s", n, (int)n, b);

    /* Waiting for the pipe. */
    pthread_t th;
    pthread_create(&th, NULL, later, NULL);
    res("splice from an empty pipe", splice(q[0], NULL, p[0], NULL, 100, 0));
    pthread_join(th, NULL);
    fact_recv("recv", p[1], 100, 0);
    memset(b, 'f', sizeof b);
    fcntl(q[1], F_SETFL, O_NONBLOCK);
    while (write(q[1], b, sizeof b) > 0) continue;
    must("send", send(p[1], "waits", 5, 0));
    await(p[0], POLLIN);
    res("splice to a full pipe, O_NONBLOCK", splice(p[0], NULL, q[1], NULL, 100, 0));
    fcntl(q[1], F_SETFL, 0);
    res("splice to a full pipe, SPLICE_F_NONBLOCK", splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_NONBLOCK));
    pthread_create(&th, NULL, drains, NULL);
    res("splice to a full pipe, which is read meanwhile", splice(p[0], NULL, q[1], NULL, 100, 0));
    pthread_join(th, NULL);
    while (fcntl(q[0], F_SETFL, O_NONBLOCK), (n = read(q[0], c, sizeof c)) > 0) memcpy(b, c, (size_t)n), got = n;
    fact("last in the pipe: %.5s", b + (got == 5 ? 0 : got - 5));
    fcntl(q[0], F_SETFL, 0);
    must("write", write(q[1], "end", 3));
    close(q[1]);
    res("splice of the last", splice(q[0], NULL, p[0], NULL, 100, 0));
    res("splice of an ended pipe", splice(q[0], NULL, p[0], NULL, 100, 0));
    fact_recv("recv", p[1], 100, 0);
    close(q[0]);
    must("pipe", pipe(q));
    close(q[0]);
    must("send", send(p[1], "stays", 5, 0));
    await(p[0], POLLIN);
    res("splice to a pipe without a reader", splice(p[0], NULL, q[1], NULL, 100, 0));
    fact("SIGPIPE %d", (int)pipes);
    fact_recv("recv", p[0], 100, MSG_DONTWAIT);
    close(q[1]);
    must("pipe", pipe(q));
    shutdown(p[1], SHUT_WR);
    await(p[0], POLLIN);
    res("splice at the end of the stream", splice(p[0], NULL, q[1], NULL, 100, 0));

    /* SIGPIPE of a side that was shut. */
    shutdown(p[0], SHUT_WR);
    pipes = 0;
    off = 0;
    res("sendfile after SHUT_WR", sendfile(p[0], f, &off, 3));
    fact("SIGPIPE %d", (int)pipes);
    must("write", write(q[1], "gone?", 5));
    res("splice after SHUT_WR", splice(q[0], NULL, p[0], NULL, 5, 0));
    fact("SIGPIPE %d", (int)pipes);

    /* Datagrams. */
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), v = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in in = in4("127.0.0.1", 0);
    socklen_t len = sizeof in;
    must("bind", bind(v, (struct sockaddr *)&in, sizeof in));
    must("getsockname", getsockname(v, (struct sockaddr *)&in, &len));
    must("connect", connect(u, (struct sockaddr *)&in, sizeof in));
    off = 0;
    res("sendfile to UDP", sendfile(u, f, &off, 10));
    fact_recv("one datagram", v, 100, 0);
    close(q[0]);
    close(q[1]);
    must("pipe", pipe(q));
    must("send", send(u, "datagram", 8, 0));
    res("splice of a datagram, cut", splice(v, NULL, q[1], NULL, 4, 0));
    n = read(q[0], b, sizeof b);
    fact("pipe: %ld %.*s", n, (int)n, b);
    fact_recv("what is left", v, 100, MSG_DONTWAIT);
    must("write", write(q[1], "out", 3));
    res("splice to UDP", splice(q[0], NULL, u, NULL, 100, 0));
    fact_recv("one datagram", v, 100, 0);
    return 0;
}
