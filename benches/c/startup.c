/* What it takes to start and end a program: /bin/true by vfork and exec, 300 times, in microseconds. The child inherits the
 * environment, a preloaded library with it. */
#include "bench.h"
#include <spawn.h>

extern char **environ;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { TIMES = 300 };
    parse(argc, argv, "t:p:");
    pin(opt.pin_client);
    double us[TIMES];
    for (int i = 0; i < TIMES; i++) {
        pid_t pid;
        char *args[] = {"true", NULL};
        double begin = now();
        errno = posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ);
        if (errno != 0)
            die("posix_spawn");
        reap(pid);
        us[i] = (now() - begin) * 1e6;
    }
    qsort(us, TIMES, sizeof us[0], ascending);
    report("startup", (us[TIMES / 2 - 1] + us[TIMES / 2]) / 2, "us");
    report("startup_quiet", us[TIMES / 20], "us");
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    report("cpu", cpu_of(getpid()) + (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6, "s");
    return 0;
}
