/* Who closes a connection first keeps its name until the other side closes (FIN_WAIT2), and for a minute from then on
 * (TIME_WAIT): bind(2) to it is EADDRINUSE. It ends earlier by TCP_LINGER2, by a reset, by data that nobody reads any more, and
 * by a new connection with the same names, which takes its place (`man 7 tcp`; RFC 9293, 3.3.2 and 3.6). */
#include "t.h"

/* Addresses that nobody else on the machine uses. */
#define SERVER "127.77.3.1"
#define CLIENT "127.77.3.2"

static struct sockaddr_in server, client;
static int l, c, x;

static int on(int fd, int level, int option, int v) {
    return setsockopt(fd, level, option, &v, sizeof v);
}

static void open_pair(int reuse) {
    socklen_t n = sizeof server;
    l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    server = in4(SERVER, 0);
    on(l, SOL_SOCKET, SO_REUSEADDR, reuse);
    must("bind", bind(l, (struct sockaddr *)&server, sizeof server));
    must("listen", listen(l, 4));
    must("getsockname", getsockname(l, (struct sockaddr *)&server, &n));
    c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    client = in4(CLIENT, 0);
    on(c, SOL_SOCKET, SO_REUSEADDR, reuse);
    must("bind", bind(c, (struct sockaddr *)&client, sizeof client));
    must("connect", connect(c, (struct sockaddr *)&server, sizeof server));
    must("getsockname", getsockname(c, (struct sockaddr *)&client, &n));
    x = (int)must("accept", accept(l, NULL, NULL));
}

/* What bind says to the name, without and with SO_REUSEADDR. */
static void told(const char *when, const struct sockaddr_in *name) {
    for (int reuse = 0; reuse < 2; reuse++) {
        int s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        on(s, SOL_SOCKET, SO_REUSEADDR, reuse);
        int r = bind(s, (const struct sockaddr *)name, sizeof *name);
        fact("%s%s: %s", when, reuse ? ", SO_REUSEADDR" : "", r < 0 ? ename(errno) : "0");
        close(s);
    }
}

static void close_all(void) {
    close(c);
    close(x);
    close(l);
}

static void await_end(int fd) {
    struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
    poll(&p, 1, 2000);
    sleep_ms(10);
}

int main(void) {
    alarm(9);
    for (int reuse = 0; reuse < 2; reuse++) {
        fact("-- SO_REUSEADDR %d", reuse);
        open_pair(reuse);
        close(c);
        await_end(x);
        told("closed, the other side open", &client);
        close(x);
        sleep_ms(30);
        told("both closed", &client);
        close(l);
        told("who closed second", &server);
    }

    fact("-- both shut down before they close, in the other order");
    open_pair(0);
    shutdown(x, SHUT_WR);
    await_end(c);
    shutdown(c, SHUT_WR);
    await_end(x);
    close(l);
    close(c);
    close(x);
    told("client, second to shut down", &client);
    told("server, first", &server);

    fact("-- data to who has closed");
    open_pair(0);
    close(c);
    await_end(x);
    res("send", send(x, "late", 4, MSG_NOSIGNAL));
    sleep_ms(30);
    told("after the reset", &client);
    close_all();

    fact("-- reset by the other side");
    open_pair(0);
    close(c);
    await_end(x);
    struct linger at_once = {1, 0};
    setsockopt(x, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(x);
    sleep_ms(30);
    told("after the reset", &client);
    close(l);

    fact("-- TCP_LINGER2 of a second");
    open_pair(0);
    on(c, IPPROTO_TCP, TCP_LINGER2, 1);
    close(c);
    await_end(x);
    told("at once", &client);
    sleep_ms(1500);
    told("later", &client);
    close(x);
    sleep_ms(30);
    told("the other side closed too late", &client);
    close(l);

    fact("-- a new connection takes the place");
    open_pair(1);
    close(c);
    await_end(x);
    close(x);
    sleep_ms(30);
    c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    on(c, SOL_SOCKET, SO_REUSEADDR, 1);
    must("bind", bind(c, (struct sockaddr *)&client, sizeof client));
    res("connect", connect(c, (struct sockaddr *)&server, sizeof server));
    x = (int)must("accept", accept(l, NULL, NULL));
    setsockopt(x, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(x);
    await_end(c);
    close(c);
    told("which was reset", &client);
    close(l);
    return 0;
}
