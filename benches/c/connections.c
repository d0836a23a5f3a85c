/* Connections per second: connect, accept, close. -m client: the client closes first, the server sees the end and closes.
 * -m server: the server closes what it has accepted, the client sees the end and closes.
 *
 * Several listeners take turns, because each connection that is closed leaves its pair of ports in TIME_WAIT: with one
 * listener the kernel would soon search long for a free port, and then have none. */
#include "bench.h"

enum { PER_TURN = 4000, AHEAD = 256 };

static int server_closes;

static void server(void)
{
    int l[MAX_LISTENERS];
    for (int i = 0; i < MAX_LISTENERS; i++)
        l[i] = serve(SOCK_STREAM, i);
    for (long n = 0; !atomic_load(&shared->stop); n++) {
        int fd = CHECK(accept(l[n / PER_TURN % MAX_LISTENERS], NULL, NULL));
        char c;
        if (!server_closes)
            CHECK(recv(fd, &c, 1, 0));
        CHECK(close(fd));
        atomic_store(&shared->done, n + 1);
    }
}

static long made;

static void once(void)
{
    /* A full backlog would cost a second, the kernel's retransmission: that is not what is measured. */
    while (made - atomic_load(&shared->done) > AHEAD)
        sched_yield();
    int fd = connect_to(SOCK_STREAM, (int)(made / PER_TURN % MAX_LISTENERS));
    char c;
    if (server_closes)
        CHECK(recv(fd, &c, 1, 0));
    CHECK(close(fd));
    made++;
}

static void run(double seconds)
{
    double end = now() + seconds;
    do
        for (int i = 0; i < 16; i++)
            once();
    while (now() < end);
    while (atomic_load(&shared->done) < made)
        sched_yield();
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:m:");
    server_closes = strcmp(opt.mode, "server") == 0;
    if (!server_closes && strcmp(opt.mode, "client") != 0)
        usage(argv[0], "t:p:m:");
    pid_t pid = spawn(server, opt.pin_server);
    pin(opt.pin_client);
    port_of(MAX_LISTENERS - 1);
    run(WARM_UP);
    long before = made;
    struct window w;
    window_open(&w, pid);
    run(opt.seconds);
    window_close(&w);
    long n = made - before;
    atomic_store(&shared->stop, 1);
    once(); /* the server waits in accept: one more lets it see that it is over */
    reap(pid);
    report("connections", (double)n / w.seconds, "/s");
    report("cpu", w.cpu, "s");
    report("cpu_per_connection", w.cpu / (double)n * 1e6, "us");
    return 0;
}
