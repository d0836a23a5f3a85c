//! The consumers' side: take or look at the first datagram, and tidying up after the dead.

use core::sync::atomic::{fence, Ordering::*};

use super::{
    next_in, pack, units_in, Cell, Packed, Payload, Place, Queue, Span, Told, CLAIMED, DONE, END, FULL, INLINE, LAP_AT,
    MAX_ATTEMPTS, SCATTERED, STATE, TAKEN, TID, TID_AT, UNIT,
};
use crate::kernel;
use crate::shm::tid;

/// How many cells ahead are fetched to be read.
const AHEAD: u32 = 8;
/// Fewer datagrams than these are let gather,
const FEW: u32 = 96;
/// for so many pauses at most.
const GATHER_PAUSES: u32 = 2;
/// How far a reader of many stays behind the sender.
const BEHIND: u32 = 16;

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

/// What a step of a walk says.
enum Step<R> {
    On,
    Stop(R),
}

impl Queue {
    /// Walks from the head over what was put in, giving each cell, its word and its place.
    #[inline]
    fn walk<R>(&self, head: u64, mut visit: impl FnMut(&'static Cell, u64, Place) -> Step<R>) -> Option<R> {
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
    fn head(&self) -> u64 {
        self.ends().head.load(Acquire)
    }

    /// Moves the head over what is done with, and takes its mark away once there is nothing to take out of order.
    fn settle(&self) {
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
    fn record(&self, cell: &Cell, word: u64) -> Packed {
        let mut record = Packed::EMPTY;
        record.0.iter_mut().zip(&cell.meta).for_each(|(w, m)| *w = m.load(Relaxed));
        let most = (units_in(word).min(self.units) as usize * UNIT).max(INLINE);
        if record.length() > most {
            return record.with_length(most);
        }
        record
    }

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
        if !make(&told, piece) {
            return false;
        }
        // Nobody writes there before the head has moved: if it is where it was, the copy is good.
        let next = pack(self.after((number, unit), units));
        ends.head.compare_exchange(head, next, AcqRel, Relaxed).is_ok()
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
