/* A stream has no message borders (RFC 9293): many small writes of one set of sizes, reads of another set, each byte
 * compared; then one byte at a time; with send, write, writev, sendmsg and recv, read, readv, recvmsg taking turns. */
#include "stream.h"

enum { TOTAL = 300000 };

static int sender(int fd) {
    unsigned char b[4000];
    size_t done = 0;
    for (unsigned k = 0; done < TOTAL; k++) {
        size_t n = k * 37 % 61 == 0 ? k % 3900 + 1 : k * 7 % 23 + 1;
        if (n > TOTAL - done) n = TOTAL - done;
        for (size_t i = 0; i < n; i++) b[i] = pat(done + i);
        struct iovec v[3] = {{b, n / 3}, {b + n / 3, n / 2 - n / 3}, {b + n / 2, n - n / 2}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
        ssize_t r = k % 4 == 0 ? send(fd, b, n, 0) : k % 4 == 1 ? write(fd, b, n) : k % 4 == 2 ? writev(fd, v, 3)
            : sendmsg(fd, &m, 0);
        if (r <= 0) return 1;
        done += (size_t)r;
    }
    for (int i = 0; i < 3000; i++)
        if (send(fd, &(unsigned char){pat((size_t)i)}, 1, 0) != 1) return 2;
    return 0;
}

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    pid_t pid = fork();
    if (pid == 0) { close(p[1]); _exit(sender(p[0])); }
    close(p[0]);
    unsigned char b[6000];
    size_t got = 0, bad = 0;
    for (unsigned k = 0; got < TOTAL; k++) {
        size_t n = k * 29 % 71 == 0 ? k % 5900 + 1 : k * 11 % 97 + 1;
        if (n > TOTAL - got) n = TOTAL - got;
        struct iovec v[3] = {{b, n / 2}, {b + n / 2, n / 3}, {b + n / 2 + n / 3, n - n / 2 - n / 3}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
        ssize_t r = k % 5 == 0 ? recv(p[1], b, n, 0) : k % 5 == 1 ? read(p[1], b, n) : k % 5 == 2 ? readv(p[1], v, 3)
                    : k % 5 == 3 ? recvmsg(p[1], &m, 0) : recv(p[1], b, n, MSG_WAITALL);
        if (r <= 0) { fact("read gave %zd at %zu", r, got); break; }
        if (k % 5 == 4 && (size_t)r != n) fact("MSG_WAITALL was short");
        for (ssize_t i = 0; i < r; i++) bad += b[i] != pat(got + (size_t)i);
        got += (size_t)r;
    }
    fact("mixed sizes: received %zu, wrong bytes %zu", got, bad);
    for (got = bad = 0; got < 3000; got++) {
        if (recv(p[1], b, 1, 0) != 1) break;
        bad += b[0] != pat(got);
    }
    fact("byte by byte: received %zu, wrong bytes %zu", got, bad);
    res("end", recv(p[1], b, 1, 0));
    reap("sender", pid);
    return 0;
}
