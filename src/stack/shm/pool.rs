//! Numbers of equal things in the arena: given out, taken back, no lock.
//!
//! A Treiber stack of free numbers whose head carries a tag against ABA, and a bump counter for numbers never used.
//! A process that dies between taking a number and using it loses that number until the arena is made anew.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// The stack's head: number + 1 in the low half (0: empty), tag in the high half.
#[repr(C)]
pub struct Pool {
    head: AtomicU64,
    bump: AtomicU32,
    /// Numbers below this one have pages behind them.
    backed: AtomicU32,
}

impl Pool {
    /// Takes a free number below `limit`. `link` gives the word that chains a free number to the next; `back` is asked
    /// to put pages behind the numbers from one given up to another.
    pub fn take<'a>(
        &self,
        limit: u32,
        batch: u32,
        link: impl Fn(u32) -> &'a AtomicU32,
        back: impl Fn(u32, u32) -> bool,
    ) -> Option<u32> {
        let mut head = self.head.load(Acquire);
        // A peer that spoils the chain can make it circular, but not make us loop: each round takes or retries once.
        for _ in 0..1_000_000 {
            let top = head as u32;
            if top == 0 || top > limit {
                break;
            }
            let next = link(top - 1).load(Relaxed).min(limit);
            let tag = (head >> 32).wrapping_add(1) << 32;
            match self.head.compare_exchange_weak(head, tag | next as u64, AcqRel, Acquire) {
                Ok(_) => return Some(top - 1),
                Err(now) => head = now,
            }
        }
        let number = self.bump.fetch_update(AcqRel, Acquire, |n| (n < limit).then_some(n + 1)).ok()?;
        if number >= self.backed.load(Acquire) {
            let end = ((number / batch + 1) * batch).min(limit);
            if !back(number, end) {
                // Not ours any more: it goes on the free chain only when pages can be had, so it is given up here
                // unless nobody took one since.
                let _ = self.bump.compare_exchange(number + 1, number, AcqRel, Relaxed);
                return None;
            }
            self.backed.fetch_max(end, AcqRel);
        }
        Some(number)
    }

    /// Gives a number back.
    pub fn give(&self, number: u32, link: &AtomicU32) {
        let mut head = self.head.load(Acquire);
        loop {
            link.store(head as u32, Relaxed);
            let tag = (head >> 32).wrapping_add(1) << 32;
            match self.head.compare_exchange_weak(head, tag | (number as u64 + 1), AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Numbers from here on were never given out, or have no pages yet.
    pub fn used(&self, limit: u32) -> u32 {
        self.bump.load(Acquire).min(self.backed.load(Acquire)).min(limit)
    }
}
