/* SO_REUSEPORT: several sockets share a port; each datagram goes to exactly one of them, chosen by source and destination,
 * so that one source stays with one socket (man 7 socket: SO_REUSEPORT). */
#include "dg.h"
enum { K = 4, S = 64 };

static int member(int port, int on, int family) {
    int fd = socket(family, SOCK_DGRAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    struct sockaddr_in6 a6 = in6("::1", port);
    if (on) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET ? bind(fd, SA(&a), sizeof a) : bind(fd, SA(&a6), sizeof a6)) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static void group(int family) {
    int r[K], port = 0, src[S], home[S], total = 0, once = 1, same = 1, used[K] = {0}, sockets = 0;
    for (int i = 0; i < K; i++) {
        r[i] = (int)must("member", member(port, 1, family));
        port = port_of(r[i]);
    }
    ok("one without SO_REUSEPORT", member(port, 0, family));
    int late = member(port, 0, family);
    if (late >= 0) close(late);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < S; i++) {
            if (!round) {
                src[i] = socket(family, SOCK_DGRAM, 0);
                if (family == AF_INET) con4(src[i], "127.0.0.1", port); else con6(src[i], "::1", port);
            }
            if (send(src[i], &i, sizeof i, 0) != sizeof i) fact("send: %s", ename(errno));
        }
        sleep_ms(30);
        int seen[S] = {0};
        for (int k = 0; k < K; k++) {
            int who;
            while (recv(r[k], &who, sizeof who, MSG_DONTWAIT) == sizeof who) {
                seen[who]++;
                total++;
                if (!round) home[who] = k; else if (home[who] != k) same = 0;
                used[k] = 1;
            }
        }
        for (int i = 0; i < S; i++) if (seen[i] != 1) once = 0;
    }
    for (int k = 0; k < K; k++) sockets += used[k];
    fact("received %d of %d, each once %d, a source stays with its socket %d, more than one socket used %d", total, 3 * S, once,
         same, sockets > 1);
    /* One goes: the others take over all of it. */
    close(r[0]);
    for (int i = 0; i < S; i++) send(src[i], &i, sizeof i, 0);
    sleep_ms(30);
    total = 0;
    for (int k = 1; k < K; k++)
        for (int who; recv(r[k], &who, sizeof who, MSG_DONTWAIT) == sizeof who;) total++;
    fact("after one closed: %d of %d", total, S);
    for (int k = 1; k < K - 1; k++) close(r[k]);
    for (int i = 0; i < S; i++) send(src[i], &i, sizeof i, 0);
    sleep_ms(30);
    total = 0;
    for (int who; recv(r[K - 1], &who, sizeof who, MSG_DONTWAIT) == sizeof who;) total++;
    fact("one left: %d of %d", total, S);
    close(r[K - 1]);
    for (int i = 0; i < S; i++) close(src[i]);
}

int main(void) {
    alarm(8);
    group(AF_INET);
    group(AF_INET6);

    int a = member(0, 0, AF_INET), port = port_of(a);
    ok("SO_REUSEPORT beside one without", member(port, 1, AF_INET));
    res("set after the bind", set(a, SOL_SOCKET, SO_REUSEPORT, 1));
    int b = member(port, 1, AF_INET);
    ok("beside one that set it after its bind", b);
    res("one sets it off again", set(a, SOL_SOCKET, SO_REUSEPORT, 0));
    ok("a third", member(port, 1, AF_INET));
    close(a);
    if (b >= 0) close(b);

    /* One that connects leaves the group for everybody but its peer. */
    a = member(0, 1, AF_INET), port = port_of(a), b = member(port, 1, AF_INET);
    int s[8], n = 0;
    for (int i = 0; i < 8; i++) s[i] = udp4("127.0.0.1");
    con4(a, "127.0.0.1", port_of(s[0]));
    for (int i = 0; i < 8; i++) put4(s[i], i ? "other" : "peer", "127.0.0.1", port);
    got("connected member", a, port_of(s[0]), 0);
    for (int i = 0; i < 7 && wait_in(b); i++) n += recv(b, (char[9]){0}, 9, 0) == 5;
    fact("the other member got the rest: %d", n);
    quiet("connected member", a);
    quiet("other member", b);
    return 0;
}
