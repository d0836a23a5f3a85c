//! The consumers' side: take or look at the first datagram, also behind one that somebody is still at work on.

use core::sync::atomic::{fence, Ordering::*};

use super::walk::Step;
use super::{
    next_in, pack, units_in, Packed, Payload, Place, Queue, CLAIMED, DONE, END, FULL, LAP_AT, MAX_ATTEMPTS, SCATTERED,
    STATE, TAKEN, TID, TID_AT,
};
use crate::shm::tid;

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

/// The word of a published cell, claimed by this thread.
#[inline]
fn claimed_by_me(word: u64) -> u64 {
    word & !(STATE | TID << TID_AT) | (tid() as u64 & TID) << TID_AT | TAKEN
}

impl Queue {
    /// Does a datagram most likely wait? Looks only at what changes when one comes: behind one that somebody is still at
    /// work on there may be others, which [`Queue::readable`] knows of.
    #[inline]
    pub fn stirs(&self) -> bool {
        let (number, _) = self.unpack(self.head());
        self.cell(number).word.load(Acquire) >> LAP_AT == self.lap(number)
    }

    /// Hands the first datagram to `make` and takes it out. `make` is asked again when somebody else took it meanwhile.
    #[inline]
    pub fn take(&self, mut make: impl FnMut(&Packed, &Payload)) -> Found<()> {
        let ends = self.ends();
        for _ in 0..MAX_ATTEMPTS {
            let head = self.head();
            let place = self.unpack(head);
            let cell = self.cell(place.0);
            let word = cell.word.load(Acquire);
            if word >> LAP_AT != self.lap(place.0) || word & STATE != FULL || head & SCATTERED != 0 {
                break;
            }
            let record = self.record(cell, word);
            make(&record, &self.payload(place, record.length()));
            // Nobody writes there before the head has moved: if it is where it was, the copy is good.
            let next = pack(self.after(place, units_in(word)));
            if ends.head.compare_exchange(head, next, AcqRel, Relaxed).is_ok() {
                return Found::Got(());
            }
        }
        self.pop(false, |_| true, make)
    }

    /// Hands the first datagram that `choose` wants to `make`, and takes it out unless it is only to be looked at.
    /// `make` may be asked again when somebody else took what was looked at.
    #[inline(never)]
    pub fn pop(
        &self,
        peek: bool,
        mut choose: impl FnMut(&Packed) -> bool,
        mut make: impl FnMut(&Packed, &Payload),
    ) -> Found<()> {
        for _ in 0..MAX_ATTEMPTS {
            let (mut pending, mut claimed) = (false, 0);
            let mut again = false;
            if !peek {
                self.settle();
            }
            let head = self.head();
            let found = self.walk(head, |cell, word, place| {
                match word & STATE {
                    FULL => {}
                    END => return Step::Stop(Found::Moved { next: next_in(word), empty: !pending }),
                    DONE => return Step::On,
                    other => {
                        pending = true;
                        claimed += (other == CLAIMED) as u32;
                        return Step::On;
                    }
                }
                if claimed > 0 && self.claimed_before(head, place) != claimed {
                    // One that this walk came by too early is there now, perhaps of the same sender.
                    again = true;
                    return Step::Stop(Found::Nothing);
                }
                let record = self.record(cell, word);
                if !choose(&record) {
                    pending = true;
                    return Step::On;
                }
                if peek {
                    make(&record, &self.payload(place, record.length()));
                    fence(Acquire);
                    // What was seen is good as long as the head did not pass it, and nobody claimed it.
                    again = cell.word.load(Relaxed) != word || (self.head() ^ head) & !SCATTERED != 0;
                    return Step::Stop(Found::Got(()));
                }
                if !pending && head & SCATTERED == 0 {
                    // The first of all: the short way.
                    make(&record, &self.payload(place, record.length()));
                    let next = pack(self.after(place, units_in(word)));
                    let from = pack(place);
                    again = from != head || self.ends().head.compare_exchange(head, next, AcqRel, Relaxed).is_err();
                    return Step::Stop(Found::Got(()));
                }
                let mine = claimed_by_me(word);
                if !self.scatter(head) || cell.word.compare_exchange(word, mine, AcqRel, Relaxed).is_err() {
                    again = true;
                    return Step::Stop(Found::Nothing);
                }
                make(&record, &self.payload(place, record.length()));
                cell.word.store(mine - TAKEN + DONE, Release);
                Step::Stop(Found::Got(()))
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

    /// Has consumers claim what they take, since something in front of it cannot be taken yet. False: the head is not
    /// where it was, so that what was seen behind it may be taken already. The mark goes only when the queue is empty.
    fn scatter(&self, head: u64) -> bool {
        let now = self.head();
        if (now ^ head) & !SCATTERED != 0 {
            return false;
        }
        now & SCATTERED != 0 || self.ends().head.compare_exchange(now, now | SCATTERED, AcqRel, Relaxed).is_ok()
    }

    /// How many datagrams from `head` to `end` somebody is still at work on.
    #[cold]
    fn claimed_before(&self, head: u64, end: Place) -> u32 {
        let mut claimed = 0;
        self.walk(head, |_, word, place| {
            if place == end {
                return Step::Stop(());
            }
            claimed += (word & STATE == CLAIMED) as u32;
            Step::On
        });
        claimed
    }
}
