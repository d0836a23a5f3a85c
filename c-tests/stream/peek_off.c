/* SO_PEEK_OFF on streams: a look with MSG_PEEK begins so many bytes into what waits and moves the offset on; what is taken
 * moves it back, as far as 0 (`man 7 socket`). A look beyond what waits waits for more, or for the end. */
#include "stream.h"

static void offset(int fd) {
    int v = -7;
    socklen_t l = sizeof v;
    int r = getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &v, &l);
    fact("  SO_PEEK_OFF %d (%d)", v, r);
}

static void set(int fd, int v) {
    res("set", setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof v));
    offset(fd);
}

static void look(const char *label, int fd, size_t len, int flags) {
    fact_recv(label, fd, len, flags | MSG_PEEK);
    offset(fd);
}

static void arrived(int fd, int n) {
    for (int have = 0, i = 0; i < 400 && have < n; i++, sleep_ms(5)) ioctl(fd, FIONREAD, &have);
}

static void *later(void *fd) {
    await_sleep(getpid());
    must("write", write(*(int *)fd, "KLMNO", 5));
    return NULL;
}

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    offset(p[0]);
    set(p[0], 2);
    must("write", write(p[1], "abcdefghij", 10));
    arrived(p[0], 10);
    look("peek 3", p[0], 3, 0);
    look("peek 3", p[0], 3, 0);
    fact_recv("recv 4", p[0], 4, 0);
    offset(p[0]);
    look("peek 30", p[0], 30, MSG_DONTWAIT);
    look("peek beyond the last byte", p[0], 30, MSG_DONTWAIT);
    res("recv MSG_TRUNC 2", recv(p[0], NULL, 2, MSG_TRUNC));
    offset(p[0]);
    look("peek after it", p[0], 30, MSG_DONTWAIT);
    pthread_t t;
    pthread_create(&t, NULL, later, &p[1]);
    look("peek that waits", p[0], 3, 0);
    pthread_join(t, NULL);
    look("peek MSG_WAITALL", p[0], 2, MSG_WAITALL);
    struct timeval tv = {0, 50000};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    look("peek until the timeout", p[0], 3, 0);
    set(p[0], -1);
    look("peek with the offset off", p[0], 3, 0);
    set(p[0], 4);
    shutdown(p[1], SHUT_WR);
    await(p[0], POLLRDHUP);
    look("peek before the end", p[0], 30, 0);
    look("peek at the end", p[0], 30, 0);
    fact_recv("recv all", p[0], 30, 0);
    offset(p[0]);
    fact_recv("recv at the end", p[0], 30, 0);
    set(p[0], -5);
    close(p[0]); close(p[1]);

    fact("-- what an accepted socket has");
    int port, l = listener4(&port, 5), c = socket(AF_INET, SOCK_STREAM, 0), s6 = socket(AF_INET6, SOCK_STREAM, 0);
    set(l, 3);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    offset(accept(l, NULL, NULL));
    set(s6, 7);
    return 0;
}
