/* TCP_INFO's numbers (`man 7 tcp`; linux/tcp.h), as relations that hold on the kernel: bytes, segments, times, windows,
 * round trips, and what short buffers get. */
#include "stream.h"
#include <stddef.h>

/* struct tcp_info as linux/tcp.h has it; glibc's ends earlier. */
struct info {
    uint8_t state, ca_state, retransmits, probes, backoff, options, wscale, limited;
    uint32_t rto, ato, snd_mss, rcv_mss, unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering, rcv_rtt, rcv_space, total_retrans;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
    uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retrans;
    uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time;
};

static struct info get(int fd) {
    struct info i;
    socklen_t l = sizeof i;
    memset(&i, 0, sizeof i);
    must("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &l));
    return i;
}
static const char *yes(int v) { return v ? "yes" : "no"; }

int main(void) {
    alarm(8);
    int p[2];
    tcp_pair(p);
    struct info a = get(p[0]), b = get(p[1]);
    fact("state %u %u, options %x %x, wscale %s", a.state, b.state, a.options & 7, b.options & 7, yes((a.wscale & 15) > 0 && a.wscale >> 4 > 0));
    fact("fresh: connector acked %llu received %llu, acceptor acked %llu received %llu", (unsigned long long)a.bytes_acked,
         (unsigned long long)a.bytes_received, (unsigned long long)b.bytes_acked, (unsigned long long)b.bytes_received);
    fact("fresh: connector out %u in %u data %u %u, acceptor out %u in %u data %u %u", a.segs_out, a.segs_in, a.data_segs_out,
         a.data_segs_in, b.segs_out, b.segs_in, b.data_segs_out, b.data_segs_in);
    fact("fresh: sent %llu %llu, delivered %u %u, notsent %u %u", (unsigned long long)a.bytes_sent, (unsigned long long)b.bytes_sent,
         a.delivered, b.delivered, a.notsent_bytes, b.notsent_bytes);
    fact("rto %s, ato %s", yes(a.rto >= 200000 && a.rto < 2000000), yes(a.ato <= 200000));
    fact("mss: snd %s, adv %s, pmtu %u", yes(a.snd_mss > 1000 && a.snd_mss <= 65535), yes(a.advmss > 1000 && a.advmss <= 65535), a.pmtu);
    fact("snd_cwnd %s, snd_ssthresh infinite %s, reordering %s, unacked %u", yes(a.snd_cwnd >= 10), yes(a.snd_ssthresh >= 0x7fffffff), yes(a.reordering >= 3), a.unacked);
    fact("rtt measured: connector %s, rttvar %s, min_rtt %s", yes(a.rtt > 0 && a.rtt < 1000000), yes(a.rttvar > 0), yes(a.min_rtt > 0 && a.min_rtt < 1000000));
    fact("windows: snd %s rcv %s, rcv_space %s", yes(a.snd_wnd > 1000), yes(a.rcv_wnd > 1000), yes(a.rcv_space > 1000));
    fact("pacing_rate %s, max %s", yes(a.pacing_rate > 0), yes(a.max_pacing_rate == ~0ull));

    char buf[70000];
    memset(buf, 7, sizeof buf);
    for (int k = 0; k < 10; k++) {
        must("send", send(p[0], buf, 100, 0));
        must("recv", recv(p[1], buf, 100, MSG_WAITALL));
        must("send", send(p[1], buf, 50, 0));
        must("recv", recv(p[0], buf, 50, MSG_WAITALL));
    }
    sleep_ms(60);
    a = get(p[0]), b = get(p[1]);
    fact("ten rounds: connector acked %llu received %llu sent %llu", (unsigned long long)a.bytes_acked,
         (unsigned long long)a.bytes_received, (unsigned long long)a.bytes_sent);
    fact("acceptor acked %llu received %llu sent %llu", (unsigned long long)b.bytes_acked, (unsigned long long)b.bytes_received,
         (unsigned long long)b.bytes_sent);
    fact("data segments: %u %u, %u %u", a.data_segs_out, a.data_segs_in, b.data_segs_out, b.data_segs_in);
    fact("segments: data and the handshake at least: %s %s", yes(a.segs_out >= a.data_segs_out + 2 && a.segs_in >= a.data_segs_in + 1), yes(b.segs_out >= b.data_segs_out && b.segs_in >= b.data_segs_in + 1));
    fact("what one sent the other got: %s %s", yes(a.segs_out == b.segs_in), yes(b.segs_out + 1 == a.segs_in));
    fact("delivered: %s %s", yes(a.delivered >= 10 && a.delivered <= 12), yes(b.delivered >= 10 && b.delivered <= 12));
    fact("notsent %u %u, unacked %u %u", a.notsent_bytes, b.notsent_bytes, a.unacked, b.unacked);
    fact("last data: sent %s, received %s, ack %s", yes(a.last_data_sent >= 50 && a.last_data_sent < 2000), yes(a.last_data_recv >= 50 && a.last_data_recv < 2000), yes(a.last_ack_recv >= 50 && a.last_ack_recv < 2000));
    fact("rtt %s, var %s, min %s: min at most rtt: %s", yes(a.rtt > 0 && a.rtt < 500000), yes(a.rttvar > 0), yes(a.min_rtt < 500000), yes(a.min_rtt <= a.rtt));
    fact("delivery rate %s", yes(a.delivery_rate > 0));
    fact("retransmits %u, lost %u, retrans %u, bytes %llu, dsack %u, reorder seen %u, out of order %u", a.retransmits, a.lost,
         a.total_retrans, (unsigned long long)a.bytes_retrans, a.dsack_dups, a.reord_seen, a.rcv_ooopack);

    /* A later send moves its own times only. */
    must("send", send(p[0], buf, 1, 0));
    must("recv", recv(p[1], buf, 1, 0));
    a = get(p[0]), b = get(p[1]);
    fact("after one more: sent %s, received earlier %s; there received %s, sent earlier %s", yes(a.last_data_sent < 50), yes(a.last_data_recv >= 50),
         yes(b.last_data_recv < 50), yes(b.last_data_sent >= 50));

    /* A large one is several segments; the reader does not read. */
    must("send", send(p[0], buf, sizeof buf, 0));
    sleep_ms(20);
    a = get(p[0]), b = get(p[1]);
    fact("large: sent %llu received %llu", (unsigned long long)a.bytes_sent, (unsigned long long)b.bytes_received);
    fact("its segments: %s, as many came: %s", yes(a.data_segs_out >= 13 && a.data_segs_out <= 20), yes(a.data_segs_out == b.data_segs_in));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    while (send(p[0], buf, sizeof buf, 0) > 0) {}
    sleep_ms(50);
    a = get(p[0]), b = get(p[1]);
    fact("full: not sent %s", yes(a.notsent_bytes > 0));
    fact("acked is what the other received: %s", yes(a.bytes_acked - 1 == b.bytes_received));
    int outq = 0, nsd = 0, inq = 0;
    ioctl(p[0], 0x5411, &outq);
    ioctl(p[0], 0x894B, &nsd);
    ioctl(p[1], FIONREAD, &inq);
    fact("SIOCOUTQNSD is notsent_bytes: %s, FIONREAD is bytes_received less what was read: %s", yes((uint32_t)nsd == a.notsent_bytes), yes((uint64_t)inq == b.bytes_received - 1001));

    /* Corked bytes are not sent. */
    int q[2], one = 1;
    tcp_pair(q);
    setsockopt(q[0], IPPROTO_TCP, TCP_CORK, &one, sizeof one);
    must("send", send(q[0], buf, 30, 0));
    a = get(q[0]), b = get(q[1]);
    fact("corked: notsent %u, sent %llu, received %llu", a.notsent_bytes, (unsigned long long)a.bytes_sent, (unsigned long long)b.bytes_received);
    one = 0;
    setsockopt(q[0], IPPROTO_TCP, TCP_CORK, &one, sizeof one);
    must("recv", recv(q[1], buf, 30, MSG_WAITALL));
    a = get(q[0]);
    fact("uncorked: notsent %u, sent %llu", a.notsent_bytes, (unsigned long long)a.bytes_sent);
    shutdown(q[0], SHUT_WR);
    await(q[1], POLLRDHUP);
    settle(q[0], "FIN_WAIT2");
    a = get(q[0]), b = get(q[1]);
    fact("after the end: state %u %u, acked %llu, received %llu", a.state, b.state, (unsigned long long)a.bytes_acked, (unsigned long long)b.bytes_received);

    /* Short buffers */
    unsigned char raw[300];
    static const int sizes[] = {0, 1, 4, 5, 8, 104, 192, 232, 280, 300};
    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        socklen_t l = (socklen_t)sizes[k];
        memset(raw, 0xEE, sizeof raw);
        int r = getsockopt(p[0], IPPROTO_TCP, TCP_INFO, raw, &l);
        int kept = 1;
        for (unsigned j = l; j < sizeof raw; j++) kept &= raw[j] == 0xEE;
        fact("room %d: %d, length %u, nothing beyond: %s", sizes[k], r, l, yes(kept));
    }
    return 0;
}
