/* What the option tests share: sockets of the four kinds, and tables that print one line per option and kind. */
#ifndef SOCKHOP_OPT_H
#define SOCKHOP_OPT_H
#include "t.h"

enum { TCP4 = 1, TCP6 = 2, UDP4 = 4, UDP6 = 8, TCP = TCP4 | TCP6, UDP = UDP4 | UDP6, V6 = TCP6 | UDP6, V4 = TCP4 | UDP4,
    ALL = 15 };
__attribute__((unused)) static const char *const kind_name[] = {"tcp4", "tcp6", "udp4", "udp6"};
#define O(x) #x, x
#define LOW (-2147483647 - 1)
#define HIGH 2147483647

__attribute__((unused)) static int opt_socket(int kind) {
    return (int)must("socket", socket(kind & 1 ? AF_INET6 : AF_INET, kind < 2 ? SOCK_STREAM : SOCK_DGRAM, 0));
}

/* An option's int value as text, or the errno; the length is added where it is not 4. */
__attribute__((unused)) static const char *opt_get(int fd, int level, int opt) {
    static __thread char out[8][40];
    static __thread int turn;
    char *o = out[turn++ & 7];
    int v = 0x55555555;
    socklen_t l = sizeof v;
    if (getsockopt(fd, level, opt, &v, &l) < 0) snprintf(o, 40, "%s", ename(errno));
    else if (l == 4) snprintf(o, 40, "%d", v);
    else snprintf(o, 40, "%d(length %d)", v, (int)l);
    return o;
}

/* The plain int of an option; -12345 when it cannot be read. */
__attribute__((unused)) static int opt_int(int fd, int level, int opt) {
    int v = 0;
    socklen_t l = sizeof v;
    return getsockopt(fd, level, opt, &v, &l) < 0 ? -12345 : v;
}

__attribute__((unused)) static int opt_set(int fd, int level, int opt, int v) { return setsockopt(fd, level, opt, &v,
    sizeof v); }

struct opt_row {
    const char *name;
    int opt;
    int kinds;     /* on which kinds of sockets */
    int values[24]; /* tried one by one on a fresh socket; the list ends with END */
};
#define END 0x7E57E57

/* One line per row and kind: the default, then for each value what is read back, or the errno of the set. */
__attribute__((unused)) static void opt_table(int level, const struct opt_row *rows, int n) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) {
            if (!(rows[i].kinds >> k & 1)) continue;
            char line[1500];
            int fd = opt_socket(k);
            int p = snprintf(line, sizeof line, "%s %s: default %s;", kind_name[k], rows[i].name,
                             opt_get(fd, level, rows[i].opt));
            close(fd);
            for (const int *v = rows[i].values; *v != END && v < rows[i].values + 24; v++) {
                fd = opt_socket(k);
                if (opt_set(fd, level, rows[i].opt, *v) < 0) p += snprintf(line + p, sizeof line - (size_t)p, " %d:%s",
                    *v, ename(errno));
                else p += snprintf(line + p, sizeof line - (size_t)p, " %d=%s", *v, opt_get(fd, level, rows[i].opt));
                close(fd);
            }
            fact("%s", line);
        }
}

/* One line each for getting and setting with lengths that do not fit. The value set is `value`, in bytes that go on
 * with zeros. */
__attribute__((unused)) static void opt_lengths(const char *name, int kind, int level, int opt, int value) {
    static const int gl[] = {0, 1, 2, 3, 4, 5, 8, 16, 100, -1, LOW}, sl[] = {0, 1, 2, 3, 4, 5, 8, 16, 100, 4096, -1, LOW};
    char line[1500];
    static unsigned char b[5000];
    int fd = opt_socket(kind), p = snprintf(line, sizeof line, "%s %s get by length:", kind_name[kind], name);
    opt_set(fd, level, opt, value);
    for (unsigned i = 0; i < sizeof gl / sizeof *gl; i++) {
        socklen_t l = (socklen_t)gl[i];
        memset(b, 0x5A, sizeof b);
        if (getsockopt(fd, level, opt, b, &l) < 0) {
            p += snprintf(line + p, sizeof line - (size_t)p, " %d:%s(%d)", gl[i], ename(errno), (int)l);
            continue;
        }
        p += snprintf(line + p, sizeof line - (size_t)p, " %d:%d=", gl[i], (int)l);
        for (socklen_t k = 0; k < l && k < 20; k++) p += snprintf(line + p, sizeof line - (size_t)p, "%02x", b[k]);
        if (b[l] != 0x5A) p += snprintf(line + p, sizeof line - (size_t)p, "(wrote beyond)");
    }
    close(fd);
    fact("%s", line);
    p = snprintf(line, sizeof line, "%s %s set by length:", kind_name[kind], name);
    for (unsigned i = 0; i < sizeof sl / sizeof *sl; i++) {
        fd = opt_socket(kind);
        memset(b, 0, sizeof b);
        memcpy(b, &value, sizeof value);
        if (setsockopt(fd, level, opt, b, (socklen_t)sl[i]) < 0) p += snprintf(line + p, sizeof line - (size_t)p,
            " %d:%s", sl[i], ename(errno));
        else p += snprintf(line + p, sizeof line - (size_t)p, " %d=%s", sl[i], opt_get(fd, level, opt));
        close(fd);
    }
    fact("%s", line);
}
#endif
