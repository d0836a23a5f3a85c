/* pthread_atfork handlers that use sockets: before the fork, after it in the parent, after it in the child (man 3
 * pthread_atfork); and fork from a thread that is not the first. */
#include "t.h"

static int p[2], before, child_no, port, l;
static char order[64];

static void prepare(void) {
    strcat(order, "p");
    must("write in prepare", write(p[0], "P", 1));
    before = socket(AF_INET, SOCK_DGRAM, 0);
}

static void parent(void) {
    strcat(order, "a");
    must("write in parent", write(p[0], "A", 1));
    close(before);
}

static void child(void) {
    strcat(order, "c");
    must("write in child", write(p[0], "C", 1));
    close(before);
    child_no = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (connect(child_no, (struct sockaddr *)&a, sizeof a) < 0) child_no = -1;
}

static void second_prepare(void) { strcat(order, "q"); }

static int run(int how) {
    order[0] = 0;
    pid_t k = how ? _Fork() : fork();
    if (k == 0) {
        alarm(4);
        /* The child answers by the connection that its handler made. */
        if (!how && (child_no < 0 || write(child_no, order, strlen(order)) < 0)) _exit(1);
        _exit(how && order[0] ? 2 : 0);
    }
    reap(how ? "_Fork, child without handlers" : "fork, child", k);
    return 0;
}

static void *from_thread(void *unused) {
    (void)unused;
    run(0);
    return NULL;
}

int main(void) {
    alarm(8);
    tcp_pair(p);
    l = listener4(&port, 4);
    pthread_atfork(prepare, parent, child);
    pthread_atfork(second_prepare, NULL, NULL);
    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            run(0);
        } else {
            pthread_t t;
            pthread_create(&t, NULL, from_thread, NULL);
            pthread_join(t, NULL);
        }
        fact("order in the parent: %s", order);
        int c = (int)must("accept", accept(l, NULL, NULL));
        char b[16] = "";
        res("connection of the child's handler", read(c, b, sizeof b - 1));
        fact("order in the child: %s", b);
        close(c);
        char w[4] = "";
        must("read", recv(p[1], w, 3, MSG_WAITALL));
        fact("written: P first %d, A and C after it %d", w[0] == 'P', strchr(w, 'A') && strchr(w, 'C'));
    }
    run(1);
    fact("order with _Fork: '%s', written: %s", order, poll_text(p[1], POLLIN, 20));
    fact("system: %d", system("exit 0"));
    fact("handlers run by system: '%s'", order);
    int f = socket(AF_INET, SOCK_STREAM, 0);
    fact("no descriptor is left over: %d", f == p[1] + 1);
    return 0;
}
