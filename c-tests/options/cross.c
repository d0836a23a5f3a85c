// limit: 40
/* What setting one option does to all others: each option number of each level is set to a few values on a fresh, a connected and a
 * listening socket, and every option that then reads differently is told; on a listener also what a connection that is accepted then
 * has that one of a listener without has not (man 7 socket, ip, ipv6, tcp, udp). */
#include "sweep.h"

static const struct { const char *name; int level, kinds; } levels[] = {{"SOCKET", SOL_SOCKET, ALL}, {"TCP", IPPROTO_TCP, TCP}, {"IP", IPPROTO_IP, ALL},
    {"IPV6", IPPROTO_IPV6, V6}, {"UDP", IPPROTO_UDP, UDP}};
enum { LEVELS = 5, MOST = 91, ROOM = 16 };
struct read { int length; unsigned char b[ROOM]; };

/* Those that vary by themselves, and those that would make the socket another one. */
static int varies(int level, int option) {
    switch (level) {
    case SOL_SOCKET: return option == SO_COOKIE || option == SO_INCOMING_CPU || option == SO_PEERNAME || option == SO_ERROR || option == SO_MEMINFO ||
        option == 71 || option == SO_BINDTODEVICE || option == 62;
    case IPPROTO_TCP: return option == TCP_INFO || option == TCP_TIMESTAMP || option == TCP_CC_INFO || option == TCP_REPAIR || option == 42 ||
        option == TCP_ZEROCOPY_RECEIVE || option == TCP_QUICKACK || option == TCP_ULP || option == TCP_CONGESTION;
    /* What is known of the route is forgotten now and then. */
    case IPPROTO_IP: return option == 52 || option == IP_MTU || (option >= 64 && option < 84);
    default: return option == IPV6_ADDRFORM || option == IPV6_MTU || option == IPV6_PATHMTU || option == IPV6_DSTOPTS || option == IPV6_HOPOPTS || option == IPV6_RTHDRDSTOPTS || option == 64 ||
        option == 65 || option == 68 || option == 69 || option == 80;
    }
}

static void all(int fd, int kind, struct read out[LEVELS][MOST]) {
    memset(out, 0, sizeof(struct read) * LEVELS * MOST);
    for (int l = 0; l < LEVELS; l++)
        for (int o = 0; o < MOST; o++) {
            socklen_t n = ROOM;
            if (!(levels[l].kinds >> kind & 1) || varies(levels[l].level, o)) continue;
            memset(out[l][o].b, 0xEE, ROOM);
            if (getsockopt(fd, levels[l].level, o, out[l][o].b, &n) < 0) out[l][o].length = -errno;
            else out[l][o].length = (int)n;
        }
}

static int shown(char *line, int at, const struct read *r) {
    if (r->length < 0) return sweep_add(line, at, "%s", ename(-r->length));
    int n = r->length < ROOM ? r->length : ROOM;
    while (n > 1 && !r->b[n - 1]) n--;
    at = sweep_add(line, at, "(%d)", r->length);
    for (int i = 0; i < n; i++) at = sweep_add(line, at, "%02x", r->b[i]);
    return at;
}

/* The differences between two readings, but for the option itself where that is not of interest. */
static int differences(char *line, int at, struct read a[LEVELS][MOST], struct read b[LEVELS][MOST], int level, int option, int connected) {
    for (int l = 0; l < LEVELS; l++)
        for (int o = 0; o < MOST; o++) {
            /* A connection chooses the size of its send buffer and its window itself. */
            if (level == 2 && option == IP_OPTIONS && l == 1 && o == TCP_MAXSEG) continue; /* the headers grow */
            if (connected && ((!l && o == SO_SNDBUF) || (l == 1 && o == TCP_WINDOW_CLAMP))) continue;
            if ((l == level && o == option) || !memcmp(&a[l][o], &b[l][o], sizeof a[l][o])) continue;
            at = sweep_add(line, at, " %s %d ", levels[l].name, o);
            at = shown(line, at, &a[l][o]);
            at = sweep_add(line, at, ">");
            at = shown(line, at, &b[l][o]);
        }
    return at;
}

/* What a connection to a listener has when it is accepted. */
static int accepted(int l, int kind) {
    struct sockaddr_storage to;
    socklen_t n = sizeof to;
    must("getsockname", getsockname(l, (struct sockaddr *)&to, &n));
    int c = opt_socket(kind), s = -1, f = fcntl(l, F_GETFL);
    fcntl(c, F_SETFL, O_NONBLOCK);
    fcntl(l, F_SETFL, f | O_NONBLOCK);
    connect(c, (struct sockaddr *)&to, n);
    struct pollfd p = {c, POLLOUT, 0};
    poll(&p, 1, 100);
    p = (struct pollfd){l, POLLIN, 0};
    if (poll(&p, 1, 100) == 1) s = accept(l, NULL, NULL);
    close(c);
    return s;
}

int main(void) {
    alarm(38);
    static const int values[] = {1, 0, 3, 250, 70000};
    static struct read before[LEVELS][MOST], after[LEVELS][MOST], plain[LEVELS][MOST];
    static char line[SWEEP_TEXT], last[SWEEP_TEXT];
    for (int s = 0; s < SWEEP_STATES; s++) {
        const struct sweep_state *state = &sweep_states[s];
        int keep[2], listens = state->state == LISTENING;
        if (state->state == BOUND || state->state == ACCEPTED) continue;
        if (listens) {
            int l = sweep_make(state, keep), a = accepted(l, state->kind);
            all(a, state->kind, plain);
            close(a);
            sweep_end(l, keep);
        }
        for (int l = 0; l < LEVELS; l++) {
            if (!(levels[l].kinds >> state->kind & 1)) continue;
            for (int o = 0; o < MOST; o++) {
                if (varies(levels[l].level, o)) continue;
                last[0] = 0;
                for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
                    unsigned char b[16] = {0};
                    memcpy(b, &values[v], 4);
                    int fd = sweep_make(state, keep), at = 0;
                    line[0] = 0;
                    all(fd, state->kind, before);
                    int done = setsockopt(fd, levels[l].level, o, b, 16) == 0 || setsockopt(fd, levels[l].level, o, b, 4) == 0 ||
                        setsockopt(fd, levels[l].level, o, b, 8) == 0;
                    if (done) {
                        all(fd, state->kind, after);
                        at = differences(line, at, before, after, l, o, state->state == CONNECTED && state->kind < 2);
                        /* Congestion controls and devices are named, deferred connections come later. */
                        if (listens && !(levels[l].level == IPPROTO_TCP && o == TCP_DEFER_ACCEPT)) {
                            int a = accepted(fd, state->kind);
                            if (a >= 0) {
                                all(a, state->kind, after);
                                at = sweep_add(line, at, " accepted:");
                                at = differences(line, at, plain, after, -1, -1, 1);
                                close(a);
                            } else at = sweep_add(line, at, " none accepted");
                        }
                    }
                    sweep_end(fd, keep);
                    if (!done || !line[0] || !strcmp(line, " accepted:") || !strcmp(line, last)) continue;
                    fact("%s %s %d to %d:%s", state->name, levels[l].name, o, values[v], line);
                    strcpy(last, line);
                }
            }
        }
    }
    return 0;
}
