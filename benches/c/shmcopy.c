/* What two processes can copy through shared memory on this machine, without any socket: the ceiling for bulk transfer.
 * One copies a private block of 64 KiB into a shared window, the other copies it out; windows of 256 KiB, 1 MiB and 4 MiB, handed
 * over in pieces of 16 and of 64 KiB, by memcpy and (x86) by stores that go around the cache. The best is the ceiling. */
#include "bench.h"
#ifdef __x86_64__
#include <emmintrin.h>
#define RELAX() _mm_pause()
#else
#define RELAX() ((void)0)
#endif

enum { BLOCK = 64 * 1024, MAX_WINDOW = 4 << 20 };

struct ring {
    _Alignas(LINE) atomic_long head; /* bytes written */
    _Alignas(LINE) atomic_long tail; /* bytes read */
    _Alignas(LINE) atomic_int over;
    _Alignas(4096) char data[MAX_WINDOW];
};

static struct ring *ring;
static char *private_block;
static long window_size, piece;
static int around_cache;

static void copy_in(char *to, const char *from, long n)
{
#ifdef __x86_64__
    if (around_cache) {
        for (long i = 0; i < n; i += 64)
            for (int j = 0; j < 64; j += 16)
                _mm_stream_si128((__m128i *)(to + i + j), _mm_load_si128((const __m128i *)(from + i + j)));
        _mm_sfence();
        return;
    }
#endif
    memcpy(to, from, (size_t)n);
}

/* False when the other process has ended it. */
static int wait_until(atomic_long *cursor, long at_least)
{
    for (unsigned i = 1; atomic_load_explicit(cursor, memory_order_acquire) < at_least; i++) {
        if (atomic_load_explicit(&ring->over, memory_order_relaxed))
            return 0;
        RELAX();
        if (i % 4096 == 0)
            sched_yield();
    }
    return 1;
}

static void reader(void)
{
    private_block = aligned_alloc(4096, BLOCK);
    memset(private_block, 3, BLOCK);
    for (long at = 0; wait_until(&ring->head, at + piece); at += piece) {
        memcpy(private_block + at % BLOCK, ring->data + at % window_size, (size_t)piece);
        atomic_store_explicit(&ring->tail, at + piece, memory_order_release);
    }
}

static double gigabytes_per_s(double seconds)
{
    atomic_store(&ring->head, 0);
    atomic_store(&ring->tail, 0);
    atomic_store(&ring->over, 0);
    pid_t pid = spawn(reader, opt.pin_server);
    double begin = now(), warm = begin + seconds * 0.2, end = warm + seconds;
    long at = 0, from = 0;
    for (double t = begin; t < end; t = now()) {
        if (from == 0 && t >= warm) {
            from = at;
            begin = t;
        }
        for (long n = 0; n < BLOCK; n += piece, at += piece) {
            wait_until(&ring->tail, at + piece - window_size);
            copy_in(ring->data + at % window_size, private_block + at % BLOCK, piece);
            atomic_store_explicit(&ring->head, at + piece, memory_order_release);
        }
    }
    double rate = (double)(at - from) / (now() - begin) / 1e9;
    atomic_store(&ring->over, 1);
    reap(pid);
    return rate;
}

int main(int argc, char **argv)
{
    parse(argc, argv, "t:p:");
    pin(opt.pin_client);
    ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        die("mmap");
    memset(ring->data, 4, sizeof ring->data);
    private_block = aligned_alloc(4096, BLOCK);
    memset(private_block, 5, BLOCK);
    static const long windows[] = {256 << 10, 1 << 20, 4 << 20};
    double best = 0, cpu = cpu_of(getpid());
    for (int w = 0; w < 3; w++) {
        double best_here = 0;
        for (int variant = 0; variant < 4; variant++) {
            window_size = windows[w];
            piece = variant & 1 ? BLOCK : BLOCK / 4;
            around_cache = variant >> 1;
            double rate = gigabytes_per_s(opt.seconds / 6);
            if (rate > best_here)
                best_here = rate;
        }
        char name[32];
        snprintf(name, sizeof name, "window_%ldk", window_size >> 10);
        report(name, best_here, "GB/s");
        if (best_here > best)
            best = best_here;
    }
    report("best", best, "GB/s");
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    report("cpu", cpu_of(getpid()) - cpu + (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6, "s");
    return 0;
}
