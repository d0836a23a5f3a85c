/* What a socket's descriptor looks like: fstat, statx, isatty, /proc/self/fd, fchmod, fchown, fpathconf and other calls that
 * take any descriptor (man 2 stat, man 5 proc). */
#include "t.h"
#include <dirent.h>
#include <sys/statfs.h>
#include <termios.h>

static ino_t inode(int fd) {
    struct stat st;
    return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

static void look(const char *kind, int fd) {
    char path[64], link[128] = "", want[64];
    struct stat st;
    struct statx sx;
    fact("%s", kind);
    memset(&st, 0, sizeof st);
    res("  fstat", fstat(fd, &st));
    fact("  type %o, mode %o, size %ld, links %ld, owner is me %d", (unsigned)(st.st_mode & S_IFMT),
         (unsigned)(st.st_mode & 07777), (long)st.st_size, (long)st.st_nlink, st.st_uid == getuid());
    fact("  inode %s, block size %d", st.st_ino ? "not 0" : "0", (int)st.st_blksize);
    memset(&sx, 0, sizeof sx);
    res("  statx", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
    fact("  same inode %d, socket %d", sx.stx_ino == st.st_ino, S_ISSOCK(sx.stx_mode));
    struct stat st2;
    res("  fstatat with an empty path", fstatat(fd, "", &st2, AT_EMPTY_PATH));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, link, sizeof link - 1);
    snprintf(want, sizeof want, "socket:[%lu]", (unsigned long)st.st_ino);
    fact("  /proc/self/fd: socket:[ %d, its inode %d", n > 0 && !strncmp(link, "socket:[", 8), !strcmp(link, want));
    res("  stat of that", stat(path, &st2));
    fact("  same inode %d, socket %d", st2.st_ino == st.st_ino, S_ISSOCK(st2.st_mode));
    res("  open of that", open(path, O_RDWR));
    int tty = isatty(fd);
    fact("  isatty %d %s", tty, ename(errno));
    struct termios t;
    struct winsize ws;
    res("  tcgetattr", tcgetattr(fd, &t));
    res("  TIOCGWINSZ", ioctl(fd, TIOCGWINSZ, &ws));
    fact("  ttyname: %s", ttyname(fd) ? "a name" : ename(errno));
    res("  fchmod", fchmod(fd, 0600));
    fstat(fd, &st2);
    fact("  mode %o", (unsigned)(st2.st_mode & 07777));
    res("  fchown to myself", fchown(fd, getuid(), (gid_t)-1));
    res("  fchdir", fchdir(fd));
    struct statfs fs;
    res("  fstatfs", fstatfs(fd, &fs));
    fact("  is sockfs: %d", fs.f_type == 0x534f434b);
    res("  getdents by fdopendir", fdopendir(fd) ? 0 : -1);
    res("  openat relative to it", openat(fd, "x", O_RDONLY));
    res("  futimens", futimens(fd, NULL));
}

int main(void) {
    alarm(8);
    int p[2], port, l = listener4(&port, 4), u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    tcp_pair(p);
    look("connection", p[0]);
    look("listener", l);
    look("UDP", u);
    look("fresh TCP over IPv6", (int)must("socket", socket(AF_INET6, SOCK_STREAM, 0)));

    /* The inode is the socket's name: the same for copies and over fork, different for others, unchanged by connect. */
    int d = dup(p[0]), s = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    fact("copy has the same inode: %d", inode(d) == inode(p[0]));
    fact("the peer another: %d", inode(p[1]) != inode(p[0]));
    ino_t before = inode(s);
    struct sockaddr_in a = in4("127.0.0.1", port);
    must("connect", connect(s, (struct sockaddr *)&a, sizeof a));
    fact("unchanged by connect: %d", inode(s) == before);
    int c = (int)must("accept", accept(l, NULL, NULL));
    fact("accepted one differs from the listener: %d", inode(c) != inode(l));
    before = inode(u);
    a.sin_port = 0;
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    fact("unchanged by bind: %d", inode(u) == before);
    before = inode(p[0]);
    pid_t k = fork();
    if (k == 0) _exit(inode(p[0]) == before ? 0 : 1);
    reap("same in a child", k);

    /* /proc/self/fd lists exactly the open ones among the low numbers. */
    DIR *dir = opendir("/proc/self/fd");
    int seen[64] = {0}, wrong = 0;
    struct dirent *e;
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.' && atoi(e->d_name) < 64) seen[atoi(e->d_name)] = 1;
    for (int i = 0; i < 64; i++) wrong += seen[i] != (fcntl(i, F_GETFD) >= 0);
    closedir(dir);
    fact("numbers listed wrongly: %d", wrong);
    char path[64], line[128], pos[128] = "", flags[128] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", p[0]);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "pos:", 4)) snprintf(pos, sizeof pos, "%s", line + 5);
        if (!strncmp(line, "flags:", 6)) snprintf(flags, sizeof flags, "%s", line + 7);
    }
    fact("fdinfo: pos %s, flags %s", pos, flags);
    return 0;
}
