/* Calls that belong to files, on sockets (man 2 lseek, pread, ftruncate, fsync, mmap, fallocate, fchmod, getdents:
 * ESPIPE, EINVAL, ENODEV, ENOTDIR ...). */
#include "t.h"
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static void all(const char *who, int fd) {
    char l[96], b[64] = "x";
    struct iovec v = {b, 1};
    int file = (int)must("open", open("/proc/self/exe", O_RDONLY));
    off_t off = 0;
    loff_t loff = 0;
    int p[2];
    must("pipe", pipe2(p, O_NONBLOCK));
#define C(name, expr) (snprintf(l, sizeof l, "%s %s", who, name), errno = 0, res(l, (long)(expr)))
    C("lseek set", lseek(fd, 0, SEEK_SET));
    C("lseek cur", lseek(fd, 0, SEEK_CUR));
    C("lseek bad whence", lseek(fd, 0, 99));
    C("pread", pread(fd, b, 1, 0));
    C("pread negative offset", pread(fd, b, 1, -1));
    C("pwrite", pwrite(fd, b, 1, 0));
    C("preadv", preadv(fd, &v, 1, 0));
    C("pwritev", pwritev(fd, &v, 1, 0));
    C("ftruncate 0", ftruncate(fd, 0));
    C("ftruncate -1", ftruncate(fd, -1));
    C("fallocate", fallocate(fd, 0, 0, 10));
    C("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL));
    C("fsync", fsync(fd));
    C("fdatasync", fdatasync(fd));
    C("sync_file_range", sync_file_range(fd, 0, 0, 0));
    C("readahead", readahead(fd, 0, 10));
    C("mmap shared", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    C("mmap private", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    C("fchdir", fchdir(fd));
    C("flock", flock(fd, LOCK_EX | LOCK_NB));
    C("flock unlock", flock(fd, LOCK_UN));
    struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    C("fcntl F_SETLK", fcntl(fd, F_SETLK, &lk));
    C("fcntl F_GETPIPE_SZ", fcntl(fd, F_GETPIPE_SZ));
    C("fcntl F_GET_SEALS", fcntl(fd, F_GET_SEALS));
    C("fcntl F_GETLEASE", fcntl(fd, F_GETLEASE));
    C("fcntl 9999", fcntl(fd, 9999, 0));
    C("openat below it", openat(fd, "x", O_RDONLY));
    C("fgetxattr", fgetxattr(fd, "user.x", b, sizeof b));
    C("tcgetpgrp", tcgetpgrp(fd));
    struct statfs sf;
    C("fstatfs", fstatfs(fd, &sf));
    fact("%s filesystem magic is SOCKFS: %s", who, sf.f_type == 0x534F434B ? "yes" : "no");
    C("sendfile from it", sendfile(p[1], fd, NULL, 10));
    C("sendfile from it with offset", sendfile(p[1], fd, &off, 10));
    C("splice with an offset", splice(fd, &loff, p[1], NULL, 10, SPLICE_F_NONBLOCK));
    C("splice socket to socket", splice(fd, NULL, fd, NULL, 10, SPLICE_F_NONBLOCK));
    C("tee", tee(fd, p[1], 10, SPLICE_F_NONBLOCK));
    C("vmsplice", vmsplice(fd, &v, 1, SPLICE_F_NONBLOCK));
    C("copy_file_range", copy_file_range(file, NULL, fd, NULL, 10, 0));
    C("syncfs", syncfs(fd));
    struct stat st;
    C("fchmod", fchmod(fd, 0600));
    must("fstat", fstat(fd, &st));
    fact("%s mode after fchmod: 0%o", who, (unsigned)st.st_mode & 07777);
    C("fchown to nobody in particular", fchown(fd, (uid_t)-1, (gid_t)-1));
    C("fpathconf PIPE_BUF", fpathconf(fd, _PC_PIPE_BUF));
#undef C
    close(file);
    close(p[0]);
    close(p[1]);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    int p[2], u = (int)must("socket", socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    tcp_pair(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    all("tcp", p[0]);
    int s = (int)must("socket", socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
    all("fresh tcp6", s);
    all("udp", u);
    return 0;
}
