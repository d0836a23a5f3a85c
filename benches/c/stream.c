/* One way over one TCP connection: the client sends messages of -s BYTES as fast as it can (-n: with TCP_NODELAY), the
 * server reads into a buffer of 64 KiB. Small messages give the rate of sends, 64 KiB the bandwidth. */
#include "bench.h"

static void server(void)
{
    enum { ROOM = 64 * 1024, READS_PER_LOOK = 16 };
    char *buffer = malloc(ROOM);
    memset(buffer, 1, ROOM);
    int l = serve(SOCK_STREAM, 0);
    int fd = CHECK(accept(l, NULL, NULL));
    struct window w = {0};
    double begin = now();
    long long bytes = 0;
    int phase = 0;
    for (unsigned i = 1;; i++) {
        ssize_t n = CHECK(recv(fd, buffer, ROOM, 0));
        if (n == 0)
            break;
        bytes += n;
        if (phase == 2 || i % READS_PER_LOOK != 0)
            continue;
        if (phase == 0 && now() - begin >= WARM_UP) {
            window_open(&w, getppid());
            bytes = 0;
            phase = 1;
        } else if (phase == 1 && now() - w.begin >= opt.seconds) {
            window_close(&w);
            shared->result[0] = w.seconds;
            shared->result[1] = w.cpu;
            shared->result[2] = (double)bytes;
            phase = 2;
            atomic_store(&shared->stop, 1);
        }
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:s:n");
    char *buffer = malloc((size_t)opt.size);
    memset(buffer, 2, (size_t)opt.size);
    pid_t pid = spawn(server, opt.pin_server);
    pin(opt.pin_client);
    int fd = connect_to(SOCK_STREAM, 0);
    if (opt.nodelay)
        nodelay(fd);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed))
        send_all(fd, buffer, (size_t)opt.size);
    close(fd);
    reap(pid);
    double seconds = shared->result[0], bytes = shared->result[2];
    report("messages", bytes / (double)opt.size / seconds, "/s");
    report("bandwidth", bytes / seconds / 1e9, "GB/s");
    report("cpu", shared->result[1], "s");
    return 0;
}
