/* The string options TCP_CONGESTION and TCP_ULP: names, lengths, unknown names (man 7 tcp: "reno is always
 * available"). */
#include "opt.h"

static void get(const char *label, int fd, int len) {
    char b[64];
    memset(b, 'z', sizeof b);
    socklen_t l = (socklen_t)len;
    long r = getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, b, &l);
    if (r < 0) { fact("%s, length %d: -1 %s, after %d", label, len, ename(errno), (int)l); return; }
    int zeros = 0;
    for (int i = (int)l - 1; i >= 0 && b[i] == 0; i--) zeros++;
    fact("%s, length %d: after %d, \"%.*s\", zeros at its end %d, beyond %s", label, len, (int)l, (int)l - zeros, b,
         zeros, b[l] == 'z' ? "untouched" : "written");
}

int main(void) {
    alarm(8);
    char def[32] = "", sys[32] = "";
    for (int k = 0; k < 2; k++) {
        int fd = opt_socket(k);
        socklen_t l = sizeof def;
        res("default", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, def, &l));
        FILE *f = fopen("/proc/sys/net/ipv4/tcp_congestion_control", "r");
        if (f && fscanf(f, "%31s", sys) != 1) sys[0] = 0;
        if (f) fclose(f);
        fact("%s: it is the sysctl's: %s, length %d", kind_name[k], strcmp(sys, def) == 0 ? "yes" : "no", (int)l);
        res("set reno", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
        static const int lens[] = {0, 1, 2, 3, 4, 5, 15, 16, 17, 40, -1};
        for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) get("reno", fd, lens[i]);
        res("reno with its zero", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 5));
        res("reno with more behind the zero", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno\0abcdefghijklmnop", 20));
        res("ren", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "ren", 3));
        res("reno of length 3", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 3));
        res("nonsense", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8));
        res("a name of 30", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "abcdefghijabcdefghijabcdefghij", 30));
        res("empty", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "", 0));
        res("one zero", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "", 1));
        res("negative length", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", (socklen_t)-1));
        get("after the failures", fd, 16);
        res("back to the default", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, def, (socklen_t)strlen(def)));
        l = 16;
        getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, sys, &l);
        fact("it is: %s", strcmp(sys, def) == 0 ? "yes" : "no");
        /* No upper-layer protocol is attached: an empty answer. */
        char u[16];
        l = sizeof u;
        res("TCP_ULP", getsockopt(fd, IPPROTO_TCP, TCP_ULP, u, &l));
        fact("length %d", (int)l);
        res("set TCP_ULP nonsense", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "nonsense", 8));
        res("set TCP_ULP empty", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "", 0));
        close(fd);
    }
    /* A connection can change over; an accepted socket has its listener's. */
    int port, l = listener4(&port, 2), c = opt_socket(0);
    must("set", setsockopt(l, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    int s = (int)must("accept", accept(l, NULL, NULL));
    get("accepted", s, 16);
    res("set on a connection", setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    get("connected", c, 16);
    fact("on udp: %s", opt_get(opt_socket(2), IPPROTO_TCP, TCP_CONGESTION));
    return 0;
}
