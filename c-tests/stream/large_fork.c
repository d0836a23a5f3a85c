/* 8 MiB each way at the same time between two processes, each with one thread, a non-blocking socket and poll;
 * pieces of many sizes. Each byte is compared with what its position asks for. */
#include "stream.h"

enum { TOTAL = 8 << 20 };

/* Sends and receives TOTAL bytes at once on fd; the number of wrong bytes, or -1. */
static long exchange(int fd, size_t mine, size_t theirs) {
    static unsigned char out[70000], in[70000];
    size_t sent = 0, got = 0, step = 1;
    long bad = 0;
    int eof = 0;
    nonblock(fd, 1);
    while (!eof || sent < TOTAL) {
        struct pollfd f = {fd, (short)((eof ? 0 : POLLIN) | (sent < TOTAL ? POLLOUT : 0)), 0};
        if (poll(&f, 1, 5000) <= 0) return -1;
        if (f.revents & POLLOUT && sent < TOTAL) {
            step = step * 7 % sizeof out + 1;
            size_t n = TOTAL - sent < step ? TOTAL - sent : step;
            for (size_t i = 0; i < n; i++) out[i] = pat(sent + i + mine);
            ssize_t r = send(fd, out, n, 0);
            if (r < 0 && errno != EAGAIN) return -2;
            if (r > 0) sent += (size_t)r;
            if (sent == TOTAL) shutdown(fd, SHUT_WR);
        }
        if (f.revents & (POLLIN | POLLHUP)) {
            ssize_t r = recv(fd, in, step % 3 ? sizeof in : 4097, 0);
            if (r < 0 && errno != EAGAIN) return -3;
            if (r == 0) eof = 1;
            for (ssize_t i = 0; i < r; i++, got++) bad += in[i] != pat(got + theirs);
        }
    }
    return got == TOTAL ? bad : -4;
}

int main(void) {
    alarm(9);
    int port, l = listener4(&port, 1);
    pid_t pid = fork();
    if (pid == 0) {
        int s = accept(l, NULL, NULL);
        close(l);
        _exit(exchange(s, 5, 9) == 0 ? 0 : 1);
    }
    close(l);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("client: wrong bytes %ld", exchange(c, 9, 5));
    reap("server", pid);
    fact("poll %s, SO_ERROR %s", poll_text(c, POLLIN | POLLRDHUP | POLLOUT, 1000), so_error(c));
    return 0;
}
