/* ioctl on TCP and UDP sockets in their states (man 7 socket, tcp, udp: FIONREAD/SIOCINQ, SIOCOUTQ, SIOCATMARK,
 * FIONBIO, FIOASYNC, SIOCSPGRP; man 2 ioctl: ENOTTY). */
#include "t.h"
#include <linux/sockios.h>

static void ask(const char *who, int fd) {
    char l[96];
    static const struct { const char *name; unsigned long req; } t[] = {
        {"FIONREAD", FIONREAD}, {"SIOCOUTQ", SIOCOUTQ}, {"SIOCOUTQNSD", SIOCOUTQNSD}, {"SIOCATMARK", SIOCATMARK},
            {"SIOCGPGRP", SIOCGPGRP}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        int v = -77;
        long r = ioctl(fd, t[i].req, &v);
        if (r < 0) fact("%s %s: -1 %s", who, t[i].name, ename(errno));
        else fact("%s %s: %ld, value %d", who, t[i].name, r, v);
    }
    static const struct { const char *name; unsigned long req; } bad[] = {
        {"TCGETS", 0x5401}, {"TIOCGWINSZ", TIOCGWINSZ}, {"request 0", 0}, {"request 0x12345678", 0x12345678},
            {"BLKGETSIZE", 0x1260}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char room[256];
        snprintf(l, sizeof l, "%s %s", who, bad[i].name);
        res(l, ioctl(fd, bad[i].req, room));
    }
    errno = 0;
    int tty = isatty(fd);
    fact("%s isatty: %d %s", who, tty, ename(errno));
}

int main(void) {
    alarm(8);
    int port, lst = listener4(&port, 4), p[2], v;
    tcp_pair(p);
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    ask("fresh tcp", s);
    ask("listening tcp", lst);
    must("send", send(p[0], "hello", 5, 0));
    struct pollfd pf = {p[1], POLLIN, 0};
    poll(&pf, 1, 2000);
    ask("tcp with 5 bytes", p[1]);
    must("send", send(p[0], "!", 1, MSG_OOB));
    pf.events = POLLPRI;
    poll(&pf, 1, 2000);
    must("ioctl", ioctl(p[1], FIONREAD, &v));
    fact("with an urgent byte after 5: FIONREAD %d, at mark %d", v, sockatmark(p[1]));
    char b[64];
    res("recv stops at the mark", recv(p[1], b, sizeof b, 0));
    fact("at mark now: %d", sockatmark(p[1]));
    shutdown(p[0], SHUT_WR);
    pf.events = POLLRDHUP;
    poll(&pf, 1, 2000);
    must("ioctl", ioctl(p[1], FIONREAD, &v));
    fact("at end of stream: FIONREAD %d", v);
    ask("fresh udp", u);
    must("sendto", sendto(u, "abc", 3, 0, (struct sockaddr *)&a, sizeof a));
    must("sendto", sendto(u, "defgh", 5, 0, (struct sockaddr *)&a, sizeof a));
    must("ioctl", ioctl(u, FIONREAD, &v));
    fact("two datagrams of 3 and 5: FIONREAD %d", v);
    recv(u, b, sizeof b, 0);
    must("ioctl", ioctl(u, FIONREAD, &v));
    fact("the first taken: FIONREAD %d", v);
    recv(u, b, sizeof b, 0);
    must("sendto", sendto(u, "", 0, 0, (struct sockaddr *)&a, sizeof a));
    must("ioctl", ioctl(u, FIONREAD, &v));
    fact("an empty datagram: FIONREAD %d", v);
    recv(u, b, sizeof b, 0);

    int fds[2] = {s, u};
    for (int i = 0; i < 2; i++) {
        const char *who = i ? "udp" : "tcp";
        v = 1;
        must("FIONBIO", ioctl(fds[i], FIONBIO, &v));
        fact("%s FIONBIO 1: nonblock %d", who, !!(fcntl(fds[i], F_GETFL) & O_NONBLOCK));
        v = -5;
        must("FIONBIO", ioctl(fds[i], FIONBIO, &v));
        fact("%s FIONBIO -5: nonblock %d", who, !!(fcntl(fds[i], F_GETFL) & O_NONBLOCK));
        int d = dup(fds[i]);
        v = 0;
        must("FIONBIO", ioctl(d, FIONBIO, &v));
        fact("%s FIONBIO 0 on a dup: nonblock %d", who, !!(fcntl(fds[i], F_GETFL) & O_NONBLOCK));
        v = 1;
        must("FIOASYNC", ioctl(fds[i], FIOASYNC, &v));
        fact("%s FIOASYNC 1: async %d", who, !!(fcntl(fds[i], F_GETFL) & O_ASYNC));
        v = 0;
        must("FIOASYNC", ioctl(fds[i], FIOASYNC, &v));
        fact("%s FIOASYNC 0: async %d", who, !!(fcntl(fds[i], F_GETFL) & O_ASYNC));
        must("FIOCLEX", ioctl(fds[i], FIOCLEX));
        fact("%s FIOCLEX: cloexec %d, the dup's %d", who, fcntl(fds[i], F_GETFD), fcntl(d, F_GETFD));
        must("FIONCLEX", ioctl(fds[i], FIONCLEX));
        fact("%s FIONCLEX: cloexec %d", who, fcntl(fds[i], F_GETFD));
        v = getpid();
        res("SIOCSPGRP", ioctl(fds[i], SIOCSPGRP, &v));
        fact("%s owner is me: %s", who, fcntl(fds[i], F_GETOWN) == getpid() ? "yes" : "no");
        close(d);
    }
    struct timeval tv;
    res("SIOCGSTAMP before any packet, tcp", ioctl(s, SIOCGSTAMP, &tv));
    int w = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    res("SIOCGSTAMP before any packet, udp", ioctl(w, SIOCGSTAMP, &tv));
    struct sockaddr_in z = in4("127.0.0.1", 0);
    must("bind", bind(w, (struct sockaddr *)&z, sizeof z));
    z.sin_port = htons((uint16_t)port_of(w));
    must("sendto", sendto(w, "x", 1, 0, (struct sockaddr *)&z, sizeof z));
    must("recv", recv(w, b, 1, 0));
    tv.tv_sec = 0;
    res("SIOCGSTAMP after a datagram, udp", ioctl(w, SIOCGSTAMP, &tv));
    fact("its time is within a minute of now: %s", labs((long)(tv.tv_sec - time(NULL))) < 60 ? "yes" : "no");
    return 0;
}
