/* pthread_cancel of a thread that sleeps in a socket call, a cancellation point each (man 7 pthreads): it ends, its cleanup
 * handlers run, nothing is lost, and the socket works afterwards. */
#include "t.h"

enum { RECV, READ, RECVFROM, RECVMSG, READV, RECVMMSG, ACCEPT, ACCEPT4, SEND, WRITE, SENDMSG, SENDTO, WRITEV, POLL, PPOLL,
       SELECT, PSELECT, EPOLL, EPOLL_PWAIT, RECV_UDP, CALLS };
static const char *names[] = {"recv", "read", "recvfrom", "recvmsg", "readv", "recvmmsg", "accept", "accept4", "send",
                              "write", "sendmsg", "sendto", "writev", "poll", "ppoll", "select", "pselect", "epoll_wait",
                              "epoll_pwait", "recv of UDP"};

static int call, p[2], l, u, ep;
/* More than any two buffers hold. */
static char much[8 << 20];
static volatile int cleaned, entered, came_back;

static void cleanup(void *arg) { cleaned += (int)(long)arg; }

static void sleep_in_it(void) {
    static char b[64];
    struct iovec v = {b, sizeof b}, w = {much, sizeof much};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    struct pollfd pf = {p[0], POLLIN, 0};
    struct epoll_event ev;
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    switch (call) {
    case RECV: recv(p[0], b, sizeof b, 0); break;
    case READ: if (read(p[0], b, sizeof b) < 0) break; break;
    case RECVFROM: recvfrom(p[0], b, sizeof b, 0, NULL, NULL); break;
    case RECVMSG: recvmsg(p[0], &m, MSG_WAITALL); break;
    case READV: if (readv(p[0], &v, 1) < 0) break; break;
    case RECVMMSG: recvmmsg(p[0], &mm, 1, 0, NULL); break;
    case ACCEPT: accept(l, NULL, NULL); break;
    case ACCEPT4: accept4(l, NULL, NULL, SOCK_CLOEXEC); break;
    case SEND: send(p[0], much, sizeof much, 0); break;
    case WRITE: if (write(p[0], much, sizeof much) < 0) break; break;
    case SENDMSG: m.msg_iov = &w; sendmsg(p[0], &m, 0); break;
    case SENDTO: sendto(p[0], much, sizeof much, 0, NULL, 0); break;
    case WRITEV: if (writev(p[0], &w, 1) < 0) break; break;
    case POLL: poll(&pf, 1, -1); break;
    case PPOLL: ppoll(&pf, 1, NULL, NULL); break;
    case SELECT: select(p[0] + 1, &r, NULL, NULL, NULL); break;
    case PSELECT: pselect(p[0] + 1, &r, NULL, NULL, NULL, NULL); break;
    case EPOLL: epoll_wait(ep, &ev, 1, -1); break;
    case EPOLL_PWAIT: epoll_pwait(ep, &ev, 1, -1, NULL); break;
    case RECV_UDP: recv(u, b, sizeof b, 0); break;
    }
}

static void *thread(void *unused) {
    (void)unused;
    pthread_cleanup_push(cleanup, (void *)1);
    pthread_cleanup_push(cleanup, (void *)10);
    entered = 1;
    sleep_in_it();
    came_back = 1;
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    alarm(9);
    int port;
    l = listener4(&port, 4);
    u = (int)must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = in4("127.0.0.1", 0), to = in4("127.0.0.1", port);
    must("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(u));
    for (call = 0; call < CALLS; call++) {
        pthread_t t;
        void *r = NULL;
        char b[64];
        int small = 65536, writes = call >= SEND && call <= WRITEV;
        tcp_pair(p);
        if (writes) {
            setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
            setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        }
        ep = epoll_create1(0);
        struct epoll_event ev = {.events = EPOLLIN};
        epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
        cleaned = entered = came_back = 0;
        pthread_create(&t, NULL, thread, NULL);
        while (!entered) sleep_ms(1);
        sleep_ms(30);
        long start = now_ms();
        pthread_cancel(t);
        pthread_join(t, &r);
        fact("%s: cancelled %d, came back %d, cleanup handlers %d, within 1000 ms %d", names[call], r == PTHREAD_CANCELED,
             came_back, cleaned, now_ms() - start < 1000);
        /* Nothing is locked or half done: the same socket from this thread. */
        if (writes) {
            /* What the cancelled call had sent of its zeroes comes first, however much that was. */
            while (recv(p[1], b, sizeof b, MSG_DONTWAIT) > 0 || strcmp(poll_text(p[0], POLLOUT, 5), "OUT")) {}
        }
        ssize_t n = send(p[0], "after", 5, MSG_NOSIGNAL);
        memset(b, 0, sizeof b);
        while (b[0] == 0 && recv(p[1], b, 1, 0) == 1) {}
        recv(p[1], b + 1, 4, MSG_WAITALL);
        fact("  sends %zd, peer got '%s'", n, b);
        must("write", write(p[1], "back", 4));
        n = recv(p[0], b, sizeof b, 0);
        fact("  reads %zd '%.4s'", n, b);
        if (call == ACCEPT || call == ACCEPT4) {
            int c = (int)must("socket", socket(AF_INET, SOCK_STREAM, 0));
            must("connect", connect(c, (struct sockaddr *)&to, sizeof to));
            int s = (int)ok("  accept", accept(l, NULL, NULL));
            close(s);
            close(c);
        }
        if (call == RECV_UDP) {
            must("sendto", sendto(u, "self", 4, 0, (struct sockaddr *)&a, sizeof a));
            res("  recv", recv(u, b, sizeof b, 0));
        }
        close(ep);
        close(p[0]);
        fact("  peer sees the close: %s", poll_text(p[1], POLLIN | POLLRDHUP, 1000));
        close(p[1]);
    }
    return 0;
}
