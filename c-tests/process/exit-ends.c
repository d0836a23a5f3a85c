/* How a process's end looks to its peer: an end of stream, or a reset when it left data unread (RFC 2525 section 2.17,
 * RFC 1122 section 4.2.2.13); the way it ends makes no difference. */
#include "t.h"
#include <sys/resource.h>

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static void end_now(int how) {
    if (how == 0) exit(0);
    if (how == 1) _exit(0);
    if (how == 2) abort();
    if (how == 3) raise(SIGKILL);
    if (how == 4) *(volatile int *)(uintptr_t)8 = 1;
    if (how == 5) execl("/bin/true", "true", (char *)NULL);
    _exit(99);
}

static const char *names[] = {"exit", "_exit", "abort", "SIGKILL", "SIGSEGV", "exec of another program"};

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int how = 0; how < 6; how++)
        for (int unread = 0; unread < 2; unread++) {
            int p[2], go[2];
            char label[80], b;
            tcp_pair(p);
            must("pipe", pipe(go));
            snprintf(label, sizeof label, "%s%s", names[how], unread ? ", data unread" : "");
            pid_t k = fork();
            if (k == 0) {
                alarm(8);
                close(p[0]);
                if (how == 5) fcntl(p[1], F_SETFD, FD_CLOEXEC);
                if (write(p[1], "last words", 10) < 0 || read(go[0], &b, 1) != 1) _exit(98);
                end_now(how);
            }
            close(p[1]);
            if (unread) must("write", write(p[0], "nobody reads this", 17));
            must("go", write(go[1], "g", 1));
            reap(label, k);
            fact("  poll: %s", poll_text(p[0], POLLIN | POLLOUT | POLLRDHUP, 1000));
            fact("  read: %s", hear(p[0]));
            fact("  read: %s", hear(p[0]));
            fact("  read: %s", hear(p[0]));
            /* The first write to a dead peer after its end of stream goes out, and the reset comes back for it. */
            res("  write", write(p[0], "x", 1));
            sleep_ms(5);
            res("  write again", write(p[0], "x", 1));
            fact("  read: %s", hear(p[0]));
            fact("  poll: %s", poll_text(p[0], POLLIN | POLLOUT | POLLRDHUP, 0));
            close(p[0]);
            close(go[0]);
            close(go[1]);
        }

    /* Connections that a dying server had not accepted are reset; with the listener open elsewhere they live on. */
    for (int kept = 0; kept < 2; kept++) {
        int port, l = listener4(&port, 4);
        struct sockaddr_in a = in4("127.0.0.1", port);
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        int fd2 = kept ? dup(l) : -1, go[2];
        must("pipe", pipe(go));
        pid_t k = fork();
        if (k == 0) {
            char b;
            alarm(8);
            if (read(go[0], &b, 1) != 1) _exit(1);
            raise(SIGKILL);
        }
        close(l);
        must("go", write(go[1], "g", 1));
        reap("holder of the listener", k);
        fact("unaccepted connection, listener %s: poll %s", kept ? "kept" : "gone", poll_text(c, POLLIN, kept ? 50 : 1000));
        if (!kept) fact("read: %s", hear(c));
        if (kept) ok("accept", accept(fd2, NULL, NULL));
        close(c);
    }
    return 0;
}
