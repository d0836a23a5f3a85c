/* SO_PEEK_OFF: where MSG_PEEK begins, and how peeking and reading move it (man 7 socket; on UDP sockets; and TCP from
 * Linux 6.9, which is not asked here). */
#include "opt.h"

static void peek(const char *label, int fd, int len, int flags) {
    char b[32] = "";
    long r = recv(fd, b, (size_t)len, flags | MSG_DONTWAIT);
    fact("%s: %ld %s \"%.*s\", offset now %s", label, r, r < 0 ? ename(errno) : "", r > 0 ? (int)(r < len ? r : len)
         : 0, b, opt_get(fd, SOL_SOCKET, SO_PEEK_OFF));
}

int main(void) {
    alarm(8);
    for (int v6 = 0; v6 < 2; v6++) {
        int fd = opt_socket(v6 ? 3 : 2);
        struct sockaddr_in a = in4("127.0.0.1", 0);
        struct sockaddr_in6 a6 = in6("::1", 0);
        must("bind", v6 ? bind(fd, (struct sockaddr *)&a6, sizeof a6) : bind(fd, (struct sockaddr *)&a, sizeof a));
        a.sin_port = a6.sin6_port = htons((uint16_t)port_of(fd));
        struct sockaddr *to = v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a;
        socklen_t tl = v6 ? sizeof a6 : sizeof a;
        fact("udp%d", v6 ? 6 : 4);
        must("sendto", sendto(fd, "abcdefgh", 8, 0, to, tl));
        must("sendto", sendto(fd, "ijkl", 4, 0, to, tl));
        peek("off: peek 3", fd, 3, MSG_PEEK);
        peek("off: peek 3 again", fd, 3, MSG_PEEK);
        must("set", opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, 0));
        peek("0: peek 3", fd, 3, MSG_PEEK);
        peek("peek 3", fd, 3, MSG_PEEK);
        peek("peek 10", fd, 10, MSG_PEEK);
        peek("peek 10 past the first", fd, 10, MSG_PEEK);
        peek("peek 10 past both", fd, 10, MSG_PEEK);
        must("set", opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, 2));
        peek("2: peek 3", fd, 3, MSG_PEEK);
        peek("with MSG_TRUNC", fd, 1, MSG_PEEK | MSG_TRUNC);
        peek("read the first", fd, 20, 0);
        peek("peek then", fd, 20, MSG_PEEK);
        must("set", opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, 1));
        peek("1: peek 20", fd, 20, MSG_PEEK);
        must("set", opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, -1));
        peek("off again: peek 20", fd, 20, MSG_PEEK);
        peek("read the second", fd, 20, 0);
        peek("nothing left", fd, 20, MSG_PEEK);
        close(fd);
    }
    return 0;
}
