// limit: 20
// Connections that begin while the listener's queue is full go on in the background (connect(2), listen(2)). One thread waits
// for the listener and for all of them in one epoll instance, one-shot (epoll_ctl(2)), as Erlang's poller does: more are
// accepted, and told to be connected, than there was room for. (How many, and when, is a matter of packets sent again.)
#include "t.h"

enum { MANY = 30, ENOUGH = 7 };
static int instance, listener;
static int accepted, connected, failed;

static void arm(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.fd = fd};
    must("epoll_ctl", epoll_ctl(instance, operation, fd, &event));
}

static void *serve(void *unused) {
    struct epoll_event told[16];
    while (accepted < ENOUGH || connected < ENOUGH) {
        int n = epoll_wait(instance, told, 16, 15000);
        if (n <= 0) break;
        for (int i = 0; i < n; i++) {
            int fd = told[i].data.fd, error = 0;
            socklen_t length = sizeof error;
            if (fd == listener) {
                if (accept(listener, NULL, NULL) >= 0) accepted++;
                arm(EPOLL_CTL_MOD, listener, EPOLLIN);
                continue;
            }
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
            if (error == 0 && told[i].events & EPOLLOUT) connected++;
            else failed++;
        }
    }
    return unused;
}

int main(void) {
    alarm(18);
    instance = (int)must("epoll_create1", epoll_create1(0));
    listener = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof at;
    must("bind", bind(listener, (struct sockaddr *)&at, sizeof at));
    must("listen", listen(listener, 5));
    must("getsockname", getsockname(listener, (struct sockaddr *)&at, &length));
    pthread_t server;
    pthread_create(&server, NULL, serve, NULL);
    arm(EPOLL_CTL_ADD, listener, EPOLLIN);
    int begun = 0;
    for (int i = 0; i < MANY; i++) {
        int fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS) begun++;
        arm(EPOLL_CTL_ADD, fd, EPOLLOUT);
    }
    pthread_join(server, NULL);
    fact("begun: %d", begun);
    fact("enough were accepted: %s", accepted >= ENOUGH ? "yes" : "no");
    fact("enough are connected: %s", connected >= ENOUGH ? "yes" : "no");
    fact("failed: %d", failed);
    return 0;
}
