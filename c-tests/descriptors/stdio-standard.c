/* The standard FILEs when a socket is put, or made, under 0, 1 or 2 (man 3 stdin: "the integer file descriptors associated with
 * the streams are 0, 1, and 2"; man 2 dup): what their buffers hold goes on with the number, whatever stands there. */
#include "t.h"
#include <err.h>

/* All that comes until so many bytes, or until the end, for which the child's end suffices. */
static const char *hear(int fd, size_t most) {
    static char b[600];
    size_t n = 0;
    while (n < most && n < sizeof b - 1 && poll(&(struct pollfd){fd, POLLIN, 0}, 1, 4000) == 1) {
        ssize_t r = read(fd, b + n, sizeof b - 1 - n);
        if (r <= 0) {
            if (n == 0) strcpy(b, r < 0 ? ename(errno) : "end of stream"), n = strlen(b);
            break;
        }
        n += (size_t)r;
    }
    b[n] = 0;
    for (char *c = b; *c; c++)
        if (*c == '\n') *c = '/';
    return b;
}

static int p[2], side[2];

/* What a child has to say beside what goes through its standard descriptors; told when it has ended. */
__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...) {
    char line[200];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    must("note", write(side[1], line, (size_t)n));
}

static void ended(pid_t k) {
    char notes[400];
    reap("  the child", k);
    ssize_t n = read(side[0], notes, sizeof notes - 1);
    if (n > 0) fact("  it found: %.*s", (int)n, notes);
}

/* Runs one part in a child, where 0, 1 and 2 may be spoilt; what its peer heard is a fact. */
static void part(const char *label, void (*run)(void)) {
    tcp_pair(p);
    pid_t k = fork();
    if (k == 0) {
        alarm(5);
        close(p[1]);
        run();
        exit(7);
    }
    close(p[0]);
    fact("%s: %s", label, hear(p[1], 600));
    close(p[1]);
    ended(k);
}

static void pending(void) {
    setvbuf(stdout, NULL, _IOFBF, 4096);
    printf("before, ");
    dup2(p[0], 1);
    printf("after");
    note("fileno is 1: %d", fileno(stdout) == 1);
}

static void and_back(void) {
    int saved = dup(1), null = open("/dev/null", O_WRONLY);
    dup2(p[0], 1);
    puts("to the socket");
    fflush(stdout);
    dup2(null, 1);
    puts("to nothing");
    fflush(stdout);
    dup2(p[0], 1);
    puts("and again");
    fflush(stdout);
    dup2(saved, 1);
    note("the own output is back: %d", write(1, "", 0) == 0 && fileno(stdout) == 1);
    _exit(0);
}

static void errors(void) {
    dup2(p[0], 2);
    errno = ENOENT;
    perror("perror");
    warnx("%s %d", "warnx", 1);
    fprintf(stderr, "unbuffered: %s\n", poll_text(2, POLLOUT, 0));
    fputc('c', stderr);
    _exit(0);
}

static void ends(void) {
    dup2(p[0], 1);
    printf("flushed at exit");
}

static void quick(void) {
    dup2(p[0], 1);
    printf("lost");
    _exit(0);
}

static void closed(void) {
    dup2(p[0], 1);
    close(p[0]);
    printf("flushed by fclose");
    int r = fclose(stdout);
    _exit(r);
}

static void reopened(void) {
    dup2(p[0], 1);
    close(p[0]);
    printf("flushed by freopen");
    FILE *f = freopen("/dev/null", "w", stdout);
    note("freopen gave stdout: %d, its number is 1: %d", f == stdout, fileno(stdout) == 1);
    printf("nowhere");
}

