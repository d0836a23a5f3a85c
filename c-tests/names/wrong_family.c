/* An address of the other family, by what is looked at first (tcp_v6_connect, inet6_bind, ip6_datagram_connect): for an IPv6
 * socket its length. A datagram socket that is bound to IPv6 takes none of IPv4 (man 7 ipv6); what MSG_MORE holds back goes to
 * the new peer of IPv4. And a connection that was refused without anybody looking: no listener yet. */
#include "../dgram/dg.h"

static void tries(const char *label, int type, const char *bound) {
    for (int call = 0; call < 3; call++)
        for (socklen_t n = 15; n <= 28; n += n == 15 ? 1 : n == 16 ? 7 : n == 23 ? 1 : 4) {
            int s = socket(AF_INET6, type, 0);
            struct sockaddr_storage ss;
            memset(&ss, 0, sizeof ss);
            struct sockaddr_in a = in4("127.0.0.1", call ? 9 : 0);
            memcpy(&ss, &a, sizeof a);
            if (bound) {
                struct sockaddr_in6 b = in6(bound, 0);
                must("bind", bind(s, SA(&b), sizeof b));
            }
            long r = call == 0 ? bind(s, SA(&ss), n) : call == 1 ? connect(s, SA(&ss), n) : sendto(s, "x", 1, MSG_NOSIGNAL, SA(&ss), n);
            int e = errno;
            fact("%s, %s, length %u: %s", label, call == 0 ? "bind" : call == 1 ? "connect" : "sendto", n, r < 0 ? ename(e) : "done");
            close(s);
        }
}

int main(void) {
    alarm(8);
    tries("tcp6", SOCK_STREAM, NULL);
    tries("udp6", SOCK_DGRAM, NULL);
    tries("udp6 on ::1", SOCK_DGRAM, "::1");
    tries("udp6 on mapped", SOCK_DGRAM, "::ffff:127.0.0.1");

    int s = socket(AF_INET6, SOCK_DGRAM, 0), first = udp4("127.0.0.1"), second = udp4("127.0.0.1");
    struct sockaddr_in6 a = in6("::ffff:127.0.0.1", port_of(first));
    res("held back for the first", sendto(s, "held ", 5, MSG_MORE, SA(&a), sizeof a));
    res("connect to the second", con6(s, "::ffff:127.0.0.1", port_of(second)));
    res("send", send(s, "and sent", 8, 0));
    got("the second", second, port_of(s), 0);
    quiet("the first", first);

    int gone, l = listener4(&gone, 1), t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    close(l);
    res("connect", con4(t, "127.0.0.1", gone));
    fact("poll: %s", poll_text(t, POLLIN | POLLOUT, 1000));
    res("listen", listen(t, 1));
    fact("SO_ERROR %s", ename((int)get(t, SOL_SOCKET, SO_ERROR)));
    res("listen", listen(t, 1));
    res("connect", con4(t, "127.0.0.1", gone));
    res("listen", listen(t, 1));
    t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    res("connect to port 0", con4(t, "127.0.0.1", 0));
    res("listen", listen(t, 1));
    return 0;
}
