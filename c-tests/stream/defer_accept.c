/* TCP_DEFER_ACCEPT (`man 7 tcp`): the listener shows a connection only when its first data is there; the client is
 * connected meanwhile. */
#include "stream.h"

int main(void) {
    alarm(8);
    int port, l = listener4(&port, 8), v = -1;
    socklen_t n = sizeof v;
    getsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &n);
    fact("by default %d", v);
    v = 5;
    res("set 5", setsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, sizeof v));
    getsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &n);
    fact("5 s, rounded up to times at which a SYN-ACK is repeated: %d", v);
    nonblock(l, 1);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_STREAM, 0);
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    res("connect of a second", connect(d, (struct sockaddr *)&a, sizeof a));
    fact("client's poll %s", poll_text(c, POLLIN | POLLOUT, 0));
    fact("listener's poll %s", poll_text(l, POLLIN, 60));
    res("accept", accept(l, NULL, NULL));
    res("the second sends", send(d, "second", 6, 0));
    fact("listener's poll %s", poll_text(l, POLLIN, 1000));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("recv", s, 10, MSG_DONTWAIT);
    res("accept", accept(l, NULL, NULL));
    close(s);
    res("the first sends", send(c, "first", 5, 0));
    fact("listener's poll %s", poll_text(l, POLLIN, 1000));
    s = (int)ok("accept", accept(l, NULL, NULL));
    fact_recv("recv", s, 10, MSG_DONTWAIT);
    close(s);
    close(c);
    close(d);
    v = 0;
    res("set 0", setsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, sizeof v));
    c = socket(AF_INET, SOCK_STREAM, 0);
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("listener's poll %s", poll_text(l, POLLIN, 1000));
    return 0;
}
