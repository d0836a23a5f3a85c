/* Every option number of a level tried on sockets of every kind and state, with many lengths and values: what is read
 * before anything was set, by length, and what each value reads as after it was set, by length. States that say the
 * same share a line. Then once more without capabilities: the lines that are different. Each length has a socket of its
 * own, and the values are set on it one after the other. */
#ifndef SOCKHOP_SWEEP_H
#define SOCKHOP_SWEEP_H
#include "opt.h"
#include <linux/capability.h>
#include <sys/syscall.h>

enum { FRESH, BOUND, CONNECTED, LISTENING, ACCEPTED };
struct sweep_state { const char *name; int kind, state; };
static const struct sweep_state sweep_states[] = {
    {"tcp4", 0, FRESH}, {"tcp6", 1, FRESH}, {"tcp4 connected", 0, CONNECTED}, {"tcp6 connected", 1, CONNECTED},
    {"tcp4 accepted", 0, ACCEPTED}, {"tcp6 accepted", 1, ACCEPTED},
    {"tcp4 listening", 0, LISTENING}, {"tcp6 listening", 1, LISTENING}, {"udp4", 2, FRESH}, {"udp6", 3, FRESH},
    {"udp4 bound", 2, BOUND}, {"udp6 bound", 3, BOUND}, {"udp4 connected", 2, CONNECTED}, {"udp6 connected", 3, CONNECTED}};
enum { SWEEP_STATES = sizeof sweep_states / sizeof *sweep_states, SWEEP_TEXT = 6000 };

/* What is done with an option that would not say the same twice: */
enum { PLAIN, NOT_GOT, LENGTH_ONLY, CONNECTED_GROWS, WITHOUT_RIGHTS };
struct sweep_mask { int option, how; };

static void sweep_name(int fd, int kind) {
    struct sockaddr_in a = in4("127.0.0.1", 0);
    struct sockaddr_in6 b = in6("::1", 0);
    if (kind & 1) must("bind", bind(fd, (struct sockaddr *)&b, sizeof b));
    else must("bind", bind(fd, (struct sockaddr *)&a, sizeof a));
}

/* A socket in a state; others that have to live as long go into keep. */
static int sweep_make(const struct sweep_state *s, int keep[2]) {
    int fd = opt_socket(s->kind), stream = s->kind < 2;
    struct sockaddr_storage to;
    socklen_t n = sizeof to;
    keep[0] = keep[1] = -1;
    if (s->state == BOUND || s->state == LISTENING) sweep_name(fd, s->kind);
    if (s->state == LISTENING) must("listen", listen(fd, 5));
    if (s->state != CONNECTED && s->state != ACCEPTED) return fd;
    keep[0] = opt_socket(s->kind);
    sweep_name(keep[0], s->kind);
    if (stream) must("listen", listen(keep[0], 5));
    must("getsockname", getsockname(keep[0], (struct sockaddr *)&to, &n));
    must("connect", connect(fd, (struct sockaddr *)&to, n));
    if (stream) keep[1] = (int)must("accept", accept(keep[0], NULL, NULL));
    if (s->state == ACCEPTED) {
        int other = fd;
        fd = keep[1];
        keep[1] = other;
    }
    return fd;
}

static void sweep_end(int fd, int keep[2]) {
    close(fd);
    if (keep[1] >= 0) close(keep[1]);
    if (keep[0] >= 0) close(keep[0]);
}

