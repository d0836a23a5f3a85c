/* Linux' select tells in its timeout how much was left (`man 2 select`, NOTES): less than was given, nothing after the
 * time is over, also when something was ready at once. pselect leaves its timeout alone. A bad timeout is refused
 * before anything is looked at. */
#include "ready.h"

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    struct timeval tv = {0, 20000};
    res("nothing there", select(p[0] + 1, &r, NULL, NULL, &tv));
    fact("left: %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
    fact("the set: %d", FD_ISSET(p[0], &r) ? 1 : 0);
    put(p[1], "x");
    await(p[0], POLLIN);
    for (int i = 0; i < 4; i++) {
        FD_SET(p[0], &r);
        tv = (struct timeval){1000, i == 1 ? 999999 : i == 2 ? 2500000 : 0};
        double given = (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
        res("ready", select(p[0] + 1, &r, NULL, NULL, &tv));
        double left = (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
        fact("less than was given: %s, not much less: %s, in microseconds: %s", left < given ? "yes" : "no",
             left > given - 8 ? "yes" : "no", tv.tv_usec < 1000000 ? "yes" : "no");
    }
    tv = (struct timeval){0, 0};
    FD_SET(p[0], &r);
    res("no time", select(p[0] + 1, &r, NULL, NULL, &tv));
    fact("left: %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
    struct timespec ts = {5, 5};
    FD_SET(p[0], &r);
    res("pselect", pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL));
    fact("left alone: %ld %ld", (long)ts.tv_sec, ts.tv_nsec);

    tv = (struct timeval){-1, 0};
    FD_SET(p[0], &r);
    res("negative, with something ready", select(p[0] + 1, &r, NULL, NULL, &tv));
    tv = (struct timeval){1, -1};
    res("negative microseconds", select(p[0] + 1, &r, NULL, NULL, &tv));
    ts = (struct timespec){0, 1000000000};
    res("pselect, too many nanoseconds", pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL));
    res("ppoll, too many nanoseconds", ppoll(&(struct pollfd){p[0], POLLIN, 0}, 1, &ts, NULL));
    fact("the set: %d", FD_ISSET(p[0], &r) ? 1 : 0);

    /* Of 2,000 numbers, in sets that are large enough. */
    static fd_set huge[2];
    memset(huge, 0, sizeof huge);
    FD_SET(p[0], &huge[0]);
    tv = (struct timeval){5, 0};
    res("large sets", select(2000, huge, NULL, NULL, &tv));
    fact("the set: %d", FD_ISSET(p[0], &huge[0]) ? 1 : 0);
    return 0;
}
