/* pthread_cancel of a thread in connect() that waits for room in a full queue (man 7 pthreads: connect is a cancellation
 * point), and what becomes of the socket. */
#include "t.h"

static struct sockaddr_in a;
static int c;
static volatile int cleaned;

static void cleanup(void *unused) {
    (void)unused;
    cleaned++;
}

static void *dial(void *unused) {
    (void)unused;
    pthread_cleanup_push(cleanup, NULL);
    connect(c, (struct sockaddr *)&a, sizeof a);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    alarm(8);
    for (int close_it = 0; close_it < 2; close_it++) {
        int port, l = listener4(&port, 0), in = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        a = in4("127.0.0.1", port);
        /* The queue holds one. */
        must("connect", connect(in, (struct sockaddr *)&a, sizeof a));
        c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        cleaned = 0;
        pthread_t t;
        void *r = NULL;
        pthread_create(&t, NULL, dial, NULL);
        sleep_ms(60);
        fact("waiting: %d", pthread_tryjoin_np(t, NULL) == EBUSY);
        long start = now_ms();
        pthread_cancel(t);
        pthread_join(t, &r);
        fact("cancelled %d, cleaned %d, within 1000 ms %d", r == PTHREAD_CANCELED, cleaned, now_ms() - start < 1000);
        if (close_it) {
            res("close", close(c));
            int s = (int)ok("accept of the first", accept(l, NULL, NULL));
            must("write", write(in, "first", 5));
            res("read", read(s, (char[8]){0}, 8));
            fcntl(l, F_SETFL, O_NONBLOCK);
            sleep_ms(20);
            res("the cancelled one never came: accept", accept(l, NULL, NULL));
            close(s);
        } else {
            close((int)must("accept", accept(l, NULL, NULL)));
            fact("room: %s", poll_text(c, POLLOUT, 4000));
            res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
            int s = (int)ok("accept", accept(l, NULL, NULL));
            must("write", write(c, "later", 5));
            res("read", read(s, (char[8]){0}, 8));
            close(s);
            close(c);
        }
        close(in);
        close(l);
    }
    return 0;
}
