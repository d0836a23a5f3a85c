//! What waits, from the head on: looking at it, marking it, and tidying up after the dead.

use core::sync::atomic::Ordering::*;

use super::{
    next_in, pack, units_in, Cell, Packed, Payload, Place, Queue, CLAIMED, DONE, END, FULL, INLINE, LAP_AT, SCATTERED,
    STATE, TAKEN, TID, TID_AT, UNIT,
};
use crate::kernel;
use crate::shm::tid;

/// What a step of a walk says.
pub(super) enum Step<R> {
    On,
    Stop(R),
}

impl Queue {
    /// Walks from the head over what was put in, giving each cell, its word and its place.
    #[inline]
    pub(super) fn walk<R>(&self, head: u64, mut visit: impl FnMut(&'static Cell, u64, Place) -> Step<R>) -> Option<R> {
        let mut at = self.unpack(head);
        for _ in 0..self.cells {
            let cell = self.cell(at.0);
            let word = self.state(at.0);
            if word >> LAP_AT != self.lap(at.0) {
                return None;
            }
            if let Step::Stop(r) = visit(cell, word, at) {
                return Some(r);
            }
            if word & STATE == END {
                return None;
            }
            at = self.after(at, units_in(word));
        }
        None
    }

    #[inline]
    pub(super) fn head(&self) -> u64 {
        self.ends().head.load(Acquire)
    }

    /// Moves the head over what is done with, and takes its mark away once there is nothing to take out of order.
    pub(super) fn settle(&self) {
        for _ in 0..=self.cells {
            let head = self.head();
            let place = self.unpack(head);
            let word = self.state(place.0);
            let next = if word >> LAP_AT != self.lap(place.0) {
                if head & SCATTERED == 0 {
                    return;
                }
                // Empty: every claim was let go of.
                head & !SCATTERED
            } else if word & STATE == DONE {
                pack(self.after(place, units_in(word))) | head & SCATTERED
            } else {
                return;
            };
            let _ = self.ends().head.compare_exchange(head, next, AcqRel, Relaxed);
        }
    }

    #[inline]
    pub(super) fn record(&self, cell: &Cell, word: u64) -> Packed {
        let mut record = Packed::EMPTY;
        record.0.iter_mut().zip(&cell.meta).for_each(|(w, m)| *w = m.load(Relaxed));
        let most = (units_in(word).min(self.units) as usize * UNIT).max(INLINE);
        if record.length() > most {
            return record.with_length(most);
        }
        record
    }

    /// Marks the datagrams from the first on, as long as `which` says yes, in their flags.
    pub fn mark(&self, flag: u16, mut which: impl FnMut(&Packed) -> bool) {
        self.walk(self.head(), |cell, word, _| {
            if word & STATE != FULL {
                return Step::On;
            }
            if !which(&self.record(cell, word)) {
                return Step::Stop(());
            }
            cell.meta[6].fetch_or((flag as u64) << 16, Relaxed);
            Step::On
        });
    }

    /// Looks at every datagram, the first ones first.
    pub fn each(&self, mut look: impl FnMut(&Packed, &Payload)) {
        self.walk(self.head(), |cell, word, place| {
            if word & STATE == FULL {
                let record = self.record(cell, word);
                look(&record, &self.payload(place, record.length()));
            }
            Step::<()>::On
        });
    }

    /// Is there a datagram to take? That the queue goes on elsewhere is not looked for.
    #[inline]
    pub fn readable(&self) -> bool {
        let found = self.walk(self.head(), |_, word, _| match word & STATE {
            FULL => Step::Stop(()),
            _ => Step::On,
        });
        found.is_some()
    }

    /// The chunk that the queue goes on in, if it does.
    pub fn moved(&self) -> Option<u32> {
        self.walk(self.head(), |_, word, _| match word & STATE {
            END => Step::Stop(next_in(word)),
            _ => Step::On,
        })
    }

    /// Gives up the claims of threads that are gone, and does what they left undone. True when claims of others are left.
    pub fn heal(&self) -> bool {
        let tail = self.ends().tail.load(Acquire);
        let number = self.unpack(tail).0;
        let word = self.claim(number).load(Acquire);
        if word >> LAP_AT == self.lap(number) && word & STATE != END {
            self.help(tail, word);
        }
        let me = tid() as u64 & TID;
        let mut others = false;
        self.walk(self.head(), |cell, word, _| {
            let holder = word >> TID_AT & TID;
            if matches!(word & STATE, CLAIMED | TAKEN) && holder != me {
                if kernel::thread_exists(holder as u32) {
                    others = true;
                } else {
                    let now = cell.word.load(Acquire);
                    if now == word || now >> LAP_AT != word >> LAP_AT {
                        let _ = cell.word.compare_exchange(now, word & !STATE | DONE, AcqRel, Relaxed);
                    }
                }
            }
            Step::<()>::On
        });
        self.settle();
        others
    }

    /// Throws away all that waits, once the chunk is ended. False when somebody is still at work in it.
    pub fn clear(&self) -> bool {
        for round in 0..64 {
            let mut busy = false;
            self.walk(self.head(), |cell, word, _| {
                if word & STATE == FULL {
                    let _ = cell.word.compare_exchange(word, word & !STATE | DONE, AcqRel, Relaxed);
                }
                busy |= matches!(word & STATE, CLAIMED | TAKEN);
                Step::<()>::On
            });
            if !busy || !self.heal() {
                // Whoever is still copying out of it finds that the head is not where it was.
                self.ends().head.store(u64::MAX, Release);
                return true;
            }
            if round < 32 {
                core::hint::spin_loop();
            } else {
                kernel::yield_now();
            }
        }
        false
    }
}
