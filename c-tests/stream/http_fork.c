/* A small HTTP/1.1 server (RFC 9112) and its client, two processes: several requests on one connection, pipelined
 * ones, a body that the server answers with, `Connection: close`, and a client that sends its request byte by byte. */
#include "stream.h"

/* Reads up to and with the empty line, byte by byte; 0 at the end of the stream. */
static int head(int fd, char *b, size_t cap) {
    size_t n = 0;
    while (n + 1 < cap) {
        ssize_t r = recv(fd, b + n, 1, 0);
        if (r <= 0) return 0;
        b[++n] = 0;
        if (n >= 4 && !memcmp(b + n - 4, "\r\n\r\n", 4)) return (int)n;
    }
    return 0;
}

static long content_length(const char *h) {
    const char *p = strstr(h, "Content-Length: ");
    return p ? atol(p + 16) : 0;
}

static int server(int l, int connections) {
    static char body[100000];
    for (int i = 0; i < connections; i++) {
        int c = accept(l, NULL, NULL), one = 1;
        if (c < 0 || setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) return 2;
        char h[1024], out[256];
        while (head(c, h, sizeof h)) {
            long n = content_length(h);
            if (n > (long)sizeof body || read_full(c, body, (size_t)n) != n) return 3;
            int quit = strstr(h, "Connection: close") != NULL;
            if (!strncmp(h, "GET /big", 8)) {
                n = (long)sizeof body;
                for (long k = 0; k < n; k++) body[k] = (char)pat((size_t)k);
            } else if (!strncmp(h, "GET ", 4)) {
                n = snprintf(body, sizeof body, "you asked for %.*s", (int)strcspn(h + 4, " "), h + 4);
            }
            int o = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n);
            if (send(c, out, (size_t)o, MSG_MORE) != o || write_full(c, body, (size_t)n) != n) return 4;
            if (quit) break;
        }
        close(c);
    }
    return 0;
}

static char body[100001];
static void answer(int c, const char *label) {
    char h[1024];
    if (!head(c, h, sizeof h)) { fact("%s: no answer", label); return; }
    long n = content_length(h), r = read_full(c, body, (size_t)n);
    body[r] = 0;
    if (r < 200) { fact("%s: %.*s, %ld bytes: %s", label, (int)strcspn(h, "\r"), h, r, body); return; }
    long bad = 0;
    for (long k = 0; k < r; k++) bad += (unsigned char)body[k] != pat((size_t)k);
    fact("%s: %.*s, %ld bytes, wrong ones: %ld", label, (int)strcspn(h, "\r"), h, r, bad);
}

static int dial(int port) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return c;
}

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 4);
    pid_t pid = fork();
    if (pid == 0) _exit(server(l, 3));
    close(l);
    int c = dial(port);
    for (int i = 0; i < 3; i++) {
        char q[128], label[32];
        int n = snprintf(q, sizeof q, "GET /page/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
        snprintf(label, sizeof label, "request %d", i);
        write_full(c, q, (size_t)n);
        answer(c, label);
    }
    const char *two = "GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n"
                      "POST /third HTTP/1.1\r\nContent-Length: 11\r\n\r\nposted body";
    write_full(c, two, strlen(two));
    answer(c, "pipelined 1");
    answer(c, "pipelined 2");
    answer(c, "pipelined 3");
    const char *big = "GET /big HTTP/1.1\r\nConnection: close\r\n\r\n";
    write_full(c, big, strlen(big));
    answer(c, "big");
    res("after Connection: close", read(c, body, 10));
    close(c);
    c = dial(port);
    const char *slow = "GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n";
    for (const char *p = slow; *p; p++) must("send a byte", send(c, p, 1, 0));
    answer(c, "byte by byte");
    close(c);
    c = dial(port);
    write_full(c, "GET /half", 9);
    close(c);
    reap("server", pid);
    return 0;
}
