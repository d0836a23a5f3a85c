/* A vfork child shares the parent's memory but not its descriptors: what it closes, dups or opens must leave the
 * parent's descriptors as they are (man 2 vfork). */
#include "t.h"

static int p[2], port, l;
static volatile int made;

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

static void still_works(const char *label) {
    must("write", write(p[0], "to", 2));
    fact("%s, one way: %s", label, hear(p[1]));
    must("write", write(p[1], "fro", 3));
    fact("%s, other way: %s", label, hear(p[0]));
}

/* Each of these runs between vfork and _exit. */
__attribute__((noinline)) static pid_t closes(void) {
    pid_t k = vfork();
    if (k == 0) {
        close(p[0]);
        close(p[1]);
        close(l);
        _exit(0);
    }
    return k;
}

__attribute__((noinline)) static pid_t dups(void) {
    pid_t k = vfork();
    if (k == 0) {
        int f = open("/dev/null", O_RDWR);
        dup2(f, p[0]);
        dup2(p[1], l);
        dup2(l, 0);
        _exit(0);
    }
    return k;
}

__attribute__((noinline)) static pid_t opens(void) {
    pid_t k = vfork();
    if (k == 0) {
        made = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = in4("127.0.0.1", port);
        if (connect(made, (struct sockaddr *)&a, sizeof a) < 0) _exit(errno);
        if (write(made, "vforked", 7) != 7) _exit(errno);
        _exit(0);
    }
    return k;
}

__attribute__((noinline)) static pid_t execs(char *const *argv) {
    pid_t k = vfork();
    if (k == 0) {
        dup2(p[1], 0);
        dup2(p[1], 1);
        close(p[0]);
        close(p[1]);
        close(l);
        execv(argv[0], argv);
        _exit(127);
    }
    return k;
}

__attribute__((noinline)) static pid_t flags(void) {
    pid_t k = vfork();
    if (k == 0) {
        fcntl(p[1], F_SETFD, FD_CLOEXEC);
        shutdown(p[1], SHUT_WR);
        _exit(0);
    }
    return k;
}

int main(void) {
    alarm(8);
    l = listener4(&port, 8);
    tcp_pair(p);

    reap("child closes all", closes());
    still_works("after close");
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    res("connect to the listener it closed", connect(c, (struct sockaddr *)&a, sizeof a));
    int s = (int)ok("accept", accept(l, NULL, NULL));
    close(s);
    close(c);

    reap("child dups over all", dups());
    still_works("after dup2");
    fact("poll of the listener: %s", poll_text(l, POLLIN, 0));

    /* The number of the child's socket is free in the parent, and a file there gets the bytes. */
    reap("child opens a socket and connects", opens());
    fact("its number in the parent: %s", fcntl(made, F_GETFD) < 0 ? ename(errno) : "open");
    res("send on it", send(made, "x", 1, 0));
    s = (int)must("accept", accept(l, NULL, NULL));
    fact("accept gave that number: %d", s == made);
    fact("it reads: %s", hear(s));
    fact("then: %s", hear(s));
    close(s);
    int t[2];
    must("pipe", pipe(t));
    fact("a pipe gets that number: %d", t[0] == made || t[1] == made);
    must("write", write(t[1], "pipe", 4));
    fact("pipe reads: %s", hear(t[0]));
    close(t[0]);
    close(t[1]);

    char *cat[] = {"/bin/cat", NULL};
    pid_t k = execs(cat);
    must("write", write(p[0], "through cat", 11));
    fact("cat on the connection: %s", hear(p[0]));
    must("shutdown", shutdown(p[0], SHUT_WR));
    reap("cat", k);
    fact("parent holds the other end: %s", poll_text(p[0], POLLIN, 50));
    fact("parent's copy is at the end: %s", hear(p[1]));
    must("write", write(p[1], "parent", 6));
    fact("but can write: %s", hear(p[0]));

    reap("child sets FD_CLOEXEC and shuts down", flags());
    fact("descriptor flags in the parent: %d", fcntl(p[1], F_GETFD));
    fact("the peer: %s", hear(p[0]));
    return 0;
}
