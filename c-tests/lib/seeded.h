/* Seeded choices, and requests to workers of whom one is killed now and then. Include after t.h. */
#pragma once

static unsigned seed = 1;

/* The seed is SEED, if that is set. */
__attribute__((unused)) static void sow(void) {
    const char *given = getenv("SEED");
    if (given) seed = (unsigned)atoi(given);
}

static unsigned some(unsigned below) {
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* Sends a byte and waits for the same one to come back: 1; another one: 0; none within four seconds: -1. */
__attribute__((unused)) static int request(int far, char byte) {
    char back = 0;
    must("send", send(far, &byte, 1, 0));
    struct pollfd p = {far, POLLIN, 0};
    if (poll(&p, 1, 4000) != 1) return -1;
    return recv(far, &back, 1, 0) == 1 && back == byte;
}

/* Lets a little time pass, or none, and kills a worker now and then: its place, to be filled again, or -1. */
__attribute__((unused)) static int disturb(const pid_t *workers, unsigned count) {
    unsigned pause = some(8);
    if (pause == 0) usleep(some(300));
    if (pause == 1) sched_yield();
    if (some(40) != 0) return -1;
    int one = (int)some(count);
    kill(workers[one], SIGKILL);
    waitpid(workers[one], NULL, 0);
    return one;
}
