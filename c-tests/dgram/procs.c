/* Several processes send to one socket; several processes share one by fork; dup shares it too (man 2 fork, man 2 dup:
 * the open file description is one). */
#include "dg.h"
enum { P = 4, N = 40 };

static void many_senders(void) {
    int r = udp4("127.0.0.1"), port = port_of(r);
    pid_t pid[P];
    for (int k = 0; k < P; k++)
        if ((pid[k] = fork()) == 0) {
            int s = socket(AF_INET, SOCK_DGRAM, 0), bad = 0;
            for (int i = 0; i < N; i++) {
                char m[16];
                int n = snprintf(m, sizeof m, "%d %d", k, i);
                struct sockaddr_in a = in4("127.0.0.1", port);
                if (sendto(s, m, (size_t)n, 0, SA(&a), sizeof a) != n) bad++;
            }
            _exit(bad);
        }
    int last[P] = {-1, -1, -1, -1}, disorder = 0, ports[P] = {0}, moved = 0;
    for (int i = 0; i < P * N; i++) {
        char b[17] = "";
        struct sockaddr_in a = {0};
        socklen_t l = sizeof a;
        if (!wait_in(r)) { fact("nothing came after %d", i); break; }
        recvfrom(r, b, 16, 0, SA(&a), &l);
        int k = -1, seq = -1;
        if (sscanf(b, "%d %d", &k, &seq) != 2 || k < 0 || k >= P) { fact("torn"); continue; }
        if (seq != last[k] + 1) disorder++;
        last[k] = seq;
        if (ports[k] && ports[k] != a.sin_port) moved++;
        ports[k] = a.sin_port;
    }
    for (int k = 0; k < P; k++) reap("sender", pid[k]);
    fact("out of order %d, source port changed %d, last %d %d %d %d", disorder, moved, last[0], last[1], last[2], last[3]);
    close(r);
}

static void shared_receiver(void) {
    int r = udp4("127.0.0.1"), port = port_of(r), t[2];
    must("pipe", pipe(t));
    pid_t pid[3];
    for (int k = 0; k < 3; k++)
        if ((pid[k] = fork()) == 0) {
            char b[16];
            for (;;) {
                ssize_t n = recv(r, b, sizeof b, 0);
                if (n != 2) _exit(n == 0 ? 0 : 1);
                if (write(t[1], b, 2) != 2) _exit(2);
            }
        }
    int s = socket(AF_INET, SOCK_DGRAM, 0), seen[60] = {0}, once = 0;
    for (int i = 0; i < 60; i++) put4(s, (char[]){(char)('0' + i / 10), (char)('0' + i % 10), 0}, "127.0.0.1", port);
    for (int i = 0; i < 60; i++) {
        char b[2];
        if (!wait_in(t[0]) || read(t[0], b, 2) != 2) break;
        seen[(b[0] - '0') * 10 + b[1] - '0']++;
    }
    for (int i = 0; i < 60; i++) once += seen[i] == 1;
    fact("three processes on one socket: %d of 60 exactly once", once);
    for (int i = 0; i < 3; i++) put4(s, "", "127.0.0.1", port);
    for (int k = 0; k < 3; k++) reap("receiver", pid[k]);
    close(r), close(s);
}

static void one_socket(void) {
    int a = udp4("127.0.0.1"), b = udp4("127.0.0.1"), s = udp4p("127.0.0.1", free_port()), c[2], d = dup(s);
    int port = port_of(s);
    must("pipe", pipe(c));
    fact("dup has the same name: %d", port_of(d) == port);
    con4(d, "127.0.0.1", port_of(a));
    peer("connect through the dup is seen", s, port_of(a), port_of(b));
    put4(a, "to both", "127.0.0.1", port);
    got("read through the dup", d, port_of(a), 0);
    quiet("then it is gone", s);
    close(d);
    pid_t pid = fork();
    if (pid == 0) {
        con4(s, "127.0.0.1", port_of(b));
        fcntl(s, F_SETFL, O_NONBLOCK);
        set(s, SOL_SOCKET, SO_BROADCAST, 1);
        set(s, IPPROTO_IP, IP_TTL, 9);
        _exit(0);
    }
    reap("child", pid);
    peer("connect in a child is seen", s, port_of(a), port_of(b));
    fact("O_NONBLOCK %d SO_BROADCAST %ld IP_TTL %ld", !!(fcntl(s, F_GETFL) & O_NONBLOCK), get(s, SOL_SOCKET, SO_BROADCAST),
         get(s, IPPROTO_IP, IP_TTL));
    pid = fork();
    if (pid == 0) {
        char m[16] = "";
        if (read(c[0], m, 1) != 1) _exit(1);
        wait_in(s);
        ssize_t n = recv(s, m, 15, 0);
        _exit(n == 5 && !strcmp(m, "still") && send(s, "from child", 10, 0) == 10 ? 0 : 2);
    }
    close(s);
    con4(b, "127.0.0.1", port);
    res("send to it", send(b, "still", 5, 0));
    if (write(c[1], "x", 1) != 1) return;
    got("at b", b, port, 0);
    reap("child that received and sent after the parent had closed", pid);
    res("send when nobody holds it", send(b, "x", 1, 0));
    fact("b sees %s", poll_text(b, POLLIN, 1000));
    res("send again", send(b, "x", 1, 0));
}

int main(void) {
    alarm(8);
    many_senders();
    shared_receiver();
    one_socket();
    return 0;
}
