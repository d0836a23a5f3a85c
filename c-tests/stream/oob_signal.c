/* SIGURG goes to the owner of the descriptor set by F_SETOWN, FIOSETOWN or F_SETOWN_EX; without an owner nobody gets it
 * (`man 2 fcntl`, `man 7 tcp`). select shows urgent data as an exceptional condition. SIGIO by O_ASYNC. */
#include "stream.h"

static volatile sig_atomic_t urg, io;
static void on_urg(int s) { (void)s; urg++; }
static void on_io(int s) { (void)s; io++; }

/* Waits up to ms for the signal. */
static const char *came(volatile sig_atomic_t *n, int ms) {
    for (int i = 0; i < ms / 5 && !*n; i++) sleep_ms(5);
    const char *r = *n ? "yes" : "no";
    *n = 0;
    return r;
}

int main(void) {
    alarm(8);
    int p[2];
    char b[8];
    struct sigaction sa = {.sa_handler = on_urg, .sa_flags = SA_RESTART}, si = {.sa_handler = on_io,
        .sa_flags = SA_RESTART};
    sigaction(SIGURG, &sa, NULL);
    sigaction(SIGIO, &si, NULL);
    tcp_pair(p);
    res("F_GETOWN by default", fcntl(p[1], F_GETOWN));
    must("send", send(p[0], "!", 1, MSG_OOB));
    await(p[1], POLLPRI);
    fact("SIGURG without an owner: %s", came(&urg, 40));
    fact_recv("MSG_OOB", p[1], 1, MSG_OOB);

    res("F_SETOWN", fcntl(p[1], F_SETOWN, getpid()));
    fact("F_GETOWN is this process: %s", fcntl(p[1], F_GETOWN) == getpid() ? "yes" : "no");
    int o = 0;
    ioctl(p[1], FIOGETOWN, &o);
    fact("FIOGETOWN is this process: %s", o == getpid() ? "yes" : "no");
    o = 0;
    ioctl(p[1], SIOCGPGRP, &o);
    fact("SIOCGPGRP is this process: %s", o == getpid() ? "yes" : "no");
    must("send", send(p[0], "n", 1, 0));
    await(p[1], POLLIN);
    fact("SIGURG for ordinary data: %s", came(&urg, 40));
    must("send", send(p[0], "#", 1, MSG_OOB));
    fact("SIGURG for urgent data: %s", came(&urg, 1000));

    fd_set r, w, x;
    FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&x);
    FD_SET(p[1], &r); FD_SET(p[1], &w); FD_SET(p[1], &x);
    struct timeval tv = {1, 0};
    res("select", select(p[1] + 1, &r, &w, &x, &tv));
    fact("read %d write %d except %d", !!FD_ISSET(p[1], &r), !!FD_ISSET(p[1], &w), !!FD_ISSET(p[1], &x));
    fact("sockatmark %d", sockatmark(p[1]));
    fact_recv("read", p[1], 10, MSG_DONTWAIT);
    fact("sockatmark %d", sockatmark(p[1]));
    fact_recv("MSG_OOB", p[1], 1, MSG_OOB);
    FD_ZERO(&x); FD_SET(p[1], &x);
    tv.tv_sec = 0; tv.tv_usec = 0;
    res("select for exceptions after it was fetched", select(p[1] + 1, NULL, NULL, &x, &tv));

    struct f_owner_ex ex = {F_OWNER_PID, 0}, back;
    res("F_SETOWN_EX nobody", fcntl(p[1], F_SETOWN_EX, &ex));
    res("F_GETOWN", fcntl(p[1], F_GETOWN));
    must("send", send(p[0], "$", 1, MSG_OOB));
    await(p[1], POLLPRI);
    fact("SIGURG after the owner was removed: %s", came(&urg, 40));
    fact_recv("MSG_OOB", p[1], 1, MSG_OOB);
    ex.pid = getpid();
    res("F_SETOWN_EX this process", fcntl(p[1], F_SETOWN_EX, &ex));
    res("F_GETOWN_EX", fcntl(p[1], F_GETOWN_EX, &back));
    fact("type %d, this process: %s", back.type, back.pid == getpid() ? "yes" : "no");
    res("F_SETOWN of a pid that is none", fcntl(p[1], F_SETOWN, 0x3ffffff));
    res("F_SETOWN process group", fcntl(p[1], F_SETOWN, -getpgrp()));
    fact("F_GETOWN is minus the group: %s", fcntl(p[1], F_GETOWN) == -getpgrp() ? "yes" : "no");

    o = getpid();
    res("FIOSETOWN", ioctl(p[1], FIOSETOWN, &o));
    res("O_ASYNC", fcntl(p[1], F_SETFL, fcntl(p[1], F_GETFL) | O_ASYNC));
    must("send", send(p[0], "data", 4, 0));
    fact("SIGIO for data: %s", came(&io, 1000));
    fact_recv("read", p[1], 10, 0);
    res("O_ASYNC off", fcntl(p[1], F_SETFL, fcntl(p[1], F_GETFL) & ~O_ASYNC));
    came(&io, 5);
    must("send", send(p[0], "data", 4, 0));
    await(p[1], POLLIN);
    fact("SIGIO after it was turned off: %s", came(&io, 40));
    res("recv of the rest", recv(p[1], b, 8, 0));
    return 0;
}
