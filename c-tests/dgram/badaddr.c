/* Destinations that are no good, and the errors they give: port 0, families, lengths, pointers, no destination
 * (man 2 sendto, man 7 udp, man 7 ip). */
#include "dg.h"

static int s;

static void to(const char *label, const void *a, socklen_t l) { res(label, sendto(s, "x", 1, 0, SA(a), l)); }

int main(void) {
    alarm(8);
    int r = udp4("127.0.0.1"), rp = port_of(r);
    s = udp4("127.0.0.1");
    struct sockaddr_in a = in4("127.0.0.1", rp), z = in4("127.0.0.1", 0);
    struct sockaddr_in6 a6 = in6("::1", rp);
    struct sockaddr_storage big;
    memset(&big, 0, sizeof big);
    memcpy(&big, &a, sizeof a);
    to("good", &a, sizeof a);
    to("port 0", &z, sizeof z);
    to("length 15", &a, 15);
    to("length 17", &a, 17);
    to("length 128", &big, 128);
    to("length 129", &big, 129);
    to("length -1", &a, (socklen_t)-1);
    to("length 0, with a pointer", &a, 0);
    to("length 8", &a, 8);
    to("NULL with a length", NULL, 16);
    to("bad pointer", (void *)8, 16);
    to("bad pointer with length 0", (void *)8, 0);
    to("NULL with length 0", NULL, 0);
    to("AF_INET6", &a6, sizeof a6);
    a.sin_family = AF_UNSPEC;
    to("AF_UNSPEC is taken as AF_INET", &a, sizeof a);
    a.sin_family = AF_UNIX;
    to("AF_UNIX", &a, sizeof a);
    a.sin_family = 99;
    to("family 99", &a, sizeof a);
    a.sin_family = AF_INET;
    memset(a.sin_zero, 0xff, sizeof a.sin_zero);
    to("sin_zero full of ones", &a, sizeof a);
    int n = 0;
    while (poll(&(struct pollfd){r, POLLIN, 0}, 1, 40) > 0) n += recv(r, &big, sizeof big, 0) == 1;
    fact("received %d", n);
    res("send without a peer", send(s, "x", 1, 0));
    res("write without a peer", write(s, "x", 1));
    res("sendmsg without a name", sendmsg(s, &(struct msghdr){.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1}, 0));
    struct msghdr h = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1};
    res("sendmsg", sendmsg(s, &h, 0));
    h.msg_namelen = (socklen_t)-1;
    res("sendmsg, namelen -1", sendmsg(s, &h, 0));
    h.msg_namelen = 200;
    h.msg_name = (char[200]){2, 0, (char)(rp >> 8), (char)rp, 127, 0, 0, 1};
    res("sendmsg, namelen 200", sendmsg(s, &h, 0));
    h.msg_name = NULL;
    res("sendmsg, name NULL with a length", sendmsg(s, &h, 0));
    h.msg_name = &a, h.msg_namelen = 0;
    res("sendmsg, namelen 0", sendmsg(s, &h, 0));
    close(s);

    s = socket(AF_INET, SOCK_DGRAM, 0);
    con4(s, "127.0.0.1", rp);
    res("connected, sendto port 0", sendto(s, "x", 1, 0, SA(&z), sizeof z));
    res("connected, sendto AF_INET6", sendto(s, "x", 1, 0, SA(&a6), sizeof a6));
    res("connected, sendto of 8 bytes", sendto(s, "x", 1, 0, SA(&z), 8));
    res("connected, sendto NULL with length 16", sendto(s, "x", 1, 0, NULL, 16));
    close(s);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    con4(s, "127.0.0.1", 0);
    res("connected to port 0, send", send(s, "x", 1, 0));
    fact("poll %s", poll_text(s, POLLIN | POLLOUT, 100));
    close(s);

    s = socket(AF_INET6, SOCK_DGRAM, 0);
    a6 = in6("::1", 0);
    to("v6 port 0", &a6, sizeof a6);
    a6 = in6("::1", rp);
    a6.sin6_scope_id = 4711;
    to("v6 ::1 with a scope of nobody", &a6, sizeof a6);
    a6.sin6_scope_id = if_nametoindex("lo");
    to("v6 ::1 with the scope of lo", &a6, sizeof a6);
    a6 = in6("fe80::1", rp);
    a6.sin6_scope_id = if_nametoindex("lo");
    to("v6 link-local, scope lo", &a6, sizeof a6);
    a6 = in6("::1", rp);
    a6.sin6_flowinfo = htonl(0x12345);
    to("v6 with flowinfo", &a6, sizeof a6);
    a6.sin6_family = AF_UNSPEC;
    to("v6 socket, AF_UNSPEC", &a6, sizeof a6);
    a6.sin6_family = AF_UNIX;
    to("v6 socket, AF_UNIX", &a6, sizeof a6);
    a = in4("127.0.0.1", rp);
    to("v6 socket, AF_INET", &a, sizeof a);
    to("v6 socket, AF_INET of 15 bytes", &a, 15);
    res("v6 socket, no destination", send(s, "x", 1, 0));
    a6 = in6("::ffff:127.0.0.1", 0);
    to("v6 socket, mapped port 0", &a6, sizeof a6);
    return 0;
}
