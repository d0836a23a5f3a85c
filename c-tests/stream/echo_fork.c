/* A TCP echo server and its client in two processes: socket, bind, listen, accept, read, write, close as `man 7 tcp`
 * and `man 2 accept` show them. Each line comes back unchanged; the client's half-close ends the server's loop. */
#include "stream.h"

static int server(int l) {
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in peer;
        socklen_t pl = sizeof peer;
        int c = accept(l, (struct sockaddr *)&peer, &pl);
        if (c < 0) return 2;
        if (pl != sizeof peer || peer.sin_family != AF_INET || ntohl(peer.sin_addr.s_addr) != INADDR_LOOPBACK) return 3;
        char b[64];
        ssize_t r;
        while ((r = read(c, b, sizeof b)) > 0)
            if (write_full(c, b, (size_t)r) != r) return 4;
        if (r < 0) return 5;
        close(c);
    }
    return 0;
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 4);
    pid_t pid = fork();
    if (pid == 0) _exit(server(l));
    close(l);
    static const char *const lines[] = {"hello", "", "a",
        "the quick brown fox jumps over the lazy dog, twice over the lazy dog and once more"};
    for (int round = 0; round < 3; round++) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", port), me, peer;
        res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        socklen_t n = sizeof me, m = sizeof peer;
        getsockname(c, (struct sockaddr *)&me, &n);
        getpeername(c, (struct sockaddr *)&peer, &m);
        fact("local %s, peer %s", addr_text((struct sockaddr *)&me, port, 0),
             addr_text((struct sockaddr *)&peer, port, 0));
        for (unsigned i = 0; i < 4; i++) {
            char out[128], in[128];
            int len = snprintf(out, sizeof out, "%d %s\n", round, lines[i]);
            fact("sent %ld", write_full(c, out, (size_t)len));
            long r = read_full(c, in, (size_t)len);
            fact("back %ld, same: %s", r, r == len && !memcmp(in, out, (size_t)len) ? "yes" : "no");
        }
        res("half-close", shutdown(c, SHUT_WR));
        char b[4];
        res("end of stream", read(c, b, sizeof b));
        res("end of stream again", read(c, b, sizeof b));
        res("close", close(c));
    }
    reap("server", pid);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect after the server's exit", connect(c, (struct sockaddr *)&a, sizeof a));
    return 0;
}
