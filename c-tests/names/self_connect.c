/* A TCP socket that connects to its own name: simultaneous open with itself (RFC 9293 3.5, figure 8). What is written
 * comes back; and two sockets that connect to each other cannot be told apart from it by their calls. */
#include "t.h"

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    for (int v6 = 0; v6 < 2; v6++) {
        const char *who = v6 ? "v6" : "v4";
        char l[64], b[16] = "";
        int s = (int)must("socket", socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        struct sockaddr_storage a, n, p;
        struct sockaddr_in z = in4("127.0.0.1", 0);
        struct sockaddr_in6 z6 = in6("::1", 0);
        socklen_t al = sizeof a, nl = sizeof n, pl = sizeof p;
        must("bind", v6 ? bind(s, (struct sockaddr *)&z6, sizeof z6) : bind(s, (struct sockaddr *)&z, sizeof z));
        must("getsockname", getsockname(s, (struct sockaddr *)&a, &al));
#define R(name, e) (snprintf(l, sizeof l, "%s %s", who, name), res(l, (e)))
        R("connect to itself", connect(s, (struct sockaddr *)&a, al));
        must("getsockname", getsockname(s, (struct sockaddr *)&n, &nl));
        memset(&p, 0, sizeof p);
        R("getpeername", getpeername(s, (struct sockaddr *)&p, &pl));
        fact("%s name and peer are one: %s", who, nl == pl && memcmp(&n, &p, nl) == 0 ? "yes" : "no");
        R("send", send(s, "hello", 5, 0));
        R("recv", recv(s, b, sizeof b, 0));
        fact("%s got: %.5s", who, b);
        fact("%s poll: %s", who, poll_text(s, POLLIN | POLLOUT | POLLRDHUP, 0));
        R("connect again", connect(s, (struct sockaddr *)&a, al));
        R("shutdown for writing", shutdown(s, SHUT_WR));
        R("recv sees its own end", recv(s, b, sizeof b, 0));
        R("send after it", send(s, "x", 1, 0));
        int e = -1;
        socklen_t el = sizeof e;
        getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &e, &el);
        fact("%s listening: %d", who, e);
        close(s);
#undef R
    }
    /* UDP has no trouble with itself. */
    int u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in z = in4("127.0.0.1", 0);
    socklen_t zl = sizeof z;
    must("bind", bind(u, (struct sockaddr *)&z, sizeof z));
    must("getsockname", getsockname(u, (struct sockaddr *)&z, &zl));
    char b[8];
    res("udp connect to itself", connect(u, (struct sockaddr *)&z, zl));
    res("udp send", send(u, "abc", 3, 0));
    res("udp recv", recv(u, b, sizeof b, 0));
    return 0;
}
