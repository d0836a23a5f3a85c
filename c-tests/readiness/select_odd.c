/* select (`man 2 select`): nothing to watch as a sleep, descriptors up to FD_SETSIZE - 1, sets in place, exceptions
 * as urgent data, closed descriptors are EBADF. */
#include "ready.h"
#include <sys/resource.h>

static const char *three(int fd, fd_set *r, fd_set *w, fd_set *x) {
    static char o[16];
    snprintf(o, sizeof o, "%d%d%d", r && FD_ISSET(fd, r) ? 1 : 0, w && FD_ISSET(fd, w) ? 1 : 0,
        x && FD_ISSET(fd, x) ? 1 : 0);
    return o;
}

int main(void) {
    alarm(8);
    int p[2];
    fd_set r, w, x;
    struct timeval tv = {0, 50000}, zero = {0, 0};
    long t = now_ms();
    res("nothing, 50 ms", select(0, NULL, NULL, NULL, &tv));
    t = now_ms() - t;
    fact("slept: %s", t >= 49 && t < 1000 ? "yes" : "no");
    res("negative nfds", select(-1, NULL, NULL, NULL, &zero));

    tcp_pair(p);
    put(p[1], "x");
    await(p[0], POLLIN);
    FD_ZERO(&r); FD_SET(p[0], &r); FD_SET(p[1], &r);
    w = r; x = r;
    int top = (p[0] > p[1] ? p[0] : p[1]) + 1;
    res("both, all sets", select(top, &r, &w, &x, &zero));
    fact("first %s", three(p[0], &r, &w, &x));
    fact("second %s", three(p[1], &r, &w, &x));
    FD_ZERO(&r); FD_SET(p[0], &r); FD_SET(p[1], &r);
    res("nfds below the descriptors", select(p[0] < p[1] ? p[0] : p[1], &r, NULL, NULL, &zero));
    fact("their bits, above nfds but in the same word of the set: %d %d", FD_ISSET(p[0], &r) ? 1 : 0,
         FD_ISSET(p[1], &r) ? 1 : 0);
    res("no sets", select(top, NULL, NULL, NULL, &zero));
    FD_ZERO(&r); FD_SET(p[0], &r);
    w = r;
    res("the same descriptor counts once a set", select(top, &r, &w, NULL, &zero));

    send(p[1], "!", 1, MSG_OOB);
    await(p[0], POLLPRI);
    FD_ZERO(&x); FD_SET(p[0], &x);
    res("urgent data", select(top, NULL, NULL, &x, &zero));
    char b;
    recv(p[0], &b, 1, MSG_OOB);
    res("fetched", select(top, NULL, NULL, (FD_SET(p[0], &x), &x), &zero));
    drain(p[0]);

    int closed = dup(p[0]);
    close(closed);
    FD_ZERO(&r); FD_SET(p[0], &r); FD_SET(closed, &r);
    res("a closed descriptor", select(closed + 1, &r, NULL, NULL, &zero));
    fact("the sets are left as they were: %d %d", FD_ISSET(p[0], &r) ? 1 : 0, FD_ISSET(closed, &r) ? 1 : 0);
    res("a closed descriptor in no set", select(closed + 1, NULL, NULL, NULL, &zero));

    /* The highest that fits into an fd_set. */
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    if (rl.rlim_cur < 1100 && rl.rlim_max >= 1100) { rl.rlim_cur = 1100; setrlimit(RLIMIT_NOFILE, &rl); }
    fact("FD_SETSIZE %d", FD_SETSIZE);
    fact("dup2 to 1023: %s", dup2(p[0], 1023) == 1023 ? "ok" : ename(errno));
    put(p[1], "y");
    FD_ZERO(&r); FD_SET(1023, &r);
    tv = (struct timeval){2, 0};
    res("select on 1023", select(1024, &r, NULL, NULL, &tv));
    fact("set: %d", FD_ISSET(1023, &r) ? 1 : 0);
    /* nfds far above the table of open files, with sets that are large enough. */
    static fd_set huge[8];
    memset(huge, 0, sizeof huge);
    FD_SET(p[0], &huge[0]);
    res("nfds 8192", select(8192, huge, NULL, NULL, &zero));
    fact("set: %d", FD_ISSET(p[0], &huge[0]) ? 1 : 0);

    /* A hang-up makes a socket readable and writable, an error as well; neither is an exception. */
    close(1023);
    close(p[1]);
    await(p[0], POLLRDHUP);
    fact("peer closed: %s", sel_text(p[0], 0));
    int f = open("/dev/null", O_RDWR), q[2];
    must("pipe", pipe(q));
    fact("/dev/null: %s", sel_text(f, 0));
    fact("pipe's reading end: %s, writing end: %s", sel_text(q[0], 0), sel_text(q[1], 0));
    close(q[1]);
    fact("its writer gone: %s", sel_text(q[0], 0));
    return 0;
}
