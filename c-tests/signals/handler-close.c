/* Handlers that close, shut down, dup over or answer on the very socket in which the interrupted call sleeps; the call was
 * begun on the old socket (man 2 close) and is restarted, if it is, by its number. */
#include "t.h"

static int p[2], q[2];
static volatile int what;

static void handler(int s) {
    (void)s;
    int keep = errno;
    switch (what) {
    case 0: send(p[1], "from the handler", 16, MSG_NOSIGNAL); break;
    case 1: shutdown(p[0], SHUT_RD); break;
    case 2: close(p[0]); break;
    case 3: dup2(q[0], p[0]); break;
    case 4: {
        char b[32];
        recv(p[0], b, 4, MSG_DONTWAIT);
        send(p[1], "second", 6, MSG_NOSIGNAL);
        break;
    }
    case 5: send(p[0], "own direction", 13, MSG_NOSIGNAL); break;
    }
    errno = keep;
}

static const char *names[] = {"the peer sends in it", "it shuts the socket down", "it closes the socket",
                              "it dups another over it", "it reads and the peer sends", "it sends by the socket"};

int main(void) {
    alarm(9);
    for (what = 0; what < 6; what++)
        for (int restart = 0; restart < 2; restart++) {
            char b[64] = "";
            tcp_pair(p);
            tcp_pair(q);
            must("write", write(q[1], "the other one's", 15));
            struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
            sigaction(SIGUSR1, &sa, NULL);
            pid_t k = fork();
            if (k == 0) {
                alarm(4);
                await_sleep(getppid());
                kill(getppid(), SIGUSR1);
                sleep_ms(60);
                /* The one case in which nobody else ends the wait. */
                if (what == 5 && restart) send(p[1], "late", 4, MSG_NOSIGNAL);
                _exit(0);
            }
            ssize_t r = recv(p[0], b, sizeof b - 1, 0);
            fact("%s, %s: recv %zd %s", names[what], restart ? "SA_RESTART" : "no flags", r, r < 0 ? ename(errno) : b);
            waitpid(k, NULL, 0);
            memset(b, 0, sizeof b);
            r = recv(p[0], b, sizeof b - 1, MSG_DONTWAIT);
            fact("  then: %zd %s", r, r < 0 ? ename(errno) : b);
            memset(b, 0, sizeof b);
            r = recv(p[1], b, sizeof b - 1, MSG_DONTWAIT);
            fact("  peer: %zd %s", r, r < 0 ? ename(errno) : b);
            close(p[0]);
            close(p[1]);
            close(q[0]);
            close(q[1]);
        }
    return 0;
}
