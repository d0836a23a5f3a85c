// dlsym(3) in a handle of the C library (what Python's ctypes.CDLL("libc.so.6") asks) gives the functions that the program's
// own calls reach: a socket made by the one is a socket for the other. RTLD_NEXT and RTLD_DEFAULT give them, too.
#include "t.h"
#include <dlfcn.h>

int main(void) {
    alarm(8);
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    if (!libc) return 93;
    int (*make)(int, int, int) = (int (*)(int, int, int))dlsym(libc, "socket");
    int (*links)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(libc, "connect");
    int (*wait)(struct pollfd *, nfds_t, int) = (int (*)(struct pollfd *, nfds_t, int))dlsym(libc, "poll");
    ssize_t (*put)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    ssize_t (*get)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_DEFAULT, "read");
    int (*end)(int) = (int (*)(int))dlsym(libc, "close");

    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof at;
    int listener = (int)must("socket", make(AF_INET, SOCK_STREAM, 0));
    must("bind", bind(listener, (struct sockaddr *)&at, sizeof at));
    must("listen", listen(listener, 1));
    must("getsockname", getsockname(listener, (struct sockaddr *)&at, &length));
    int client = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    res("connect by handle", links(client, (struct sockaddr *)&at, sizeof at));
    int server = (int)must("accept", accept(listener, NULL, NULL));
    res("write by RTLD_NEXT", put(client, "four", 4));
    struct pollfd one = {server, POLLIN, 0};
    res("poll by handle", wait(&one, 1, 3000));
    char text[8];
    res("read by RTLD_DEFAULT", get(server, text, sizeof text));
    res("close by handle", end(client));
    res("end of stream", recv(server, text, sizeof text, 0));
    int again = socket(AF_INET, SOCK_DGRAM, 0);
    fact("the number is free again: %s", again == client ? "yes" : "no");
    fact("a name that libc has not: %s", dlsym(libc, "no_such_function") ? "found" : "not found");
    fact("and why: %s", dlerror() ? "told" : "not told");
    fact("one that is no call of ours: %s", dlsym(libc, "strlen") == (void *)strlen ? "the same" : "found");
    return 0;
}
