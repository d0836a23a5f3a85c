/* The struct options SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO: lengths, what is read back, odd values (man 7 socket; EDOM
 * for microseconds out of range). */
#include "opt.h"
#include <sys/time.h>

static void linger(int fd, const char *label) {
    struct linger l = {-9, -9};
    socklen_t n = sizeof l;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) < 0) fact("%s: %s", label, ename(errno));
    else fact("%s: on %d, %d seconds, length %d", label, l.l_onoff, l.l_linger, (int)n);
}

static void timeo(int fd, int opt, const char *label, long long sec, long usec) {
    struct timeval t = {(time_t)sec, usec}, b = {-9, -9};
    socklen_t n = sizeof b;
    long r = setsockopt(fd, SOL_SOCKET, opt, &t, sizeof t);
    int e = errno;
    must("getsockopt", getsockopt(fd, SOL_SOCKET, opt, &b, &n));
    /* Times are kept in ticks, rounded up: never less, and less than 20 ms more. */
    long long diff = (b.tv_sec - sec) * 1000000LL + (b.tv_usec - usec);
    const char *how = b.tv_sec == 0 && b.tv_usec == 0 ? "0" : sec >= 0 && sec < 1000000 && diff >= 0 && diff < 20000
        ? "as asked, rounded up" : "something else";
    fact("%s %lld s %ld us: %ld %s, reads %s", label, sec, usec, r, r < 0 ? ename(e) : "0", r < 0 ? "(see the next)"
         : how);
}

int main(void) {
    alarm(8);
    for (int k = 0; k < 4; k++) {
        int fd = opt_socket(k);
        fact("%s", kind_name[k]);
        linger(fd, "default");
        static const struct linger v[] = {{1, 0}, {1, 5}, {0, 9}, {7, 30}, {-1, 1}, {0, 0}, {1, 65536}, {1, 2147483647}};
        for (unsigned i = 0; i < sizeof v / sizeof *v; i++) {
            char l[64];
            snprintf(l, sizeof l, "set on %d, %d", v[i].l_onoff, v[i].l_linger);
            res(l, setsockopt(fd, SOL_SOCKET, SO_LINGER, &v[i], sizeof v[i]));
            linger(fd, "reads");
        }
        struct linger neg = {1, -5};
        res("a negative time is no error", setsockopt(fd, SOL_SOCKET, SO_LINGER, &neg, sizeof neg));
        close(fd);
    }
    opt_lengths("SO_LINGER", 0, SOL_SOCKET, SO_LINGER, 1);
    for (int k = 0; k < 4; k += 2) {
        int fd = opt_socket(k);
        for (int s = 0; s < 2; s++) {
            int opt = s ? SO_SNDTIMEO : SO_RCVTIMEO;
            const char *name = s ? "SO_SNDTIMEO" : "SO_RCVTIMEO";
            fact("%s %s", kind_name[k], name);
            timeo(fd, opt, name, 0, 0);
            timeo(fd, opt, name, 1, 0);
            timeo(fd, opt, name, 0, 1);
            timeo(fd, opt, name, 0, 20000);
            timeo(fd, opt, name, 1, 500000);
            timeo(fd, opt, name, 1, 999999);
            timeo(fd, opt, name, 3600, 250000);
            timeo(fd, opt, name, 5, 1000000);
            timeo(fd, opt, name, 5, -1);
            timeo(fd, opt, name, -1, 0);
            timeo(fd, opt, name, -1, 2000000);
            timeo(fd, opt, name, 2, 0);
            timeo(fd, opt, name, 0x7fffffffffffffffLL, 0);
            timeo(fd, opt, name, 0x7fffffffffffffffLL / 1000, 999999);
            timeo(fd, opt, name, 2, 0);
            timeo(fd, opt, name, 0, 0);
        }
        struct timeval t = {3, 0};
        must("set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
        t.tv_sec = 4;
        must("set", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
        socklen_t n = sizeof t;
        getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &n);
        fact("receive and send are kept apart: %ld", (long)t.tv_sec);
        close(fd);
    }
    opt_lengths("SO_RCVTIMEO", 0, SOL_SOCKET, SO_RCVTIMEO, 3);
    opt_lengths("SO_SNDTIMEO", 3, SOL_SOCKET, SO_SNDTIMEO, 3);
    /* A negative time means: do not wait; so does the read-back 0 not. */
    int fd = opt_socket(2);
    struct sockaddr_in z = in4("127.0.0.1", 0);
    must("bind", bind(fd, (struct sockaddr *)&z, sizeof z));
    struct timeval t = {-1, 0};
    must("set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    char b;
    long t0 = now_ms();
    res("recv with a negative timeout", recv(fd, &b, 1, 0));
    fact("came back within 500 ms: %s", now_ms() - t0 < 500 ? "yes" : "no");
    t = (struct timeval){0, 100000};
    must("set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    t0 = now_ms();
    res("recv with 100 ms", recv(fd, &b, 1, 0));
    long d = now_ms() - t0;
    fact("after 90..2000 ms: %s", d >= 90 && d <= 2000 ? "yes" : "no");
    return 0;
}
