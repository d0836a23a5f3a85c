// A process that was root when it made its sockets and is an ordinary user from then on, perhaps in another root directory
// (setresuid(2), chroot(2)): what it holds goes on, and it makes new sockets and connections like everybody, to servers of
// whatever user. That is how nginx, haproxy and many others run. Only root can ask; everybody else prints the same lines.
// limit: 20
#include "t.h"
#include <grp.h>

enum { SOCKETS = 100, BULK = 3 << 20, OTHER = 65534 };

static int listener(int port) {
    int l = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0)), one = 1;
    struct sockaddr_in a = in4("127.0.0.1", port);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must("bind", bind(l, (struct sockaddr *)&a, sizeof a));
    must("listen", listen(l, 200));
    return l;
}

static int try_connect(int port) {
    int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", port);
    if (connect(c, (struct sockaddr *)&a, sizeof a) < 0) {
        int e = errno;
        close(c);
        errno = e;
        return -1;
    }
    return c;
}

/* Accepts `count` connections on `l` and sends BULK bytes on the last of them to the end. */
static void serve(int l, int count) {
    char *data = calloc(1, BULK);
    for (int i = 0; i < count; i++) {
        int s = (int)must("accept", accept(l, NULL, NULL));
        if (i == count - 1)
            for (int sent = 0; sent < BULK;) sent += (int)must("write", write(s, data, (size_t)(BULK - sent)));
        if (i == count - 1) close(s);
    }
    free(data);
}

/* Makes `count` connections and reads the last one to its end. */
static void ask(const char *what, int port, int count) {
    int fds[SOCKETS], made = 0, got = 0;
    for (; made < count; made++)
        if ((fds[made] = try_connect(port)) < 0) {
            res(what, -1);
            break;
        }
    fact("%s: connections: %d", what, made);
    char piece[65536];
    ssize_t n;
    while (made > 0 && (n = read(fds[made - 1], piece, sizeof piece)) > 0) {
        // A reader that is slow has the sender find the buffers full.
        if (got < 1 << 20) usleep(200);
        got += (int)n;
    }
    fact("%s: bytes: %d", what, got);
    for (int i = 0; i < made; i++) close(fds[i]);
}

static void datagrams(const char *what) {
    int r = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0)), w = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(r, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(r));
    struct pollfd p = {.fd = r, .events = POLLIN};
    poll(&p, 1, 0);
    must("sendto", sendto(w, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    fact("%s: datagram arrives: %d", what, poll(&p, 1, 3000));
    close(r);
    close(w);
}

static char empty[] = "/tmp/gave_up_root.XXXXXX";

static void become_another(int other_root) {
    if (geteuid() != 0) return;
    if (other_root) {
        must("chroot", chroot(empty));
        must("chdir", chdir("/"));
    }
    must("setgroups", setgroups(0, NULL));
    must("setresgid", setresgid(OTHER, OTHER, OTHER));
    must("setresuid", setresuid(OTHER, OTHER, OTHER));
}

static void round_of(const char *what, int other_root) {
    int before = listener(0), port = port_of(before), back[2];
    must("pipe", pipe(back));
    pid_t server = (pid_t)must("fork", fork());
    if (server == 0) {
        // The worker of a server, on the socket that root made, then on one of its own.
        become_another(other_root);
        serve(before, SOCKETS);
        int own = listener(0), own_port = port_of(own);
        must("tell", write(back[1], &own_port, sizeof own_port));
        serve(own, 1);
        serve(own, 1);
        _exit(0);
    }
    pid_t client = (pid_t)must("fork", fork());
    if (client == 0) {
        close(before);
        become_another(other_root);
        char name[80];
        snprintf(name, sizeof name, "%s, from another user to root's socket", what);
        ask(name, port, SOCKETS);
        int own_port = 0;
        must("told", read(back[0], &own_port, sizeof own_port));
        snprintf(name, sizeof name, "%s, to another user's socket", what);
        ask(name, own_port, 1);
        datagrams(what);
        must("tell", write(back[1], &own_port, sizeof own_port));
        _exit(0);
    }
    close(before);
    int status = 0;
    waitpid(client, &status, 0);
    fact("%s: client ends with %d", what, WEXITSTATUS(status));
    // Root itself reaches what the other user listens on.
    int own_port = 0;
    must("told", read(back[0], &own_port, sizeof own_port));
    char name[80];
    snprintf(name, sizeof name, "%s, from root", what);
    ask(name, own_port, 1);
    waitpid(server, &status, 0);
    fact("%s: server ends with %d", what, WEXITSTATUS(status));
    close(back[0]);
    close(back[1]);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    alarm(18);
    if (!mkdtemp(empty)) return 92;
    for (int other_root = 0; other_root < 2; other_root++) {
        // Nobody else has a socket when this one ends.
        pid_t only = (pid_t)must("fork", fork());
        if (only == 0) {
            listener(0);
            become_another(other_root);
            exit(0);
        }
        reap("the only one that has sockets", only);
        close(listener(0));
    }
    round_of("another user", 0);
    round_of("another root directory", 1);
    rmdir(empty);
    return 0;
}
