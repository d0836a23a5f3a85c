/* Many datagrams of several senders, numbered and checked: none corrupt, none twice, none out of order from one sender, and what
 * is lost was counted (man 7 socket: SO_RXQ_OVFL; RFC 768 promises less, one host's loopback keeps all of this). Then senders and
 * receivers are killed in the middle of it. */
// limit: 30
#include "dg.h"
#include <sched.h>
enum { SENDERS = 3, EACH = 15000, LONGEST = 3000 };

static int port;

static uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ x >> 16;
}

/* Datagram i of sender k: its length and its bytes follow from the two. */
static int build(char *b, uint32_t k, uint32_t i) {
    uint32_t seed = mix(k * 1000003 + i), n = 16 + (seed % 8 ? seed >> 8 & 127 : (seed >> 8) % (LONGEST - 16));
    memcpy(b, &k, 4), memcpy(b + 4, &i, 4), memcpy(b + 8, &n, 4), memcpy(b + 12, &seed, 4);
    for (uint32_t j = 16; j < n; j++) b[j] = (char)(seed >> (j & 15));
    return (int)n;
}

static long corrupt, twice, disorder, received, next_of[SENDERS + 1];

/* Takes one. 0 when nothing came within ms. */
static int take(int r, int ms, uint32_t *who, uint32_t *drops) {
    char b[LONGEST + 100], want[LONGEST + 100], c[64];
    struct iovec v = {b, sizeof b};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    if (poll(&(struct pollfd){r, POLLIN, 0}, 1, ms) <= 0) return 0;
    ssize_t n = recvmsg(r, &h, MSG_DONTWAIT);
    if (n < 0) return 1;
    uint32_t k = 0, i = 0;
    if (n >= 16) memcpy(&k, b, 4), memcpy(&i, b + 4, 4);
    *who = k;
    received++;
    if (n < 16 || k > SENDERS || build(want, k, i) != n || memcmp(b, want, (size_t)n)) {
        corrupt++;
        return 1;
    }
    if (i + 1 == next_of[k]) twice++;
    else if (i < next_of[k]) disorder++;
    next_of[k] = i + 1L;
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SO_RXQ_OVFL) memcpy(drops, CMSG_DATA(m), 4);
    return 1;
}

static pid_t sender(uint32_t k, long count) {
    pid_t pid = fork();
    if (pid) return pid;
    char b[LONGEST + 100];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    must("connect", con4(s, "127.0.0.1", port));
    for (long i = 0; count < 0 || i < count; i++) {
        int n = build(b, k, (uint32_t)i);
        if (send(s, b, (size_t)n, 0) != n) _exit(1);
        if (i % 64 == 63) sched_yield();
    }
    _exit(0);
}

/* All at once into one socket with the buffer that it comes with. */
static void flood(void) {
    int r = udp4("127.0.0.1"), over = 0;
    pid_t pid[SENDERS];
    uint32_t who, drops = 0;
    port = port_of(r);
    set(r, SOL_SOCKET, SO_RXQ_OVFL, 1);
    for (uint32_t k = 0; k < SENDERS; k++) pid[k] = sender(k, EACH);
    while (over < SENDERS) {
        int st;
        while (waitpid(-1, &st, WNOHANG) > 0) over++;
        while (take(r, 10, &who, &drops)) {}
    }
    while (take(r, 50, &who, &drops)) {}
    (void)pid;
    /* The count comes with the next one. */
    char b[LONGEST];
    int s = socket(AF_INET, SOCK_DGRAM, 0), n = build(b, SENDERS, 0);
    con4(s, "127.0.0.1", port);
    send(s, b, (size_t)n, 0);
    take(r, 1000, &who, &drops);
    fact("flood: corrupt %ld twice %ld out of order %ld", corrupt, twice, disorder);
    long sent = (long)SENDERS * EACH + 1;
    fact("something came: %d, what did not was counted: %d", received > 100, sent - received == drops);
    if (sent - received != drops) fact("sent %ld received %ld dropped %u", sent, received, drops);
    close(s), close(r);
}

/* Senders that are killed wherever they are; another one's datagrams arrive all the same. */
static void killed_senders(void) {
    int r = udp4("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0), lost = 0;
    uint32_t who, drops = 0, mine = 0;
    char b[LONGEST];
    port = port_of(r);
    con4(s, "127.0.0.1", port);
    memset(next_of, 0, sizeof next_of);
    corrupt = twice = disorder = 0;
    for (int round = 0; round < 40; round++) {
        pid_t pid = sender(0, -1);
        next_of[0] = 0;
        struct timespec t = {0, 200000 + (long)(mix((uint32_t)round) % 3000000)};
        for (long end = now_ms() + t.tv_nsec / 1000000 + 1; now_ms() < end;) take(r, 1, &who, &drops);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (take(r, 0, &who, &drops)) {}
        for (int i = 0; i < 5; i++) {
            int n = build(b, 1, mine++);
            if (send(s, b, (size_t)n, 0) != n) lost++;
            who = 99;
            if (!take(r, 1000, &who, &drops) || who != 1) lost++;
        }
    }
    fact("killed senders: corrupt %ld twice %ld out of order %ld, of another's lost %d", corrupt, twice, disorder, lost);
    close(s), close(r);
}

/* Receivers that share the socket and are killed: at most what each had in its hands goes with it. */
static void killed_receivers(void) {
    int r = udp4("127.0.0.1"), s = socket(AF_INET, SOCK_DGRAM, 0), p[2], bad = 0;
    must("pipe", pipe(p));
    port = port_of(r);
    con4(s, "127.0.0.1", port);
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            uint32_t x;
            for (char c = 0;;)
                if (recv(r, &x, 4, 0) == 4 && write(p[1], &c, 1) != 1) _exit(1);
        }
        uint32_t i;
        for (i = 0; i < 100; i++) send(s, &i, 4, 0);
        sleep_ms(1 + (int)(mix((uint32_t)round) % 4));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int told = 0, left = 0, got;
        char junk[256];
        fcntl(p[0], F_SETFL, O_NONBLOCK);
        while ((got = (int)read(p[0], junk, sizeof junk)) > 0) told += got;
        while (recv(r, &i, 4, MSG_DONTWAIT) == 4) left++;
        if (told + left < 99 || told + left > 100) bad++;
    }
    uint32_t i = 7;
    res("the socket still works", send(s, &i, 4, 0));
    res("received", poll(&(struct pollfd){r, POLLIN, 0}, 1, 1000) > 0 ? recv(r, &i, 4, 0) : -1);
    fact("rounds in which more than one was lost: %d", bad);
}

int main(void) {
    alarm(25);
    flood();
    killed_senders();
    killed_receivers();
    return 0;
}
