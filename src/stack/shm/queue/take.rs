//! The consumers' side: take or look at the first datagram, and tidying up after the dead.

use core::sync::atomic::{fence, Ordering::*};

use super::{
    next_in, pack, units_in, Cell, Payload, Place, Queue, Record, CLAIMED, DONE, END, FULL, LAP_AT, MAX_ATTEMPTS, STATE,
    TAKEN, TID, TID_AT, UNIT,
};
use crate::kernel;
use crate::shm::lock::tid;

/// What a consumer found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<R> {
    /// A datagram, and what was made of it.
    Got(R),
    /// None that is ready.
    Nothing,
    /// None here; the queue goes on in the chunk `next` (NO_CHUNK: nowhere). `empty`: nobody has anything to do here.
    Moved {
        /// The name of the chunk.
        next: u32,
        /// All of this chunk is read.
        empty: bool,
    },
}

/// What a step of a walk says.
enum Step<R> {
    On,
    Stop(R),
}

impl Queue {
    /// Walks from the head over what was put in, giving each cell, its word and its place.
    #[inline]
    fn walk<R>(&self, mut visit: impl FnMut(&'static Cell, u64, Place) -> Step<R>) -> Option<R> {
        let mut at = self.unpack(self.ends().head.load(Acquire));
        for _ in 0..self.cells {
            let cell = self.cell(at.0);
            let word = cell.word.load(Acquire);
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

    /// Moves the head over what is done with.
    #[inline]
    fn settle(&self) {
        let ends = self.ends();
        for _ in 0..=self.cells {
            let head = ends.head.load(Acquire);
            let place = self.unpack(head);
            let word = self.cell(place.0).word.load(Acquire);
            if word >> LAP_AT != self.lap(place.0) || word & STATE != DONE {
                return;
            }
            let next = self.after(place, units_in(word));
            let _ = ends.head.compare_exchange(head, pack(next), AcqRel, Relaxed);
        }
    }

    #[inline]
    fn record(&self, cell: &Cell, word: u64) -> Record {
        let mut words = [0; 7];
        words.iter_mut().zip(&cell.meta).for_each(|(w, m)| *w = m.load(Relaxed));
        let mut record = Record::from_words(words);
        record.length = record.length.min(units_in(word).min(self.units) * UNIT as u32);
        record
    }

    /// Hands the first datagram that `choose` wants to `make`, and takes it out unless it is only to be looked at.
    /// `make` may be asked again when somebody else took what was looked at.
    #[inline]
    pub fn pop<R>(
        &self,
        peek: bool,
        mut choose: impl FnMut(&Record) -> bool,
        mut make: impl FnMut(&Record, &Payload) -> R,
    ) -> Found<R> {
        for _ in 0..MAX_ATTEMPTS {
            let mut pending = false;
            let mut again = false;
            let found = self.walk(|cell, word, place| {
                match word & STATE {
                    FULL => {}
                    END => return Step::Stop(Found::Moved { next: next_in(word), empty: !pending }),
                    DONE => return Step::On,
                    _ => {
                        pending = true;
                        return Step::On;
                    }
                }
                let record = self.record(cell, word);
                if !choose(&record) {
                    pending = true;
                    return Step::On;
                }
                let payload = self.payload(place.1, record.length as usize);
                if peek {
                    let made = make(&record, &payload);
                    fence(Acquire);
                    again = cell.word.load(Relaxed) != word;
                    return Step::Stop(Found::Got(made));
                }
                let mine = word & !(STATE | TID << TID_AT) | (tid() as u64 & TID) << TID_AT | TAKEN;
                if cell.word.compare_exchange(word, mine, AcqRel, Relaxed).is_err() {
                    again = true;
                    return Step::Stop(Found::Nothing);
                }
                let made = make(&record, &payload);
                cell.word.store(mine - TAKEN + DONE, Release);
                Step::Stop(Found::Got(made))
            });
            if again {
                continue;
            }
            if !peek {
                self.settle();
            }
            return found.unwrap_or(Found::Nothing);
        }
        Found::Nothing
    }

    /// Marks the datagrams from the first on, as long as `which` says yes, in their flags.
    pub fn mark(&self, flag: u16, mut which: impl FnMut(&Record) -> bool) {
        self.walk(|cell, word, _| {
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
    pub fn each(&self, mut look: impl FnMut(&Record, &Payload)) {
        self.walk(|cell, word, place| {
            if word & STATE == FULL {
                let record = self.record(cell, word);
                look(&record, &self.payload(place.1, record.length as usize));
            }
            Step::<()>::On
        });
    }

    /// Is there a datagram to take? An error names the chunk that the queue goes on in.
    #[inline]
    pub fn readable(&self) -> Result<bool, u32> {
        self.walk(|_, word, _| match word & STATE {
            FULL => Step::Stop(Ok(true)),
            END => Step::Stop(Err(next_in(word))),
            _ => Step::On,
        })
        .unwrap_or(Ok(false))
    }

    /// Gives up the claims of threads that are gone. True when claims of others are left.
    pub fn heal(&self) -> bool {
        let me = tid() as u64 & TID;
        let mut others = false;
        self.walk(|cell, word, _| {
            let holder = word >> TID_AT & TID;
            if matches!(word & STATE, CLAIMED | TAKEN) && holder != me {
                if kernel::thread_exists(holder as u32) {
                    others = true;
                } else {
                    let _ = cell.word.compare_exchange(word, word & !STATE | DONE, AcqRel, Relaxed);
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
            self.walk(|cell, word, _| {
                if word & STATE == FULL {
                    let _ = cell.word.compare_exchange(word, word & !STATE | DONE, AcqRel, Relaxed);
                }
                busy |= matches!(word & STATE, CLAIMED | TAKEN);
                Step::<()>::On
            });
            if !busy || !self.heal() {
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
