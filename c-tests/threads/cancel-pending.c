/* A thread whose end was asked for before a call ends in it if it is a cancellation point, although the call would not
 * wait, and does nothing of what it was asked; in any other call it goes on (`man 7 pthreads`, `man 3 pthread_cancel`). */
#include "t.h"

#include <sys/sendfile.h>
#include <sys/uio.h>

static int p[2], u[2], listening, port, made, ep, file;
static char b[64];
static struct iovec v = {b, 4};
static struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
static struct mmsghdr mm = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
static struct sockaddr_in to;
static volatile int came_back, cleaned;

enum { READS = 1, WRITES, OTHERS };

#define CALLS(X) \
    X(recv, READS, recv(p[0], b, 4, 0)) \
    X(read, READS, read(p[0], b, 4)) \
    X(recvfrom, READS, recvfrom(p[0], b, 4, 0, NULL, NULL)) \
    X(recvmsg, READS, recvmsg(p[0], &m, 0)) \
    X(readv, READS, readv(p[0], &v, 1)) \
    X(recvmmsg, READS, recvmmsg(p[0], &mm, 1, 0, NULL)) \
    X(recv_now, READS, recv(p[0], b, 4, MSG_DONTWAIT)) \
    X(recv_udp, READS, recv(u[0], b, 4, 0)) \
    X(send, WRITES, send(p[0], b, 4, 0)) \
    X(write, WRITES, write(p[0], b, 4)) \
    X(sendto, WRITES, sendto(p[0], b, 4, 0, NULL, 0)) \
    X(sendmsg, WRITES, sendmsg(p[0], &m, 0)) \
    X(writev, WRITES, writev(p[0], &v, 1)) \
    X(sendmmsg, WRITES, sendmmsg(p[0], &mm, 1, 0)) \
    X(send_udp, WRITES, send(u[1], b, 4, 0)) \
    X(sendfile, OTHERS, sendfile(p[0], file, NULL, 1)) \
    X(poll, OTHERS, poll(&(struct pollfd){p[0], POLLOUT, 0}, 1, -1)) \
    X(ppoll, OTHERS, ppoll(&(struct pollfd){p[0], POLLOUT, 0}, 1, NULL, NULL)) \
    X(select, OTHERS, selects(0)) \
    X(pselect, OTHERS, selects(1)) \
    X(epoll_wait, OTHERS, epoll_wait(ep, &(struct epoll_event){0}, 1, 0)) \
    X(epoll_pwait, OTHERS, epoll_pwait(ep, &(struct epoll_event){0}, 1, 0, NULL)) \
    X(accept, OTHERS, accept(listening, NULL, NULL)) \
    X(accept4, OTHERS, accept4(listening, NULL, NULL, SOCK_CLOEXEC)) \
    X(connect, OTHERS, connect(made, (struct sockaddr *)&to, sizeof to)) \
    X(close, OTHERS, close(made)) \
    X(socket, OTHERS, closes(socket(AF_INET, SOCK_STREAM, 0))) \
    X(bind, OTHERS, bind(made, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET}, sizeof to)) \
    X(listen, OTHERS, listen(made, 1)) \
    X(shutdown, OTHERS, shutdown(made, SHUT_WR)) \
    X(getsockname, OTHERS, getsockname(p[0], (struct sockaddr *)&(struct sockaddr_storage){0}, &(socklen_t){sizeof to})) \
    X(getsockopt, OTHERS, getsockopt(p[0], SOL_SOCKET, SO_TYPE, b, &(socklen_t){4})) \
    X(setsockopt, OTHERS, setsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4)) \
    X(ioctl, OTHERS, ioctl(p[0], FIONREAD, b)) \
    X(fcntl_getfl, OTHERS, fcntl(p[0], F_GETFL)) \
    X(fcntl_setlkw, OTHERS, fcntl(p[0], F_SETLKW, &(struct flock){.l_type = F_RDLCK})) \
    X(fcntl_dupfd, OTHERS, closes(fcntl(p[0], F_DUPFD, 100))) \
    X(dup, OTHERS, closes(dup(p[0]))) \
    X(dup2, OTHERS, dup2(p[0], made)) \
    X(epoll_ctl, OTHERS, epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &(struct epoll_event){.events = EPOLLOUT})) \
    X(fsync, OTHERS, fsync(p[0]))

static int selects(int with_mask) {
    fd_set w;
    FD_ZERO(&w);
    FD_SET(p[0], &w);
    return with_mask ? pselect(p[0] + 1, NULL, &w, NULL, NULL, NULL) : select(p[0] + 1, NULL, &w, NULL, NULL);
}

static int closes(int fd) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    close(fd);
    return 0;
}

static void cleanup(void *unused) { (void)unused; cleaned++; }

#define THREAD(name, kind, call) \
    static void *thread_##name(void *unused) { \
        (void)unused; \
        pthread_cleanup_push(cleanup, NULL); \
        pthread_cancel(pthread_self()); \
        long done = (long)(call); \
        (void)done; \
        came_back = 1; \
        pthread_cleanup_pop(0); \
        return NULL; \
    }
CALLS(THREAD)

static const struct { const char *name; int kind; void *(*run)(void *); } calls[] = {
#define ROW(name, kind, call) {#name, kind, thread_##name},
    CALLS(ROW)};

int main(void) {
    alarm(9);
    listening = listener4(&port, 8);
    to = in4("127.0.0.1", port);
    char path[] = "/tmp/cancel-pending-XXXXXX";
    file = (int)must("mkstemp", mkstemp(path));
    unlink(path);
    must("write", write(file, "abcd", 4));
    must("lseek", lseek(file, 0, SEEK_SET));
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        tcp_pair(p);
        for (int j = 0; j < 2; j++) u[j] = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        struct sockaddr_in a = in4("127.0.0.1", 0);
        must("bind", bind(u[0], (struct sockaddr *)&a, sizeof a));
        a = in4("127.0.0.1", port_of(u[0]));
        must("connect", connect(u[1], (struct sockaddr *)&a, sizeof a));
        made = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        ep = (int)must("epoll_create1", epoll_create1(0));
        must("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &(struct epoll_event){.events = EPOLLOUT}));
        int waiting = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
        must("connect", connect(waiting, (struct sockaddr *)&to, sizeof to));
        must("send", send(p[1], "data", 4, 0));
        if (calls[i].kind == READS) must("send", send(u[1], "data", 4, 0));
        must("poll", poll(&(struct pollfd){p[0], POLLIN, 0}, 1, 2000));
        came_back = cleaned = 0;
        pthread_t t;
        void *r = NULL;
        pthread_create(&t, NULL, calls[i].run, NULL);
        pthread_join(t, &r);
        fact("%s: %s, came back %d, cleanup handlers %d", calls[i].name, r == PTHREAD_CANCELED ? "cancelled" : "ended", came_back, cleaned);
        int in = 0, far = 0;
        ioctl(p[0], FIONREAD, &in);
        if (calls[i].kind == READS) fact("  left: %d of TCP, UDP %s", in, poll_text(u[0], POLLIN, 0));
        if (calls[i].kind != READS) {
            ioctl(p[1], FIONREAD, &far);
            fact("  sent: %d by TCP, UDP %s", far, poll_text(u[0], POLLIN, 0));
        }
        int c = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
        (void)c;
        close(c);
        close(waiting);
        close(ep);
        if (strcmp(calls[i].name, "close") == 0) res("  closed", fcntl(made, F_GETFD));
        close(made);
        for (int j = 0; j < 2; j++) close(p[j]), close(u[j]);
    }
    return 0;
}
