/* fcntl on sockets: descriptor flags, file status flags, owner, signal, locks, leases, sizes and
 * unknown commands (man 2 fcntl). */
#include "t.h"

static void try(int fd, const char *kind) {
    fact("%s", kind);
    res("  F_GETFD", fcntl(fd, F_GETFD));
    res("  F_SETFD 1", fcntl(fd, F_SETFD, FD_CLOEXEC));
    res("  F_GETFD", fcntl(fd, F_GETFD));
    res("  F_SETFD 0xff", fcntl(fd, F_SETFD, 0xff));
    res("  F_GETFD", fcntl(fd, F_GETFD));
    res("  F_SETFD 0xfe", fcntl(fd, F_SETFD, 0xfe));
    res("  F_GETFD", fcntl(fd, F_GETFD));
    fact("  F_GETFL: %x", fcntl(fd, F_GETFL));
    res("  F_SETFL O_NONBLOCK", fcntl(fd, F_SETFL, O_NONBLOCK));
    fact("  F_GETFL: %x", fcntl(fd, F_GETFL));
    /* Only O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME and O_NONBLOCK can be changed; the rest is passed over. */
    res("  F_SETFL O_APPEND | O_CREAT | O_TRUNC | O_WRONLY", fcntl(fd, F_SETFL, O_APPEND | O_CREAT | O_TRUNC | O_WRONLY));
    fact("  F_GETFL: %x", fcntl(fd, F_GETFL));
    res("  F_SETFL O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT));
    res("  F_SETFL O_ASYNC", fcntl(fd, F_SETFL, O_ASYNC));
    fact("  F_GETFL: %x", fcntl(fd, F_GETFL));
    res("  F_SETFL 0", fcntl(fd, F_SETFL, 0));
    fact("  F_GETFL: %x", fcntl(fd, F_GETFL));
    int v = 0, r;
    res("  F_GETOWN", fcntl(fd, F_GETOWN));
    res("  F_SETOWN", fcntl(fd, F_SETOWN, getpid()));
    fact("  F_GETOWN is me: %d", fcntl(fd, F_GETOWN) == getpid());
    r = ioctl(fd, SIOCGPGRP, &v);
    fact("  SIOCGPGRP %d is me: %d", r, v == getpid());
    v = -getpgrp();
    res("  FIOSETOWN of a group", ioctl(fd, FIOSETOWN, &v));
    struct f_owner_ex o = {0};
    res("  F_GETOWN_EX", fcntl(fd, F_GETOWN_EX, &o));
    fact("  is my group: %d", o.type == F_OWNER_PGRP && o.pid == getpgrp());
    o.type = F_OWNER_TID;
    o.pid = gettid();
    res("  F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &o));
    fact("  F_GETOWN is me: %d", fcntl(fd, F_GETOWN) == gettid());
    res("  F_SETOWN of nobody", fcntl(fd, F_SETOWN, 0));
    res("  F_SETOWN of an unused pid", fcntl(fd, F_SETOWN, 0x3ffffff));
    res("  F_GETSIG", fcntl(fd, F_GETSIG));
    res("  F_SETSIG SIGUSR1", fcntl(fd, F_SETSIG, SIGUSR1));
    fact("  F_GETSIG is SIGUSR1: %d", fcntl(fd, F_GETSIG) == SIGUSR1);
    res("  F_SETSIG 1000", fcntl(fd, F_SETSIG, 1000));
    res("  F_SETSIG 0", fcntl(fd, F_SETSIG, 0));
    struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    res("  F_SETLK read", fcntl(fd, F_SETLK, &fl));
    fl.l_type = F_WRLCK;
    res("  F_SETLK write", fcntl(fd, F_SETLK, &fl));
    fl.l_whence = 9;
    res("  F_SETLK whence 9", fcntl(fd, F_SETLK, &fl));
    fl = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
    res("  F_SETLK unlock", fcntl(fd, F_SETLK, &fl));
    fl.l_type = F_WRLCK;
    res("  F_GETLK", fcntl(fd, F_GETLK, &fl));
    fact("  free: %d", fl.l_type == F_UNLCK);
    res("  F_SETLEASE", fcntl(fd, F_SETLEASE, F_RDLCK));
    res("  F_GETLEASE is unlocked", fcntl(fd, F_GETLEASE) == F_UNLCK ? 0 : 1);
    res("  F_GETPIPE_SZ", fcntl(fd, F_GETPIPE_SZ));
    res("  F_SETPIPE_SZ", fcntl(fd, F_SETPIPE_SZ, 65536));
    res("  F_GET_SEALS", fcntl(fd, F_GET_SEALS));
    res("  F_ADD_SEALS", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    res("  F_NOTIFY", fcntl(fd, F_NOTIFY, DN_ACCESS));
    res("  unknown command", fcntl(fd, 4711, 0));
    res("  negative command", fcntl(fd, -1, 0));
    v = 1;
    res("  FIONBIO 1", ioctl(fd, FIONBIO, &v));
    fact("  O_NONBLOCK: %d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    res("  FIOASYNC 1", ioctl(fd, FIOASYNC, &v));
    fact("  O_ASYNC: %d", !!(fcntl(fd, F_GETFL) & O_ASYNC));
    v = 0;
    ioctl(fd, FIOASYNC, &v);
    ioctl(fd, FIONBIO, &v);
    fact("  both cleared, F_GETFL: %x", fcntl(fd, F_GETFL));
    res("  FIOCLEX", ioctl(fd, FIOCLEX));
    res("  F_GETFD", fcntl(fd, F_GETFD));
    res("  FIONCLEX", ioctl(fd, FIONCLEX));
    res("  F_GETFD", fcntl(fd, F_GETFD));
    res("  FIONBIO of NULL", ioctl(fd, FIONBIO, NULL));
}

int main(void) {
    alarm(8);
    /* No SIGIO may kill the test while O_ASYNC is on. */
    signal(SIGIO, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    int p[2], port, l = listener4(&port, 4);
    tcp_pair(p);
    try(p[0], "connection");
    try(l, "listener");
    try((int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), "fresh TCP");
    try((int)must("socket", socket(AF_INET6, SOCK_DGRAM, 0)), "UDP");
    res("fcntl of a closed one", fcntl(999, F_GETFL));
    res("fcntl of -1", fcntl(-1, F_GETFD));
    res("unknown command on a closed one", fcntl(999, 4711));
    int s = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    fact("SOCK_NONBLOCK | SOCK_CLOEXEC: %x, %d", fcntl(s, F_GETFL), fcntl(s, F_GETFD));
    /* accept gives fresh flags whatever the listener has. */
    fcntl(l, F_SETFL, O_NONBLOCK);
    fcntl(l, F_SETFD, FD_CLOEXEC);
    fcntl(s, F_SETFL, 0);
    struct sockaddr_in a = in4("127.0.0.1", port);
    for (int i = 0; i < 3; i++) {
        int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
        int d = i == 0 ? accept(l, NULL, NULL) : accept4(l, NULL, NULL, i == 1 ? SOCK_NONBLOCK : SOCK_CLOEXEC);
        static const char *how[] = {"0", "SOCK_NONBLOCK", "SOCK_CLOEXEC"};
        fact("accepted (%s): %x, %d", how[i], fcntl(d, F_GETFL), fcntl(d, F_GETFD));
    }
    res("accept4 with a bad flag", accept4(l, NULL, NULL, 1));
    return 0;
}
