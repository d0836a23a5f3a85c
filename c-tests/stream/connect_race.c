/* A connection is there for every thread as soon as accept(2) has given its other end, whether or not the connect(2) that
 * made it has returned in its own thread: poll(2) and recv(2) meanwhile do not disturb it (RFC 9293, 3.5; tcp(7)). */
#include "stream.h"

enum { ROUNDS = 400 };
static struct sockaddr_in to;
static int client;

static void *connector(void *arg) {
    (void)arg;
    return (void *)(long)connect(client, (struct sockaddr *)&to, sizeof to);
}

int main(void) {
    alarm(8);
    int l = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    socklen_t n = sizeof to;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must("bind", bind(l, (struct sockaddr *)&to, n));
    must("listen", listen(l, 8));
    must("getsockname", getsockname(l, (struct sockaddr *)&to, &n));
    int connected = 0, readable = 0, ended = 0, named = 0;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t t;
        void *result;
        char byte;
        client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        pthread_create(&t, NULL, connector, NULL);
        int a = must("accept", accept(l, NULL, NULL));
        close(a);
        struct pollfd p = {.fd = client, .events = POLLIN};
        /* Half of the rounds ask by recv alone. */
        if (i % 2) readable += poll(&p, 1, 5000) == 1 && p.revents == POLLIN;
        else readable++;
        ended += recv(client, &byte, 1, 0) == 0;
        struct sockaddr_in peer;
        n = sizeof peer;
        named += getpeername(client, (struct sockaddr *)&peer, &n) == 0 && peer.sin_port == to.sin_port;
        pthread_join(t, &result);
        connected += result == NULL;
        close(client);
    }
    fact("connected: %d", connected);
    fact("readable: %d", readable);
    fact("end of the stream: %d", ended);
    fact("has its peer's name: %d", named);
    return 0;
}
