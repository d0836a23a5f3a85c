/* What changes between two receives counts for the second, and what recvfrom and recvmsg write beside the data (`man 2 recvmsg`,
 * `man 7 socket`, `man 7 ip`): names cut to the room for them, lengths in and out, flags, bad memory. */
#include "dg.h"
#include <sys/mman.h>

static int s, r;

static void in(const char *text) {
    must("send", send(s, text, strlen(text), 0));
    wait_in(r);
}

static void warm(void) {
    char b[8];
    for (int i = 0; i < 3; i++) in("warm"), must("recv", recv(r, b, sizeof b, 0));
}

static void fresh(void) {
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    con4(s, "127.0.0.1", port_of(r));
    warm();
}

static void names(void) {
    char b[16];
    struct sockaddr_in a;
    fresh();
    for (int room = 0; room <= 20; room += 5) {
        socklen_t l = (socklen_t)room;
        unsigned char n[32];
        memset(n, 0xee, sizeof n);
        in("name");
        long got = recvfrom(r, b, sizeof b, 0, SA(n), &l);
        int wrote = 0;
        for (int i = 0; i < 32; i++)
            if (n[i] != 0xee) wrote = i + 1;
        fact("room %d: %ld, length %d, wrote %d", room, got, (int)l, wrote);
    }
    socklen_t l = (socklen_t)-1;
    in("gone");
    res("negative length", recvfrom(r, b, sizeof b, 0, SA(&a), &l));
    res("and then", recv(r, b, sizeof b, MSG_DONTWAIT));
    in("gone");
    res("no length", recvfrom(r, b, sizeof b, 0, SA(&a), NULL));
    res("and then", recv(r, b, sizeof b, MSG_DONTWAIT));
    in("gone");
    l = sizeof a;
    res("bad name", recvfrom(r, b, sizeof b, 0, (void *)8, &l));
    res("and then", recv(r, b, sizeof b, MSG_DONTWAIT));
    in("keep");
    res("no name, bad length", recvfrom(r, b, sizeof b, 0, NULL, (void *)8));
    in("gone");
    res("bad buffer", recv(r, (void *)8, 4, 0));
    res("and then", recv(r, b, sizeof b, MSG_DONTWAIT));
    in("cut short");
    res("room for 3", recv(r, b, 3, 0));
    res("the rest is gone", recv(r, b, 3, MSG_DONTWAIT));
    in("");
    res("an empty one", recv(r, b, 3, 0));
    in("no room");
    res("room for none", recv(r, b, 0, 0));
    in("its length");
    res("MSG_TRUNC", recv(r, b, 3, MSG_TRUNC));
    close(r), close(s);
}

static void message(const char *label, int name_room, size_t room) {
    char b[64], c[256];
    struct sockaddr_in a = in4("0.0.0.0", 0);
    struct iovec v = {b, room};
    struct msghdr m = {.msg_name = name_room < 0 ? NULL : &a, .msg_namelen = name_room < 0 ? 77 : (socklen_t)name_room, .msg_iov = &v,
                       .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c, .msg_flags = -1};
    in("message");
    long n = recvmsg(r, &m, 0);
    int kinds = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) kinds++;
    fact("%s: %ld, name %d, from %s, control %s (%d), flags %s%s", label, n, (int)m.msg_namelen, a.sin_port ? "a port" : "nobody",
         m.msg_controllen ? "some" : "none", kinds, m.msg_flags & MSG_TRUNC ? "TRUNC" : "", m.msg_flags & ~MSG_TRUNC ? " others" : "");
}

