/* Sockets that are bound to two interfaces do not quarrel over a port, those with one and with none do (man 7 socket,
 * SO_BINDTODEVICE; inet_csk_bind_conflict, udp_lib_lport_inuse). Who is bound to another interface hears nothing, who names
 * the one that a datagram or connection comes through goes before who names none. */
#include "../dgram/dg.h"

enum { ELSEWHERE = 7777 };

static int make(int type, int device, int port, int reuse) {
    int s = socket(AF_INET, type, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (reuse) set(s, SOL_SOCKET, reuse, 1);
    if (device) set(s, SOL_SOCKET, SO_BINDTOIFINDEX, device);
    int r = bind(s, SA(&a), sizeof a), e = errno;
    fact("  %s, device %s, %s: %s", type == SOCK_STREAM ? "tcp" : "udp", device == 0 ? "none" : device == 1 ? "lo" : "elsewhere",
         reuse == SO_REUSEPORT ? "REUSEPORT" : reuse ? "REUSEADDR" : "no reuse", r < 0 ? ename(e) : "0");
    if (r == 0) return s;
    close(s);
    return -1;
}

static void close_all(int *s, int n) {
    for (int i = 0; i < n; i++)
        if (s[i] >= 0) close(s[i]);
}

static void conflicts(int type) {
    static const int reuse[] = {0, SO_REUSEADDR, SO_REUSEPORT};
    for (int first = 0; first < 3; first++)
        for (int how = 0; how < 3; how++) {
            int dev[] = {0, 1, ELSEWHERE}, s[7], port;
            fact("first on %d with %d", first, how);
            s[0] = make(type, dev[first], 0, reuse[how]);
            port = port_of(s[0]);
            for (int i = 0; i < 6; i++) s[i + 1] = make(type, dev[i % 3], port, i < 3 ? 0 : reuse[how]);
            close_all(s, 7);
        }
}

/* 60 datagrams or connections, and which of three sockets gets them. */
static void shared(int type, int a, int b, int c) {
    int dev[] = {a, b, c}, s[3], port = 0, count[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        s[i] = make(type, dev[i], port, SO_REUSEPORT);
        port = port_of(s[0]);
        if (type == SOCK_STREAM) listen(s[i], 64);
    }
    for (int i = 0; i < 60; i++) {
        int q = socket(AF_INET, type, 0);
        con4(q, "127.0.0.1", port);
        if (type == SOCK_DGRAM) send(q, "x", 1, 0);
        struct pollfd p[3] = {{s[0], POLLIN, 0}, {s[1], POLLIN, 0}, {s[2], POLLIN, 0}};
        poll(p, 3, 2000);
        for (int k = 0; k < 3; k++) {
            char x;
            if (!p[k].revents) continue;
            count[k]++;
            if (type == SOCK_DGRAM) recv(s[k], &x, 1, 0);
            else close(accept(s[k], NULL, NULL));
        }
        close(q);
    }
    for (int k = 0; k < 3; k++) fact("  socket %d: %s", k, count[k] == 0 ? "none" : count[k] == 60 ? "all" : "some");
    close_all(s, 3);
}

int main(void) {
    alarm(8);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        conflicts(type);
        fact("none, none, none");
        shared(type, 0, 0, 0);
        fact("elsewhere, none, none");
        shared(type, ELSEWHERE, 0, 0);
        fact("elsewhere, none, lo");
        shared(type, ELSEWHERE, 0, 1);
        fact("elsewhere, lo, lo");
        shared(type, ELSEWHERE, 1, 1);
    }
    return 0;
}
