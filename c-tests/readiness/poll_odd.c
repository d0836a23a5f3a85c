/* poll's odd corners (`man 2 poll`): negative descriptors, closed ones, the same one twice, no events asked for,
 * regular files, limits, bad pointers. */
#include "ready.h"
#include <sys/resource.h>

int main(void) {
    alarm(8);
    int p[2], q[2];
    struct pollfd *volatile bad = (struct pollfd *)8; /* volatile: the compiler would warn */
    tcp_pair(p);
    put(p[1], "x");
    await(p[0], POLLIN);

    struct pollfd f[5] = {{-1, POLLIN, 99}, {p[0], POLLIN, 99}, {-p[0], POLLIN, 99}, {p[0], POLLOUT, 99}, {p[0], 0, 99}};
    res("negative ones, the same one three times", poll(f, 5, 0));
    for (int i = 0; i < 5; i++) fact("%d: %#x", i, (unsigned)(unsigned short)f[i].revents);
    f[0].fd = p[1];
    f[0].events = POLLIN;
    res("first not ready", poll(f, 2, 0));
    fact("%#x %#x", (unsigned)f[0].revents, (unsigned)f[1].revents);

    int closed = dup(p[0]);
    close(closed);
    struct pollfd g[2] = {{closed, POLLIN, 0}, {p[1], POLLIN, 0}};
    long t = now_ms();
    res("a closed one counts", poll(g, 2, 1000));
    fact("%s, %s, at once: %s", ev_text((uint32_t)g[0].revents & ~(uint32_t)POLLNVAL),
         g[0].revents == POLLNVAL ? "NVAL" : "?", now_ms() - t < 500 ? "yes" : "no");
    g[0] = (struct pollfd){100000, POLLIN, 0};
    res("a number never used", poll(g, 1, 0));
    fact("NVAL: %s", g[0].revents == POLLNVAL ? "yes" : "no");
    g[0].events = 0;
    res("even with no events asked for", poll(g, 1, 0));

    res("no descriptors", poll(NULL, 0, 0));
    t = now_ms();
    res("no descriptors, 50 ms", poll(NULL, 0, 50));
    t = now_ms() - t;
    fact("slept: %s", t >= 49 && t < 1000 ? "yes" : "no");
    res("a bad pointer", poll(bad, 1, 0));
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    res("more than RLIMIT_NOFILE", poll(g, rl.rlim_cur + 1, 0));

    must("pipe", pipe(q));
    int file = open("/dev/null", O_RDWR), dir = open("/", O_RDONLY);
    fact("/dev/null %s, directory %s", poll_text(file, POLLIN | POLLOUT | POLLPRI, 0),
         poll_text(dir, POLLIN | POLLOUT | POLLPRI, 0));
    FILE *tf = tmpfile();
    fact("regular file %s", poll_text(fileno(tf), POLLIN | POLLOUT | POLLPRI, 0));
    struct pollfd m[4] = {{q[0], POLLIN, 0}, {p[0], POLLIN | POLLOUT, 0}, {q[1], POLLOUT, 0}, {fileno(tf), POLLIN, 0}};
    res("pipe, socket, pipe, file", poll(m, 4, 0));
    for (int i = 0; i < 4; i++) fact("%d: %s", i, ev_text((uint32_t)m[i].revents));

    close(p[1]);
    await(p[0], POLLRDHUP);
    f[0] = (struct pollfd){p[0], 0, 0};
    res("peer closed, nothing asked for", poll(f, 1, 30));
    f[0].events = POLLRDHUP;
    res("peer closed, RDHUP asked for", poll(f, 1, 30));
    fact("%s", ev_text((uint32_t)f[0].revents));
    shutdown(p[0], SHUT_WR);
    await(p[0], POLLHUP);
    f[0].events = 0;
    res("both closed, nothing asked for", poll(f, 1, 30));
    fact("%s", ev_text((uint32_t)f[0].revents));
    f[0].events = POLLHUP | POLLERR | POLLNVAL;
    res("HUP, ERR and NVAL asked for", poll(f, 1, 0));
    fact("%s", ev_text((uint32_t)f[0].revents));
    f[0].events = 0x7fff;
    res("everything asked for", poll(f, 1, 0));
    fact("%s", ev_text((uint32_t)f[0].revents));

    /* Many entries of one socket, and many sockets. */
    static struct pollfd many[600];
    tcp_pair(p);
    for (int i = 0; i < 600; i++) many[i] = (struct pollfd){i % 3 == 2 ? -1 : p[i % 3], POLLIN, 0};
    put(p[1], "x");
    await(p[0], POLLIN);
    res("600 entries", poll(many, 600, 0));
    return 0;
}
