/* Urgent data (`man 7 tcp`, RFC 9293 3.8.5 as Linux has it: the mark is the last byte sent with MSG_OOB, one byte of
 * it is out of band, or stays in the stream with SO_OOBINLINE; a read stops at the mark). */
#include "stream.h"

static int mark(int fd) {
    int m = -1;
    if (ioctl(fd, SIOCATMARK, &m) < 0) return -errno;
    return m;
}

static void sub(const char *title, int p[2], int inl) {
    fact("-- %s", title);
    tcp_pair(p);
    if (inl) must("SO_OOBINLINE", setsockopt(p[1], SOL_SOCKET, SO_OOBINLINE, &inl, sizeof inl));
}

int main(void) {
    alarm(8);
    int p[2];
    char b[16];
    sub("out of band", p, 0);
    fact("sockatmark before: %d, SIOCATMARK %d", sockatmark(p[1]), mark(p[1]));
    res("recv MSG_OOB with none", recv(p[1], b, 1, MSG_OOB));
    must("send", send(p[0], "abc", 3, 0));
    res("send MSG_OOB of 2 bytes", send(p[0], "dX", 2, MSG_OOB));
    must("send", send(p[0], "efg", 3, 0));
    sleep_ms(30);
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI | POLLOUT, 1000));
    int n = -1;
    ioctl(p[1], FIONREAD, &n);
    fact("FIONREAD %d", n);
    fact_recv("peek over the mark", p[1], 100, MSG_PEEK);
    fact_recv("MSG_OOB | MSG_PEEK", p[1], 10, MSG_OOB | MSG_PEEK);
    fact_recv("MSG_OOB | MSG_PEEK again", p[1], 10, MSG_OOB | MSG_PEEK);
    fact("at the mark: %d", mark(p[1]));
    fact_recv("a read stops at the mark", p[1], 100, 0);
    fact("at the mark: %d", mark(p[1]));
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI, 0));
    fact_recv("MSG_OOB", p[1], 10, MSG_OOB);
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI, 0));
    fact("at the mark: %d", mark(p[1]));
    res("MSG_OOB again", recv(p[1], b, 1, MSG_OOB));
    fact_recv("the rest", p[1], 100, 0);
    fact("at the mark: %d", mark(p[1]));
    res("MSG_OOB later", recv(p[1], b, 1, MSG_OOB));
    close(p[0]); close(p[1]);

    sub("out of band, never fetched: the read passes over it", p, 0);
    must("send", send(p[0], "ab!", 3, MSG_OOB));
    must("send", send(p[0], "cd", 2, 0));
    sleep_ms(30);
    fact_recv("read", p[1], 100, 0);
    fact_recv("read", p[1], 100, 0);
    res("MSG_OOB after it was passed", recv(p[1], b, 1, MSG_OOB));
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI, 0));
    close(p[0]); close(p[1]);

    sub("MSG_WAITALL over the mark", p, 0);
    must("send", send(p[0], "ab!", 3, MSG_OOB));
    must("send", send(p[0], "cd", 2, 0));
    sleep_ms(30);
    fact_recv("waitall 4", p[1], 4, MSG_WAITALL);
    fact_recv("rest", p[1], 4, MSG_DONTWAIT);
    close(p[0]); close(p[1]);

    sub("inline", p, 1);
    must("send", send(p[0], "ab!", 3, MSG_OOB));
    must("send", send(p[0], "cd", 2, 0));
    sleep_ms(30);
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI, 1000));
    res("MSG_OOB", recv(p[1], b, 1, MSG_OOB));
    fact_recv("read up to the mark", p[1], 100, 0);
    fact("at the mark: %d, poll %s", mark(p[1]), poll_text(p[1], POLLIN | POLLPRI, 0));
    fact_recv("read from the mark", p[1], 100, 0);
    fact("at the mark: %d, poll %s", mark(p[1]), poll_text(p[1], POLLIN | POLLPRI, 0));
    close(p[0]); close(p[1]);

    sub("a second urgent byte before the first was fetched", p, 0);
    must("send", send(p[0], "a1", 2, MSG_OOB));
    must("send", send(p[0], "b2", 2, MSG_OOB));
    sleep_ms(30);
    fact_recv("MSG_OOB", p[1], 10, MSG_OOB);
    fact_recv("read", p[1], 100, MSG_DONTWAIT);
    fact_recv("read", p[1], 100, MSG_DONTWAIT);
    close(p[0]); close(p[1]);

    sub("the urgent byte alone", p, 0);
    must("send", send(p[0], "!", 1, MSG_OOB));
    await(p[1], POLLPRI);
    fact("poll %s", poll_text(p[1], POLLIN | POLLPRI, 0));
    fact("at the mark: %d", mark(p[1]));
    res("read", recv(p[1], b, 4, MSG_DONTWAIT));
    fact_recv("MSG_OOB", p[1], 10, MSG_OOB);
    close(p[0]);
    await(p[1], POLLIN);
    res("MSG_OOB after the end", recv(p[1], b, 1, MSG_OOB));
    res("read", recv(p[1], b, 4, MSG_DONTWAIT));

    int u = socket(AF_INET, SOCK_STREAM, 0);
    res("MSG_OOB unconnected", recv(u, b, 1, MSG_OOB));
    fact("SIOCATMARK unconnected %d", mark(u));
    return 0;
}
