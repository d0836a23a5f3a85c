/* close_range(2) with its flags, and closefrom(3), over a mixture of sockets and files. */
#include "t.h"
#include <linux/close_range.h>

static int p[3][2], l, port;

static const char *hear(int fd) {
    static char b[300];
    ssize_t n = read(fd, b, 200);
    if (n < 0) snprintf(b, sizeof b, "-1 %s", ename(errno));
    else if (n == 0) strcpy(b, "end of stream");
    else b[n] = 0;
    return b;
}

/* Connections at 50, 52, 54, a listener at 51, files at 53 and 55; the peers are p[i][1]. */
static void lay(void) {
    for (int i = 0; i < 3; i++) {
        tcp_pair(p[i]);
        dup2(p[i][0], 50 + 2 * i);
        close(p[i][0]);
    }
    l = listener4(&port, 4);
    dup2(l, 51);
    close(l);
    dup2(0, 53);
    dup2(0, 55);
}

static void look(const char *label) {
    char open[7] = "", cloexec[7] = "";
    for (int i = 0; i < 6; i++) {
        int f = fcntl(50 + i, F_GETFD);
        open[i] = f < 0 ? '-' : 'o';
        cloexec[i] = f < 0 ? '-' : f ? 'c' : 'k';
    }
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = socket(AF_INET, SOCK_STREAM, 0), r = connect(c, (struct sockaddr *)&a, sizeof a), e = errno;
    close(c);
    fact("%s: open %s, close-on-exec %s, listener %s", label, open, cloexec, r < 0 ? ename(e) : "listens");
    for (int i = 0; i < 3; i++) fact("  peer %d: %s", i, poll_text(p[i][1], POLLIN | POLLRDHUP, 0));
}

static void clear(void) {
    close_range(50, 60, 0);
    for (int i = 0; i < 3; i++) close(p[i][1]);
}

int main(void) {
    alarm(8);
    lay();
    look("before");
    res("close_range 51..53", close_range(51, 53, 0));
    look("after");
    must("write", write(54, "alive", 5));
    fact("54: %s", hear(p[2][1]));
    clear();

    lay();
    res("close_range 52..max CLOEXEC", close_range(52, ~0U, CLOSE_RANGE_CLOEXEC));
    look("marked");
    must("write", write(52, "alive", 5));
    fact("52: %s", hear(p[1][1]));
    pid_t k = fork();
    if (k == 0) {
        alarm(4);
        for (int i = 0; i < 3; i++) close(p[i][1]);
        execl("/bin/sh", "sh", "-c", "exec 9</dev/null; for i in 50 51 52 53 54 55; do "
              "if [ -e /proc/self/fd/$i ]; then echo $i open; else echo $i closed; fi; done", (char *)NULL);
        _exit(127);
    }
    reap("after exec", k);
    clear();

    lay();
    res("close_range with first above last", close_range(55, 50, 0));
    res("close_range with an unknown flag", close_range(50, 55, 1 << 20));
    look("untouched");
    res("close_range of what is closed", close_range(200, 300, 0));
    res("close_range of one number", close_range(52, 52, 0));
    look("one gone");
    clear();

    /* CLOSE_RANGE_UNSHARE gives the caller a table of its own: another thread keeps the descriptors. */
    lay();
    k = fork();
    if (k == 0) {
        alarm(4);
        int r = close_range(50, 55, CLOSE_RANGE_UNSHARE);
        _exit(r == 0 && fcntl(50, F_GETFD) < 0 && errno == EBADF ? 0 : 1);
    }
    reap("close_range UNSHARE in a child", k);
    look("parent");
    res("close_range UNSHARE | CLOEXEC", close_range(50, 51, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
    look("marked");
    clear();

    /* The numbers are free afterwards, and what is opened there has nothing of the sockets. */
    lay();
    res("close_range", close_range(50, 55, 0));
    int t[2];
    must("pipe", pipe(t));
    for (int i = 50; i < 56; i++) must("dup2", dup2(t[1], i));
    for (int i = 50; i < 56; i++) must("write", write(i, "p", 1));
    fact("a pipe under all six numbers: %s", hear(t[0]));
    look("pipe");
    clear();

    lay();
    k = fork();
    if (k == 0) {
        closefrom(52);
        look("closefrom 52 in a child");
        closefrom(3);
        _exit(fcntl(50, F_GETFD) < 0 && fcntl(51, F_GETFD) < 0 ? 0 : 1);
    }
    reap("child", k);
    look("parent");
    closefrom(50);
    for (int i = 0; i < 3; i++) fact("peer %d: %d", i, fcntl(p[i][1], F_GETFD) >= 0);
    for (int i = 0; i < 3; i++) fact("peer %d: %s", i, hear(p[i][1]));
    struct sockaddr_in a = in4("127.0.0.1", port);
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    return 0;
}
