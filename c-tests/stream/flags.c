/* The lesser flags on TCP and the length 0: MSG_DONTWAIT, MSG_TRUNC (on TCP: throw bytes away, `man 7 tcp`), flags
 * that TCP has no use for, a read of 0 bytes and a write of 0 bytes. */
#include "stream.h"

int main(void) {
    alarm(8);
    int p[2];
    char b[32] = "untouched";
    tcp_pair(p);
    fact_recv("dontwait with nothing", p[1], 10, MSG_DONTWAIT);
    fact("the descriptor stays blocking: %s", fcntl(p[1], F_GETFL) & O_NONBLOCK ? "no" : "yes");
    must("send", send(p[0], "abcdefghij", 10, MSG_DONTWAIT));
    await(p[1], POLLIN);
    res("recv trunc 4", recv(p[1], b, 4, MSG_TRUNC));
    fact("the buffer: %.9s", b);
    res("recv trunc 3 with no buffer", recv(p[1], NULL, 3, MSG_TRUNC));
    res("recv trunc peek 2", recv(p[1], b, 2, MSG_TRUNC | MSG_PEEK));
    fact("the buffer: %.9s", b);
    res("recv trunc of more than is there", recv(p[1], b, sizeof b, MSG_TRUNC));
    res("recv trunc of nothing", recv(p[1], b, 4, MSG_TRUNC | MSG_DONTWAIT));

    res("send of 0", send(p[0], b, 0, 0));
    res("send of 0 from NULL", send(p[0], NULL, 0, 0));
    res("write of 0", write(p[0], b, 0));
    fact("the peer after them: %s", poll_text(p[1], POLLIN, 30));
    res("recv of 0 with nothing there, non-blocking", recv(p[1], b, 0, MSG_DONTWAIT));
    res("read of 0 with nothing there", read(p[1], b, 0));
    must("send", send(p[0], "xyz", 3, 0));
    await(p[1], POLLIN);
    res("recv of 0 with bytes there", recv(p[1], b, 0, 0));
    res("recv of 0 to NULL", recv(p[1], NULL, 0, 0));
    res("read of 0 with bytes there", read(p[1], b, 0));
    fact_recv("the bytes", p[1], 10, 0);

    static const struct { const char *name; int flag; } fl[] = {
        {"MSG_CONFIRM", MSG_CONFIRM}, {"MSG_DONTROUTE", MSG_DONTROUTE}, {"MSG_EOR", MSG_EOR}, {"MSG_TRUNC", MSG_TRUNC},
            {"MSG_CTRUNC", MSG_CTRUNC},
        {"MSG_PEEK", MSG_PEEK}, {"MSG_WAITALL", MSG_WAITALL}, {"MSG_SYN", MSG_SYN}, {"MSG_FIN", MSG_FIN}, {"MSG_RST",
            MSG_RST}, {"MSG_ERRQUEUE", MSG_ERRQUEUE},
        {"MSG_PROXY", MSG_PROXY}, {"MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC}, {"MSG_ZEROCOPY without SO_ZEROCOPY",
            MSG_ZEROCOPY}, {"0x01000000", 0x01000000}};
    for (unsigned i = 0; i < sizeof fl / sizeof *fl; i++) {
        char l[64];
        snprintf(l, sizeof l, "send with %s", fl[i].name);
        res(l, send(p[0], "q", 1, fl[i].flag));
        if (recv(p[1], b, 1, 0) != 1) fact("did not arrive");
    }
    static const struct { const char *name; int flag; } rf[] = {
        {"MSG_CONFIRM", MSG_CONFIRM}, {"MSG_DONTROUTE", MSG_DONTROUTE}, {"MSG_EOR", MSG_EOR}, {"MSG_CTRUNC",
            MSG_CTRUNC}, {"MSG_MORE", MSG_MORE},
        {"MSG_NOSIGNAL", MSG_NOSIGNAL}, {"MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC}, {"0x01000000", 0x01000000}};
    for (unsigned i = 0; i < sizeof rf / sizeof *rf; i++) {
        char l[64];
        must("send", send(p[0], "q", 1, 0));
        snprintf(l, sizeof l, "recv with %s", rf[i].name);
        res(l, recv(p[1], b, 1, rf[i].flag));
    }
    res("recv MSG_ERRQUEUE with no error", recv(p[1], b, 4, MSG_ERRQUEUE));
    res("recv MSG_OOB with none", recv(p[1], b, 1, MSG_OOB));

    must("shutdown", shutdown(p[0], SHUT_WR));
    res("send of 0 after SHUT_WR", send(p[0], b, 0, MSG_NOSIGNAL));
    await(p[1], POLLIN);
    res("recv of 0 at the end", recv(p[1], b, 0, 0));
    res("recv trunc at the end", recv(p[1], b, 4, MSG_TRUNC));
    return 0;
}
