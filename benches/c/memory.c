/* Memory of -c idle connections, per connection and for both processes together; with -x each has carried one request
 * and its answer before.
 *
 * "resident" is what counts: private and file pages of both (Pss of smaps_rollup without its shared-memory part), plus shared memory
 * as the larger of what both have mapped (Pss_Shmem) and what the whole machine gained (Shmem of meminfo: also pages that nobody
 * maps any more). "kernel" is what the kernel holds beside that: slab and page tables, of the whole machine and therefore rough. */
#include "bench.h"

struct memory {
    double own, pss_shmem, shmem, kernel; /* bytes */
};

static double field(const char *file, const char *name)
{
    FILE *f = fopen(file, "r");
    if (!f)
        die(file);
    char line[256];
    double kb = 0;
    size_t len = strlen(name);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            kb = atof(line + len + 1);
    fclose(f);
    return kb * 1024;
}

static struct memory look(pid_t other)
{
    struct memory m = {0};
    pid_t pids[] = {getpid(), other};
    for (int i = 0; i < 2; i++) {
        char file[64];
        snprintf(file, sizeof file, "/proc/%d/smaps_rollup", pids[i]);
        double shm = field(file, "Pss_Shmem");
        m.pss_shmem += shm;
        m.own += field(file, "Pss") - shm;
    }
    m.shmem = field("/proc/meminfo", "Shmem");
    m.kernel = field("/proc/meminfo", "Slab") + field("/proc/meminfo", "PageTables");
    return m;
}

static int *fds;

static void server(void)
{
    int l = serve(SOCK_STREAM, 0);
    char request[64];
    for (int i = 0; i <= opt.conns; i++) {
        fds[i] = CHECK(accept(l, NULL, NULL));
        if (opt.exchange && recv_all(fds[i], request, sizeof request))
            send_all(fds[i], request, sizeof request);
        atomic_store(&shared->done, i + 1);
    }
    while (!atomic_load(&shared->stop))
        usleep(1000);
}

static void join(int i)
{
    char request[64] = {0};
    while (i - atomic_load(&shared->done) > 256)
        usleep(10);
    fds[i] = connect_to(SOCK_STREAM, 0);
    if (opt.exchange) {
        send_all(fds[i], request, sizeof request);
        recv_all(fds[i], request, sizeof request);
    }
}

static struct memory settle(int open, pid_t pid)
{
    while (atomic_load(&shared->done) < open)
        usleep(1000);
    usleep(50 * 1000);
    return look(pid);
}

int main(int argc, char **argv)
{
    opt.conns = 10000;
    parse(argc, argv, "t:p:c:x");
    need_files((rlim_t)opt.conns);
    fds = calloc((size_t)opt.conns + 1, sizeof *fds);
    memset(fds, 1, ((size_t)opt.conns + 1) * sizeof *fds); /* touched before the first look */
    pid_t pid = spawn(server, opt.pin_server);
    pin(opt.pin_client);
    /* The first connection pays for what a process sets up once. */
    join(0);
    look(pid);
    struct memory a = settle(1, pid);
    for (int i = 1; i <= opt.conns; i++)
        join(i);
    struct memory b = settle(opt.conns + 1, pid);
    atomic_store(&shared->stop, 1);
    reap(pid);
    double n = opt.conns;
    double mapped = b.pss_shmem - a.pss_shmem, machine = b.shmem - a.shmem;
    report("resident", (b.own - a.own + (machine > mapped ? machine : mapped)) / n, "B");
    report("private", (b.own - a.own) / n, "B");
    report("pss_shmem", mapped / n, "B");
    report("shmem", machine / n, "B");
    report("kernel", (b.kernel - a.kernel) / n, "B");
    report("cpu", cpu_of(getpid()), "s");
    return 0;
}
