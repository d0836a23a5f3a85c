/* What recvmsg writes into the msghdr on TCP, and addresses given to calls on a connected TCP socket (`man 2
 * recvmsg`, `man 2 sendto`: EISCONN is allowed, Linux ignores the address): no source address, no control data,
 * msg_flags. */
#include "stream.h"

int main(void) {
    alarm(8);
    int p[2];
    char b[32];
    tcp_pair(p);
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    struct sockaddr_in from;
    memset(&from, 0x5a, sizeof from);
    char ctl[128];
    memset(ctl, 0x5a, sizeof ctl);
    struct iovec v = {b, 3};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl,
                       .msg_controllen = sizeof ctl, .msg_flags = 0x7fff};
    res("recvmsg", recvmsg(p[1], &m, 0));
    fact("namelen %u, name touched: %s", m.msg_namelen, ((unsigned char *)&from)[0] == 0x5a ? "no" : "yes");
    fact("controllen %zu, flags %#x, control touched: %s", m.msg_controllen, (unsigned)m.msg_flags,
         ctl[0] == 0x5a ? "no" : "yes");
    fact("iovlen %zu, iov_len %zu", m.msg_iovlen, v.iov_len);
    m.msg_namelen = sizeof from;
    m.msg_controllen = 0;
    m.msg_control = NULL;
    res("recvmsg with MSG_CMSG_CLOEXEC", recvmsg(p[1], &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
    fact("flags %#x, namelen %u", (unsigned)m.msg_flags, m.msg_namelen);
    m.msg_flags = 0x1234;
    m.msg_namelen = sizeof from;
    res("recvmsg, nothing there", recvmsg(p[1], &m, MSG_DONTWAIT));
    fact("after a failure: flags %#x, namelen %u", (unsigned)m.msg_flags, m.msg_namelen);
    m.msg_namelen = (socklen_t)-1;
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    res("recvmsg, namelen -1", recvmsg(p[1], &m, MSG_DONTWAIT));
    m.msg_name = NULL;
    m.msg_namelen = 77;
    v.iov_len = 10;
    res("recvmsg, no name, namelen 77", recvmsg(p[1], &m, MSG_DONTWAIT));
    fact("namelen %u", m.msg_namelen);

    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    socklen_t l = sizeof from;
    memset(&from, 0x5a, sizeof from);
    res("recvfrom", recvfrom(p[1], b, 5, 0, (struct sockaddr *)&from, &l));
    fact("length %u, address touched: %s", l, ((unsigned char *)&from)[0] == 0x5a ? "no" : "yes");
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    res("recvfrom with an address and no length", recvfrom(p[1], b, 5, 0, (struct sockaddr *)&from, NULL));
    res("what is left", recv(p[1], b, 5, MSG_DONTWAIT));
    l = (socklen_t)-4;
    must("send", send(p[0], "hello", 5, 0));
    await(p[1], POLLIN);
    res("recvfrom with length -4", recvfrom(p[1], b, 5, 0, (struct sockaddr *)&from, &l));
    res("what is left", recv(p[1], b, 5, MSG_DONTWAIT));

    struct sockaddr_in to = in4("127.0.0.1", 1);
    struct sockaddr_in6 to6 = in6("::1", 1);
    res("sendto another address", sendto(p[0], "one", 3, 0, (struct sockaddr *)&to, sizeof to));
    res("sendto a foreign family", sendto(p[0], "two", 3, 0, (struct sockaddr *)&to6, sizeof to6));
    res("sendto with length 0", sendto(p[0], "three", 5, 0, (struct sockaddr *)&to, 0));
    res("sendto with length 3", sendto(p[0], "four", 4, 0, (struct sockaddr *)&to, 3));
    res("sendto NULL with length 16", sendto(p[0], "five", 4, 0, NULL, 16));
    res("sendto with length 200", sendto(p[0], "six", 3, 0, (struct sockaddr *)&to, 200));
    res("sendto with length -1", sendto(p[0], "seven", 5, 0, (struct sockaddr *)&to, (socklen_t)-1));
    res("sendto a bad pointer", sendto(p[0], "eight", 5, 0, (struct sockaddr *)8, 16));
    struct msghdr s = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &(struct iovec){"nine", 4},
        .msg_iovlen = 1, .msg_flags = MSG_OOB};
    res("sendmsg with a name; msg_flags are not looked at", sendmsg(p[0], &s, 0));
    s.msg_namelen = 300;
    res("sendmsg with namelen 300", sendmsg(p[0], &s, 0));
    s.msg_namelen = (socklen_t)-1;
    res("sendmsg with namelen -1", sendmsg(p[0], &s, 0));
    s.msg_name = NULL;
    s.msg_namelen = 0;

    /* Control messages: SCM_RIGHTS means nothing to TCP, a malformed one is EINVAL. */
    union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u;
    memset(&u, 0, sizeof u);
    s.msg_control = &u;
    s.msg_controllen = sizeof u.b;
    u.h.cmsg_len = CMSG_LEN(sizeof(int));
    u.h.cmsg_level = SOL_SOCKET;
    u.h.cmsg_type = SCM_RIGHTS;
    res("sendmsg with SCM_RIGHTS", sendmsg(p[0], &s, 0));
    u.h.cmsg_level = IPPROTO_IP;
    u.h.cmsg_type = 12345;
    res("sendmsg with an unknown IP control message", sendmsg(p[0], &s, 0));
    u.h.cmsg_level = SOL_SOCKET;
    res("sendmsg with an unknown SOL_SOCKET control message", sendmsg(p[0], &s, 0));
    u.h.cmsg_len = 3;
    res("sendmsg with cmsg_len 3", sendmsg(p[0], &s, 0));
    u.h.cmsg_len = 4000;
    res("sendmsg with cmsg_len 4000", sendmsg(p[0], &s, 0));
    s.msg_controllen = 5;
    res("sendmsg with controllen 5", sendmsg(p[0], &s, 0));
    shutdown(p[0], SHUT_WR);
    char all[200];
    long n = read_full(p[1], all, sizeof all);
    fact("arrived: %.*s", (int)n, all);
    return 0;
}
