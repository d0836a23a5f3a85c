/* The flags of send and recv on datagrams, and the calls that datagram sockets do not have (man 2 send, man 2 recv, man 2 listen). */
#include "dg.h"

static int s, r;

static void sending(const char *label, int flags) {
    res(label, send(s, "0123456789", 10, flags));
    if (poll(&(struct pollfd){r, POLLIN, 0}, 1, 40) > 0) got("    received", r, port_of(s), 0);
}

static void receiving(const char *label, int flags) {
    char b[32];
    send(s, "0123456789", 10, 0);
    wait_in(r);
    res(label, recv(r, b, sizeof b, flags | MSG_DONTWAIT));
    while (recv(r, b, sizeof b, MSG_DONTWAIT) >= 0) {}
}

static void all(void) {
    sending("send 0", 0);
    sending("send MSG_OOB", MSG_OOB);
    sending("send MSG_DONTROUTE", MSG_DONTROUTE);
    sending("send MSG_CONFIRM", MSG_CONFIRM);
    sending("send MSG_EOR", MSG_EOR);
    sending("send MSG_NOSIGNAL", MSG_NOSIGNAL);
    sending("send MSG_DONTWAIT", MSG_DONTWAIT);
    sending("send MSG_PROXY (probe)", MSG_PROXY);
    sending("send MSG_TRUNC", MSG_TRUNC);
    sending("send MSG_PEEK", MSG_PEEK);
    sending("send MSG_WAITALL", MSG_WAITALL);
    sending("send MSG_FIN", MSG_FIN);
    sending("send MSG_SYN", MSG_SYN);
    sending("send MSG_RST", MSG_RST);
    sending("send MSG_ERRQUEUE", MSG_ERRQUEUE);
    sending("send MSG_FASTOPEN", MSG_FASTOPEN);
    sending("send MSG_ZEROCOPY without SO_ZEROCOPY", MSG_ZEROCOPY);
    sending("send an unknown bit", 1 << 24);
    res("a probe of one too large", send(s, (char[66000]){0}, 66000, MSG_PROXY));
    receiving("recv 0", 0);
    receiving("recv MSG_OOB", MSG_OOB);
    receiving("recv MSG_WAITALL", MSG_WAITALL);
    receiving("recv MSG_DONTROUTE", MSG_DONTROUTE);
    receiving("recv MSG_NOSIGNAL", MSG_NOSIGNAL);
    receiving("recv MSG_ERRQUEUE", MSG_ERRQUEUE);
    receiving("recv MSG_CTRUNC", MSG_CTRUNC);
    receiving("recv MSG_EOR", MSG_EOR);
    receiving("recv MSG_CONFIRM", MSG_CONFIRM);
    receiving("recv an unknown bit", 1 << 24);
}

int main(void) {
    alarm(8);
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    all();
    int four = s;
    r = udp6("::1"), s = udp6("::1");
    con6(s, "::1", port_of(r));
    fact("v6");
    all();
    s = four;
    fact("calls");
    res("listen", listen(s, 5));
    res("accept", accept(s, NULL, NULL));
    res("accept4 with a bad flag", accept4(s, NULL, NULL, 1));
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    res("accept with an address", accept(s, SA(&a), &l));
    int u = udp4("127.0.0.1"), sv[2], q = 0;
    l = sizeof a;
    res("getpeername when unconnected", getpeername(u, SA(&a), &l));
    res("socketpair", socketpair(AF_INET, SOCK_DGRAM, 0, sv));
    res("SO_ACCEPTCONN", get(s, SOL_SOCKET, SO_ACCEPTCONN));
    fact("SO_TYPE %s SO_PROTOCOL %s SO_DOMAIN %s", get(s, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM ? "DGRAM" : "other",
         get(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP ? "UDP" : "other", get(s, SOL_SOCKET, SO_DOMAIN) == AF_INET ? "INET" : "other");
    res("TCP_NODELAY", set(s, IPPROTO_TCP, TCP_NODELAY, 1));
    res("TCP_INFO", getsockopt(s, IPPROTO_TCP, TCP_INFO, &a, &l));
    res("sockatmark", ioctl(s, SIOCATMARK, &q));
    res("lseek", lseek(s, 0, SEEK_CUR));
    res("pread", pread(s, &q, 1, 0));
    res("fsync", fsync(s));
    res("ftruncate", ftruncate(s, 0));
    struct stat st;
    fstat(s, &st);
    fact("a socket: %d", S_ISSOCK(st.st_mode));
    res("socket DGRAM with IPPROTO_TCP", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    ok("socket DGRAM with IPPROTO_UDP", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
    int nb = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    fact("SOCK_NONBLOCK %d SOCK_CLOEXEC %d", !!(fcntl(nb, F_GETFL) & O_NONBLOCK), fcntl(nb, F_GETFD) & FD_CLOEXEC);
    res("SO_SNDLOWAT", set(s, SOL_SOCKET, SO_SNDLOWAT, 5));
    res("SO_RCVLOWAT", set(s, SOL_SOCKET, SO_RCVLOWAT, 500));
    int port = port_of(s);
    put4(u, "x", "127.0.0.1", port);
    con4(s, "127.0.0.1", port_of(u));
    put4(u, "low", "127.0.0.1", port);
    fact("a low-water mark does not hold back a datagram: %s", poll_text(s, POLLIN, 500));
    return 0;
}
