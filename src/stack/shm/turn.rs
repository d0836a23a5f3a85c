//! When what waits in a direction came, so that who finds several connections ready takes them in the order in which they
//! became so, as epoll's list of ready files has them.
//!
//! The time stands for the first byte that waits. Two writes are remembered: whether the earlier one still waits is for
//! the reader to see, and the producer need not look at the line by which it is told of room. Of three or more that wait
//! the last but one counts.

use core::sync::atomic::Ordering::*;

use super::conn::Direction;
use crate::kernel;

impl Direction {
    /// Bytes, or the end of the stream, come at `position`, at `ticks`. Before they are published, and before the time of the
    /// last write is noted.
    #[inline(always)]
    pub(super) fn comes(&self, position: u64, ticks: u64) {
        let sent = &self.sent;
        // From the producer's own notes: a load from the line that is polled would wait for it.
        sent.came_before.store(self.producer.stamp.load(Relaxed), Relaxed);
        sent.came_at.store(position, Relaxed);
        sent.came.store(ticks, Relaxed);
    }

    /// Something other than bytes comes behind those that were sent.
    pub fn comes_last(&self) {
        self.comes(self.sent.tail.load(Relaxed), kernel::ticks());
    }

    /// The end of the stream (FIN).
    pub fn finish(&self) {
        self.comes_last();
        self.sent.fin.store(1, Release);
    }

    /// When what waits beyond position `seen` first came, by the processor's counter.
    #[inline]
    pub fn waits_since(&self, seen: u64) -> u64 {
        let sent = &self.sent;
        match self.taken.head.load(Relaxed).max(seen) < sent.came_at.load(Relaxed) {
            true => sent.came_before.load(Relaxed),
            false => sent.came.load(Relaxed),
        }
    }
}
