/* Which (family, type, protocol) socket() refuses, and with which errno (man 2 socket, ERRORS; net/socket.c: the
 * family is judged before the type, the type before the protocol, flag bits before all of them). */
#include "t.h"

static void try(const char *label, int family, int type, int protocol) {
    int fd = socket(family, type, protocol);
    ok(label, fd);
    if (fd >= 0) close(fd);
}

int main(void) {
    alarm(8);
    char label[96];
    static const int families[] = {-2147483647 - 1, -1, 46, 47, 64, 255, 1000, 2147483647};
    for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
        snprintf(label, sizeof label, "family %d stream", families[i]);
        try(label, families[i], SOCK_STREAM, 0);
    }
    try("family unspec stream", AF_UNSPEC, SOCK_STREAM, 0);

    /* Raw and packet types depend on privileges, so they stay out; SOCK_DCCP depends on a module. */
    static const int types[] = {0, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        for (int v6 = 0; v6 < 2; v6++) {
            snprintf(label, sizeof label, "%s type %d", v6 ? "inet6" : "inet", types[i]);
            try(label, v6 ? AF_INET6 : AF_INET, types[i], 0);
        }
    }
    try("type -1", AF_INET, -1, 0);
    try("stream with flag 0x10", AF_INET, SOCK_STREAM | 0x10, 0);
    try("stream with flag 0x100", AF_INET, SOCK_STREAM | 0x100, 0);
    try("stream with O_APPEND", AF_INET, SOCK_STREAM | O_APPEND, 0);
    try("stream with O_RDWR", AF_INET, SOCK_STREAM | O_RDWR, 0);
    try("stream with bit 30", AF_INET, SOCK_STREAM | 0x40000000, 0);
    try("stream with cloexec and nonblock", AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    try("dgram with cloexec and flag 0x10", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | 0x10, 0);

    static const int protocols[] = {-2147483647 - 1, -1, 0, 1, 2, 6, 17, 41, 58, 255, 263, 1000, 2147483647};
    for (unsigned i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        int p = protocols[i];
        for (int v6 = 0; v6 < 2; v6++) {
            snprintf(label, sizeof label, "%s stream protocol %d", v6 ? "inet6" : "inet", p);
            try(label, v6 ? AF_INET6 : AF_INET, SOCK_STREAM, p);
            /* Ping sockets (1 and 58) are open or closed by a sysctl. */
            if (p == 1 || p == 58) continue;
            snprintf(label, sizeof label, "%s dgram protocol %d", v6 ? "inet6" : "inet", p);
            try(label, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, p);
        }
    }
    /* Which error wins. */
    try("bad family and bad type", 1000, 12, 0);
    try("bad family and bad flag", 1000, SOCK_STREAM | 0x100, 0);
    try("bad type and bad protocol", AF_INET, 12, -1);
    try("unserved type and bad protocol", AF_INET, SOCK_RDM, -1);
    try("unserved type and unserved protocol", AF_INET, SOCK_RDM, 6);
    try("bad flag and bad type", AF_INET, 12 | 0x100, 0);
    /* A refused call takes no descriptor. */
    int a = dup(0);
    close(a);
    socket(AF_INET, SOCK_STREAM, IPPROTO_UDP);
    socket(AF_INET, SOCK_RDM, 0);
    int b = dup(0);
    fact("next descriptor unchanged by failures: %s", a == b ? "yes" : "no");
    return 0;
}
