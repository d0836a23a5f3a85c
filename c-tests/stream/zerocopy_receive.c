/* Mapping a TCP socket and TCP_ZEROCOPY_RECEIVE (net/ipv4/tcp.c, tcp_mmap and tcp_zerocopy_receive; `man 2 mmap`): the
 * mapping can be read only, and has no page until one comes; on loopback none does, so that all bytes are told of for
 * recv(2) or copied to the second buffer. */
#include "t.h"

#include <setjmp.h>
#include <sys/mman.h>

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
enum { PAGE = 4096, PAGES = 16, ZEROCOPY_RECEIVE = 35 };

/* struct tcp_zerocopy_receive of linux/tcp.h, which goes with netinet/tcp.h in no file. */
struct request {
    uint64_t address;
    uint32_t length, skip, waiting;
    int32_t error;
    uint64_t copy_address;
    int32_t copy_length;
    uint32_t flags;
    uint64_t control, control_length;
    uint32_t message_flags, reserved;
};

static sigjmp_buf out;
static volatile int signal_came, code_came;
static void came(int number, siginfo_t *info, void *at) {
    (void)at;
    signal_came = number;
    code_came = info->si_code;
    siglongjmp(out, 1);
}

static void touch(const char *what, volatile char *at, int writes) {
    signal_came = 0;
    if (sigsetjmp(out, 1) == 0) {
        if (writes) *at = 1;
        else (void)*at;
    }
    fact("%s: %s %d", what, signal_came == SIGBUS ? "SIGBUS" : signal_came == SIGSEGV ? "SIGSEGV" : "nothing", signal_came ? code_came : 0);
}

static void map(const char *what, int fd, size_t length, int rights, int flags, off_t offset) {
    void *at = mmap(NULL, length, rights, flags, fd, offset);
    res(what, at == MAP_FAILED ? -1 : 0);
    if (at != MAP_FAILED) munmap(at, length);
}

static struct request ask(const char *what, int fd, struct request r, socklen_t length) {
    socklen_t given = length;
    int done = getsockopt(fd, IPPROTO_TCP, ZEROCOPY_RECEIVE, &r, &length);
    if (done < 0) fact("%s: -1 %s", what, ename(errno));
    else fact("%s: size %d of %d, mapped %u, left %u, waiting %u, error %d, copied %d", what, (int)length, (int)given, r.length, r.skip,
        r.waiting, r.error, r.copy_length);
    return r;
}

static void await(int fd, int bytes) {
    for (int i = 0, n = 0; i < 4000; i++) {
        if (ioctl(fd, FIONREAD, &n) == 0 && n >= bytes) return;
        usleep(500);
    }
    fact("the bytes did not come");
}

