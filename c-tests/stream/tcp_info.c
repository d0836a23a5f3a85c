/* TCP_INFO (`man 7 tcp`): the state at each stage of a connection and a few counters, loosely; how the length is
 * treated. */
#include "stream.h"

static struct tcp_info i;
static const char *info(int fd) {
    socklen_t l = sizeof i;
    memset(&i, 0, sizeof i);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &l) < 0) return ename(errno);
    return tcp_state(fd);
}

int main(void) {
    alarm(8);
    int u = socket(AF_INET, SOCK_STREAM, 0);
    fact("fresh %s", info(u));
    struct sockaddr_in a = in4("127.0.0.1", 0);
    bind(u, (struct sockaddr *)&a, sizeof a);
    fact("bound %s", info(u));
    listen(u, 7);
    const char *st = info(u);
    fact("listening %s: waiting %u, limit %u", st, i.tcpi_unacked, i.tcpi_sacked);
    a = in4("127.0.0.1", port_of(u));
    int c = socket(AF_INET, SOCK_STREAM, 0);
    must("connect", connect(c, (struct sockaddr *)&a, sizeof a));
    fact("connected, not accepted %s", info(c));
    sleep_ms(10);
    st = info(u);
    fact("listener with one in the queue %s: waiting %u, limit %u", st, i.tcpi_unacked, i.tcpi_sacked);
    int s = (int)must("accept", accept(u, NULL, NULL));
    fact("accepted %s", info(s));
    fact("snd_mss above 500: %s, rto above 0: %s, pmtu above 500: %s, snd_cwnd above 0: %s",
         i.tcpi_snd_mss > 500 ? "yes" : "no", i.tcpi_rto > 0 ? "yes" : "no",
         i.tcpi_pmtu > 500 ? "yes" : "no", i.tcpi_snd_cwnd > 0 ? "yes" : "no");
    fact("ca_state %u, retransmits %u, probes %u, backoff %u", i.tcpi_ca_state, i.tcpi_retransmits, i.tcpi_probes,
         i.tcpi_backoff);

    must("send", send(c, "12345678", 8, 0));
    char b[16];
    must("recv", recv(s, b, 16, 0));
    must("send", send(s, "123", 3, 0));
    must("recv", recv(c, b, 16, 0));
    sleep_ms(20);
    info(s);
    fact("lost %u, retrans %u, total_retrans %u", i.tcpi_lost, i.tcpi_retrans, i.tcpi_total_retrans);
    /* The fields after tcpi_total_retrans are known to linux/tcp.h only: bytes_acked at 120, bytes_received at 128,
     * segs_out at 136, segs_in at 140. */
    unsigned char raw[400];
    socklen_t l = sizeof raw;
    memset(raw, 0, sizeof raw);
    res("with a large buffer", getsockopt(s, IPPROTO_TCP, TCP_INFO, raw, &l));
    fact("length at least 104: %s, multiple of 4: %s", l >= 104 ? "yes" : "no", l % 4 == 0 ? "yes" : "no");
    uint64_t acked, received;
    uint32_t so, si;
    memcpy(&acked, raw + 120, 8); memcpy(&received, raw + 128, 8); memcpy(&so, raw + 136, 4); memcpy(&si, raw + 140, 4);
    fact("bytes_received %llu, bytes_acked above 0: %s, segments out and in above 0: %s", (unsigned long long)received,
         acked > 0 ? "yes" : "no", so && si ? "yes" : "no");

    shutdown(c, SHUT_WR);
    await(s, POLLRDHUP);
    fact("half-closed %s", settle(c, "FIN_WAIT2"));
    fact("its peer %s", info(s));
    shutdown(s, SHUT_WR);
    await(c, POLLHUP);
    await(s, POLLHUP);
    fact("both %s", settle(c, "CLOSE"));
    fact("and %s", settle(s, "CLOSE"));
    close(s);
    close(c);

    int p[2];
    tcp_pair(p);
    reset_close(p[1]);
    await(p[0], POLLHUP);
    fact("reset %s", info(p[0]));
    l = 1;
    raw[0] = raw[1] = 99;
    res("length 1", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, &l));
    fact("length %u, state %d, byte behind %d", l, raw[0], raw[1]);
    l = 0;
    res("length 0", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, &l));
    fact("length %u", l);
    l = (socklen_t)-1;
    res("length -1", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, &l));
    res("no length", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, NULL));
    l = sizeof raw;
    res("no buffer", getsockopt(p[0], IPPROTO_TCP, TCP_INFO, NULL, &l));
    res("set", setsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, 4));
    int d = socket(AF_INET, SOCK_DGRAM, 0);
    l = sizeof raw;
    res("on a datagram socket", getsockopt(d, IPPROTO_TCP, TCP_INFO, raw, &l));
    return 0;
}
