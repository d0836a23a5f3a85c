// limit: 20
/* ioctl(2) requests by number on sockets of every kind and state: the asynchronous-notification and descriptor ones (man 2
 * ioctl_list), those of sockets (man 7 socket, tcp, udp), of the interfaces (man 7 netdevice), of terminals and of nobody; with a
 * good, a null and a bad pointer; as root and without capabilities. States that say the same share a line. */
#include "../options/sweep.h"
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>

enum { NUMBERS = 400 };
static unsigned long number[NUMBERS];
static int numbers;

static void add(unsigned long from, unsigned long to) {
    for (unsigned long n = from; n <= to && numbers < NUMBERS; n++) number[numbers++] = n;
}

/* Requests whose answer is the machine's, or a process' number. */
static int told_by_result_alone(unsigned long n) {
    return n == SIOCGPGRP || n == FIOGETOWN || (n >= 0x8910 && n <= 0x89a0) || n == SIOCGSTAMP || n == SIOCGSTAMPNS;
}

/* Requests that would change the machine. */
static int changes(unsigned long n) {
    switch (n) {
    case SIOCADDRT: case SIOCDELRT: case SIOCSIFLINK: case SIOCSIFFLAGS: case SIOCSIFADDR: case SIOCSIFDSTADDR: case SIOCSIFBRDADDR:
    case SIOCSIFNETMASK: case SIOCSIFMETRIC: case SIOCSIFMEM: case SIOCSIFMTU: case SIOCSIFNAME: case SIOCSIFHWADDR: case SIOCSIFENCAP:
    case SIOCSIFSLAVE: case SIOCADDMULTI: case SIOCDELMULTI: case SIOCSIFPFLAGS: case SIOCDIFADDR: case SIOCSIFHWBROADCAST:
    case SIOCSIFTXQLEN: case SIOCSIFBR: case SIOCDARP: case SIOCSARP: case SIOCDRARP: case SIOCSRARP: case SIOCSIFMAP: case SIOCADDDLCI:
    case SIOCDELDLCI: case SIOCSIFVLAN: case SIOCBONDENSLAVE: case SIOCBONDRELEASE: case SIOCBONDSETHWADDR: case SIOCBONDCHANGEACTIVE:
    case SIOCBRADDBR: case SIOCBRDELBR: case SIOCBRADDIF: case SIOCBRDELIF: case SIOCSHWTSTAMP: case SIOCETHTOOL: case SIOCSMIIREG:
    case SIOCWANDEV: case SIOCGSKNS: return 1;
    }
    return 0;
}

static void one(char *out, const struct sweep_state *s, unsigned long n) {
    int keep[2], fd = sweep_make(s, keep), at = 0;
    union {
        int v;
        struct ifreq r;
        struct ifconf c;
        char room[512];
    } a;
    memset(&a, 0, sizeof a);
    if (n != SIOCGIFCONF && n >= 0x8910 && n <= 0x89ff) strcpy(a.r.ifr_name, "lo");
    errno = 0;
    int r = ioctl(fd, n, &a);
    if (r < 0) at = sweep_add(out, at, " %s", ename(errno));
    else if (told_by_result_alone(n)) at = sweep_add(out, at, " %d", r);
    else at = sweep_add(out, at, " %d gives %d", r, a.v);
    /* What the request may have changed, as far as it is seen. */
    at = sweep_add(out, at, ", flags %x %x", (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
    r = ioctl(fd, n, NULL);
    at = sweep_add(out, at, "; null: %s", r < 0 ? ename(errno) : "0");
    r = ioctl(fd, n, (void *)8);
    at = sweep_add(out, at, "; bad: %s", r < 0 ? ename(errno) : "0");
    sweep_end(fd, keep);
}

int main(void) {
    alarm(18);
    static char before[NUMBERS][SWEEP_STATES][SWEEP_TEXT], now[SWEEP_STATES][SWEEP_TEXT];
    add(0, 3);
    add(0x1260, 0x1262);
    add(0x5401, 0x5460);
    add(0x8900, 0x8907);
    add(0x890b, 0x890f);
    add(0x8910, 0x89a5);
    add(0x89b0, 0x89b1);
    add(0x89e0, 0x89e4);
    add(0x89f0, 0x89f3);
    add(0x8b00, 0x8b03);
    number[numbers++] = 0x80108906; /* SIOCGSTAMP_NEW */
    number[numbers++] = 0x80108907;
    number[numbers++] = 0x12345678;
    number[numbers++] = ~0ul;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            sweep_without_rights();
            fact("-- without capabilities");
        }
        for (int i = 0; i < numbers; i++) {
            unsigned long n = number[i];
            if (changes(n)) continue;
            memset(now, 0, sizeof now);
            for (int s = 0; s < SWEEP_STATES; s++) one(now[s], &sweep_states[s], n);
            for (int s = 0; s < SWEEP_STATES; s++) {
                int told = pass && !strcmp(before[i][s], now[s]);
                for (int k = 0; k < s; k++) told |= !strcmp(now[k], now[s]) && (!pass || strcmp(before[i][k], now[k]));
                if (told) continue;
                char who[500];
                int at = 0, all = 1;
                for (int k = 0; k < SWEEP_STATES; k++) {
                    if (!strcmp(now[k], now[s]) && (!pass || strcmp(before[i][k], now[k])))
                        at += snprintf(who + at, sizeof who - (size_t)at, "%s%s", at ? ", " : "", sweep_states[k].name);
                    else all = 0;
                }
                fact("%lx [%s]%s", n, all ? "all" : who, now[s]);
            }
            if (!pass) memcpy(before[i], now, sizeof now);
        }
    }
    return 0;
}