static void messages(void) {
    fresh();
    message("all", 16, 64);
    message("name of 4", 4, 64);
    message("no name", -1, 64);
    message("cut", 16, 3);
    set(r, IPPROTO_IP, IP_PKTINFO, 1);
    message("packet info", 16, 64);
    set(r, IPPROTO_IP, IP_PKTINFO, 0);
    message("no more", 16, 64);
    set(r, SOL_SOCKET, SO_TIMESTAMP, 1);
    message("time", 16, 64);
    set(r, SOL_SOCKET, SO_TIMESTAMP, 0);
    message("no more", 16, 64);

    /* A header that may only be read: the datagram goes, the call fails. */
    struct msghdr *h = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char b[64];
    struct sockaddr_in a;
    struct iovec v = {b, sizeof b};
    *h = (struct msghdr){.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1};
    mprotect(h, 4096, PROT_READ);
    in("gone");
    res("read-only header", recvmsg(r, h, 0));
    res("and then", recv(r, b, sizeof b, MSG_DONTWAIT));
    mprotect(h, 4096, PROT_READ | PROT_WRITE);
    struct mmsghdr many[4];
    for (int i = 0; i < 4; i++)
        many[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1, .msg_name = &a, .msg_namelen = sizeof a}};
    struct iovec w = {"several", 7};
    struct mmsghdr out[3];
    for (int i = 0; i < 3; i++) out[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &w, .msg_iovlen = 1}};
    res("sendmmsg", sendmmsg(s, out, 3, 0));
    sleep_ms(5);
    res("recvmmsg", recvmmsg(r, many, 4, MSG_DONTWAIT, NULL));
    fact("lengths %u %u %u", many[0].msg_len, many[1].msg_len, many[2].msg_len);
    close(r), close(s);
}

static void peeks(void) {
    char b[16];
    fresh();
    in("abcdef");
    in("ghi");
    sleep_ms(5);
    set(r, SOL_SOCKET, SO_PEEK_OFF, 2);
    long n = recv(r, b, 3, MSG_PEEK);
    fact("peek: %ld \"%.*s\"", n, (int)n, b);
    n = recv(r, b, sizeof b, 0);
    fact("take: %ld \"%.*s\", offset %ld", n, (int)n, b, get(r, SOL_SOCKET, SO_PEEK_OFF));
    n = recv(r, b, 3, MSG_PEEK);
    fact("peek: %ld \"%.*s\"", n, (int)n, b);
    close(r), close(s);
}

static void errors(void) {
    char b[16];
    r = udp4("127.0.0.1"), s = udp4("127.0.0.1");
    int gone = udp4("127.0.0.1"), port = port_of(gone);
    con4(r, "127.0.0.1", port);
    close(gone);
    send(r, "x", 1, 0);
    int back = udp4p("127.0.0.1", port);
    con4(back, "127.0.0.1", port_of(r));
    send(back, "data", 4, 0);
    wait_in(r);
    sleep_ms(5);
    res("an error goes first", recv(r, b, sizeof b, 0));
    res("then the data", recv(r, b, sizeof b, 0));
    send(back, "data", 4, 0);
    sleep_ms(5);
    res("shut down for reading", shutdown(r, SHUT_RD));
    res("what waits", recv(r, b, sizeof b, 0));
    res("the end", recv(r, b, sizeof b, 0));
    res("without waiting", recv(r, b, sizeof b, MSG_DONTWAIT));
    close(r), close(s), close(back);
}

static void *late(void *fd) {
    sleep_ms(30);
    shutdown(*(int *)fd, SHUT_RD);
    return NULL;
}

static void waits(void) {
    char b[16];
    fresh();
    struct timeval t = {0, 30000};
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    double before = now_ms();
    res("a timeout", recv(r, b, sizeof b, 0));
    double took = now_ms() - before;
    fact("it lasted: %s", took >= 29 && took < 3000 ? "yes" : "no");
    memset(&t, 0, sizeof t);
    setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    set(r, SOL_SOCKET, SO_RCVLOWAT, 100);
    in("short");
    res("RCVLOWAT does not hold a datagram back", recv(r, b, sizeof b, 0));
    fcntl(r, F_SETFL, O_NONBLOCK);
    res("O_NONBLOCK", recv(r, b, sizeof b, 0));
    fcntl(r, F_SETFL, 0);
    pthread_t k;
    pthread_create(&k, NULL, late, &r);
    res("shut down while it waits", recv(r, b, sizeof b, 0));
    pthread_join(k, NULL);
    close(r), close(s);
}

int main(void) {
    alarm(9);
    names();
    messages();
    peeks();
    errors();
    waits();
    return 0;
}
