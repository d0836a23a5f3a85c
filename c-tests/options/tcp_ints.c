/* The int options of IPPROTO_TCP on fresh sockets: defaults, ranges, normalisation (man 7 tcp; net/ipv4/tcp.c
 * do_tcp_setsockopt; linux/tcp.h MAX_TCP_KEEPIDLE and its kin). */
#include "opt.h"

static int sysctl(const char *name) {
    char path[128];
    int v = -1;
    snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
    FILE *f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%d", &v) != 1) v = -1;
        fclose(f);
    }
    return v;
}

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(TCP_NODELAY), TCP, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(TCP_CORK), TCP, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(TCP_QUICKACK), TCP, {0, 1, 2, 3, -1, END}},
        {O(TCP_MAXSEG), TCP, {LOW, -1, 0, 1, 87, 88, 100, 536, 1460, 32767, 32768, HIGH, END}},
        {O(TCP_USER_TIMEOUT), TCP, {LOW, -1, 0, 1, 30000, HIGH, END}},
        {O(TCP_DEFER_ACCEPT), TCP, {LOW, -1, 0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, END}},
        {O(TCP_NOTSENT_LOWAT), TCP, {-1, 1, 4096, 131072, HIGH, END}},
        {O(TCP_FASTOPEN_CONNECT), TCP, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(TCP_FASTOPEN_NO_COOKIE), TCP, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(TCP_THIN_LINEAR_TIMEOUTS), TCP, {-1, 0, 1, 2, END}},
        {O(TCP_THIN_DUPACK), TCP, {-1, 0, 1, 2, END}},
        {O(TCP_SAVE_SYN), TCP, {-1, 0, 1, 2, 3, END}},
        {O(TCP_INQ), TCP, {-1, 0, 1, 2, END}},
        {O(TCP_WINDOW_CLAMP), TCP, {0, 32767, 65536, HIGH, END}},
        {O(TCP_REPAIR_QUEUE), TCP, {END}},
        {"option 0", 0, TCP, {0, 1, END}},
        {"option 15", 15, TCP, {0, 1, END}},
        {"option 1000", 1000, TCP, {0, 1, END}},
        {"option -1", -1, TCP, {0, 1, END}},
        {O(TCP_INFO), 0, {0, END}},
    };
    opt_table(IPPROTO_TCP, rows, sizeof rows / sizeof *rows);
    /* Defaults that a sysctl may change are told as relations; the ranges are fixed. */
    static const struct { const char *name; int opt; const char *sysctl; int v[10]; } t[] = {
        {O(TCP_KEEPIDLE), "tcp_keepalive_time", {LOW, -1, 0, 1, 2, 7200, 32767, 32768, HIGH, END}},
        {O(TCP_KEEPINTVL), "tcp_keepalive_intvl", {LOW, -1, 0, 1, 75, 32767, 32768, HIGH, END}},
        {O(TCP_KEEPCNT), "tcp_keepalive_probes", {LOW, -1, 0, 1, 9, 127, 128, HIGH, END}},
        {O(TCP_SYNCNT), "tcp_syn_retries", {LOW, -1, 0, 1, 6, 127, 128, HIGH, END}},
        {O(TCP_LINGER2), "tcp_fin_timeout", {LOW, -2, -1, 1, 30, 120, 121, HIGH, END}},
    };
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++)
        for (int k = 0; k < 2; k++) {
            char line[600];
            int fd = opt_socket(k);
            int p = snprintf(line, sizeof line, "%s %s: default is %s: %s;", kind_name[k], t[i].name, t[i].sysctl,
                             opt_int(fd, IPPROTO_TCP, t[i].opt) == sysctl(t[i].sysctl) ? "yes" : "no");
            for (const int *v = t[i].v; *v != END; v++) {
                close(fd);
                fd = opt_socket(k);
                if (opt_set(fd, IPPROTO_TCP, t[i].opt, *v) < 0) p += snprintf(line + p, sizeof line - (size_t)p,
                    " %d:%s", *v, ename(errno));
                else p += snprintf(line + p, sizeof line - (size_t)p, " %d=%s", *v, opt_get(fd, IPPROTO_TCP, t[i].opt));
            }
            close(fd);
            fact("%s", line);
        }
    int fd = opt_socket(0);
    res("TCP_LINGER2 0", opt_set(fd, IPPROTO_TCP, TCP_LINGER2, 0));
    fact("0 means the sysctl: %s", opt_int(fd, IPPROTO_TCP, TCP_LINGER2) == sysctl("tcp_fin_timeout") ? "yes" : "no");
    /* A length of the accept queue; more than somaxconn is cut. */
    res("TCP_FASTOPEN -1", opt_set(fd, IPPROTO_TCP, TCP_FASTOPEN, -1));
    res("TCP_FASTOPEN 5", opt_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 5));
    fact("reads %s", opt_get(fd, IPPROTO_TCP, TCP_FASTOPEN));
    res("TCP_FASTOPEN 0", opt_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 0));
    fact("reads %s", opt_get(fd, IPPROTO_TCP, TCP_FASTOPEN));
    /* Options do not disturb each other. */
    must("set", opt_set(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    must("set", opt_set(fd, IPPROTO_TCP, TCP_CORK, 1));
    fact("nodelay %s and cork %s together", opt_get(fd, IPPROTO_TCP, TCP_NODELAY), opt_get(fd, IPPROTO_TCP, TCP_CORK));
    must("set", opt_set(fd, IPPROTO_TCP, TCP_NODELAY, 0));
    fact("nodelay %s, cork %s", opt_get(fd, IPPROTO_TCP, TCP_NODELAY), opt_get(fd, IPPROTO_TCP, TCP_CORK));
    must("set", opt_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 33));
    fact("TCP_KEEPIDLE does not switch SO_KEEPALIVE on: %s", opt_get(fd, SOL_SOCKET, SO_KEEPALIVE));
    return 0;
}
