/* getsockopt(2) and setsockopt(2) of options that programs try and do without: unknown ones, credentials, cookies,
 * BPF, kTLS (`man 7 tcp` TCP_ULP), TCP_REPAIR, TCP_MD5SIG, TCP_ZEROCOPY_RECEIVE, on fresh and connected sockets. */
#include "../stream/stream.h"
#include "opt.h"
#include <linux/filter.h>
#include <linux/tls.h>
#include <linux/net_tstamp.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static void text(const char *label, int fd, int level, int opt, const char *value) {
    res(label, setsockopt(fd, level, opt, value, (socklen_t)strlen(value)));
}

static void bytes(const char *label, int fd, int level, int opt, unsigned room) {
    unsigned char b[256];
    socklen_t l = room;
    memset(b, 0x55, sizeof b);
    if (getsockopt(fd, level, opt, b, &l) < 0) fact("%s: -1 %s", label, ename(errno));
    else fact("%s: length %u", label, l);
}

int main(void) {
    alarm(8);
    int p[2], fresh = opt_socket(0), u = opt_socket(2), f6 = opt_socket(1), port, l = listener4(&port, 5);
    tcp_pair(p);
    struct { const char *name; int fd; } s[] = {{"fresh", fresh}, {"fresh6", f6}, {"listener", l}, {"connected", p[0]}, {"accepted", p[1]}, {"udp", u}};
    for (unsigned i = 0; i < sizeof s / sizeof *s; i++) {
        int fd = s[i].fd;
        fact("-- %s", s[i].name);
        for (int o = 84; o <= 90; o++) fact("SOL_SOCKET %d: get %s, set %s", o, opt_get(fd, SOL_SOCKET, o), opt_set(fd, SOL_SOCKET, o, 1) ? ename(errno) : "0");
        for (int o = 47; o <= 50; o++) fact("TCP %d: get %s, set %s", o, opt_get(fd, IPPROTO_TCP, o), opt_set(fd, IPPROTO_TCP, o, 1) ? ename(errno) : "0");
        static const int levels[] = {2, 50, 58, 132, 136, 255, 256, 263, 270, 271, 273, 280, 282, 284, -1, 99999};
        for (unsigned k = 0; k < sizeof levels / sizeof *levels; k++)
            fact("level %d: get %s, set %s", levels[k], opt_get(fd, levels[k], 1), opt_set(fd, levels[k], 1, 1) ? ename(errno) : "0");
        struct { int pid; unsigned uid, gid; } cred = {9, 9, 9};
        socklen_t n = sizeof cred;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n)) fact("SO_PEERCRED %s", ename(errno));
        else fact("SO_PEERCRED %d %d %d", cred.pid, (int)cred.uid, (int)cred.gid);
        bytes("SO_COOKIE 8", fd, SOL_SOCKET, SO_COOKIE, 8);
        bytes("SO_COOKIE 7", fd, SOL_SOCKET, SO_COOKIE, 7);
        bytes("SO_MEMINFO", fd, SOL_SOCKET, SO_MEMINFO, 64);
        bytes("SO_PEERSEC", fd, SOL_SOCKET, SO_PEERSEC, 64);
        bytes("26 is there", fd, IPPROTO_TCP, TCP_CC_INFO, 0);
        fact("SO_BPF_EXTENSIONS %s, SO_INCOMING_NAPI_ID %s", opt_get(fd, SOL_SOCKET, SO_BPF_EXTENSIONS), opt_get(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID));
        int cpu = opt_int(fd, SOL_SOCKET, SO_INCOMING_CPU);
        fact("SO_INCOMING_CPU %s", cpu == -1 ? "-1" : cpu >= 0 && cpu < 4096 ? "a processor" : "?");
        int set = opt_set(fd, SOL_SOCKET, SO_INCOMING_CPU, 1);
        /* A packet that comes to a connection sets it again. */
        int other = i != 3 && i != 4;
        fact("set to 1: %s%s%s", set ? ename(errno) : "0", other ? ", reads " : "", other ? opt_get(fd, SOL_SOCKET, SO_INCOMING_CPU) : "");
        /* Set first: arguments have no order. */
        const char *so_busy_poll = opt_set(fd, SOL_SOCKET, SO_BUSY_POLL, 50) ? ename(errno) : "0";
        fact("SO_BUSY_POLL 50: %s, reads %s", so_busy_poll, opt_get(fd, SOL_SOCKET, SO_BUSY_POLL));
        struct { unsigned clock, flags; } tx = {1, 0};
        res("SO_TXTIME monotonic", setsockopt(fd, SOL_SOCKET, SO_TXTIME, &tx, sizeof tx));
        tx.flags = 8;
        res("SO_TXTIME, unknown flag", setsockopt(fd, SOL_SOCKET, SO_TXTIME, &tx, sizeof tx));
        tx.flags = 0;
        tx.clock = 9;
        res("SO_TXTIME, odd clock", setsockopt(fd, SOL_SOCKET, SO_TXTIME, &tx, sizeof tx));
        fact("SO_ZEROCOPY 1: %s, 2: %s", opt_set(fd, SOL_SOCKET, SO_ZEROCOPY, 1) ? ename(errno) : "0", opt_set(fd, SOL_SOCKET, SO_ZEROCOPY, 2) ? ename(errno) : "0");
        text("TCP_ULP tls", fd, IPPROTO_TCP, TCP_ULP, "tls");
        text("TCP_ULP smc", fd, IPPROTO_TCP, TCP_ULP, "smc");
        text("TCP_ULP mptcp", fd, IPPROTO_TCP, TCP_ULP, "mptcp");
        text("TCP_ULP empty", fd, IPPROTO_TCP, TCP_ULP, "");
        res("TCP_ULP bad pointer", setsockopt(fd, IPPROTO_TCP, TCP_ULP, (void *)8, 3));
        bytes("TCP_ULP", fd, IPPROTO_TCP, TCP_ULP, 16);
        struct tls12_crypto_info_aes_gcm_128 tls;
        memset(&tls, 0, sizeof tls);
        tls.info.version = TLS_1_2_VERSION;
        tls.info.cipher_type = TLS_CIPHER_AES_GCM_128;
        res("SOL_TLS TLS_TX", setsockopt(fd, 282, TLS_TX, &tls, sizeof tls));
        bytes("SOL_TLS TLS_RX", fd, 282, TLS_RX, sizeof tls);
        struct tcp_md5sig md5;
        memset(&md5, 0, sizeof md5);
        res("TCP_MD5SIG of zeroes", setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof md5));
        struct sockaddr_in to = in4("127.0.0.9", 0);
        memcpy(&md5.tcpm_addr, &to, sizeof to);
        res("TCP_MD5SIG, no key", setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof md5));
        md5.tcpm_keylen = 200;
        res("TCP_MD5SIG, long key", setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof md5));
        res("TCP_MD5SIG, short", setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, 20));
        struct tcp_zerocopy_receive z;
        memset(&z, 0, sizeof z);
        n = sizeof z;
        res("TCP_ZEROCOPY_RECEIVE, nowhere", getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &n));
        n = 4;
        res("TCP_ZEROCOPY_RECEIVE, short", getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &n));
        int v = 4000;
        res("SO_ATTACH_BPF of no descriptor", setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &v, sizeof v));
        v = 1;
        res("SO_ATTACH_BPF of a file", setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &v, sizeof v));
        res("SO_ATTACH_BPF, short", setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &v, 2));
        res("SO_ATTACH_REUSEPORT_EBPF of a file", setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &v, sizeof v));
        struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, 0}};
        struct sock_fprog prog = {1, code};
        res("SO_ATTACH_REUSEPORT_CBPF without a group", setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof prog));
        res("SO_ATTACH_REUSEPORT_CBPF, short", setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, 8));
        res("SO_DETACH_REUSEPORT_BPF", opt_set(fd, SOL_SOCKET, 68, 1));
        fact("SO_DETACH_FILTER %s", opt_set(fd, SOL_SOCKET, SO_DETACH_FILTER, 0) ? ename(errno) : "0");
        const char *tcp_notsent_lowat = opt_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1) ? ename(errno) : "0";
        fact("TCP_NOTSENT_LOWAT -1: %s reads %s", tcp_notsent_lowat, opt_get(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT));
        uint64_t rate = 1u << 20;
        n = sizeof rate;
        res("SO_MAX_PACING_RATE", setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate));
        rate = 0;
        getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &n);
        fact("reads %llu", (unsigned long long)rate);
        bytes("IP_OPTIONS", fd, IPPROTO_IP, IP_OPTIONS, 40);
        fact("IP_LOCAL_PORT_RANGE %s", opt_get(fd, IPPROTO_IP, 51));
        fact("TCP_SAVED_SYN %s", opt_get(fd, IPPROTO_TCP, TCP_SAVED_SYN));
        fact("SO_PEERPIDFD %s", opt_get(fd, SOL_SOCKET, 77));
        const char *so_peek_off = opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, 3) ? ename(errno) : "0";
        fact("SO_PEEK_OFF 3: %s, reads %s", so_peek_off, opt_get(fd, SOL_SOCKET, SO_PEEK_OFF));
        opt_set(fd, SOL_SOCKET, SO_PEEK_OFF, -1);
    }
    return 0;
}
