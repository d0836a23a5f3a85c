//! How fast bytes come and go in one direction: what TCP_INFO tells, and whether it pays a reader to let them gather.

use core::sync::atomic::Ordering::*;

use super::conn::Direction;
use crate::kernel;

/// A reader that looked this often without answering is at the end of a one-way stream.
const ONE_WAY: u32 = 512;
/// A look that finds so many bytes was worth its while.
const PLENTY: u64 = 16 << 10;
/// Fewer bytes than these are no more than had been there without waiting.
const FEW: u64 = 256;
/// One segment in this many is timed.
const TIMED: u64 = 1024;
/// What a segment on loopback carries, in bytes.
const SEGMENT: u64 = 32741;

impl Direction {
    /// The reader looked and found so many bytes.
    #[inline]
    pub(super) fn found(&self, waiting: u64) {
        let lean = self.consumer.lean.load(Relaxed);
        let lean = match waiting {
            PLENTY.. => 0,
            // Waiting for more was in vain: they do not come that fast.
            ..FEW if lean >= ONE_WAY => 0,
            _ => lean.saturating_add(1),
        };
        self.consumer.lean.store(lean, Relaxed);
    }

    /// Does the reader come so often, without answering, that it finds little each time?
    #[inline]
    pub fn trickles(&self) -> bool {
        self.consumer.lean.load(Relaxed) >= ONE_WAY
    }

    /// The reader answered.
    #[inline]
    pub fn answered(&self) {
        if self.consumer.lean.load(Relaxed) != 0 {
            self.consumer.lean.store(0, Relaxed);
        }
    }

    /// Segments so far: a write is one, or as many as its bytes fill.
    pub fn segments(&self) -> u64 {
        self.producer.segments.load(Relaxed)
    }

    /// How long ago the last write was, in nanoseconds; none before the first.
    pub fn idle_ns(&self) -> Option<u64> {
        let stamp = self.producer.stamp.load(Relaxed);
        (stamp != 0).then(|| kernel::since_ns(stamp))
    }

    /// How long a write takes to be read, how much that varies, and the shortest it took, in nanoseconds.
    pub fn round_trip_ns(&self) -> [u32; 3] {
        [&self.shared.rtt_ns, &self.shared.rtt_var_ns, &self.consumer.least_rtt_ns].map(|w| w.load(Relaxed))
    }

    /// Bytes per second, as the last timed write was read; 0 before the first.
    pub fn rate(&self) -> u64 {
        self.consumer.rate.load(Relaxed)
    }

    /// Counts a write of `done` bytes up to `tail` at `ticks` and times one in many: the clock costs more than a small write.
    #[inline]
    pub(super) fn probe(&self, tail: u64, done: u64, ticks: u64) {
        let before = self.producer.segments.load(Relaxed);
        let count = before.wrapping_add(if done > SEGMENT { done.div_ceil(SEGMENT) } else { 1 });
        self.producer.segments.store(count, Relaxed);
        self.producer.stamp.store(ticks, Relaxed);
        if before == 0 || (before ^ count) / TIMED != 0 {
            let on_the_way = tail.saturating_sub(self.producer.head_seen.load(Relaxed));
            self.taken.probe_bytes.store(on_the_way, Relaxed);
            self.taken.probe_ns.store(kernel::now_ns(), Relaxed);
            self.taken.probe.store(tail, Relaxed);
        }
    }

    /// The consumer got as far as `head`: if that is what is being timed, notes how long it took.
    #[inline]
    pub(super) fn probed(&self, head: u64) {
        let probe = self.taken.probe.load(Relaxed);
        if probe != 0 && head >= probe {
            let took = kernel::now_ns().saturating_sub(self.taken.probe_ns.load(Relaxed)).max(1);
            let rate = self.taken.probe_bytes.load(Relaxed) as u128 * 1_000_000_000 / took as u128;
            self.consumer.rate.store(rate as u64, Relaxed);
            self.measured(took);
            self.taken.probe.store(0, Relaxed);
        }
    }

    /// One more measurement of the round trip (RFC 6298, 2.2 and 2.3).
    pub fn measured(&self, took_ns: u64) {
        let took = took_ns.min(u32::MAX as u64) as u32;
        let (rtt, var) = (self.shared.rtt_ns.load(Relaxed), self.shared.rtt_var_ns.load(Relaxed));
        let (rtt, var) = match rtt {
            0 => (took, took / 2),
            old => (old - old / 8 + took / 8, var - var / 4 + old.abs_diff(took) / 4),
        };
        self.shared.rtt_ns.store(rtt.max(1), Relaxed);
        self.shared.rtt_var_ns.store(var, Relaxed);
        let least = self.consumer.least_rtt_ns.load(Relaxed);
        if least == 0 || took < least {
            self.consumer.least_rtt_ns.store(took.max(1), Relaxed);
        }
    }
}
