/* SO_SNDBUF and SO_RCVBUF: doubled, with a floor and a ceiling; SO_BUF_LOCK tells which were set (man 7 socket: "the
 * kernel doubles this value"; net.core.wmem_max and rmem_max). */
#include "opt.h"
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

static int sysctl(const char *name, int field) {
    char path[128];
    int v[3] = {-1, -1, -1};
    snprintf(path, sizeof path, "/proc/sys/net/%s", name);
    FILE *f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%d %d %d", &v[0], &v[1], &v[2]) < 1) v[0] = -1;
        fclose(f);
    }
    return v[field];
}

int main(void) {
    alarm(8);
    int max[2] = {sysctl("core/wmem_max", 0), sysctl("core/rmem_max", 0)};
    for (int k = 0; k < 4; k++) {
        int fd = opt_socket(k);
        int want_s = k < 2 ? sysctl("ipv4/tcp_wmem", 1) : sysctl("core/wmem_default", 0);
        int want_r = k < 2 ? sysctl("ipv4/tcp_rmem", 1) : sysctl("core/rmem_default", 0);
        fact("%s defaults are the sysctls': send %s, receive %s", kind_name[k],
             opt_int(fd, SOL_SOCKET, SO_SNDBUF) == want_s ? "yes" : "no",
             opt_int(fd, SOL_SOCKET, SO_RCVBUF) == want_r ? "yes" : "no");
        fact("%s SO_BUF_LOCK at first: %s", kind_name[k], opt_get(fd, SOL_SOCKET, SO_BUF_LOCK));
        close(fd);
        for (int r = 0; r < 2; r++) {
            int opt = r ? SO_RCVBUF : SO_SNDBUF;
            const char *name = r ? "SO_RCVBUF" : "SO_SNDBUF";
            static const int v[] = {4608, 5000, 8191, 16384, 32767, 65536, 100001, 200000};
            char line[600];
            int p = snprintf(line, sizeof line, "%s %s", kind_name[k], name);
            for (unsigned i = 0; i < sizeof v / sizeof *v; i++) {
                fd = opt_socket(k);
                opt_set(fd, SOL_SOCKET, opt, v[i]);
                p += snprintf(line + p, sizeof line - (size_t)p, " %d=%s", v[i], opt_get(fd, SOL_SOCKET, opt));
                close(fd);
            }
            fact("%s", line);
            fd = opt_socket(k);
            res("set 0", opt_set(fd, SOL_SOCKET, opt, 0));
            int zero = opt_int(fd, SOL_SOCKET, opt);
            res("set 1", opt_set(fd, SOL_SOCKET, opt, 1));
            /* The floor depends on the size of the kernel's packet header: a range. */
            fact("%s %s floor: 0 and 1 alike %s, within 1024..8192 %s", kind_name[k], name,
                 opt_int(fd, SOL_SOCKET, opt) == zero ? "yes" : "no",
                 zero >= 1024 && zero <= 8192 ? "yes" : "no");
            res("set INT_MAX", opt_set(fd, SOL_SOCKET, opt, HIGH));
            fact("%s %s INT_MAX is twice the maximum: %s", kind_name[k], name,
                 opt_int(fd, SOL_SOCKET, opt) == 2 * max[r] ? "yes" : "no");
            res("set -1", opt_set(fd, SOL_SOCKET, opt, -1));
            fact("%s %s -1 is twice the maximum: %s", kind_name[k], name, opt_int(fd, SOL_SOCKET, opt) == 2 * max[r]
                 ? "yes" : "no");
            res("set INT_MIN", opt_set(fd, SOL_SOCKET, opt, LOW));
            fact("%s %s INT_MIN is twice the maximum: %s", kind_name[k], name,
                 opt_int(fd, SOL_SOCKET, opt) == 2 * max[r] ? "yes" : "no");
            fact("%s %s SO_BUF_LOCK then: %s", kind_name[k], name, opt_get(fd, SOL_SOCKET, SO_BUF_LOCK));
            close(fd);
        }
    }
    static const struct opt_row lock[] = {{O(SO_BUF_LOCK), ALL, {-1, 0, 1, 2, 3, 4, END}}};
    opt_table(SOL_SOCKET, lock, 1);
    /* A size set before connecting stays; one of a listener goes to what it accepts. */
    int p[2], port, l = listener4(&port, 4);
    must("rcvbuf", opt_set(l, SOL_SOCKET, SO_RCVBUF, 30000));
    must("sndbuf", opt_set(l, SOL_SOCKET, SO_SNDBUF, 20000));
    p[0] = opt_socket(0);
    must("sndbuf", opt_set(p[0], SOL_SOCKET, SO_SNDBUF, 25000));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(p[0], (struct sockaddr *)&a, sizeof a));
    p[1] = (int)must("accept", accept(l, NULL, NULL));
    fact("connected: send %s", opt_get(p[0], SOL_SOCKET, SO_SNDBUF));
    fact("accepted: send %s, receive %s, lock %s", opt_get(p[1], SOL_SOCKET, SO_SNDBUF),
         opt_get(p[1], SOL_SOCKET, SO_RCVBUF), opt_get(p[1], SOL_SOCKET, SO_BUF_LOCK));
    must("rcvbuf", opt_set(p[1], SOL_SOCKET, SO_RCVBUF, 50000));
    fact("set while connected: receive %s", opt_get(p[1], SOL_SOCKET, SO_RCVBUF));
    return 0;
}
