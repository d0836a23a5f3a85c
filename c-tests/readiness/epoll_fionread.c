// Edge-triggered, and a reader that never reads to the end: it takes exactly as many bytes as FIONREAD said and goes back to
// epoll_wait(2). What was not there at that moment comes later, and its coming is an edge (man 7 epoll: "the user
// should ... continue to watch for more"; nginx counts on it). That holds as well when the sender is far ahead of what the
// receive buffer takes.
// limit: 30
#include "t.h"

enum { TOTAL = 24 << 20, WRITE = 1 << 20 };

static void *writer(void *arg) {
    int fd = *(int *)arg;
    char *data = calloc(1, WRITE);
    for (int sent = 0; sent < TOTAL;) {
        ssize_t n = write(fd, data, WRITE);
        if (n <= 0) break;
        sent += (int)n;
    }
    free(data);
    return NULL;
}

static void run(const char *what, int pause_ms) {
    int l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, 1));
    a.sin_port = htons((uint16_t)port_of(l));
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    int s = (int)must("accept", accept4(l, NULL, NULL, SOCK_NONBLOCK));
    int e = (int)must("epoll", epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    must("add", epoll_ctl(e, EPOLL_CTL_ADD, s, &ev));
    pthread_t t;
    pthread_create(&t, NULL, writer, &c);

    char *data = malloc(TOTAL);
    int got = 0, waits_without = 0;
    while (got < TOTAL) {
        if (epoll_wait(e, &ev, 1, 5000) != 1) {
            waits_without++;
            break;
        }
        // The sender runs ahead meanwhile.
        if (pause_ms) usleep((useconds_t)pause_ms * 1000);
        int there = 0;
        must("FIONREAD", ioctl(s, FIONREAD, &there));
        for (int left = there; left > 0;) {
            ssize_t n = read(s, data, (size_t)left);
            if (n <= 0) {
                fact("%s: a byte that FIONREAD promised is not there: %s", what, ename(errno));
                break;
            }
            left -= (int)n;
            got += (int)n;
        }
    }
    fact("%s: all came: %s, waits that told nothing: %d", what, got == TOTAL ? "yes" : "no", waits_without);
    shutdown(s, SHUT_RDWR);
    pthread_join(t, NULL);
    free(data);
    close(s);
    close(c);
    close(l);
    close(e);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    alarm(25);
    run("reading at once", 0);
    run("after 5 ms each time", 5);
    return 0;
}
