//! TCP_INFO (tcp(7); linux/tcp.h, struct tcp_info): what is known of a connection that has no segments.
//!
//! Bytes are counted by the connection's own positions. What a peer's buffer holds is acknowledged, as on loopback;
//! nothing is ever lost, reordered or sent again, so those counters are true zeroes. A write is a segment, or as many as
//! it fills; there are no segments without data but the handshake's. The round trip is how long a write takes to be read.
//! What describes a congestion control or a timer that does not exist is left 0.

use core::sync::atomic::Ordering::*;

use super::places::EXTRA_PACING;
use super::special::{accept_queue, mtu, tcp_state};
use super::system::{self, System};
use super::tcp::agreed_segment;
use crate::family::inet::state;
use crate::family::inet::stream::unacknowledged;
use crate::shm::End;
use crate::socket::Sock;

/// The length of struct tcp_info in Linux 6.18.
pub const LENGTH: usize = 280;
/// TCP_TIMEOUT_INIT and TCP_RTO_MIN in microseconds.
const RTO_INITIAL_US: u32 = 1_000_000;
const RTO_MIN_US: u32 = 200_000;
/// TCP_INIT_CWND.
const INITIAL_WINDOW: u32 = 10;
/// TCP_INFINITE_SSTHRESH.
const NO_THRESHOLD: u32 = 0x7fff_ffff;
/// TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE: what two Linux systems agree on.
const TIMESTAMPS: u8 = 1;
const SELECTIVE: u8 = 2;
const SCALED: u8 = 4;
/// TCP_MSS_DEFAULT.
const DEFAULT_SEGMENT: u32 = 536;

/// Where the fields begin.
mod at {
    pub const STATE: usize = 0;
    pub const OPTIONS: usize = 5;
    pub const SCALES: usize = 6;
    pub const RTO: usize = 8;
    pub const SND_MSS: usize = 16;
    pub const RCV_MSS: usize = 20;
    pub const UNACKED: usize = 24;
    pub const SACKED: usize = 28;
    pub const LAST_DATA_SENT: usize = 44;
    pub const LAST_DATA_RECV: usize = 52;
    pub const LAST_ACK_RECV: usize = 56;
    pub const PMTU: usize = 60;
    pub const RCV_SSTHRESH: usize = 64;
    pub const RTT: usize = 68;
    pub const RTTVAR: usize = 72;
    pub const SND_SSTHRESH: usize = 76;
    pub const SND_CWND: usize = 80;
    pub const ADVMSS: usize = 84;
    pub const REORDERING: usize = 88;
    pub const RCV_SPACE: usize = 96;
    pub const PACING_RATE: usize = 104;
    pub const MAX_PACING_RATE: usize = 112;
    pub const BYTES_ACKED: usize = 120;
    pub const BYTES_RECEIVED: usize = 128;
    pub const SEGS_OUT: usize = 136;
    pub const SEGS_IN: usize = 140;
    pub const NOTSENT_BYTES: usize = 144;
    pub const MIN_RTT: usize = 148;
    pub const DATA_SEGS_IN: usize = 152;
    pub const DATA_SEGS_OUT: usize = 156;
    pub const DELIVERY_RATE: usize = 160;
    pub const DELIVERED: usize = 192;
    pub const BYTES_SENT: usize = 200;
    pub const SND_WND: usize = 228;
    pub const RCV_WND: usize = 232;
}

struct Info([u8; LENGTH]);

impl Info {
    fn put(&mut self, at: usize, value: u64) {
        self.0[at..at + 4].copy_from_slice(&(value.min(u32::MAX as u64) as u32).to_ne_bytes());
    }

