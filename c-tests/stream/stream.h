/* Small steps that the stream tests share. */
#ifndef STREAM_H
#define STREAM_H
#include "t.h"

__attribute__((unused)) static void nonblock(int fd, int on) {
    int f = fcntl(fd, F_GETFL);
    must("F_SETFL", fcntl(fd, F_SETFL, on ? f | O_NONBLOCK : f & ~O_NONBLOCK));
}

/* Reads until n bytes, end of stream or an error; the number of bytes read. */
__attribute__((unused)) static long read_full(int fd, void *buf, size_t n) {
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (char *)buf + got, n - got);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) break;
        got += (size_t)r;
    }
    return (long)got;
}

__attribute__((unused)) static long write_full(int fd, const void *buf, size_t n) {
    size_t put = 0;
    while (put < n) {
        ssize_t r = send(fd, (const char *)buf + put, n - put, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) break;
        put += (size_t)r;
    }
    return (long)put;
}

/* The byte at position i of the stream that the tests send: no short period, so that a shift is seen. */
__attribute__((unused)) static unsigned char pat(size_t i) {
    return (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16) * 13);
}

/* SO_ERROR, which reading clears. */
__attribute__((unused)) static const char *so_error(int fd) {
    int e = -1;
    socklen_t l = sizeof e;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l) < 0) return "getsockopt failed";
    return ename(e);
}

/* Closes with a reset (SO_LINGER on, 0 seconds). */
__attribute__((unused)) static void reset_close(int fd) {
    struct linger l = {1, 0};
    must("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    close(fd);
}

/* Waits, two seconds at the most, until the descriptor shows one of the events (or an error or a hang-up). */
__attribute__((unused)) static void await(int fd, short events) {
    struct pollfd p = {fd, events, 0};
    if (poll(&p, 1, 2000) == 0) fact("await: nothing within 2 s");
}

__attribute__((unused)) static const char *tcp_state(int fd) {
    static const char *const n[] = {"0", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
        "CLOSE",
                                    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"};
    struct tcp_info i;
    socklen_t l = sizeof i;
    memset(&i, 0, sizeof i);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &l) < 0) return ename(errno);
    return i.tcpi_state < 13 ? n[i.tcpi_state] : "?";
}

/* Waits, a second at the most, for a state that needs an answer from the other side (an ACK may be late). The state
 * then. */
__attribute__((unused)) static const char *settle(int fd, const char *state) {
    for (int i = 0; i < 200 && strcmp(tcp_state(fd), state); i++) sleep_ms(5);
    return tcp_state(fd);
}

/* recv, told as the bytes received ("5 hello"), "0" or the errno. The bytes have to be printable. */
__attribute__((unused)) static void fact_recv(const char *label, int fd, size_t len, int flags) {
    char b[512];
    if (len > sizeof b) len = sizeof b;
    ssize_t r = recv(fd, b, len, flags);
    if (r < 0) fact("%s: -1 %s", label, ename(errno));
    else if (r == 0) fact("%s: 0", label);
    else fact("%s: %zd %.*s", label, r, (int)r, b);
}
#endif
