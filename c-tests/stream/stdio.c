/* stdio over a socket (`man 3 fdopen`): fprintf, fgets, fflush, getline, ungetc, fclose; dprintf; end of file and
 * errors as stdio tells them. stdio calls the kernel from within libc, not through the symbol `write`. */
#include "stream.h"

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int p[2];
    char b[128];
    tcp_pair(p);
    FILE *w = fdopen(p[0], "w"), *r = fdopen(p[1], "r");
    fact("fdopen: %s %s", w ? "ok" : ename(errno), r ? "ok" : ename(errno));
    fact("fileno is the same: %s", fileno(w) == p[0] ? "yes" : "no");
    res("fprintf", fprintf(w, "hello %d\n", 42));
    fact("buffered: %s", poll_text(p[1], POLLIN, 40));
    res("fflush", fflush(w));
    fact("fgets: %s", fgets(b, sizeof b, r) ? b : "NULL\n");
    setvbuf(w, NULL, _IOLBF, 1024);
    fputs("line by line\nrest", w);
    fact("fgets: %s", fgets(b, sizeof b, r) ? b : "NULL\n");
    fact("the rest is held: %s", poll_text(p[1], POLLIN, 40));
    setvbuf(w, NULL, _IONBF, 0);
    fputs(" unbuffered\n", w);
    char *line = NULL;
    size_t cap = 0;
    res("getline", getline(&line, &cap, r));
    fact("%s", line);
    free(line);
    res("dprintf", dprintf(p[0], "%s %05.1f\n", "formatted", 3.14159));
    fact("fgets: %s", fgets(b, sizeof b, r) ? b : "NULL\n");
    must("send", send(p[0], "xyz\n", 4, 0));
    int ch = fgetc(r);
    ungetc('X', r);
    fact("fgetc %c, after ungetc: %s", ch, fgets(b, sizeof b, r) ? b : "NULL\n");
    int x = 0;
    char word[16] = "";
    fputs("17 words\n", w);
    res("fscanf", fscanf(r, "%d %15s", &x, word));
    fact("%d %s, then a line of %zu", x, word, strlen(fgets(b, sizeof b, r) ? b : ""));
    errno = 0;
    res("fseek", fseek(r, 0, SEEK_SET));
    res("ftell", ftell(r));
    clearerr(r);

    /* Much data both through stdio. */
    pid_t pid = fork();
    if (pid == 0) {
        long n = 0, bad = 0;
        close(p[0]);
        for (int c; (c = fgetc(r)) != EOF; n++) bad += (unsigned char)c != pat((size_t)n);
        _exit(n == 500000 && !bad && feof(r) && !ferror(r) ? 0 : 1);
    }
    fclose(r);
    setvbuf(w, NULL, _IOFBF, 4096);
    for (size_t i = 0; i < 500000; i++) fputc(pat(i), w);
    res("fclose flushes and closes", fclose(w));
    res("the descriptor", fcntl(p[0], F_GETFD));
    reap("reader", pid);

    /* One FILE for both directions. */
    tcp_pair(p);
    FILE *f = fdopen(p[0], "r+");
    fputs("question\n", f);
    fflush(f);
    fact_recv("recv", p[1], 100, 0);
    must("send", send(p[1], "answer\n", 7, 0));
    fact("fgets: %s", fgets(b, sizeof b, f) ? b : "NULL\n");
    FILE *g = fdopen(dup(p[0]), "w");
    fputs("by the dup\n", g);
    fclose(g);
    fact_recv("recv", p[1], 100, 0);
    fact("the first is still open: %s", fcntl(p[0], F_GETFD) >= 0 ? "yes" : "no");
    shutdown(p[1], SHUT_WR);
    line = fgets(b, sizeof b, f);
    fact("fgets at the end: %s, feof %d, ferror %d", line ? line : "NULL", !!feof(f), !!ferror(f));
    clearerr(f);
    shutdown(p[0], SHUT_WR);
    fputs("too late\n", f);
    errno = 0;
    res("fflush after SHUT_WR", fflush(f));
    fact("ferror %d", !!ferror(f));
    fclose(f);
    close(p[1]);

    tcp_pair(p);
    nonblock(p[0], 1);
    f = fdopen(p[0], "r");
    errno = 0;
    ch = fgetc(f);
    fact("fgetc non-blocking: %d %s, ferror %d", ch, ename(errno), !!ferror(f));
    clearerr(f);
    must("send", send(p[1], "q", 1, 0));
    await(p[0], POLLIN);
    fact("fgetc: %c", fgetc(f));
    fclose(f);
    fact("peer's poll after fclose: %s", poll_text(p[1], POLLIN | POLLRDHUP, 1000));

    /* The program's own standard output on a socket. */
    tcp_pair(p);
    pid = fork();
    if (pid == 0) {
        dup2(p[0], 1);
        printf("printed\n");
        puts("put");
        exit(0);
    }
    reap("child", pid);
    close(p[0]);
    long n = read_full(p[1], b, sizeof b);
    fact("its output: %.*s", (int)n, b);
    return 0;
}
