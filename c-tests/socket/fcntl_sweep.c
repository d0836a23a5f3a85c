// limit: 20
/* fcntl(2) commands by number on sockets: status and descriptor flags, owners and signals, leases, seals, pipes, hints, locks, and
 * numbers of nobody, each with a number of values and pointers; what is seen of the socket afterwards. Kinds that say the same share
 * a line. */
#include "../options/sweep.h"

/* Numbers of descriptors and processes vary. */
static int ids(int c) {
    return c == F_GETOWN || c == F_DUPFD || c == F_DUPFD_CLOEXEC;
}

static void show(char *out, int *at, int fd, int c, const char *name, long argument) {
    errno = 0;
    int r = fcntl(fd, c, argument);
    if (r < 0) *at = sweep_add(out, *at, " %s %s", name, ename(errno));
    else if (ids(c)) *at = sweep_add(out, *at, " %s ok", name);
    else *at = sweep_add(out, *at, " %s %x", name, (unsigned)r);
    if (r > 2 && (c == F_DUPFD || c == F_DUPFD_CLOEXEC)) {
        *at = sweep_add(out, *at, "(%x,%x%s)", (unsigned)fcntl(r, F_GETFD), (unsigned)fcntl(r, F_GETFL), argument > 2 && r == argument ? ",as asked" : "");
        close(r);
    }
    int sig = fcntl(fd, F_GETSIG);
    *at = sweep_add(out, *at, "/%x.%x.%x", (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD), (unsigned)sig);
}

static void one(char *out, const struct sweep_state *s, int c) {
    static const struct { const char *name; long value; } values[] = {{"-1", -1}, {"0", 0}, {"1", 1}, {"2", 2}, {"64", 64}, {"65", 65}, {"200", 200},
        {"nonblock", O_NONBLOCK}, {"append", O_APPEND}, {"direct", O_DIRECT}, {"noatime", O_NOATIME}, {"dsync", O_DSYNC}, {"path", O_PATH},
        {"large", 0100000}, {"1024", 1024}, {"65536", 65536}, {"max", HIGH}, {"min", LOW}};
    int keep[2], at = 0, pointer = c == F_GETLK || c == F_SETLK || c == F_OFD_GETLK || c == F_OFD_SETLK || c == F_SETOWN_EX ||
        c == F_GETOWN_EX || c == 17 /* F_GETOWNER_UIDS */ || (c >= 1035 && c <= 1038);
    if (!pointer) {
        int fd = sweep_make(s, keep);
        for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
            /* Whether there is such a process is the machine's affair. */
            if (c == F_SETOWN && values[i].value != 0 && values[i].value != HIGH && values[i].value != LOW) continue;
            show(out, &at, fd, c, values[i].name, values[i].value);
        }
        sweep_end(fd, keep);
        return;
    }
    for (int k = 0; k < 6; k++) {
        int fd = sweep_make(s, keep);
        long room[8] = {0};
        struct flock lock = {.l_type = k % 3 == 0 ? F_RDLCK : k % 3 == 1 ? F_WRLCK : F_UNLCK, .l_whence = (short)(k / 3)};
        struct f_owner_ex owner = {k, k == 1 ? getpid() : 0};
        if (c >= 1035 && c <= 1038) room[0] = k;
        else if (c == F_SETOWN_EX) memcpy(room, &owner, sizeof owner);
        else if (c != F_GETOWN_EX) memcpy(room, &lock, sizeof lock);
        char name[20];
        snprintf(name, sizeof name, "%d", k);
        show(out, &at, fd, c, name, (long)room);
        if (c == F_SETOWN_EX) {
            struct f_owner_ex back = {-1, -1};
            at = sweep_add(out, at, " get %d: %d %s", fcntl(fd, F_GETOWN_EX, &back), (int)back.type, back.pid == getpid() ? "me" : back.pid ? "another" : "none");
        }
        sweep_end(fd, keep);
    }
    int fd = sweep_make(s, keep);
    show(out, &at, fd, c, "null", 0);
    show(out, &at, fd, c, "bad", 8);
    sweep_end(fd, keep);
}

int main(void) {
    alarm(18);
    signal(SIGIO, SIG_IGN);
    signal(SIGURG, SIG_IGN);
    static char now[SWEEP_STATES][SWEEP_TEXT];
    static const int ranges[][2] = {{0, 6}, {8, 19}, {32, 37}, {1023, 1046}, {-1, -1}, {9999, 9999}};
    for (unsigned r = 0; r < sizeof ranges / sizeof *ranges; r++)
        for (int c = ranges[r][0]; c <= ranges[r][1]; c++) {
            memset(now, 0, sizeof now);
            for (int s = 0; s < SWEEP_STATES; s++) one(now[s], &sweep_states[s], c);
            for (int s = 0; s < SWEEP_STATES; s++) {
                int told = 0, at = 0, all = 1;
                for (int k = 0; k < s; k++) told |= !strcmp(now[k], now[s]);
                if (told) continue;
                char who[500];
                for (int k = 0; k < SWEEP_STATES; k++) {
                    if (!strcmp(now[k], now[s])) at += snprintf(who + at, sizeof who - (size_t)at, "%s%s", at ? ", " : "", sweep_states[k].name);
                    else all = 0;
                }
                fact("%d [%s]%s", c, all ? "all" : who, now[s]);
            }
        }
    return 0;
}
