/* An echo server on epoll, driven by a client on epoll: -c connections with one request of -s bytes outstanding on each,
 * and -w microseconds of work for each request on each side.
 *
 * With -i N the same is measured three times: the busy connections alone, beside N idle ones (registered with both epolls),
 * and alone again; "cost" is what a request costs beside the idle ones, relative to the mean of the other two. */
#include "bench.h"

enum { EVENTS = 64, ROOM = 64 * 1024, AHEAD = 256 };

static char buffer[ROOM];

static void add(int ep, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}

static void unblock(int fd)
{
    CHECK(fcntl(fd, F_SETFL, CHECK(fcntl(fd, F_GETFL)) | O_NONBLOCK));
}

static void accept_all(int ep, int l)
{
    for (;;) {
        int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0 && errno == EAGAIN)
            return;
        CHECK(fd);
        nodelay(fd);
        add(ep, fd);
        atomic_fetch_add(&shared->open, 1);
        atomic_fetch_add(&shared->done, 1);
    }
}

static void answer(int fd)
{
    ssize_t n = recv(fd, buffer, ROOM, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (CHECK(n) == 0) {
        CHECK(close(fd));
        atomic_fetch_sub(&shared->open, 1);
        return;
    }
    work(opt.work_us);
    send_all(fd, buffer, (size_t)n);
}

static void server(void)
{
    int ep = CHECK(epoll_create1(0));
    int l = serve(SOCK_STREAM, 0);
    unblock(l);
    add(ep, l);
    struct epoll_event e[EVENTS];
    while (!atomic_load(&shared->stop) || atomic_load(&shared->open) > 0) {
        int n = CHECK(epoll_wait(ep, e, EVENTS, -1));
        for (int i = 0; i < n; i++) {
            if (e[i].data.fd == l)
                accept_all(ep, l);
            else
                answer(e[i].data.fd);
        }
    }
}

struct cost {
    double requests_per_s, cpu_us;
};

static long *got; /* bytes of the answer so far, by descriptor */

static long drive(int ep, double seconds)
{
    struct epoll_event e[EVENTS];
    long requests = 0, look = 0;
    double end = now() + seconds;
    while (requests < look || now() < end) {
        if (requests >= look)
            look = requests + 64;
        int n = CHECK(epoll_wait(ep, e, EVENTS, -1));
        for (int i = 0; i < n; i++) {
            int fd = e[i].data.fd;
            ssize_t r = recv(fd, buffer, ROOM, 0);
            if (r < 0 && errno == EAGAIN)
                continue;
            if (CHECK(r) == 0) {
                fprintf(stderr, "the server closed early\n");
                exit(1);
            }
            got[fd] += r;
            if (got[fd] < opt.size)
                continue;
            got[fd] = 0;
            work(opt.work_us);
            requests++;
            send_all(fd, buffer, (size_t)opt.size);
        }
    }
    return requests;
}

static struct cost measure(int ep, pid_t pid)
{
    drive(ep, WARM_UP);
    struct window w;
    window_open(&w, pid);
    long n = drive(ep, opt.seconds);
    window_close(&w);
    return (struct cost){(double)n / w.seconds, w.cpu / (double)n * 1e6};
}

static int join(int ep)
{
    static long made;
    while (made - atomic_load(&shared->done) > AHEAD)
        sched_yield();
    int fd = connect_to(SOCK_STREAM, 0);
    made++;
    nodelay(fd);
    unblock(fd);
    add(ep, fd);
    return fd;
}

/* The busy connections wait meanwhile: their answers lie in the receive buffers. */
static void settle(int open)
{
    while (atomic_load(&shared->open) != open)
        usleep(1000);
    usleep(50 * 1000);
}

/* Reads the answer that is still on its way: a close with unread data would be a reset. */
static void finish(int fd)
{
    CHECK(fcntl(fd, F_SETFL, CHECK(fcntl(fd, F_GETFL)) & ~O_NONBLOCK));
    CHECK(shutdown(fd, SHUT_WR));
    while (CHECK(recv(fd, buffer, ROOM, 0)) > 0)
        ;
    CHECK(close(fd));
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:s:c:w:i:");
    if (opt.size > ROOM || opt.conns < 1)
        usage(argv[0], "t:p:s:c:w:i:");
    int total = opt.conns + opt.idle;
    need_files((rlim_t)total);
    got = calloc((size_t)total + 4096, sizeof *got);
    int *fds = calloc((size_t)total, sizeof *fds);
    pid_t pid = spawn(server, opt.pin_server);
    pin(opt.pin_client);
    int ep = CHECK(epoll_create1(0));
    for (int i = 0; i < opt.conns; i++)
        fds[i] = join(ep);
    for (int i = 0; i < opt.conns; i++)
        send_all(fds[i], buffer, (size_t)opt.size);

    struct cost alone = measure(ep, pid);
    if (opt.idle == 0) {
        report("requests", alone.requests_per_s, "/s");
        report("cpu_per_request", alone.cpu_us, "us");
    } else {
        for (int i = opt.conns; i < total; i++)
            fds[i] = join(ep);
        settle(total);
        struct cost beside = measure(ep, pid);
        for (int i = opt.conns; i < total; i++)
            CHECK(close(fds[i]));
        settle(opt.conns);
        struct cost again = measure(ep, pid);
        double requests = (alone.requests_per_s + again.requests_per_s) / 2, cpu = (alone.cpu_us + again.cpu_us) / 2;
        report("alone_requests", requests, "/s");
        report("beside_requests", beside.requests_per_s, "/s");
        report("alone_cpu", cpu, "us");
        report("beside_cpu", beside.cpu_us, "us");
        report("cost_time", requests / beside.requests_per_s, "x");
        report("cost_cpu", beside.cpu_us / cpu, "x");
    }
    report("cpu", cpu_of(getpid()) + cpu_of(pid), "s");
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < opt.conns; i++)
        finish(fds[i]);
    reap(pid);
    return 0;
}
