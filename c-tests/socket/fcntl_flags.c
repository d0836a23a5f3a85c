/* fcntl on sockets: status flags belong to the open description and are shared by dups, descriptor flags are not (man
 * 2 fcntl); which flags F_SETFL may change, F_DUPFD, F_SETOWN, F_SETSIG. */
#include "t.h"

static const char *flags(int fd) {
    static char o[4][80];
    static int turn;
    char *s = o[turn++ & 3];
    int f = fcntl(fd, F_GETFL);
    snprintf(s, 80, "access %d%s%s%s%s%s", f & O_ACCMODE, f & O_NONBLOCK ? " nonblock" : "", f & O_APPEND ? " append"
             : "",
             f & O_ASYNC ? " async" : "", f & O_NOATIME ? " noatime" : "", f & O_DIRECT ? " direct" : "");
    return s;
}

int main(void) {
    alarm(8);
    for (int udp = 0; udp < 2; udp++) {
        const char *who = udp ? "udp" : "tcp";
        char l[96];
        int s = (int)must("socket", socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0)), d = dup(s);
#define SET(name, v) \
    (snprintf(l, sizeof l, "%s F_SETFL %s", who, name), res(l, fcntl(s, F_SETFL, v)), fact("%s: %s, dup %s", l, flags(s), flags(d)))
        SET("nonblock", O_NONBLOCK);
        SET("append", O_APPEND);
        SET("nonblock and append", O_NONBLOCK | O_APPEND);
        SET("read only", O_RDONLY);
        SET("write only", O_WRONLY | O_NONBLOCK);
        SET("creat, excl, trunc", O_CREAT | O_EXCL | O_TRUNC);
        SET("async", O_ASYNC);
        SET("direct", O_DIRECT);
        SET("noatime", O_NOATIME);
        SET("-1 without direct", ~O_DIRECT);
        SET("0", 0);
#undef SET
        fcntl(d, F_SETFL, O_NONBLOCK);
        fact("%s set through the dup: %s", who, flags(s));
        fcntl(s, F_SETFD, FD_CLOEXEC);
        fact("%s F_SETFD cloexec: %d, dup %d", who, fcntl(s, F_GETFD), fcntl(d, F_GETFD));
        fcntl(s, F_SETFD, ~0);
        fact("%s F_SETFD all bits: %d", who, fcntl(s, F_GETFD));
        fcntl(s, F_SETFD, 0);
        fact("%s F_SETFD 0: %d", who, fcntl(s, F_GETFD));
        int e = fcntl(s, F_DUPFD, 200), c = fcntl(s, F_DUPFD_CLOEXEC, 200);
        fact("%s F_DUPFD 200: %d cloexec %d, then %d cloexec %d", who, e, fcntl(e, F_GETFD), c, fcntl(c, F_GETFD));
        int t = dup3(s, 150, O_CLOEXEC);
        fact("%s dup3: %d cloexec %d, flags %s", who, t, fcntl(t, F_GETFD), flags(t));
        res("dup3 same number", dup3(s, s, 0));
        res("dup2 same number", dup2(s, s) == s ? 0 : -1);
        res("dup3 bad flags", dup3(s, 151, O_NONBLOCK));
        res("dup2 to -1", dup2(s, -1));
        res("F_DUPFD -1", fcntl(s, F_DUPFD, -1));
        close(e);
        close(c);
        close(t);
        res("F_GETOWN at first", fcntl(s, F_GETOWN));
        res("F_SETOWN", fcntl(s, F_SETOWN, getpid()));
        fact("owner is me: %s, by the dup: %s", fcntl(s, F_GETOWN) == getpid() ? "yes" : "no",
             fcntl(d, F_GETOWN) == getpid() ? "yes" : "no");
        res("F_SETOWN to nobody", fcntl(s, F_SETOWN, 0));
        res("F_GETOWN after", fcntl(s, F_GETOWN));
        res("F_GETSIG at first", fcntl(s, F_GETSIG));
        res("F_SETSIG", fcntl(s, F_SETSIG, SIGUSR1));
        fact("signal by the dup is SIGUSR1: %s", fcntl(d, F_GETSIG) == SIGUSR1 ? "yes" : "no");
        res("F_SETSIG 1000", fcntl(s, F_SETSIG, 1000));
        close(s);
        fact("%s flags of the dup after the first is closed: %s", who, flags(d));
        close(d);
    }
    /* Accepted sockets do not take over O_NONBLOCK or close-on-exec from the listener (man 2 accept). */
    int port, l = listener4(&port, 4);
    fcntl(l, F_SETFL, O_NONBLOCK | O_APPEND);
    fcntl(l, F_SETFD, FD_CLOEXEC);
    static const struct { const char *name; int fl; } w[] = {
        {"accept", -1}, {"accept4 0", 0}, {"accept4 nonblock", SOCK_NONBLOCK}, {"accept4 cloexec", SOCK_CLOEXEC},
            {"accept4 both", SOCK_NONBLOCK | SOCK_CLOEXEC}};
    for (int i = 0; i < 5; i++) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", port);
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        struct pollfd p = {l, POLLIN, 0};
        poll(&p, 1, 2000);
        int n = (int)must("accept", w[i].fl < 0 ? accept(l, NULL, NULL) : accept4(l, NULL, NULL, w[i].fl));
        fact("%s: %s, cloexec %d", w[i].name, flags(n), fcntl(n, F_GETFD));
        close(n);
        close(c);
    }
    return 0;
}
