//! TCP_INFO (tcp(7); linux/tcp.h, struct tcp_info): what is known of a connection that has no segments.
//!
//! Bytes are counted by the connection's own positions. What a peer's buffer holds is acknowledged, as on loopback;
//! nothing is ever lost, reordered or sent again, so those counters are true zeroes. The fields that describe a
//! congestion control, SYN options or a timer that does not exist are left 0.

use core::sync::atomic::Ordering::*;

use super::places::EXTRA_PACING;
use super::special::{accept_queue, mtu, tcp_state};
use super::tcp::agreed_segment;
use crate::family::inet::state;
use crate::kernel;
use crate::shm::{Direction, End};
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
/// TCP_MSS_DEFAULT.
const DEFAULT_SEGMENT: u32 = 536;

/// Where the fields begin.
mod at {
    pub const STATE: usize = 0;
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
    pub const SND_SSTHRESH: usize = 76;
    pub const SND_CWND: usize = 80;
    pub const ADVMSS: usize = 84;
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

/// What a direction's reader may have seen.
struct Flow {
    delivered: u64,
    held_back: u64,
    segments: u64,
    last_ms: u64,
}

fn flow(way: &Direction, segment: u64) -> Flow {
    let held_back = way.shared.corked.load(Acquire) as u64;
    let delivered = way.written().saturating_sub(held_back);
    // A write that is longer than a segment is several of them.
    let segments = way.segments().max(delivered.div_ceil(segment));
    Flow { delivered, held_back, segments, last_ms: way.probed_ms() }
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

fn connected(info: &mut Info, s: &Sock, end: &End) {
    let segment = agreed_segment(s) as u64;
    let (tx, rx) = (end.tx(), end.rx());
    let (sent, received) = (flow(tx, segment), flow(rx, segment));
    info.put(at::RTO, RTO_MIN_US as u64);
    info.put(at::SND_MSS, segment);
    info.put(at::RCV_MSS, segment);
    info.put(at::ADVMSS, segment);
    // The window is the only thing that holds a sender up.
    info.put(at::SND_CWND, (tx.shared.capacity.load(Relaxed) / segment).max(1));
    info.put(at::RCV_SSTHRESH, rx.shared.capacity.load(Relaxed));
    info.put(at::RCV_SPACE, rx.shared.capacity.load(Relaxed));
    info.put(at::SND_WND, tx.room());
    info.put(at::RCV_WND, rx.room());
    let rtt_us = tx.shared.rtt_ns.load(Relaxed) / 1000;
    info.put(at::RTT, rtt_us);
    info.put(at::MIN_RTT, rtt_us);
    let since = |ms: u64| if ms == 0 { 0 } else { (kernel::now_ns() / 1_000_000).saturating_sub(ms) };
    info.put(at::LAST_DATA_SENT, since(sent.last_ms));
    info.put(at::LAST_ACK_RECV, since(sent.last_ms));
    info.put(at::LAST_DATA_RECV, since(received.last_ms));
    info.put_wide(at::BYTES_SENT, sent.delivered);
    info.put_wide(at::BYTES_ACKED, sent.delivered);
    info.put_wide(at::BYTES_RECEIVED, received.delivered);
    info.put(at::NOTSENT_BYTES, sent.held_back);
    info.put(at::DELIVERED, sent.segments);
    info.put(at::DATA_SEGS_OUT, sent.segments);
    info.put(at::DATA_SEGS_IN, received.segments);
    // Each end sends a SYN besides its data.
    info.put(at::SEGS_OUT, sent.segments + 1);
    info.put(at::SEGS_IN, received.segments + 1);
}
