/* A program that uses files and pipes and no socket at all, for scripts/strace-compare.sh.
 *
 * Between the two marks on standard output, its system calls must be the same with the library as without it. It
 * uses no stdio and no malloc there, for what those call depends on what has been allocated before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(90);
}

static int check(int result) {
    if (result < 0) _exit(91);
    return result;
}

int main(void) {
    char a[64], b[64];
    struct iovec two[2] = {{a, 5}, {b, 20}};
    struct stat st;
    int waiting, p[2];

    say("== begin ==\n");
    int f = check(open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    check((int)write(f, "hello, file", 11));
    check((int)pwrite(f, "H", 1, 0));
    check((int)lseek(f, 0, SEEK_SET));
    check((int)read(f, a, sizeof a));
    check((int)pread(f, b, 5, 6));
    check((int)lseek(f, 0, SEEK_SET));
    check((int)readv(f, two, 2));
    check((int)writev(f, two, 1));
    check(fstat(f, &st));
    check(fcntl(f, F_GETFL));
    check(fcntl(f, F_SETFD, 0));
    int g = check(dup(f));
    check(dup2(g, 60));
    check(dup3(g, 61, O_CLOEXEC));
    int h = check(fcntl(g, F_DUPFD_CLOEXEC, 40));
    check(close(h));
    check(close(61));
    check(close(60));
    check(close(g));

    check(pipe2(p, O_NONBLOCK));
    check((int)write(p[1], "through a pipe", 14));
    check(ioctl(p[0], FIONREAD, &waiting));
    struct pollfd q[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
    check(poll(q, 2, 1000));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    struct timeval now = {0, 0};
    check(select(p[0] + 1, &set, NULL, NULL, &now));
    int e = check(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    check(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
    check(epoll_wait(e, &event, 1, 1000));
    check((int)read(p[0], a, sizeof a));
    if (read(p[0], a, sizeof a) >= 0) _exit(92);
    check(epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL));
    check(close(e));
    check((int)lseek(f, 0, SEEK_SET));
    check((int)sendfile(p[1], f, NULL, 5));
    check(close(p[0]));
    check(close(p[1]));
    check(close(f));
    if (close(f) == 0 || read(f, a, 1) >= 0) _exit(93);
    check(unlink("file"));
    say("== end ==\n");
    return 0;
}
