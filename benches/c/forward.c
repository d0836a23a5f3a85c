/* What a call costs on a descriptor that is no socket: write() of 1 byte to /dev/null, 2 million times in 20 parts. "write" is
 * the median part, "write_quiet" the quietest, which a busy machine disturbs least. */
#include "bench.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { PARTS = 20, CALLS = 100000 };
    parse(argc, argv, "t:p:");
    pin(opt.pin_client);
    int fd = CHECK(open("/dev/null", O_WRONLY));
    double ns[PARTS], cpu = cpu_of(getpid());
    for (int part = 0; part < PARTS; part++) {
        double begin = now();
        for (int i = 0; i < CALLS; i++)
            CHECK(write(fd, "x", 1));
        ns[part] = (now() - begin) / CALLS * 1e9;
    }
    qsort(ns, PARTS, sizeof ns[0], ascending);
    report("write", (ns[PARTS / 2 - 1] + ns[PARTS / 2]) / 2, "ns");
    report("write_quiet", ns[0], "ns");
    report("cpu", cpu_of(getpid()) - cpu, "s");
    return 0;
}
