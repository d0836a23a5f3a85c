/* A duplicate of an epoll descriptor is the same instance (`man 7 epoll`, Q&A; dup(2)), also when the duplicate was made
 * before anything was registered: what is added by one number is told to a wait on the other. */
#include "ready.h"

static int waits_on;

static void *waiter(void *arg) {
    (void)arg;
    fact("the wait that began before: %s", ep_text(waits_on, 5000));
    return NULL;
}

int main(void) {
    alarm(8);
    int ep = ep_new(), d = (int)must("F_DUPFD_CLOEXEC", fcntl(ep, F_DUPFD_CLOEXEC, 3)), other = ep_new();
    int outer = ep_new();
    add(outer, d, EPOLLIN, 50);
    waits_on = ep;
    pthread_t t;
    must("thread", -pthread_create(&t, NULL, waiter, NULL));
    sleep_ms(50);

    int port, l = listener4(&port, 8), c = socket(AF_INET, SOCK_STREAM, 0);
    add(d, l, EPOLLIN, 1);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    pthread_join(t, NULL);
    await(l, POLLIN);
    fact("by the duplicate: %s", ep_text(d, 1000));
    fact("by another instance: %s", ep_text(other, 0));
    fact("by the one that watches the duplicate: %s", ep_text(outer, 1000));
    res("add by the first number", ctl(ep, EPOLL_CTL_ADD, l, EPOLLIN, 2));
    res("modify by the first number", ctl(ep, EPOLL_CTL_MOD, l, EPOLLIN, 3));
    fact("by the duplicate: %s", ep_text(d, 1000));
    close(ep);
    fact("the first number is closed: %s", ep_text(d, 1000));
    close((int)must("accept", accept(l, NULL, NULL)));
    fact("accepted: %s", ep_text(d, 0));
    return 0;
}
