/* sigaction tells back exactly what the program has set, for the signals that a library might want for itself too; the
 * program's own SIGSEGV and SIGBUS handlers run, on an alternate stack, and may jump out (man 2 sigaction,
 * man 2 sigaltstack). */
#include "t.h"
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf back;
static void *volatile where, *volatile at_stack;
static volatile sig_atomic_t which_signal, code, flag_seen;
static int p[2];

static void plain(int s) { which_signal = s; }

static void jumper(int s, siginfo_t *i, void *c) {
    char on_stack;
    (void)c;
    which_signal = s;
    where = i->si_addr;
    code = i->si_code;
    at_stack = &on_stack;
    /* A socket call in the handler. */
    flag_seen = send(p[0], "S", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    siglongjmp(back, 1);
}

/* 0x04000000 is SA_RESTORER, which is the C library's own business. */
static void query(int s, const char *name) {
    struct sigaction old, set = {.sa_handler = plain, .sa_flags = SA_RESTART | SA_NODEFER}, now;
    memset(&old, 0xff, sizeof old);
    sigaction(s, NULL, &old);
    fact("%s: at first default %d, flags %x", name, old.sa_handler == SIG_DFL, old.sa_flags & ~0x04000000);
    sigemptyset(&set.sa_mask);
    sigaddset(&set.sa_mask, SIGUSR2);
    sigaddset(&set.sa_mask, SIGTERM);
    res("  set", sigaction(s, &set, &old));
    fact("  old default %d", old.sa_handler == SIG_DFL);
    sigaction(s, NULL, &now);
    int members = 0;
    for (int i = 1; i < 65; i++) members += sigismember(&now.sa_mask, i) == 1;
    fact("  reads back: handler %d, flags %d, mask %d with %d members", now.sa_handler == plain,
         (now.sa_flags & ~0x04000000) == (SA_RESTART | SA_NODEFER),
         sigismember(&now.sa_mask, SIGUSR2) && sigismember(&now.sa_mask, SIGTERM), members);
    set = (struct sigaction){.sa_sigaction = jumper, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    res("  set another", sigaction(s, &set, &old));
    fact("  old is the first: %d", old.sa_handler == plain && (old.sa_flags & SA_NODEFER));
    sigaction(s, NULL, &now);
    fact("  reads back: handler %d, flags %d", now.sa_sigaction == jumper,
         (now.sa_flags & ~0x04000000) == (SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND));
    fact("  signal() gives the old: %d", signal(s, SIG_IGN) == (void (*)(int))(void *)jumper);
    fact("  and: %d", signal(s, SIG_DFL) == SIG_IGN);
}

int main(void) {
    alarm(8);
    /* Some parents leave this one ignored. */
    signal(SIGPIPE, SIG_DFL);
    tcp_pair(p);
    query(SIGSEGV, "SIGSEGV");
    query(SIGBUS, "SIGBUS");
    query(SIGUSR1, "SIGUSR1");
    query(SIGURG, "SIGURG");
    query(SIGIO, "SIGIO");
    query(SIGPIPE, "SIGPIPE");
    query(SIGCHLD, "SIGCHLD");
    query(SIGRTMIN, "SIGRTMIN");
    query(SIGRTMAX, "SIGRTMAX");
    res("SIGKILL", sigaction(SIGKILL, &(struct sigaction){.sa_handler = plain}, NULL));
    sigset_t m;
    sigprocmask(SIG_SETMASK, NULL, &m);
    int blocked = 0;
    for (int i = 1; i < 65; i++) blocked += sigismember(&m, i) == 1;
    fact("signals blocked at the start: %d", blocked);
    stack_t st;
    res("sigaltstack", sigaltstack(NULL, &st));
    fact("none is set: %d", !!(st.ss_flags & SS_DISABLE));

    /* Faults of the program, between and inside socket calls, on an alternate stack. */
    static char alt[65536];
    st = (stack_t){.ss_sp = alt, .ss_size = sizeof alt};
    res("sigaltstack", sigaltstack(&st, NULL));
    struct sigaction sa = {.sa_sigaction = jumper, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    char *guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), b[16];
    volatile int good = 0;
    for (volatile int i = 0; i < 100; i++) {
        if (sigsetjmp(back, 1) == 0) {
            *(volatile char *)(guard + i) = 1;
            fact("not reached");
        }
        good += which_signal == SIGSEGV && where == guard + i && code == SEGV_ACCERR && (char *)at_stack >= alt
                && (char *)at_stack < alt + sizeof alt && flag_seen && recv(p[1], b, 8, 0) == 1;
    }
    fact("own faults handled on the alternate stack: %d of 100", good);
    if (sigsetjmp(back, 1) == 0) *(volatile char *)(uintptr_t)16 = 1;
    fact("at 16: SIGSEGV %d, address right %d, not mapped %d", which_signal == SIGSEGV, where == (void *)16,
         code == SEGV_MAPERR);
    must("recv", recv(p[1], b, 8, 0));
    int f = (int)must("memfd", memfd_create("short", 0));
    char *beyond = mmap(NULL, 4096, PROT_READ, MAP_SHARED, f, 0);
    if (sigsetjmp(back, 1) == 0) b[0] = *(volatile char *)beyond;
    fact("beyond a file's end: SIGBUS %d, address right %d, code %d", which_signal == SIGBUS, where == beyond,
         code == BUS_ADRERR);
    must("recv", recv(p[1], b, 8, 0));

    /* A bad pointer given to a socket call is EFAULT and no signal. */
    which_signal = 0;
    char *volatile bad = guard;
    res("send from there", send(p[0], bad, 4, 0));
    must("send", send(p[1], "data", 4, 0));
    res("recv to there", recv(p[0], bad, 4, 0));
    res("recv to an unmapped page of the file", recv(p[0], beyond, 4, 0));
    fact("signals: %d", (int)which_signal);
    res("the data is still there", recv(p[0], b, 8, 0));
    return 0;
}
