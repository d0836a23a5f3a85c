/* A long text that goes to a program and comes back: what is written beforehand, all of it, and the program's last words. */
#include "t.h"

static char big[2000000], got[2100000];

static void make_text(void) {
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7 + i / 1000);
}

static void *write_all(void *fd) {
    for (size_t at = 0; at < sizeof big;) {
        ssize_t n = write(*(int *)fd, big + at, sizeof big - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    shutdown(*(int *)fd, SHUT_WR);
    return NULL;
}

/* "early " was written before. */
static void exchange(const char *name, int fd, pid_t program) {
    pthread_t t;
    pthread_create(&t, NULL, write_all, &fd);
    size_t n = 0;
    ssize_t r;
    while ((r = read(fd, got + n, sizeof got - 1 - n)) > 0) n += (size_t)r;
    got[n] = 0;
    pthread_join(t, NULL);
    fact("%s: %zu bytes, then %zd", name, n, r);
    fact("  what waited before: %.6s, the rest is right: %d", got, !memcmp(got + 6, big, sizeof big));
    fact("  last words: %s", got + 6 + sizeof big);
    reap("  program", program);
    close(fd);
    memset(got, 0, sizeof got);
}
