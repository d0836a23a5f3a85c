/* Pointers that cannot be read or written give EFAULT and no signal (`man 2 send`, `man 2 recv`); bytes before the
 * bad place may count, the stream stays in step, and the program's own SIGSEGV handler works as before. */
#include "stream.h"
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf jb;
static volatile sig_atomic_t segv;
static void on_segv(int s) { (void)s; segv++; siglongjmp(jb, 1); }

static int p[2];
/* What arrives next to the letter, up to a '.' that is sent behind it: shows that nothing was lost or left over. */
static void in_step(const char *label) {
    char b[64] = "";
    size_t n = 0;
    must("send", send(p[0], ".", 1, 0));
    while (n < 60 && recv(p[1], b + n, 1, 0) == 1 && b[n++] != '.') {}
    fact("%s, then the stream says: %s", label, b);
}

int main(void) {
    alarm(8);
    struct sigaction sa = {.sa_handler = on_segv, .sa_flags = SA_NODEFER}, old;
    sigaction(SIGSEGV, &sa, NULL);
    tcp_pair(p);
    long pg = sysconf(_SC_PAGESIZE);
    char *m = mmap(NULL, (size_t)pg * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *ro = m + pg * 2, *hole = m + pg;
    memset(m, 'a', (size_t)pg * 4);
    mprotect(hole, (size_t)pg, PROT_NONE);
    mprotect(ro, (size_t)pg, PROT_READ);

    char *volatile nowhere = NULL; /* volatile: the compiler would warn */
    res("send from NULL", send(p[0], nowhere, 5, 0));
    res("send from a hole", send(p[0], hole, 5, 0));
    res("write from a hole", write(p[0], hole, 5));
    res("send from a kernel address", send(p[0], (char *)0xffff800000000000UL, 5, 0));
    res("send of 0 from a hole", send(p[0], hole, 0, 0));
    in_step("nothing");
    long r = send(p[0], hole - 6, 12, 0);
    fact("send across the edge: %s",
         r == -1 && errno == EFAULT ? "EFAULT or a part" : r > 0 && r <= 6 ? "EFAULT or a part" : "something else");
    char b[64];
    if (r > 0) fact("the part came: %s", read_full(p[1], b, (size_t)r) == r ? "yes" : "no");
    in_step("whatever was told to be sent was read");
    struct iovec v[3] = {{"good", 4}, {hole, 4}, {"more", 4}};
    r = writev(p[0], v, 3);
    fact("writev with the second bad: %s", (r == -1 && errno == EFAULT) || r == 4 ? "EFAULT or 4" : "something else");
    if (r == 4) read_full(p[1], b, 4);
    in_step("likewise");
    res("send from read-only memory", send(p[0], ro, 3, 0));
    in_step("that is fine");
    struct msghdr h = {.msg_iov = (void *)hole, .msg_iovlen = 1};
    res("sendmsg, iovec in a hole", sendmsg(p[0], &h, 0));
    res("sendmsg, header in a hole", sendmsg(p[0], (void *)hole, 0));
    res("writev, vector in a hole", writev(p[0], (void *)hole, 1));
    h = (struct msghdr){.msg_iov = v, .msg_iovlen = 1, .msg_control = hole, .msg_controllen = 32};
    res("sendmsg, control in a hole", sendmsg(p[0], &h, 0));
    in_step("nothing");

    /* Receiving: what could not be delivered is still there. */
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    res("recv into a hole", recv(p[1], hole, 5, 0));
    res("recv into read-only memory", recv(p[1], ro, 5, 0));
    res("read into NULL", read(p[1], nowhere, 5));
    res("recv of 0 into a hole", recv(p[1], hole, 0, 0));
    fact_recv("still there", p[1], 100, MSG_PEEK | MSG_DONTWAIT);
    res("recv across the edge", recv(p[1], hole - 3, 5, 0));
    fact_recv("what is there now", p[1], 100, MSG_PEEK | MSG_DONTWAIT);
    struct iovec w[2] = {{b, 2}, {hole, 10}};
    res("readv with the second bad", readv(p[1], w, 2));
    fact_recv("what is there now", p[1], 100, MSG_PEEK | MSG_DONTWAIT);
    res("recv with a length beyond the hole, data short enough", recv(p[1], hole - 5, 5000, MSG_DONTWAIT));
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    h = (struct msghdr){.msg_iov = w, .msg_iovlen = 1, .msg_name = hole, .msg_namelen = 16, .msg_control = hole,
        .msg_controllen = 16};
    res("recvmsg, name and control in a hole", recvmsg(p[1], &h, MSG_DONTWAIT));
    socklen_t *bl = (socklen_t *)(void *)hole;
    struct sockaddr_in a;
    res("recvfrom, length in a hole", recvfrom(p[1], b, 1, MSG_DONTWAIT, (struct sockaddr *)&a, bl));
    fact_recv("left", p[1], 100, MSG_DONTWAIT);

    res("getsockopt into a hole", getsockopt(p[1], SOL_SOCKET, SO_TYPE, hole, &(socklen_t){4}));
    res("setsockopt from a hole", setsockopt(p[1], SOL_SOCKET, SO_KEEPALIVE, hole, 4));
    res("getsockname into a hole", getsockname(p[1], (struct sockaddr *)hole, &(socklen_t){16}));
    res("getpeername into read-only memory", getpeername(p[1], (struct sockaddr *)ro, &(socklen_t){16}));
    res("connect from a hole", connect(p[1], (struct sockaddr *)hole, 16));
    res("bind from a hole", bind(p[1], (struct sockaddr *)hole, 16));
    res("poll of a hole", poll((struct pollfd *)(void *)hole, 1, 0));
    res("select of a hole", select(p[1] + 1, (fd_set *)(void *)hole, NULL, NULL, &(struct timeval){0, 0}));

    fact("handler called so far: %d", (int)segv);
    sigaction(SIGSEGV, NULL, &old);
    fact("handler is the program's own: %s", old.sa_handler == on_segv ? "yes" : "no");
    for (int i = 0; i < 2; i++) if (sigsetjmp(jb, 1) == 0) *(volatile char *)hole = 1;
    if (sigsetjmp(jb, 1) == 0) *(volatile char *)ro = 1;
    fact("handler called by own faults: %d", (int)segv);
    res("send from a hole after it", send(p[0], hole, 5, 0));
    in_step("and");
    return 0;
}
