// A module that is loaded with RTLD_DEEPBIND gets its symbols from its own dependencies first (dlopen(3)): PHP loads its
// extensions so, and APR its modules. Its sockets are the program's sockets all the same, also those that a function
// pointer in its data leads to, and those of a module that it loads in turn. dlsym(3) of a handle gives the same calls.
#include "t.h"
#include <dlfcn.h>

#ifdef MODULE
int module_connect(const struct sockaddr_in *to) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 ? -1 : fd;
}

static ssize_t (*const sender)(int, const void *, size_t, int) = send;

long module_send(int fd, const char *text) {
    return sender(fd, text, strlen(text), 0);
}

long module_receive(int fd, char *into, size_t length) {
    struct pollfd one = {fd, POLLIN, 0};
    if (poll(&one, 1, 5000) != 1) return -2;
    return recv(fd, into, length, 0);
}

void *module_load(const char *file) {
    return dlopen(file, RTLD_NOW);
}
#else
static char directory[] = "/tmp/deepbind.XXXXXX", module[64], other[64];

static void build(const char *file) {
    char command[512];
    snprintf(command, sizeof command, "gcc -w -shared -fPIC -DMODULE -I %.*s../lib -o %s %s",
             (int)(strrchr(__FILE__, '/') - __FILE__ + 1), __FILE__, file, __FILE__);
    if (system(command) != 0) exit(92);
}

static void clean(void) {
    unlink(module);
    unlink(other);
    rmdir(directory);
}

/* A connection from the module to the program and back. */
static void round_trip(const char *label, void *handle, int listener, const struct sockaddr_in *at) {
    int (*connects)(const struct sockaddr_in *) = (int (*)(const struct sockaddr_in *))dlsym(handle, "module_connect");
    long (*sends)(int, const char *) = (long (*)(int, const char *))dlsym(handle, "module_send");
    long (*receives)(int, char *, size_t) = (long (*)(int, char *, size_t))dlsym(handle, "module_receive");
    char text[32] = "";
    fact("%s", label);
    int client = connects(at);
    if (ok("the module connects", client) < 0) return;
    int server = accept(listener, NULL, NULL);
    res("the program sends", send(server, "hello", 5, 0));
    res("the module receives", receives(client, text, sizeof text));
    res("the module sends", sends(client, text));
    memset(text, 0, sizeof text);
    res("the program receives", recv(server, text, sizeof text, 0));
    fact("it was: %s", text);
    close(client);
    res("end of stream", recv(server, text, sizeof text, 0));
    close(server);
}

int main(void) {
    alarm(9);
    if (!mkdtemp(directory)) return 93;
    atexit(clean);
    snprintf(module, sizeof module, "%s/a.so", directory);
    snprintf(other, sizeof other, "%s/b.so", directory);
    build(module);
    build(other);

    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof at;
    int listener = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("bind", bind(listener, (struct sockaddr *)&at, sizeof at));
    must("listen", listen(listener, 4));
    must("getsockname", getsockname(listener, (struct sockaddr *)&at, &length));

    void *deep = dlopen(module, RTLD_LAZY | RTLD_GLOBAL | RTLD_DEEPBIND);
    if (!deep) return 94;
    round_trip("lazy, deep", deep, listener, &at);
    void *(*load)(const char *) = (void *(*)(const char *))dlsym(deep, "module_load");
    void *inner = load(other);
    if (!inner) return 95;
    round_trip("loaded by the module", inner, listener, &at);
    dlclose(inner);
    inner = dlopen(other, RTLD_NOW | RTLD_DEEPBIND);
    if (!inner) return 96;
    round_trip("now, deep", inner, listener, &at);
    fact("the same handle again: %s", dlopen(other, RTLD_NOW | RTLD_DEEPBIND) == inner ? "yes" : "no");
    fact("what is not there: %s", dlopen("/nowhere/c.so", RTLD_NOW | RTLD_DEEPBIND) ? "loaded" : "no handle");
    fact("and why: %s", dlerror() ? "told" : "not told");
    return 0;
}
#endif