static int sweep_add(char *out, int at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int sweep_add(char *out, int at, const char *format, ...) {
    va_list v;
    va_start(v, format);
    at += vsnprintf(out + at, (size_t)(SWEEP_TEXT - at), format, v);
    va_end(v);
    return at < SWEEP_TEXT ? at : SWEEP_TEXT - 1;
}

/* What is read with room for `given` bytes: the bytes without the zeros at their end, the length where it is not `given`. */
__attribute__((unused)) static int sweep_get(char *out, int at, int fd, int level, int option, int given, int how) {
    unsigned char b[80];
    socklen_t n = (socklen_t)given;
    memset(b, 0xEE, sizeof b);
    if (getsockopt(fd, level, option, b, &n) < 0) return sweep_add(out, at, "%s", ename(errno));
    if ((int)n != given) at = sweep_add(out, at, "(%d)", (int)n);
    int last = (int)n < given ? (int)n : given;
    if (how == LENGTH_ONLY) return sweep_add(out, at, "?");
    while (last > 1 && b[last - 1] == 0) last--;
    for (int i = 0; i < last; i++) at = sweep_add(out, at, "%02x", b[i]);
    if (b[n < sizeof b ? n : 0] != 0xEE && n) at = sweep_add(out, at, "(wrote beyond)");
    return at;
}

__attribute__((unused)) static void sweep_one(char *out, const struct sweep_state *s, int level, int option, int how) {
    static const int lengths[] = {0, 1, 2, 3, 4, 8, 16, 64};
    static const int values[] = {-1, 0, 1, 2, 255, 256, 65535, 65536, HIGH, LOW};
    enum { LENGTHS = sizeof lengths / sizeof *lengths, VALUES = sizeof values / sizeof *values };
    static char part[2 * LENGTHS][SWEEP_TEXT];
    /* A connection chooses the sizes of its buffers itself. */
    int keep[2], at = 0, grows = how == CONNECTED_GROWS && s->kind < 2 && (s->state == CONNECTED || s->state == ACCEPTED);
    memset(part, 0, sizeof part);
    for (int i = 0; i < LENGTHS; i++) {
        int fd = sweep_make(s, keep);
        if (how == NOT_GOT) strcpy(part[i], "?");
        else sweep_get(part[i], 0, fd, level, option, lengths[i], grows ? LENGTH_ONLY : how);
        char *p = part[LENGTHS + i];
        int q = 0;
        for (int k = 0; k < VALUES; k++) {
            unsigned char b[64] = {0};
            memcpy(b, &values[k], 4);
            q = sweep_add(p, q, k ? " " : "");
            if (setsockopt(fd, level, option, b, (socklen_t)lengths[i]) < 0) q = sweep_add(p, q, "%s", ename(errno));
            else if (how == NOT_GOT) q = sweep_add(p, q, "?");
            else q = sweep_get(p, q, fd, level, option, 16, how);
        }
        /* Ten times the same is said once. */
        char *rest = strchr(p, ' '), *one = p;
        size_t word = rest ? (size_t)(rest - p) : 0;
        while (rest && !strncmp(one, rest + 1, word) && (rest[1 + word] == ' ' || !rest[1 + word])) rest = rest[1 + word] ? rest + 1 + word : NULL;
        if (!rest && word) strcpy(p + word, " for all");
        sweep_end(fd, keep);
    }
    for (int set = 0; set < 2; set++)
        for (int i = 0; i < LENGTHS; i++) {
            char(*p)[SWEEP_TEXT] = part + set * LENGTHS;
            int seen = 0;
            for (int k = 0; k < i; k++) seen |= !strcmp(p[k], p[i]);
            if (seen) continue;
            at = sweep_add(out, at, "\n    %s", set ? "set" : "get");
            for (int k = i; k < LENGTHS; k++)
                if (!strcmp(p[k], p[i])) at = sweep_add(out, at, " %d", lengths[k]);
            at = sweep_add(out, at, ": %s", p[i]);
        }
}

static void sweep_without_rights(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    must("capset", syscall(SYS_capset, &head, none));
}

/* The options from 0 to 90 of a level that these kinds of sockets have. */
__attribute__((unused)) static void sweep(const char *name, int level, int kinds, const struct sweep_mask *masks, int count) {
    enum { MOST = 91 };
    static char before[MOST][SWEEP_STATES][SWEEP_TEXT], now[SWEEP_STATES][SWEEP_TEXT];
    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            sweep_without_rights();
            fact("-- without capabilities");
        }
        for (int option = 0; option < MOST; option++) {
            int how = PLAIN;
            for (int i = 0; i < count; i++)
                if (masks[i].option == option) how = masks[i].how;
            if (how == WITHOUT_RIGHTS && !pass) continue;
            memset(now, 0, sizeof now);
            for (int s = 0; s < SWEEP_STATES; s++)
                if (kinds >> sweep_states[s].kind & 1) sweep_one(now[s], &sweep_states[s], level, option, how);
            for (int s = 0; s < SWEEP_STATES; s++) {
                if (!(kinds >> sweep_states[s].kind & 1)) continue;
                char *was = before[option][s];
                int told = pass && !strcmp(was, now[s]);
                for (int k = 0; k < s; k++) told |= !strcmp(now[k], now[s]) && (!pass || strcmp(before[option][k], now[k]));
                if (told) continue;
                char who[500];
                int at = 0;
                for (int k = s; k < SWEEP_STATES; k++)
                    if (!strcmp(now[k], now[s]) && (!pass || strcmp(before[option][k], now[k])))
                        at += snprintf(who + at, sizeof who - (size_t)at, "%s%s", at ? ", " : "", sweep_states[k].name);
                fact("%s %d [%s]%s", name, option, who, now[s]);
            }
            if (!pass) memcpy(before[option], now, sizeof now);
        }
    }
}
#endif
