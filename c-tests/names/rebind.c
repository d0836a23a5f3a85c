/* bind(2) of a socket that has a name already, also by an automatic port: EINVAL, or, for IPv4, EADDRNOTAVAIL for an address
 * that nobody here has, which is looked at first (__inet_bind, __inet6_bind). The socket stays what it was. */
#include "../dgram/dg.h"

static const char *const v4[] = {"224.0.2.1", "255.255.255.255", "192.0.2.77", "127.0.0.1", "0.0.0.0"};
static const char *const v6[] = {"ff05::7", "2001:db8::77", "::ffff:192.0.2.77", "::ffff:224.0.2.1", "::1", "::"};

static void again(int s, int family) {
    for (unsigned i = 0; i < (family == AF_INET ? 5 : 6); i++) {
        struct sockaddr_in a = in4("0.0.0.0", 0);
        struct sockaddr_in6 b = in6("::", 0);
        if (family == AF_INET) a = in4(v4[i], 0);
        else b = in6(v6[i], 0);
        res(family == AF_INET ? v4[i] : v6[i], family == AF_INET ? bind(s, SA(&a), sizeof a) : bind(s, SA(&b), sizeof b));
    }
}

int main(void) {
    alarm(8);
    for (int six = 0; six < 2; six++) {
        int family = six ? AF_INET6 : AF_INET;
        int r = six ? udp6("::1") : udp4("127.0.0.1"), s = socket(family, SOCK_DGRAM, 0), t, l = socket(family, SOCK_STREAM, 0);
        fact("%s, bound", six ? "udp6" : "udp");
        again(r, family);
        fact("automatic");
        res("sends", six ? put6(s, "one", "::1", port_of(r)) : put4(s, "one", "127.0.0.1", port_of(r)));
        again(s, family);
        res("sends", six ? put6(s, "two", "::1", port_of(r)) : put4(s, "two", "127.0.0.1", port_of(r)));
        got("arrives", r, port_of(s), 0);
        got("arrives", r, port_of(s), 0);
        res("shutdown", shutdown(s, SHUT_WR));
        again(s, family);
        res("sends", six ? put6(s, "three", "::1", port_of(r)) : put4(s, "three", "127.0.0.1", port_of(r)));
        fact("%s", six ? "tcp6" : "tcp");
        res("listen", listen(l, 4));
        again(l, family);
        t = socket(family, SOCK_STREAM, 0);
        res("it is reached", six ? con6(t, "::1", port_of(l)) : con4(t, "127.0.0.1", port_of(l)));
    }
    return 0;
}
