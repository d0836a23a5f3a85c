/* Round trip of a datagram between two processes, blocking calls: -s BYTES, -p SERVER,CLIENT. The client is connected, the
 * server answers to the source of each datagram. An empty datagram ends it. */
#include "bench.h"

static char *buffer;

static void server(void)
{
    int fd = serve(SOCK_DGRAM, 0);
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = CHECK(recvfrom(fd, buffer, (size_t)opt.size, 0, (struct sockaddr *)&from, &len));
        if (n == 0)
            return;
        CHECK(sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, len));
    }
}

static long rounds(int fd, double seconds)
{
    double end = now() + seconds;
    long n = 0;
    do {
        for (int i = 0; i < 32; i++, n++) {
            CHECK(send(fd, buffer, (size_t)opt.size, 0));
            if (CHECK(recv(fd, buffer, (size_t)opt.size, 0)) != opt.size) {
                fprintf(stderr, "an answer of the wrong length\n");
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
    int fd = connect_to(SOCK_DGRAM, 0);
    rounds(fd, WARM_UP);
    struct window w;
    window_open(&w, pid);
    long n = rounds(fd, opt.seconds);
    window_close(&w);
    CHECK(send(fd, buffer, 0, 0));
    reap(pid);
    report("rtt", w.seconds / (double)n * 1e6, "us");
    report("cpu", w.cpu, "s");
    report("cpu_per_round", w.cpu / (double)n * 1e6, "us");
    return 0;
}
