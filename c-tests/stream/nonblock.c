/* Non-blocking and blocking in both directions (`man 2 send`, `man 2 recv`, EAGAIN): a writer whose peer does not
 * read takes part of what it is given, then EAGAIN; it goes on once the peer reads, and no byte is lost or doubled
 * at the seam. */
#include "stream.h"

static unsigned char chunk[1 << 16];
static size_t sent;

/* Sends the pattern until EAGAIN; whether one of the sends took less than it was given. */
static int fill(int fd, size_t max) {
    int partial = 0;
    for (;;) {
        size_t want = sizeof chunk;
        if (sent >= max) return partial;
        for (size_t i = 0; i < want; i++) chunk[i] = pat(sent + i);
        ssize_t r = send(fd, chunk, want, MSG_NOSIGNAL);
        if (r < 0) { fact("full: %s", ename(errno)); return partial; }
        if ((size_t)r < want) partial = 1;
        sent += (size_t)r;
    }
}

int main(void) {
    alarm(8);
    int p[2];
    char b[64];
    tcp_pair(p);
    nonblock(p[0], 1);
    nonblock(p[1], 1);
    res("recv with nothing there", recv(p[0], b, sizeof b, 0));
    res("read with nothing there", read(p[1], b, sizeof b));
    fact("O_NONBLOCK seen: %s", fcntl(p[0], F_GETFL) & O_NONBLOCK ? "yes" : "no");
    fact("access mode: %s", (fcntl(p[0], F_GETFL) & O_ACCMODE) == O_RDWR ? "O_RDWR" : "another");

    int partial = fill(p[0], 256u << 20);
    fact("more than 16 KiB taken: %s; a partial send: %s", sent > 16384 ? "yes" : "no", partial ? "yes" : "no");
    fact("poll when full: %s", poll_text(p[0], POLLIN | POLLOUT, 0));
    res("send of 1 when full", send(p[0], "x", 1, 0));
    res("the same with MSG_DONTWAIT", send(p[0], "x", 1, MSG_DONTWAIT));
    res("write of 0 when full", write(p[0], "x", 0));

    size_t got = 0, bad = 0, first = sent, limit = sent + 300000;
    int again = 0;
    while (got < limit || got < sent) {
        static unsigned char in[50000];
        ssize_t r = read(p[1], in, sizeof in);
        if (r < 0 && errno == EAGAIN) { await(p[1], POLLIN); if (++again > 100000) break; }
        for (ssize_t i = 0; i < r; i++) bad += in[i] != pat(got + (size_t)i);
        if (r > 0) got += (size_t)r;
        if (r == 0) break;
        if (sent < limit && (poll_text(p[0], POLLOUT, 0)[0] == 'O')) {
            for (size_t i = 0; i < sizeof chunk; i++) chunk[i] = pat(sent + i);
            size_t left = limit - sent;
            ssize_t w = send(p[0], chunk, left < sizeof chunk ? left : sizeof chunk, 0);
            if (w > 0) sent += (size_t)w;
        }
    }
    fact("went on after EAGAIN: %s; all arrived: %s; wrong bytes: %zu", sent > first ? "yes" : "no",
         got == sent ? "yes" : "no", bad);
    res("nothing left", recv(p[1], b, sizeof b, 0));

    /* Blocking again: the flag belongs to the open description, so a dup shares it. */
    int d = dup(p[1]);
    nonblock(d, 0);
    fact("the original after a change by its dup: %s", fcntl(p[1], F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking");
    int on = 1;
    ioctl(p[1], FIONBIO, &on);
    fact("the dup after FIONBIO: %s", fcntl(d, F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking");
    nonblock(d, 0);
    long t = now_ms();
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(60);
        _exit(send(p[0], "late", 4, 0) == 4 ? 0 : 1);
    }
    fact_recv("blocking recv", p[1], 64, 0);
    t = now_ms() - t;
    fact("it waited: %s", t >= 30 && t < 2000 ? "yes" : "no");
    reap("sender", pid);

    int port, l = listener4(&port, 4);
    nonblock(l, 1);
    res("accept with nobody there", accept(l, NULL, NULL));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    res("non-blocking connect", connect(c, (struct sockaddr *)&a, sizeof a));
    await(c, POLLOUT);
    fact("SO_ERROR: %s", so_error(c));
    res("connect again", connect(c, (struct sockaddr *)&a, sizeof a));
    res("and again", connect(c, (struct sockaddr *)&a, sizeof a));
    await(l, POLLIN);
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact("accept inherits O_NONBLOCK: %s", fcntl(s, F_GETFL) & O_NONBLOCK ? "yes" : "no");
    return 0;
}
