/* Datagrams one way: -u processes send datagrams of -s BYTES to one socket as fast as they can; what counts is how many the
 * receiver gets out of it per second. A full queue drops, in the kernel as well: "sent" tells how many were sent.
 * CPU seconds: the receiver and all senders. */
#include "bench.h"

enum { PER_LOOK = 64, MAX_SENDERS = 64 };

static void receiver(void)
{
    char *buffer = malloc(64 * 1024);
    memset(buffer, 1, 64 * 1024);
    int fd = serve(SOCK_DGRAM, 0);
    double begin = now(), opened = 0;
    long n = 0, sent = 0;
    for (;;) {
        for (int i = 0; i < PER_LOOK; i++, n++)
            CHECK(recv(fd, buffer, 64 * 1024, 0));
        double t = now();
        if (opened == 0 && t - begin >= WARM_UP) {
            atomic_store(&shared->done, 1);
            sent = atomic_load(&shared->sent);
            opened = now();
            n = 0;
        } else if (opened > 0 && t - opened >= opt.seconds) {
            atomic_store(&shared->done, 2);
            shared->result[0] = (double)n / (t - opened);
            shared->result[1] = (double)(atomic_load(&shared->sent) - sent) / (t - opened);
            break;
        }
    }
    /* The senders see the end at their next datagram; until the last has gone they shall not meet a closed port. */
    while (atomic_load(&shared->open) > 0)
        usleep(1000);
    while (!atomic_load(&shared->stop))
        usleep(1000);
}

static void sender(void)
{
    char *buffer = malloc((size_t)opt.size);
    memset(buffer, 2, (size_t)opt.size);
    int fd = connect_to(SOCK_DGRAM, 0);
    while (atomic_load_explicit(&shared->done, memory_order_relaxed) < 2) {
        for (int i = 0; i < PER_LOOK; i++)
            if (send(fd, buffer, (size_t)opt.size, 0) < 0 && errno != ENOBUFS)
                die("send");
        atomic_fetch_add_explicit(&shared->sent, PER_LOOK, memory_order_relaxed);
    }
    atomic_fetch_sub(&shared->open, 1);
    while (!atomic_load(&shared->stop))
        usleep(1000);
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:s:u:");
    if (opt.senders < 1 || opt.senders > MAX_SENDERS)
        usage(argv[0], "t:p:s:u:");
    pid_t pids[MAX_SENDERS + 1];
    atomic_store(&shared->open, opt.senders);
    pids[0] = spawn(receiver, opt.pin_server);
    port_of(0);
    for (int i = 1; i <= opt.senders; i++)
        pids[i] = spawn(sender, opt.pin_client);
    double cpu[2] = {0, 0};
    for (int phase = 0; phase < 2; phase++) {
        while (atomic_load(&shared->done) <= phase)
            usleep(500);
        for (int i = 0; i <= opt.senders; i++)
            cpu[phase] += cpu_of(pids[i]);
    }
    atomic_store(&shared->stop, 1);
    for (int i = 0; i <= opt.senders; i++)
        reap(pids[i]);
    report("received", shared->result[0], "/s");
    report("sent", shared->result[1], "/s");
    report("bandwidth", shared->result[0] * (double)opt.size / 1e9, "GB/s");
    report("cpu", cpu[1] - cpu[0], "s");
    return 0;
}
