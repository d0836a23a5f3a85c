/* socketpair() serves AF_UNIX only (man 2 socketpair: EOPNOTSUPP); what it does to the descriptors and the array when
 * it fails. */
#include "t.h"

static void try(const char *label, int family, int type, int protocol) {
    int sv[2] = {-7, -8}, before = dup(0);
    close(before);
    errno = 0;
    ok(label, socketpair(family, type, protocol, sv));
    if (sv[0] >= 0) close(sv[0]);
    if (sv[1] >= 0) close(sv[1]);
    int after = dup(0);
    close(after);
    fact("%s: array %s, descriptors %s", label, sv[0] == -7 && sv[1] == -8 ? "untouched" : "written", before == after
         ? "none left" : "left");
}

int main(void) {
    alarm(8);
    try("inet stream", AF_INET, SOCK_STREAM, 0);
    try("inet dgram", AF_INET, SOCK_DGRAM, 0);
    try("inet stream tcp", AF_INET, SOCK_STREAM, IPPROTO_TCP);
    try("inet dgram udp", AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    try("inet6 stream", AF_INET6, SOCK_STREAM, 0);
    try("inet6 dgram", AF_INET6, SOCK_DGRAM, 0);
    try("inet stream with cloexec", AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    try("inet stream udp", AF_INET, SOCK_STREAM, IPPROTO_UDP);
    try("inet type 12", AF_INET, 12, 0);
    try("inet flag 0x100", AF_INET, SOCK_STREAM | 0x100, 0);
    try("family unspec", AF_UNSPEC, SOCK_STREAM, 0);
    try("family 1000", 1000, SOCK_STREAM, 0);
    try("unix stream", AF_UNIX, SOCK_STREAM, 0);
    try("unix stream protocol 6", AF_UNIX, SOCK_STREAM, IPPROTO_TCP);
    /* A unix pair is none of the inet layer's business: it works as ever. */
    int sv[2];
    char b[8];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
    res("unix pair write", write(sv[0], "abc", 3));
    res("unix pair read", read(sv[1], b, sizeof b));
    fact("unix pair cloexec: %d %d", fcntl(sv[0], F_GETFD), fcntl(sv[1], F_GETFD));
    int t = 0;
    socklen_t l = sizeof t;
    getsockopt(sv[0], SOL_SOCKET, SO_DOMAIN, &t, &l);
    fact("unix pair domain: %d", t);
    return 0;
}
