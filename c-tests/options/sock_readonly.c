/* The options of SOL_SOCKET that are only read: their values in each state, and setting them (ENOPROTOOPT); those
 * that inet sockets do not have (EOPNOTSUPP, ENODATA), and unknown ones (man 7 socket). */
#include "opt.h"
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(SO_TYPE), ALL, {0, 1, 2, END}}, {O(SO_DOMAIN), ALL, {0, 2, END}}, {O(SO_PROTOCOL), ALL, {0, 6, END}},
            {O(SO_ACCEPTCONN), ALL, {0, 1, END}},
        {O(SO_ERROR), ALL, {0, 1, END}}, {O(SO_SNDLOWAT), ALL, {0, 1, 100, END}}, {O(SO_PASSCRED), ALL, {0, 1, END}},
            {O(SO_PASSSEC), ALL, {0, 1, END}},
        {O(SO_PASSPIDFD), ALL, {0, 1, END}}, {O(SO_PEERPIDFD), ALL, {0, 1, END}}, {O(SO_PEERSEC), ALL, {0, 1, END}},
            {O(SO_PEERGROUPS), ALL, {0, END}},
        {O(SO_SNDBUFFORCE), ALL, {END}}, {O(SO_DETACH_FILTER), ALL, {0, END}}, {O(SO_CNX_ADVICE), ALL, {0, 1, END}},
            {"option 0", 0, ALL, {0, 1, END}},
        {"option 1000", 1000, ALL, {0, 1, END}}, {"option -1", -1, ALL, {0, 1, END}},
    };
    opt_table(SOL_SOCKET, rows, sizeof rows / sizeof *rows);
    static const struct { const char *name; int fam, type, proto; } mk[] = {
        {"stream 0", AF_INET, SOCK_STREAM, 0}, {"stream tcp", AF_INET6, SOCK_STREAM, IPPROTO_TCP},
            {"dgram udp", AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
        {"stream flags", AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0}};
    for (unsigned i = 0; i < sizeof mk / sizeof *mk; i++) {
        int fd = (int)must("socket", socket(mk[i].fam, mk[i].type, mk[i].proto));
        fact("%s: type %s domain %s protocol %s", mk[i].name, opt_get(fd, SOL_SOCKET, SO_TYPE),
             opt_get(fd, SOL_SOCKET, SO_DOMAIN), opt_get(fd, SOL_SOCKET, SO_PROTOCOL));
        close(fd);
    }
    int s = opt_socket(0), p[2], port, l = listener4(&port, 2);
    struct sockaddr_in z = in4("127.0.0.1", 0);
    fact("SO_ACCEPTCONN fresh %s", opt_get(s, SOL_SOCKET, SO_ACCEPTCONN));
    must("bind", bind(s, (struct sockaddr *)&z, sizeof z));
    fact("bound %s", opt_get(s, SOL_SOCKET, SO_ACCEPTCONN));
    must("listen", listen(s, 1));
    fact("listening %s", opt_get(s, SOL_SOCKET, SO_ACCEPTCONN));
    shutdown(s, SHUT_RD);
    fact("shut down %s", opt_get(s, SOL_SOCKET, SO_ACCEPTCONN));
    tcp_pair(p);
    fact("connected %s, accepted %s", opt_get(p[0], SOL_SOCKET, SO_ACCEPTCONN), opt_get(p[1], SOL_SOCKET, SO_ACCEPTCONN));
    fact("accepted: type %s domain %s protocol %s", opt_get(p[1], SOL_SOCKET, SO_TYPE),
         opt_get(p[1], SOL_SOCKET, SO_DOMAIN), opt_get(p[1], SOL_SOCKET, SO_PROTOCOL));
    /* A v6 listener's accepted socket is a v6 one although a v4 client came. */
    int l6 = (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0)), c = (int)must("socket",
        socket(AF_INET, SOCK_STREAM, 0));
    must("listen", listen(l6, 2));
    z.sin_port = htons((uint16_t)port_of(l6));
    must("connect", connect(c, (struct sockaddr *)&z, sizeof z));
    int a = (int)must("accept", accept(l6, NULL, NULL));
    fact("accepted from v4 by v6: domain %s", opt_get(a, SOL_SOCKET, SO_DOMAIN));
    struct ucred { int pid, uid, gid; } u = {7, 7, 7};
    socklen_t ul = sizeof u;
    res("SO_PEERCRED", getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &ul));
    fact("pid %d uid %d gid %d length %d", u.pid, u.uid, u.gid, (int)ul);
    /* SO_PEERNAME wants room for no more than the address. */
    static const int lens[] = {0, 1, 4, 16, 17, 28, 128};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        char b[128];
        socklen_t bl = (socklen_t)lens[i];
        long r = getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, b, &bl);
        fact("SO_PEERNAME length %d: %ld %s, length after %d", lens[i], r, r < 0 ? ename(errno) : "0", (int)bl);
    }
    fact("SO_PEERNAME not connected: %s", opt_get(opt_socket(0), SOL_SOCKET, SO_PEERNAME));
    close(l);
    return 0;
}
