/* Addresses of a wrong length or family given to bind, connect and sendto (man 2 bind, connect: EINVAL, EAFNOSUPPORT;
 * net/socket.c: a length below 0 or above 128 is EINVAL before the descriptor's own rules). */
#include "t.h"

static const char *kinds[] = {"tcp4", "tcp6", "udp4", "udp6"};

static int make(int kind) {
    return (int)must("socket", socket(kind & 1 ? AF_INET6 : AF_INET, kind < 2 ? SOCK_STREAM : SOCK_DGRAM, 0));
}

static void call(const char *what, int kind, const void *a, int len, const char *label) {
    char l[128];
    int fd = make(kind);
    snprintf(l, sizeof l, "%s %s %s length %d", kinds[kind], what, label, len);
    if (what[0] == 'b') res(l, bind(fd, a, (socklen_t)len));
    else if (what[0] == 'c') res(l, connect(fd, a, (socklen_t)len));
    else res(l, sendto(fd, "x", 1, MSG_NOSIGNAL, a, (socklen_t)len));
    close(fd);
}

int main(void) {
    alarm(8);
    char room[512];
    int port, l = listener4(&port, 64);
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in ua = in4("127.0.0.1", 0);
    must("bind", bind(u, (struct sockaddr *)&ua, sizeof ua));
    static const int lens[] = {-2147483647 - 1, -1, 0, 1, 2, 8, 15, 16, 17, 23, 24, 27, 28, 29, 128, 129, 256,
        2147483647};
    static const char *what[] = {"bind", "connect", "sendto"};
    for (int k = 0; k < 4; k++) {
        for (int w = 0; w < 3; w++) {
            if (k < 2 && w == 2) continue; /* a stream's sendto looks at its own state first: see error_order */
            for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
                memset(room, 0, sizeof room);
                int to = w == 0 ? 0 : k < 2 ? port : port_of(u);
                if (k & 1) {
                    struct sockaddr_in6 a = in6("::ffff:127.0.0.1", to);
                    memcpy(room, &a, sizeof a);
                } else {
                    struct sockaddr_in a = in4("127.0.0.1", to);
                    memcpy(room, &a, sizeof a);
                }
                call(what[w], k, room, lens[i], "own family");
            }
            struct sockaddr_in4or6 { union { struct sockaddr_in a; struct sockaddr_in6 b; struct sockaddr c;
                struct sockaddr_un u; }; } x;
            memset(&x, 0, sizeof x);
            if (k & 1) x.a = in4("127.0.0.1", w == 0 ? 0 : port);
            else x.b = in6("::1", w == 0 ? 0 : port);
            call(what[w], k, &x, sizeof x.b, "other inet family");
            memset(&x, 0, sizeof x);
            x.u.sun_family = AF_UNIX;
            strcpy(x.u.sun_path, "/nonexistent");
            call(what[w], k, &x, sizeof x.u, "AF_UNIX");
            call(what[w], k, &x, 28, "AF_UNIX");
            memset(&x, 0, sizeof x);
            x.c.sa_family = 1000;
            call(what[w], k, &x, 28, "family 1000");
        }
    }
    close(l);
    return 0;
}
