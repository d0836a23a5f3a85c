// limit: 20
/* TCP_MD5SIG, TCP_MD5SIG_EXT (man 7 tcp, RFC 2385): a connection comes to be, and goes on, while both ends have the same key for
 * each other or none; a prefix is for many peers; accepted sockets have the listener's key for their peer. */
#include "../stream/stream.h"

static struct tcp_md5sig sig(const char *ip, const char *key, int prefix) {
    struct tcp_md5sig m;
    memset(&m, 0, sizeof m);
    if (strchr(ip, ':')) {
        struct sockaddr_in6 a = in6(ip, 0);
        memcpy(&m.tcpm_addr, &a, sizeof a);
    } else {
        struct sockaddr_in a = in4(ip, 0);
        memcpy(&m.tcpm_addr, &a, sizeof a);
    }
    m.tcpm_keylen = (uint16_t)strlen(key);
    memcpy(m.tcpm_key, key, strlen(key));
    m.tcpm_flags = prefix >= 0;
    m.tcpm_prefixlen = (uint8_t)(prefix < 0 ? 0 : prefix);
    return m;
}

static int key(int fd, const char *ip, const char *k) {
    struct tcp_md5sig m = sig(ip, k, -1);
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m);
}

static int many(int fd, const char *ip, const char *k, int prefix) {
    struct tcp_md5sig m = sig(ip, k, prefix);
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &m, sizeof m);
}

static void values(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0);
    res("a key", key(s, "127.0.0.1", "k"));
    res("another for the same", key(s, "127.0.0.1", "l"));
    res("none", key(s, "127.0.0.1", ""));
    res("none again", key(s, "127.0.0.1", ""));
    res("for IPv6 on an IPv4 socket", key(s, "::1", "k"));
    res("for IPv4 on an IPv6 socket", key(six, "127.0.0.1", "k"));
    res("IPv6", key(six, "::1", "k"));
    res("mapped", key(six, "::ffff:127.0.0.1", "k"));
    res("a prefix of 8", many(s, "127.0.0.0", "k", 8));
    res("33", many(s, "127.0.0.0", "k", 33));
    res("24 is another", many(s, "127.0.0.0", "", 24));
    res("8 is it", many(s, "127.0.0.0", "", 8));
    res("64 of IPv6", many(six, "fe80::", "k", 64));
    res("129", many(six, "fe80::", "k", 129));
    res("24 of a mapped one", many(six, "::ffff:127.0.0.1", "k", 24));
    res("120", many(six, "::ffff:127.0.0.1", "k", 120));
    struct tcp_md5sig m = sig("127.0.0.1", "k", -1);
    m.tcpm_keylen = 81;
    res("a key of 81 bytes", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m));
    m.tcpm_keylen = 80;
    res("80", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m));
    res("cut short", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m - 1));
    res("bad pointer", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, (void *)8, sizeof m));
    m.tcpm_flags = 2;
    res("an interface, of no number", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG_EXT, &m, sizeof m));
    ((int *)&m)[33] = 1;
    res("loopback's", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG_EXT, &m, sizeof m));
    res("which the old option does not look at", setsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m));
    socklen_t n = sizeof m;
    res("get", getsockopt(s, IPPROTO_TCP, TCP_MD5SIG, &m, &n));
    close(s);
    close(six);
}

static void meet(const char *label, const char *listeners, const char *connectors) {
    int port, l = listener4(&port, 5), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (*listeners) key(l, "127.0.0.1", listeners);
    if (*connectors) key(c, "127.0.0.1", connectors);
    connect(c, (struct sockaddr *)&a, sizeof a);
    fact("%s: %s", label, poll_text(c, POLLOUT, 150));
    fact("    %s", tcp_state(c));
    close(c);
    close(l);
}

int main(void) {
    alarm(18);
    values();
    meet("no keys", "", "");
    meet("the same", "a", "a");
    meet("others", "a", "b");
    meet("longer", "a", "ab");
    meet("the listener alone", "a", "");
    meet("the connector alone", "", "a");

    int port, l = listener4(&port, 5), c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    many(l, "127.0.0.0", "wide", 8);
    many(l, "127.0.0.0", "narrow", 24);
    key(c, "127.0.0.1", "narrow");
    res("the longest prefix", connect(c, (struct sockaddr *)&a, sizeof a));
    int s = (int)must("accept", accept(l, NULL, NULL));
    send(c, "x", 1, 0);
    await(s, POLLIN);
    fact_recv("recv", s, 10, MSG_DONTWAIT);
    res("the accepted one's key is its peer's alone", many(s, "127.0.0.0", "", 24));
    res("that", key(s, "127.0.0.1", ""));
    send(c, "y", 1, 0);
    send(s, "z", 1, 0);
    fact("signed, to one that expects nothing: %s", poll_text(s, POLLIN, 100));
    fact("and back: %s", poll_text(c, POLLIN, 0));
    res("the key again", key(s, "127.0.0.1", "narrow"));
    fact("%s", poll_text(s, POLLIN, 4000));
    fact_recv("recv", s, 10, MSG_DONTWAIT);
    fact("%s", poll_text(c, POLLIN, 4000));
    fact_recv("recv", c, 10, MSG_DONTWAIT);

    int p[2];
    tcp_pair(p);
    send(p[0], "before", 6, 0);
    await(p[1], POLLIN);
    res("a key on a connection without", key(p[0], "127.0.0.1", "late"));
    fact_recv("what had come", p[1], 10, MSG_DONTWAIT);
    send(p[0], "after", 5, 0);
    fact("%s", poll_text(p[1], POLLIN, 100));
    res("on the other end too", key(p[1], "127.0.0.1", "late"));
    fact("%s", poll_text(p[1], POLLIN, 4000));
    fact_recv("recv", p[1], 10, MSG_DONTWAIT);
    close(p[0]);
    fact("%s", poll_text(p[1], POLLIN | POLLRDHUP, 1000));
    return 0;
}
