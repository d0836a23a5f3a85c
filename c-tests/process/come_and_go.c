/* Programs that come and go all the time, each of which has a socket for a moment: none is refused one because another has
 * just ended (`man 2 socket` knows no such error). */
#include "t.h"

enum { WORKERS = 4, ROUNDS = 60 };

/* A program with a socket of each kind; the number of calls that failed. */
static int visit(void) {
    struct sockaddr_in a = in4("127.0.0.1", 0);
    int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
    return (t < 0) + (u < 0) + (bind(t, (struct sockaddr *)&a, sizeof a) < 0) + (bind(u, (struct sockaddr *)&a, sizeof a) < 0)
         + (listen(t, 1) < 0) + (close(t) < 0) + (close(u) < 0);
}

int main(int argc, char **argv) {
    alarm(9);
    if (argc > 1) return visit();
    pid_t workers[WORKERS];
    for (int w = 0; w < WORKERS; w++) {
        workers[w] = fork();
        if (workers[w]) continue;
        int bad = 0;
        for (int i = 0; i < ROUNDS; i++) {
            pid_t k = fork();
            if (k == 0) {
                execl("/proc/self/exe", argv[0], "visit", NULL);
                _exit(99);
            }
            int status;
            if (waitpid(k, &status, 0) != k || status) bad++;
        }
        _exit(bad);
    }
    for (int w = 0; w < WORKERS; w++) {
        int status;
        must("waitpid", waitpid(workers[w], &status, 0));
        fact("worker %d: %d programs, %d of them with an error", w, ROUNDS, WEXITSTATUS(status));
    }
    return 0;
}
