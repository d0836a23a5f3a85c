/* sendfile and splice to a TCP socket with a small send buffer (`man 2 sendfile`, `man 2 splice`, SO_SNDBUF in
 * `man 7 socket`): without waiting, a call takes what there is room for and says so, the rest stays in the file or in the
 * pipe; waiting, the bytes go while the other side reads. */
#include "stream.h"
#include <sys/sendfile.h>

enum { SIZE = 200001 };
static unsigned char in[SIZE];

/* A connection whose buffers are as small as they get. */
static void small_pair(int p[2]) {
    int l = must("socket", socket(AF_INET, SOCK_STREAM, 0)), least = 1024;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    must("SO_RCVBUF", setsockopt(l, SOL_SOCKET, SO_RCVBUF, &least, sizeof least));
    must("bind", bind(l, (struct sockaddr *)&a, n));
    must("listen", listen(l, 1));
    must("getsockname", getsockname(l, (struct sockaddr *)&a, &n));
    p[0] = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("SO_SNDBUF", setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least));
    must("connect", connect(p[0], (struct sockaddr *)&a, n));
    p[1] = must("accept", accept(l, NULL, NULL));
    close(l);
}

/* Reads everything that comes and says whether it is the file. */
static void *reader(void *arg) {
    long n = read_full(*(int *)arg, in, SIZE);
    int right = n == SIZE;
    for (long i = 0; i < n; i++) right &= in[i] == pat((size_t)i);
    return right ? "yes" : "no";
}

static void rest(int fd, int from, int is_pipe, int writer, long sent) {
    pthread_t t;
    void *right;
    nonblock(fd, 0);
    int far = writer;
    pthread_create(&t, NULL, reader, &far);
    long r = 1;
    while (sent < SIZE && r > 0) {
        r = is_pipe ? splice(from, NULL, fd, NULL, (size_t)(SIZE - sent), 0)
                    : sendfile(fd, from, NULL, (size_t)(SIZE - sent));
        if (r > 0) sent += r;
    }
    fact("all sent: %s", sent == SIZE ? "yes" : "no");
    pthread_join(t, &right);
    fact("all came, and right: %s", (char *)right);
}

int main(void) {
    alarm(8);
    signal(SIGPIPE, SIG_IGN);
    FILE *t = tmpfile();
    int f = fileno(t), p[2], q[2];
    for (size_t i = 0; i < SIZE; i++) in[i] = pat(i);
    must("write", (long)fwrite(in, 1, SIZE, t));
    fflush(t);
    lseek(f, 0, SEEK_SET);

    small_pair(p);
    nonblock(p[0], 1);
    long r = sendfile(p[0], f, NULL, SIZE);
    fact("sendfile without waiting took a part: %s", r > 0 && r < SIZE ? "yes" : "no");
    fact("the file stands where it ended: %s", lseek(f, 0, SEEK_CUR) == r ? "yes" : "no");
    long more;
    while ((more = sendfile(p[0], f, NULL, (size_t)(SIZE - r))) > 0) r += more;
    res("sendfile, full", more);
    fact("the file stands where it ended: %s", lseek(f, 0, SEEK_CUR) == r ? "yes" : "no");
    rest(p[0], f, 0, p[1], r);
    close(p[0]);
    close(p[1]);

    small_pair(p);
    must("pipe", pipe(q));
    must("F_SETPIPE_SZ", fcntl(q[1], F_SETPIPE_SZ, 1 << 18));
    lseek(f, 0, SEEK_SET);
    for (long n = 0; n < SIZE;) n += must("read", read(f, in, SIZE)) > 0 ? must("write", write(q[1], in, SIZE)) : SIZE;
    close(q[1]);
    nonblock(p[0], 1);
    r = splice(q[0], NULL, p[0], NULL, SIZE, SPLICE_F_NONBLOCK);
    int left = 0;
    ioctl(q[0], FIONREAD, &left);
    fact("splice without waiting took a part: %s", r > 0 && r < SIZE ? "yes" : "no");
    fact("the rest is in the pipe: %s", left == SIZE - r ? "yes" : "no");
    rest(p[0], q[0], 1, p[1], r);
    ioctl(q[0], FIONREAD, &left);
    fact("left in the pipe: %d", left);
    return 0;
}
