/* A large write to a peer that is gone: the kernel takes what fits before it sees the reset that answers it, and no
 * more; the call gives that part, and the next one the error (`man 2 send`, RFC 9293 3.10.7.1). What cannot be read is
 * not sent, to nobody either. */
#include "stream.h"
#include <sys/mman.h>

static void large(size_t size, int buffer, int flags) {
    int p[2];
    tcp_pair(p);
    if (buffer) must("SO_SNDBUF", setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer));
    close(p[1]);
    await(p[0], POLLIN);
    char *b = calloc(1, size);
    long r = send(p[0], b, size, flags | MSG_NOSIGNAL);
    const char *taken = r < 0 ? ename(errno) : (size_t)r == size ? "all" : r > 0 ? "a part" : "none";
    fact("%zu KiB, SO_SNDBUF %d, flags %x: %s, at most a MiB: %d", size >> 10, buffer, flags, taken, r <= 1 << 20);
    const char *error = so_error(p[0]);
    r = send(p[0], b, 1, MSG_NOSIGNAL);
    fact("  SO_ERROR %s, then %ld %s", error, r, r < 0 ? ename(errno) : "");
    free(b);
    close(p[0]);
}

static void unreadable(size_t good) {
    int p[2];
    tcp_pair(p);
    close(p[1]);
    await(p[0], POLLIN);
    char *b = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(b + 4096, 4096);
    res("a bad address after some bytes", send(p[0], b + 4096 - good, 4000, MSG_NOSIGNAL));
    fact("  of %zu, SO_ERROR %s", good, so_error(p[0]));
    munmap(b, 4096);
    close(p[0]);
}

int main(void) {
    alarm(8);
    for (int flags = 0; flags <= MSG_DONTWAIT; flags += MSG_DONTWAIT) {
        large(1 << 10, 0, flags);
        large(64 << 10, 0, flags);
        large(256 << 10, 0, flags);
        large(10 << 20, 0, flags);
        large(10 << 20, 4096, flags);
        large(10 << 20, 65536, flags);
    }
    unreadable(0);
    unreadable(100);
    return 0;
}
