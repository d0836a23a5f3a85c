/* What a fresh socket looks like to the calls on any descriptor: number, flags, kind (man 2 socket; POSIX: "the
 * lowest numbered file descriptor"; man 2 fcntl; man 7 inode: S_IFSOCK). */
#include "t.h"
#include <sys/resource.h>

static void look(const char *label, int fd) {
    struct stat st;
    int fl = fcntl(fd, F_GETFL), fdf = fcntl(fd, F_GETFD);
    must("fstat", fstat(fd, &st));
    fact("%s: access %s, nonblock %d, append %d, async %d, direct %d, cloexec %d, other bits 0x%x", label,
         (fl & O_ACCMODE) == O_RDWR ? "rdwr" : "other", !!(fl & O_NONBLOCK), !!(fl & O_APPEND), !!(fl & O_ASYNC),
         !!(fl & O_DIRECT), fdf & FD_CLOEXEC, fl & ~(O_ACCMODE | O_NONBLOCK | O_APPEND | O_ASYNC | O_DIRECT));
    fact("%s: S_ISSOCK %d, mode 0%o, nlink %d, size %d, rdev %d, owner is me %s", label, S_ISSOCK(st.st_mode),
         (unsigned)st.st_mode & 07777, (int)st.st_nlink, (int)st.st_size, (int)st.st_rdev, st.st_uid == geteuid()
             ? "yes" : "no");
}

int main(void) {
    alarm(8);
    static const struct { const char *name; int family, type; } t[] = {
        {"tcp4", AF_INET, SOCK_STREAM}, {"tcp6", AF_INET6, SOCK_STREAM}, {"udp4", AF_INET, SOCK_DGRAM},
            {"udp6", AF_INET6, SOCK_DGRAM}};
    for (int i = 0; i < 4; i++) {
        char label[64];
        int fd = (int)must("socket", socket(t[i].family, t[i].type, 0));
        look(t[i].name, fd);
        close(fd);
        fd = (int)must("socket", socket(t[i].family, t[i].type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        snprintf(label, sizeof label, "%s flags", t[i].name);
        look(label, fd);
        close(fd);
    }
    int fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    look("nonblock only", fd);
    close(fd);
    fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    look("cloexec only", fd);
    close(fd);

    /* The lowest free number, holes included. */
    int s[5];
    for (int i = 0; i < 5; i++) s[i] = (int)must("socket", socket(AF_INET, i & 1 ? SOCK_DGRAM : SOCK_STREAM, 0));
    int run = 1;
    for (int i = 1; i < 5; i++) run &= s[i] == s[0] + i;
    fact("five sockets have consecutive numbers: %s", run ? "yes" : "no");
    close(s[1]);
    close(s[3]);
    int f = open("/dev/null", O_RDONLY), g = socket(AF_INET6, SOCK_STREAM, 0), h = socket(AF_INET, SOCK_STREAM, 0);
    fact("a file takes the first hole: %s, a socket the second: %s, the next goes on top: %s", f == s[1] ? "yes" : "no",
         g == s[3] ? "yes" : "no", h == s[4] + 1 ? "yes" : "no");
    struct stat a, b;
    fstat(s[0], &a);
    fstat(g, &b);
    fact("two sockets have different inodes: %s, same device: %s", a.st_ino != b.st_ino ? "yes" : "no",
         a.st_dev == b.st_dev ? "yes" : "no");
    int d = dup(g);
    struct stat c;
    fstat(d, &c);
    fact("a dup has the inode of its socket: %s", b.st_ino == c.st_ino ? "yes" : "no");

    struct rlimit rl, low;
    getrlimit(RLIMIT_NOFILE, &rl);
    low = rl;
    low.rlim_cur = (rlim_t)d + 1;
    setrlimit(RLIMIT_NOFILE, &low);
    ok("socket at the descriptor limit", socket(AF_INET, SOCK_STREAM, 0));
    ok("the argument is judged before the limit", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    setrlimit(RLIMIT_NOFILE, &rl);
    ok("socket after the limit is raised", socket(AF_INET, SOCK_STREAM, 0));
    char path[64], link[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", g);
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = 0;
    fact("the proc link begins with socket:[ : %s", strncmp(link, "socket:[", 8) == 0 ? "yes" : "no");
    ok("opening the proc link", open(path, O_RDWR));
    return 0;
}
