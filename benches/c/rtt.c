/* Round trip of a message over one TCP connection between two processes, blocking calls: -s BYTES, -p SERVER,CLIENT. */
#include "bench.h"

static char *buffer;

static void server(void)
{
    int l = serve(SOCK_STREAM, 0);
    int fd = CHECK(accept(l, NULL, NULL));
    nodelay(fd);
    for (;;) {
        ssize_t n = CHECK(recv(fd, buffer, (size_t)opt.size, 0));
        if (n == 0)
            return;
        send_all(fd, buffer, (size_t)n);
    }
}

static long rounds(int fd, double seconds)
{
    double end = now() + seconds;
    long n = 0;
    do {
        for (int i = 0; i < 32; i++, n++) {
            send_all(fd, buffer, (size_t)opt.size);
            if (!recv_all(fd, buffer, (size_t)opt.size)) {
                fprintf(stderr, "the server closed early\n");
                exit(1);
            }
        }
    } while (now() < end);
    return n;
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:s:");
    buffer = calloc(1, (size_t)opt.size);
    pid_t pid = spawn(server, opt.pin_server);
    pin(opt.pin_client);
    int fd = connect_to(SOCK_STREAM, 0);
    nodelay(fd);
    rounds(fd, WARM_UP);
    struct window w;
    window_open(&w, pid);
    long n = rounds(fd, opt.seconds);
    window_close(&w);
    close(fd);
    reap(pid);
    report("rtt", w.seconds / (double)n * 1e6, "us");
    report("cpu", w.cpu, "s");
    report("cpu_per_round", w.cpu / (double)n * 1e6, "us");
    return 0;
}
