/* sendmmsg and recvmmsg on a stream (`man 2 recvmmsg`): each message is a stretch of the stream; a failure after the
 * first message is held back; the timeout is looked at between messages only; MSG_WAITFORONE. */
#include "stream.h"

static struct iovec iv[8];
static struct mmsghdr mm[8];
static char buf[8][16];

static void ready(int n, size_t len) {
    memset(mm, 0, sizeof mm);
    for (int i = 0; i < n; i++) {
        iv[i] = (struct iovec){buf[i], len};
        mm[i].msg_hdr.msg_iov = &iv[i];
        mm[i].msg_hdr.msg_iovlen = 1;
    }
}

static void told(const char *label, int n) {
    int e = errno;
    if (n < 0) { fact("%s: -1 %s", label, ename(e)); return; }
    char line[200] = "";
    for (int i = 0; i < n; i++) snprintf(line + strlen(line), sizeof line - strlen(line), " [%u %.*s]", mm[i].msg_len,
        (int)mm[i].msg_len, buf[i]);
    fact("%s: %d%s", label, n, line);
}

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    ready(4, 3);
    memcpy(buf[0], "abc", 3); memcpy(buf[1], "def", 3); memcpy(buf[2], "ghi", 3); memcpy(buf[3], "jkl", 3);
    told("sendmmsg", sendmmsg(p[0], mm, 4, 0));
    sleep_ms(20);
    ready(3, 5);
    told("recvmmsg of 3 times 5", recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
    told("recvmmsg, nothing there", recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
    told("sendmmsg of none", sendmmsg(p[0], mm, 0, 0));
    told("recvmmsg of none", recvmmsg(p[1], mm, 0, 0, NULL));

    must("send", send(p[0], "12345678", 8, 0));
    await(p[1], POLLIN);
    ready(4, 5);
    told("MSG_WAITFORONE", recvmmsg(p[1], mm, 4, MSG_WAITFORONE, NULL));
    must("send", send(p[0], "12345678", 8, 0));
    await(p[1], POLLIN);
    struct timespec t = {0, 0};
    ready(4, 3);
    told("timeout 0 ends it after the first", recvmmsg(p[1], mm, 4, 0, &t));
    t = (struct timespec){1, 2000000000};
    told("a timeout out of range", recvmmsg(p[1], mm, 4, 0, &t));
    t = (struct timespec){5, 0};
    told("the rest, timeout left over", recvmmsg(p[1], mm, 2, MSG_DONTWAIT, &t));
    fact("timeout was counted down: %s", t.tv_sec < 5 && t.tv_sec >= 3 ? "yes" : "no");

    /* A bad second message: the first counts; the error is seen by the next call on the socket. */
    ready(3, 2);
    memcpy(buf[0], "ok", 2);
    iv[1].iov_base = (void *)8;
    told("sendmmsg, the second bad", sendmmsg(p[0], mm, 3, 0));
    fact("SO_ERROR %s", so_error(p[0]));
    await(p[1], POLLIN);
    must("send", send(p[0], "more", 4, 0));
    sleep_ms(20);
    ready(3, 2);
    iv[1].iov_base = (void *)8;
    told("recvmmsg, the second bad", recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
    fact("SO_ERROR %s", so_error(p[1]));
    ready(3, 2);
    told("what is left", recvmmsg(p[1], mm, 3, MSG_DONTWAIT, NULL));
    fact_recv("and after", p[1], 10, MSG_DONTWAIT);

    must("send", send(p[0], "end", 3, 0));
    shutdown(p[0], SHUT_WR);
    await(p[1], POLLRDHUP);
    ready(4, 2);
    told("up to the end of the stream", recvmmsg(p[1], mm, 4, 0, NULL));
    ready(2, 2);
    told("sendmmsg after SHUT_WR", sendmmsg(p[0], mm, 2, MSG_NOSIGNAL));
    res("recvmmsg with a bad vector", recvmmsg(p[1], (void *)8, 2, MSG_DONTWAIT, NULL));
    res("sendmmsg with a bad vector", sendmmsg(p[1], (void *)8, 2, 0));
    return 0;
}
