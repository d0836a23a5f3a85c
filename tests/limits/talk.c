/* Makes connections and datagram sockets until there is no more to be had, has each carry some bytes, lets go of all, and
 * does it again. What it was refused with, it tells: "pairs N ERRNO" and "datagrams N ERRNO", for each of two turns. Bytes
 * that arrive wrong, and calls that fail in the middle for no reason of a limit, end it with 3.
 *
 *     talk MOST [DIRECTORY]      at most so many of each; the directory is removed between the turns
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 150000, MOST = 2000 };
static unsigned char out[BYTES], in[BYTES];
static int fds[2 * MOST + 1], count;

static int refused(int limit) {
    return limit == ENOBUFS || limit == ENOMEM || limit == EMFILE || limit == ENFILE || limit == EACCES;
}

static void wrong(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerrorname_np(errno));
    exit(3);
}

static int keep(int fd) {
    if (fd >= 0) fds[count++] = fd;
    return fd;
}

static void close_all(void) {
    while (count > 0) close(fds[--count]);
}

static void carry(int from, int to) {
    size_t sent = 0, got = 0;
    while (got < BYTES) {
        ssize_t n = sent < BYTES ? send(from, out + sent, BYTES - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (n < 0 && errno != EAGAIN) wrong("send");
        if (n > 0) sent += (size_t)n;
        n = recv(to, in + got, BYTES - got, MSG_DONTWAIT);
        if (n == 0) wrong("recv: end");
        if (n < 0 && errno != EAGAIN) wrong("recv");
        if (n > 0) got += (size_t)n;
    }
    if (memcmp(in, out, BYTES) != 0) wrong("other bytes");
    memset(in, 0, BYTES);
}

static void pairs(int most) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int n = 0, error = 0, l = keep(socket(AF_INET, SOCK_STREAM, 0));
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 8) < 0) error = errno;
    getsockname(l, (struct sockaddr *)&a, &length);
    while (!error && n < most) {
        int c = keep(socket(AF_INET, SOCK_STREAM, 0)), s = -1;
        if (c < 0 || connect(c, (struct sockaddr *)&a, sizeof a) < 0 || (s = keep(accept(l, NULL, NULL))) < 0) {
            error = errno;
            break;
        }
        carry(c, s);
        carry(s, c);
        n++;
    }
    printf("pairs %d %s\n", n, error ? strerrorname_np(error) : "all");
    if (error && !refused(error)) wrong("pairs");
    close_all();
}

static void datagrams(int most) {
    int n = 0, error = 0;
    while (!error && n < most) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof a;
        int r = keep(socket(AF_INET, SOCK_DGRAM, 0)), s;
        if (r < 0 || bind(r, (struct sockaddr *)&a, sizeof a) < 0 || (s = keep(socket(AF_INET, SOCK_DGRAM, 0))) < 0) {
            error = errno;
            break;
        }
        getsockname(r, (struct sockaddr *)&a, &length);
        if (sendto(s, out, 9000, 0, (struct sockaddr *)&a, sizeof a) != 9000) {
            error = errno;
            break;
        }
        /* A datagram that there is no room for is lost, as it may be. */
        ssize_t got = recv(r, in, sizeof in, MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN) wrong("recv of a datagram");
        if (got >= 0 && (got != 9000 || memcmp(in, out, 9000) != 0)) wrong("another datagram");
        n++;
    }
    printf("datagrams %d %s\n", n, error ? strerrorname_np(error) : "all");
    if (error && !refused(error)) wrong("datagrams");
    close_all();
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    int most = atoi(argv[1]) < MOST ? atoi(argv[1]) : MOST;
    alarm(40);
    for (int i = 0; i < BYTES; i++) out[i] = (unsigned char)(i * 7 + i / 251);
    for (int turn = 0; turn < 2; turn++) {
        if (turn && argc > 2) {
            char command[4200];
            int held = socket(AF_INET, SOCK_DGRAM, 0);
            snprintf(command, sizeof command, "rm -rf '%s'", argv[2]);
            unsetenv("LD_PRELOAD");
            if (held < 0 || system(command) != 0) return 3;
        }
        pairs(most);
        datagrams(most);
    }
    return 0;
}
