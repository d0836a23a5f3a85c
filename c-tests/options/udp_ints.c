/* The options of IPPROTO_UDP (man 7 udp; linux/udp.h), and what TCP sockets say to them. */
#include "opt.h"

int main(void) {
    alarm(8);
    static const struct opt_row rows[] = {
        {O(UDP_CORK), ALL, {LOW, -1, 0, 1, 2, HIGH, END}},
        {O(UDP_SEGMENT), ALL, {LOW, -1, 0, 1, 1400, 65535, 65536, HIGH, END}},
        {O(UDP_GRO), ALL, {-1, 0, 1, 2, END}},
        {O(UDP_NO_CHECK6_TX), ALL, {-1, 0, 1, 2, END}},
        {O(UDP_NO_CHECK6_RX), ALL, {-1, 0, 1, 2, END}},
        {"UDP_ENCAP", 100, ALL, {0, END}},
        {"option 0", 0, ALL, {0, 1, END}},
        {"option 2", 2, ALL, {0, 1, END}},
        {"option 1000", 1000, ALL, {0, 1, END}},
        {"option -1", -1, ALL, {0, 1, END}},
    };
    opt_table(IPPROTO_UDP, rows, sizeof rows / sizeof *rows);
    opt_lengths("UDP_CORK", 2, IPPROTO_UDP, UDP_CORK, 1);
    opt_lengths("UDP_SEGMENT", 3, IPPROTO_UDP, UDP_SEGMENT, 500);
    /* Corked datagrams go as one when the cork is drawn, or by the first send without MSG_MORE. */
    int r = opt_socket(2), s = opt_socket(2);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    must("bind", bind(r, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons((uint16_t)port_of(r));
    must("connect", connect(s, (struct sockaddr *)&a, sizeof a));
    char b[64];
    must("cork", opt_set(s, IPPROTO_UDP, UDP_CORK, 1));
    res("send abc", send(s, "abc", 3, 0));
    res("send defg", send(s, "defg", 4, 0));
    res("receive while corked", recv(r, b, sizeof b, MSG_DONTWAIT));
    must("uncork", opt_set(s, IPPROTO_UDP, UDP_CORK, 0));
    long n = res("receive after it", recv(r, b, sizeof b, MSG_DONTWAIT));
    fact("got %.*s", n > 0 ? (int)n : 0, b);
    res("send xy with MSG_MORE", send(s, "xy", 2, MSG_MORE));
    res("receive meanwhile", recv(r, b, sizeof b, MSG_DONTWAIT));
    res("send z", send(s, "z", 1, 0));
    n = res("receive", recv(r, b, sizeof b, MSG_DONTWAIT));
    fact("got %.*s", n > 0 ? (int)n : 0, b);
    res("receive more", recv(r, b, sizeof b, MSG_DONTWAIT));
    return 0;
}
