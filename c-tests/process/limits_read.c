/* getrlimit(2), setrlimit(2) and prlimit(2) in a program that has no sockets yet, also with nothing to set or to read. */
#include "t.h"
#include <sys/resource.h>

static void *nothing(void *arg) { return arg; }

int main(void) {
    alarm(8);
    struct rlimit r;
    res("getrlimit, stack", getrlimit(RLIMIT_STACK, &r));
    res("getrlimit, descriptors", getrlimit(RLIMIT_NOFILE, &r));
    res("prlimit, nothing to set", prlimit(0, RLIMIT_NOFILE, NULL, &r));
    res("prlimit, nothing to read", prlimit(0, RLIMIT_NOFILE, &r, NULL));
    res("prlimit, neither", prlimit(0, RLIMIT_NOFILE, NULL, NULL));
    res("setrlimit", setrlimit(RLIMIT_NOFILE, &r));
    pthread_t t;
    pthread_attr_t a;
    must("attributes", -pthread_getattr_np(pthread_self(), &a));
    must("thread", -pthread_create(&t, NULL, nothing, NULL));
    must("join", -pthread_join(t, NULL));
    fact("a thread came and went");
    return 0;
}
