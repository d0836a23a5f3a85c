//! The end of a one-way stream: datagrams gather, what comes next is fetched ahead, and one is taken in one attempt.

use core::sync::atomic::Ordering::*;

use super::{pack, units_in, Place, Queue, Span, Told, FULL, INLINE, LAP_AT, STATE, UNIT};
use crate::shm::ahead::prefetch;

/// How many cells ahead are fetched to be read.
const AHEAD: u32 = 8;
/// Fewer datagrams than these are let gather,
const FEW: u32 = 96;
/// for so many pauses at most.
const GATHER_PAUSES: u32 = 2;
/// How far a reader of many stays behind the sender.
const BEHIND: u32 = 16;

impl Queue {
    /// Have datagrams gathered? For the end of a one-way stream, where each look at what a sender is at work on costs both
    /// a trip between the cores: the tail is looked at once for many datagrams, and while there are few, `pause` is called,
    /// up to some times. False: there is none.
    #[inline]
    pub fn gathered(&self, pause: impl Fn()) -> bool {
        self.known(self.head()) > 0 || self.gather(pause)
    }

    #[inline(never)]
    fn gather(&self, pause: impl Fn()) -> bool {
        let ends = self.ends();
        let mut left = GATHER_PAUSES;
        let (seen, waiting) = loop {
            let tail = ends.tail.load(Acquire) as u32;
            let waiting = tail.wrapping_sub(self.head() as u32);
            if waiting >= FEW && waiting <= self.cells {
                // The last ones are left until later: processors fetch what lies ahead of a reader by themselves, which
                // would be the very lines that the sender writes now.
                break (tail.wrapping_sub(BEHIND), waiting - BEHIND);
            }
            if left == 0 {
                break (tail, waiting);
            }
            left -= 1;
            pause();
        };
        ends.tail_seen.store(seen as u64, Relaxed);
        for ahead in 0..waiting.min(AHEAD) {
            self.fetch((self.head() as u32).wrapping_add(ahead), false);
        }
        waiting > 0
    }

    /// How many datagrams wait, by the last look at the tail.
    #[inline]
    fn known(&self, head: u64) -> u32 {
        let known = (self.ends().tail_seen.load(Relaxed) as u32).wrapping_sub(head as u32);
        if known <= self.cells {
            known
        } else {
            0
        }
    }

    /// Takes the first datagram out if nothing is in the way, it is in one piece and `make` agrees: one attempt. `more`:
    /// those that [`Queue::gathered`] knows of are fetched ahead.
    #[inline(always)]
    pub fn take_straight(&self, more: bool, make: impl FnOnce(&Told<'_>, Span) -> bool) -> bool {
        let ends = self.ends();
        let head = self.head();
        let (number, unit) = (head as u32, (head >> 32) as u32);
        let cell = self.cell(number);
        let word = cell.word.load(Acquire);
        // A mark in the head makes the unit too large, too.
        if word >> LAP_AT != self.lap(number) || word & STATE != FULL || unit >= 2 * self.units {
            return false;
        }
        if more && self.known(head) > AHEAD {
            self.fetch(number.wrapping_add(AHEAD), false);
        }
        let told = Told::new(&cell.meta);
        let units = units_in(word);
        let fits = told.length() <= (units as usize * UNIT).max(INLINE) && units <= self.units;
        let Some(piece) = self.piece(number, unit, told.length()).filter(|_| fits) else { return false };
        if more && units > 0 && self.known(head) > 1 {
            self.fetch_payload(self.after((number, unit), units), told.length());
        }
        if !make(&told, piece) {
            return false;
        }
        // Nobody writes there before the head has moved: if it is where it was, the copy is good.
        let next = pack(self.after((number, unit), units));
        ends.head.compare_exchange(head, next, AcqRel, Relaxed).is_ok()
    }

    /// Has the lines of a datagram brought here that is most likely as long as the one before it. The processor does so by
    /// itself within a page only, and a datagram of a network's usual size ends on another page every other time.
    #[inline]
    fn fetch_payload(&self, (number, unit): Place, length: usize) {
        if let Some(payload) = self.piece(number, unit, length) {
            (0..payload.len()).step_by(UNIT).for_each(|at| prefetch(payload.start().wrapping_add(at)));
        }
    }
}
