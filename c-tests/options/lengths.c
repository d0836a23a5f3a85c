/* Lengths for getting and setting: SOL_SOCKET and IPPROTO_TCP ints want four bytes to set and give as many as there
 * is room for; structs and 64-bit options have rules of their own (man 2 getsockopt; net/core/sock.c). */
#include "opt.h"
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int main(void) {
    alarm(8);
    static const struct { const char *name; int kind, level, opt, v; } t[] = {
        {"SO_KEEPALIVE", 0, SOL_SOCKET, SO_KEEPALIVE, 1}, {"SO_KEEPALIVE", 3, SOL_SOCKET, SO_KEEPALIVE, 1},
            {"SO_KEEPALIVE set to 256", 0, SOL_SOCKET, SO_KEEPALIVE, 256},
        {"SO_SNDBUF", 0, SOL_SOCKET, SO_SNDBUF, 50000}, {"SO_PRIORITY", 2, SOL_SOCKET, SO_PRIORITY, 5},
            {"SO_TYPE", 0, SOL_SOCKET, SO_TYPE, 1},
        {"SO_PEEK_OFF", 2, SOL_SOCKET, SO_PEEK_OFF, 7}, {"SO_ZEROCOPY", 0, SOL_SOCKET, SO_ZEROCOPY, 1},
            {"SO_TXTIME", 2, SOL_SOCKET, SO_TXTIME, 1},
        {"SO_TIMESTAMPING", 2, SOL_SOCKET, SO_TIMESTAMPING, 8}, {"SO_MAX_PACING_RATE", 0, SOL_SOCKET,
            SO_MAX_PACING_RATE, 1000}, {"option 1000", 0, SOL_SOCKET, 1000, 1},
        {"TCP_NODELAY", 0, IPPROTO_TCP, TCP_NODELAY, 1}, {"TCP_NODELAY", 1, IPPROTO_TCP, TCP_NODELAY, 1},
            {"TCP_KEEPIDLE", 0, IPPROTO_TCP, TCP_KEEPIDLE, 1000},
        {"TCP_USER_TIMEOUT", 1, IPPROTO_TCP, TCP_USER_TIMEOUT, 70000}, {"option 1000", 0, IPPROTO_TCP, 1000, 1}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        char label[64];
        snprintf(label, sizeof label, "%s%s", t[i].level == IPPROTO_TCP && t[i].opt == 1000 ? "tcp level, " : "",
                 t[i].name);
        opt_lengths(label, t[i].kind, t[i].level, t[i].opt, t[i].v);
    }
    /* Options of eight bytes. */
    int fd = opt_socket(0);
    static const int lens[] = {0, 4, 7, 8, 9, 16, -1};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        unsigned char b[32];
        socklen_t l = (socklen_t)lens[i];
        long r = getsockopt(fd, SOL_SOCKET, SO_COOKIE, b, &l);
        fact("SO_COOKIE length %d: %s, after %d", lens[i], r < 0 ? ename(errno) : "ok", (int)l);
        l = (socklen_t)lens[i];
        r = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, b, &l);
        fact("SO_NETNS_COOKIE length %d: %s, after %d", lens[i], r < 0 ? ename(errno) : "ok", (int)l);
        l = (socklen_t)lens[i];
        r = getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, b, &l);
        fact("SO_MAX_PACING_RATE length %d: %s, after %d", lens[i], r < 0 ? ename(errno) : "ok", (int)l);
        l = (socklen_t)lens[i];
        r = getsockopt(fd, SOL_SOCKET, SO_MEMINFO, b, &l);
        fact("SO_MEMINFO length %d: %s, after %d", lens[i], r < 0 ? ename(errno) : "ok", (int)l);
    }
    uint64_t rate = 5000000000ull;
    res("SO_MAX_PACING_RATE in eight bytes", setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate));
    uint64_t back = 0;
    socklen_t l = sizeof back;
    getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &back, &l);
    fact("reads %llu", (unsigned long long)back);
    uint32_t low = 0;
    l = sizeof low;
    getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &low, &l);
    fact("in four bytes: %u", low);
    return 0;
}
