/* The int options of SOL_SOCKET: default, what a set value is read back as, what is refused (man 7 socket;
 * net/core/sock.c sk_setsockopt). Booleans become 0 or 1. */
#include "opt.h"

#define BOOL {LOW, -1, 0, 1, 2, 256, HIGH, END}

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(SO_REUSEADDR), ALL, BOOL}, {O(SO_REUSEPORT), ALL, BOOL}, {O(SO_KEEPALIVE), ALL, BOOL},
            {O(SO_BROADCAST), ALL, BOOL},
        {O(SO_OOBINLINE), ALL, BOOL}, {O(SO_DONTROUTE), ALL, BOOL}, {O(SO_NO_CHECK), ALL, BOOL},
            {O(SO_TIMESTAMP), ALL, BOOL},
        {O(SO_TIMESTAMPNS), ALL, BOOL}, {O(SO_RXQ_OVFL), ALL, BOOL}, {O(SO_SELECT_ERR_QUEUE), ALL, BOOL},
            {O(SO_BSDCOMPAT), ALL, BOOL},
        {O(SO_ZEROCOPY), ALL, BOOL},
        /* Above 6 and below 0 is for the privileged. */
        {O(SO_PRIORITY), ALL, {0, 1, 2, 3, 4, 5, 6, END}},
        {O(SO_RCVLOWAT), ALL, {0, 1, 2, 100, 65536, END}},
        {O(SO_BUSY_POLL), ALL, {LOW, -1, 0, END}},
        {O(SO_PEEK_OFF), UDP, {LOW, -2, -1, 0, 1, 1000, HIGH, END}},
        {O(SO_BINDTOIFINDEX), ALL, {LOW, -1, 0, END}},
    };
    opt_table(SOL_SOCKET, rows, sizeof rows / sizeof *rows);
    /* A low-water mark above what fits is cut; INT_MAX where it is negative (UDP keeps it as it is). */
    for (int k = 0; k < 4; k++) {
        int fd = opt_socket(k);
        res("SO_RCVLOWAT -1", opt_set(fd, SOL_SOCKET, SO_RCVLOWAT, -1));
        int neg = opt_int(fd, SOL_SOCKET, SO_RCVLOWAT);
        res("SO_RCVLOWAT INT_MAX", opt_set(fd, SOL_SOCKET, SO_RCVLOWAT, HIGH));
        int max = opt_int(fd, SOL_SOCKET, SO_RCVLOWAT);
        fact("%s SO_RCVLOWAT -1 and INT_MAX read the same: %s; above 65536: %s; INT_MAX: %s", kind_name[k], neg == max
             ? "yes" : "no",
             neg > 65536 ? "yes" : "no", max == HIGH ? "yes" : "no");
        close(fd);
    }
    /* A dup sees the same values; close of one leaves them. */
    int fd = opt_socket(0), d = dup(fd);
    opt_set(d, SOL_SOCKET, SO_KEEPALIVE, 1);
    fact("set through a dup: %s", opt_get(fd, SOL_SOCKET, SO_KEEPALIVE));
    close(d);
    fact("after the dup is closed: %s", opt_get(fd, SOL_SOCKET, SO_KEEPALIVE));
    /* A child sets, the parent reads: the option belongs to the socket. */
    pid_t c = fork();
    if (c == 0) {
        opt_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
        _exit(opt_int(fd, SOL_SOCKET, SO_KEEPALIVE));
    }
    reap("child that read the parent's SO_KEEPALIVE", c);
    fact("set by a child: %s", opt_get(fd, SOL_SOCKET, SO_OOBINLINE));
    return 0;
}