static void reads(void) {
    int t[2];
    char line[40];
    must("pipe", pipe(t));
    must("write", write(t[1], "one\ntwo\n", 8));
    dup2(t[0], 0);
    note("from the pipe: %s", fgets(line, sizeof line, stdin) ? "one" : "nothing");
    dup2(p[0], 0);
    dup2(p[0], 1);
    for (int i = 0; i < 3 && fgets(line, sizeof line, stdin); i++) {
        line[strcspn(line, "\n")] = 0;
        printf("<%s>", line);
    }
    int n = 0;
    printf("%d", scanf("%d", &n) == 1 && n == 4711);
    fflush(stdout);
    _exit(0);
}

static void many(void) {
    dprintf(p[0], "%d %d %d %d %d %s %ld|", 1, 2, 3, 4, 5, "six", 7L);
    dprintf(p[0], "%.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f|", 1., 2., 3., 4., 5., 6., 7., 8., 9.);
    dprintf(p[0], "%d %.1f %d %.1Lf %c", 1, 2.5, 3, (long double)4.5, '!');
    int n = dprintf(p[0], "%s", "");
    shutdown(p[0], SHUT_WR);
    signal(SIGPIPE, SIG_IGN);
    errno = 0;
    int r = dprintf(p[0], "late");
    note("of nothing: %d, after SHUT_WR: %d %s", n, r, ename(errno));
    _exit(0);
}

static void served(void) {
    /* As inetd would start it. */
    for (int i = 0; i < 3; i++) dup2(p[0], i);
    close(p[0]);
    char name[20];
    printf("who? ");
    fflush(stdout);
    if (scanf("%19s", name) == 1) printf("hello %s", name);
    fprintf(stderr, "[e]");
}

/* A new socket takes the lowest number that is free. */
static int made_under(int number, int fd) {
    if (fd != number) note("the number is %d", fd);
    return fd;
}

static void accepted(void) {
    int port, l = listener4(&port, 1), c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    close(1);
    made_under(1, accept(l, NULL, NULL));
    printf("to whom was accepted");
    fflush(stdout);
    shutdown(1, SHUT_WR);
    note("%s", hear(c, 600));
    _exit(0);
}

static void connected(void) {
    int port, l = listener4(&port, 1);
    struct sockaddr_in a = in4("127.0.0.1", port);
    char line[40] = "";
    close(0);
    made_under(0, socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect(0, (struct sockaddr *)&a, sizeof a));
    int c = (int)must("accept", accept(l, NULL, NULL));
    must("write", write(c, "a line\n", 7));
    if (fgets(line, sizeof line, stdin)) note("%.6s", line);
    _exit(0);
}

static void received(void) {
    int u[2], got;
    char data = 'x';
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec v = {&data, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.head), &p[0], sizeof(int));
    must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, u));
    must("sendmsg", sendmsg(u[0], &m, 0));
    close(1);
    must("recvmsg", recvmsg(u[1], &m, 0));
    memcpy(&got, CMSG_DATA(&control.head), sizeof got);
    made_under(1, got);
    printf("received");
    exit(0);
}

int main(void) {
    alarm(9);
    must("pipe", pipe(side));
    fcntl(side[0], F_SETFL, O_NONBLOCK);
    part("a buffer that was begun before", pending);
    part("under 1 for a while", and_back);
    part("standard error", errors);
    part("exit", ends);
    part("_exit", quick);
    part("fclose(stdout)", closed);
    part("freopen(stdout)", reopened);
    part("dprintf", many);
    part("accepted under 1", accepted);
    part("made under 0", connected);
    part("received under 1", received);

    tcp_pair(p);
    must("write", write(p[1], "three\nfour\n4711 ", 16));
    pid_t k = fork();
    if (k == 0) reads();
    close(p[0]);
    fact("standard input with a line read ahead: %s", hear(p[1], 600));
    close(p[1]);
    ended(k);

    tcp_pair(p);
    k = fork();
    if (k == 0) {
        close(p[1]);
        served();
        exit(0);
    }
    close(p[0]);
    fact("a served connection: %s", hear(p[1], strlen("who? ")));
    must("write", write(p[1], "you\n", 4));
    fact("and its answer: %s", hear(p[1], 600));
    ended(k);
    return 0;
}