    fn put_wide(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// What went through a direction, in bytes and segments.
struct Flow {
    arrived: u64,
    not_sent: u64,
    segments: u64,
    idle_ms: u64,
}

/// What `end` sent.
fn flow(end: &End) -> Flow {
    let way = end.tx();
    let not_sent = unacknowledged(end);
    let arrived = way.written().saturating_sub(not_sent);
    let idle_ms = way.idle_ns().map_or(0, |ns| ns / 1_000_000);
    Flow { arrived, not_sent, segments: way.segments(), idle_ms }
}

/// How far the window of a receive buffer of the largest size has to be scaled (RFC 7323, tcp_select_initial_window).
pub fn window_scale() -> u8 {
    let most = system::get(System::TcpReceiveBufferMax).max(system::get(System::ReceiveBufferMax)).max(1) as u32;
    (most.ilog2() as i32 - 15).clamp(0, 14) as u8
}

/// The 280 bytes.
pub fn of(s: &Sock) -> [u8; LENGTH] {
    let mut info = Info([0; LENGTH]);
    let state = tcp_state(s);
    info.0[at::STATE] = state as u8;
    let rate = !s.slot.extra[EXTRA_PACING].load(Relaxed);
    info.put_wide(at::PACING_RATE, rate);
    info.put_wide(at::MAX_PACING_RATE, rate);
    info.put(at::SND_SSTHRESH, NO_THRESHOLD as u64);
    info.put(at::PMTU, mtu(s).unwrap_or(0) as u64);
    match s.end().filter(|_| state != state::LISTEN) {
        Some(end) => connected(&mut info, s, &end),
        None => {
            info.put(at::RTO, RTO_INITIAL_US as u64);
            info.put(at::SND_MSS, DEFAULT_SEGMENT as u64);
            info.put(at::RCV_MSS, DEFAULT_SEGMENT as u64);
            info.put(at::SND_CWND, INITIAL_WINDOW as u64);
        }
    }
    if state == state::LISTEN {
        // For a listener these two are the queue of connections that wait, and its limit.
        let (waiting, limit) = accept_queue(s);
        info.put(at::UNACKED, waiting as u64);
        info.put(at::SACKED, limit as u64);
    }
    info.0
}

/// TCP_CC_INFO: what the congestion control tells of itself. Of those that a program can choose by default, only BBR does
/// (struct tcp_bbr_info): the bandwidth, the least round trip, and its two gains in 256ths, which are those of a flow whose
/// bandwidth is known.
pub fn of_congestion_control(s: &Sock) -> Vec<u8> {
    const GAIN: u32 = 256;
    let name = super::special::congestion_name(s.slot);
    if name.split(|&b| b == 0).next() != Some(b"bbr") {
        return Vec::new();
    }
    let mut words = [0u32; 5];
    if let Some(end) = s.end().filter(|_| tcp_state(s) != state::LISTEN) {
        let (tx, rate) = (end.tx(), end.tx().rate());
        let least_us = tx.round_trip_ns()[2].div_ceil(1000);
        words = [rate as u32, (rate >> 32) as u32, least_us, GAIN, 2 * GAIN];
    }
    words.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

fn connected(info: &mut Info, s: &Sock, end: &End) {
    let segment = agreed_segment(s) as u64;
    let (tx, rx) = (end.tx(), end.rx());
    let (sent, received) = (flow(end), flow(&end.opposite()));
    let connector = (end.side == 0) as u64;
    info.0[at::OPTIONS] = TIMESTAMPS | SELECTIVE | SCALED;
    info.0[at::SCALES] = window_scale() * 0x11;
    info.put(at::RTO, RTO_MIN_US as u64);
    info.put(at::SND_MSS, segment);
    info.put(at::RCV_MSS, segment);
    info.put(at::ADVMSS, segment);
    info.put(at::REORDERING, system::get(System::Reordering) as u64);
    // The window is the only thing that holds a sender up.
    info.put(at::SND_CWND, (tx.shared.capacity.load(Relaxed) / segment).max(INITIAL_WINDOW as u64));
    info.put(at::RCV_SSTHRESH, rx.shared.capacity.load(Relaxed));
    info.put(at::RCV_SPACE, rx.shared.capacity.load(Relaxed));
    info.put(at::SND_WND, tx.room());
    info.put(at::RCV_WND, rx.room());
    for (at, ns) in [at::RTT, at::RTTVAR, at::MIN_RTT].into_iter().zip(tx.round_trip_ns()) {
        info.put(at, (ns as u64).div_ceil(1000));
    }
    info.put_wide(at::DELIVERY_RATE, tx.rate());
    info.put(at::LAST_DATA_SENT, sent.idle_ms);
    info.put(at::LAST_DATA_RECV, received.idle_ms);
    // What the far end reads of ours, and each of its segments, acknowledges.
    let acknowledged = [sent.idle_ms, received.idle_ms].into_iter().filter(|ms| *ms != 0).min();
    info.put(at::LAST_ACK_RECV, acknowledged.unwrap_or(0));
    info.put_wide(at::BYTES_SENT, sent.arrived);
    // A connector's SYN and the end of the stream have numbers of their own.
    info.put_wide(at::BYTES_ACKED, sent.arrived + connector + tx.sent.fin.load(Relaxed) as u64);
    info.put_wide(at::BYTES_RECEIVED, received.arrived + rx.sent.fin.load(Relaxed) as u64);
    info.put(at::NOTSENT_BYTES, sent.not_sent);
    info.put(at::DELIVERED, sent.segments + 1);
    info.put(at::DATA_SEGS_OUT, sent.segments);
    info.put(at::DATA_SEGS_IN, received.segments);
    // The handshake: the connector sends a SYN and an ACK; the answer between them is nobody's yet.
    info.put(at::SEGS_OUT, sent.segments + 2 * connector);
    info.put(at::SEGS_IN, received.segments + 2 - connector);
}
