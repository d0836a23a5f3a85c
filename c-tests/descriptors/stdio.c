/* FILE streams over sockets: fdopen, fclose, freopen, dup for two directions, buffering, errors (man 3 fopen; the
 * C library reads, writes and closes from inside, without the program's own symbols). */
#include "t.h"

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    for (char *c = b; *c; c++)
        if (*c == '\n') *c = '/';
    return b;
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int p[2], q[2];
    char b[64];

    tcp_pair(p);
    FILE *f = fdopen(p[0], "r+");
    fact("fdopen: %d, fileno %d", f != NULL, fileno(f) == p[0]);
    fprintf(f, "%s %d\n", "number", 42);
    fact("before fflush: %s", poll_text(p[1], POLLIN, 20));
    res("fflush", fflush(f));
    fact("peer: %s", hear(p[1]));
    setvbuf(f, NULL, _IOLBF, 0);
    must("write", write(p[1], "first\nsecond\nlast", 17));
    shutdown(p[1], SHUT_WR);
    while (fgets(b, sizeof b, f)) {
        b[strcspn(b, "\n")] = 0;
        fact("fgets: %s", b);
    }
    fact("feof %d, ferror %d", feof(f) != 0, ferror(f) != 0);
    res("fseek", fseek(f, 0, SEEK_SET));
    fputs("closing words", f);
    int n = p[0];
    res("fclose", fclose(f));
    fact("number is closed: %s", fcntl(n, F_GETFD) < 0 ? ename(errno) : "open");
    fact("peer: %s", hear(p[1]));
    fact("then: %s", hear(p[1]));
    close(p[1]);

    /* The number of a closed FILE, opened again as a file. */
    int o = open("/dev/null", O_RDWR);
    fact("reused number: %d", o == n);
    res("write to it", write(o, "x", 1));
    res("recv from it", recv(o, b, 1, 0));
    close(o);

    /* Two FILEs by dup: closing one half leaves the other. */
    tcp_pair(p);
    FILE *in = fdopen(dup(p[0]), "r"), *out = fdopen(p[0], "w");
    setvbuf(out, NULL, _IONBF, 0);
    fputs("unbuffered", out);
    fact("peer: %s", hear(p[1]));
    res("fclose of the writer", fclose(out));
    fact("peer: %s", poll_text(p[1], POLLIN, 30));
    must("write", write(p[1], "for the reader\n", 15));
    fact("reader: %s", fgets(b, 15, in));
    res("fclose of the reader", fclose(in));
    fact("peer: %s", hear(p[1]));
    close(p[1]);

    /* A large fwrite, more than any buffer in stdio. */
    tcp_pair(p);
    f = fdopen(p[0], "w");
    static char big[100000], back[100000];
    for (unsigned i = 0; i < sizeof big; i++) big[i] = (char)(i % 127);
    fact("fwrite: %zu", fwrite(big, 1, sizeof big, f));
    res("fclose", fclose(f));
    res("peer reads", recv(p[1], back, sizeof back, MSG_WAITALL));
    fact("the same: %d", memcmp(big, back, sizeof big) == 0);
    fact("then: %s", hear(p[1]));
    close(p[1]);

    /* freopen closes the connection; the FILE goes on with a file. */
    tcp_pair(p);
    f = fdopen(p[0], "w");
    fputs("flushed by freopen", f);
    FILE *g = freopen("/dev/null", "w", f);
    fact("freopen: %d", g == f);
    fact("peer: %s", hear(p[1]));
    fact("then: %s", hear(p[1]));
    fputs("into nothing", f);
    res("fclose", fclose(f));
    close(p[1]);

    /* The descriptor closed or replaced under a FILE. */
    tcp_pair(p);
    tcp_pair(q);
    f = fdopen(p[0], "w");
    fputs("goes elsewhere", f);
    must("dup2", dup2(q[0], p[0]));
    res("fflush after dup2", fflush(f));
    fact("old peer: %s", hear(p[1]));
    fact("new peer: %s", hear(q[1]));
    close(p[0]);
    fputs("lost", f);
    int r = fflush(f);
    fact("fflush after close: %d %s", r, ename(errno));
    fclose(f);

    /* Errors reach stdio: a non-blocking read of nothing, and a peer that is gone. */
    tcp_pair(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    f = fdopen(p[0], "r+");
    errno = 0;
    int c = fgetc(f);
    fact("fgetc: %d %s, ferror %d", c, ename(errno), ferror(f) != 0);
    clearerr(f);
    must("write", write(p[1], "A", 1));
    poll_text(p[0], POLLIN, 1000);
    fact("fgetc: %d", fgetc(f));
    close(p[1]);
    c = fgetc(f);
    fact("fgetc: %d, feof %d", c, feof(f) != 0);
    clearerr(f);
    setvbuf(f, NULL, _IONBF, 0);
    fputs("one", f);
    sleep_ms(10);
    errno = 0;
    c = fputs("two", f);
    fact("fputs to a peer that is gone: %d %s", c, ename(errno));
    fclose(f);

    /* Descriptors that stdio makes itself are not sockets' business. */
    f = tmpfile();
    fputs("temporary", f);
    rewind(f);
    fact("tmpfile: %s", fgets(b, sizeof b, f));
    fclose(f);
    tcp_pair(p);
    res("dprintf", dprintf(p[0], "direct %s", "print"));
    fact("peer: %s", hear(p[1]));
    return 0;
}