static void mappings(int family) {
    int fd = (int)must("socket", socket(family, SOCK_STREAM, 0));
    map("read, shared", fd, PAGE, PROT_READ, MAP_SHARED, 0);
    map("read, private", fd, PAGE, PROT_READ, MAP_PRIVATE, 0);
    map("no rights", fd, PAGE, PROT_NONE, MAP_SHARED, 0);
    map("write", fd, PAGE, PROT_WRITE, MAP_SHARED, 0);
    map("read and write, private", fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    map("execute", fd, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0);
    map("from an offset", fd, PAGE, PROT_READ, MAP_SHARED, PAGE);
    map("from within a page", fd, PAGE, PROT_READ, MAP_SHARED, 1);
    map("nothing", fd, 0, PROT_READ, MAP_SHARED, 0);
    map("less than a page", fd, 100, PROT_READ, MAP_SHARED, 0);
    map("neither shared nor private", fd, PAGE, PROT_READ, 0, 0);
    map("populated", fd, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, 0);
    map("validated", fd, PAGE, PROT_READ, MAP_SHARED_VALIDATE, 0);
    map("anonymous", fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
    close(fd);
    fd = (int)must("socket", socket(family, SOCK_DGRAM, 0));
    map("of UDP", fd, PAGE, PROT_READ, MAP_SHARED, 0);
    close(fd);
    map("of none", fd, PAGE, PROT_READ, MAP_SHARED, 0);
}

int main(void) {
    alarm(8);
    int p[2], port, other[2];
    struct sigaction on = {.sa_sigaction = came, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &on, NULL);
    sigaction(SIGBUS, &on, NULL);
    fact("-- mmap");
    mappings(AF_INET);
    mappings(AF_INET6);
    int listening = listener4(&port, 4), fresh = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    map("a listener", listening, PAGE, PROT_READ, MAP_SHARED, 0);
    tcp_pair(p);
    tcp_pair(other);
    char *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, p[0], 0);
    char *own = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch("read", at, 0);
    touch("written", at, 1);
    res("mprotect to write", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    res("mprotect to execute", mprotect(at, PAGE, PROT_READ | PROT_EXEC));
    at = mremap(at, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
    res("mremap", at == MAP_FAILED ? -1 : 0);
    must("munmap", munmap(at + PAGES * PAGE, PAGES * PAGE));
    pid_t k = fork();
    if (k == 0) {
        touch("read by a child", at, 0);
        _exit(0);
    }
    reap("child", k);

    fact("-- TCP_ZEROCOPY_RECEIVE");
    struct request r = {.address = (uint64_t)(uintptr_t)at, .length = PAGE}, longer[2] = {r, {0}};
    enum { WHOLE = sizeof r };
    socklen_t length = sizeof longer;
    res("twice as long", getsockopt(p[0], IPPROTO_TCP, ZEROCOPY_RECEIVE, longer, &length));
    fact("then %d", (int)length);
    longer[0] = r;
    longer[1].flags = 1;
    length = sizeof longer;
    res("not zero behind it", getsockopt(p[0], IPPROTO_TCP, ZEROCOPY_RECEIVE, longer, &length));
    ask("a listener", listening, r, WHOLE);
    ask("fresh", fresh, r, WHOLE);
    int v = 1;
    res("set", setsockopt(p[0], IPPROTO_TCP, ZEROCOPY_RECEIVE, &v, sizeof v));

    fact("-- less than a page");
    must("send", send(p[1], "hello", 5, 0));
    await(p[0], 5);
    ask("five", p[0], r, WHOLE);
    for (int size = 8; size <= WHOLE; size += 2) {
        char what[32];
        snprintf(what, sizeof what, "%d bytes", size);
        ask(what, p[0], r, (socklen_t)size);
    }
    struct request odd = r;
    odd.address++;
    ask("unaligned", p[0], odd, WHOLE);
    odd.address = (uint64_t)(uintptr_t)own;
    ask("other memory", p[0], odd, WHOLE);
    odd = r;
    odd.reserved = 1;
    ask("reserved", p[0], odd, WHOLE);
    odd.reserved = 0;
    odd.message_flags = 1;
    ask("message flags", p[0], odd, WHOLE);
    static char buffer[PAGES * PAGE];
    struct request copying = r;
    copying.copy_address = (uint64_t)(uintptr_t)buffer;
    copying.copy_length = 3;
    ask("room for three", p[0], copying, WHOLE);
    copying.copy_length = -1;
    ask("less than no room", p[0], copying, WHOLE);
    copying.copy_length = 5;
    ask("room for all", p[0], copying, WHOLE);
    fact("copied: %.5s", buffer);
    ask("room, but nothing there", p[0], copying, WHOLE);
    must("send", send(p[1], "again", 5, 0));
    await(p[0], 5);
    copying.copy_address = 8;
    ask("nowhere", p[0], copying, WHOLE);
    copying.copy_address = (uint64_t)(uintptr_t)buffer;
    ask("somewhere", p[0], copying, WHOLE);

    fact("-- pages");
    static char sent[3 * PAGE];
    for (unsigned i = 0; i < sizeof sent; i++) sent[i] = (char)('a' + i % 26);
    must("send", send(p[1], sent, sizeof sent, 0));
    await(p[0], sizeof sent);
    r.length = PAGES * PAGE;
    ask("three pages", p[0], r, WHOLE);
    odd = r;
    odd.address = (uint64_t)(uintptr_t)own;
    ask("other memory", p[0], odd, WHOLE);
    odd.address = 0;
    ask("no memory", p[0], odd, WHOLE);
    odd = r;
    odd.length = 100;
    ask("asked for less than a page", p[0], odd, WHOLE);
    odd.length = 0;
    ask("asked for nothing", p[0], odd, WHOLE);
    touch("read", at, 0);
    copying.length = PAGES * PAGE;
    copying.copy_length = 100;
    ask("with room for 100", p[0], copying, WHOLE);
    fact("copied: %s", memcmp(buffer, sent, 100) ? "something else" : "the first 100");
    copying.length = 50;
    ask("asked for 50, with room for 100", p[0], copying, WHOLE);
    fact("copied: %s", memcmp(buffer, sent + 100, 50) ? "something else" : "the next 50");
    copying.length = PAGES * PAGE;
    copying.copy_length = sizeof buffer;
    ask("with room for all", p[0], copying, WHOLE);
    fact("copied: %s", memcmp(buffer, sent + 150, sizeof sent - 150) ? "something else" : "the rest");
    must("send", send(other[1], sent, sizeof sent, 0));
    await(other[0], sizeof sent);
    ask("into another socket's mapping", other[0], r, WHOLE);
    res("munmap", munmap(at, PAGES * PAGE));
    ask("into no mapping any more", other[0], r, WHOLE);

    fact("-- the end");
    must("send", send(p[1], "last", 4, 0));
    must("shutdown", shutdown(p[1], SHUT_WR));
    await(p[0], 4);
    struct pollfd end = {p[0], POLLRDHUP, 0};
    must("poll", poll(&end, 1, 4000));
    ask("four and the end", p[0], r, WHOLE);
    copying.copy_length = 10;
    ask("copied", p[0], copying, WHOLE);
    ask("the end", p[0], r, WHOLE);
    ask("the end, with room", p[0], copying, WHOLE);
    return 0;
}
