//! The producers' side: claim, copy, publish; and the end of a chunk.
#![allow(unsafe_code)]

use core::sync::atomic::{fence, Ordering::*};

use super::{
    charge, next_in, pack, units_in, units_of, units_of_class, Cell, Packed, Place, Queue, Span, CLAIMED, DONE, END,
    FULL, LAP_AT, MAX_ATTEMPTS, STATE, TAKEN, TID, TID_AT, UNITS_AT,
};
use crate::kernel::ticks;
use crate::shm::ahead::prefetch_for_write;
use crate::shm::chunk::NO_CHUNK;
use crate::shm::tid;

/// How many cells ahead are fetched to be written.
const AHEAD: u32 = 16;

/// How often the head of a full queue is looked at, in ticks of the processor's counter: well below a microsecond.
const LOOK_EVERY: u64 = 4000;
/// The low bits of the time of the last look count full ones in a row; so many are a flood.
const IN_A_ROW: u64 = 15;
const FLOOD: u64 = 8;

/// How a push ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Push {
    /// It is in the queue.
    Done,
    /// The budget does not admit it.
    Full,
    /// The budget would, but the rings have no room: the queue has to go on in another chunk.
    NoRoom,
    /// The queue went on in the chunk of this name, or is closed (NO_CHUNK).
    Moved(u32),
    /// The chunk is no longer what the caller took it for.
    Stale,
    /// The payload could not be read; nothing is in the queue.
    Fault,
}

impl Queue {
    /// Puts a datagram of `record.length()` bytes at the end. `budget` is how much may be charged here, `valid` says whether
    /// the chunk still is the receiver's, and `fill` writes the payload, piece by piece, and says how much it wrote.
    #[inline]
    pub fn push(
        &self,
        record: &Packed,
        budget: u64,
        valid: impl Fn() -> bool,
        fill: impl FnMut(Span) -> usize,
    ) -> Push {
        let length = record.length();
        let need = units_of(length);
        let ends = self.ends();
        for _ in 0..MAX_ATTEMPTS {
            let tail = ends.tail.load(Acquire);
            let place = self.unpack(tail);
            let claims = self.claim(place.0);
            let before = claims.load(Acquire);
            let lap = self.lap(place.0);
            // Only what was read while the chunk was the receiver's counts: an exchange of it can then succeed in this
            // queue alone, whatever becomes of the memory meanwhile.
            if !valid() {
                return Push::Stale;
            }
            if before >> LAP_AT == lap {
                if before & STATE == END {
                    return Push::Moved(next_in(before));
                }
                self.help(tail, before);
                continue;
            }
            // A claim of another lap is free only while the tail is here; a late reader could see one that is ahead.
            if ends.tail.load(Acquire) != tail {
                continue;
            }
            match self.admit(tail, need, budget) {
                Push::Done => {}
                refused => return refused,
            }
            let (cell, payload) = (self.cell(place.0), self.payload(place, length));
            // On their way while the claim is made: a consumer that waits has the cell.
            prefetch_for_write(cell);
            prefetch_for_write(payload.start());
            let claim = lap << LAP_AT | (tid() as u64 & TID) << TID_AT | (need as u64) << UNITS_AT | CLAIMED;
            if claims.compare_exchange(before, claim, AcqRel, Relaxed).is_err() {
                continue;
            }
            let written = payload.each(0, length, fill);
            let whole = written == length;
            crate::stop::here(crate::stop::Point::Queued);
            self.publish(cell, record, claim, whole);
            self.advance(tail, self.after(place, need));
            return if whole { Push::Done } else { Push::Fault };
        }
        Push::Full
    }

    /// As [`Queue::push`], in one attempt and one piece, and for `length` bytes: `record` is asked when they are there. None:
    /// something is in the way, and nothing was done. False: the payload could not be read.
    #[inline(always)]
    pub fn push_straight(
        &self,
        length: usize,
        budget: u64,
        valid: impl FnOnce() -> bool,
        record: impl FnOnce() -> Packed,
        fill: impl FnOnce(Span) -> usize,
    ) -> Option<bool> {
        let ends = self.ends();
        let tail = ends.tail.load(Acquire);
        let (number, unit) = (tail as u32, (tail >> 32) as u32);
        let (claims, lap) = (self.claim(number), self.lap(number));
        let before = claims.load(Acquire);
        if !valid() || before >> LAP_AT == lap || ends.tail.load(Acquire) != tail || unit >= 2 * self.units {
            return None;
        }
        let need = units_of(length);
        let (cells, units) = self.distance(ends.head_seen.load(Relaxed), tail);
        let (cells, units) = (cells.saturating_add(2), units.saturating_add(need));
        if cells > self.cells || units > self.units || charge(cells - 1, units) > budget {
            return None;
        }
        let cell = self.cell(number);
        let span = self.piece(number, unit, length)?;
        // On their way while the claim is made: a consumer that waits has the cell.
        prefetch_for_write(cell);
        prefetch_for_write(span.start());
        let claim = lap << LAP_AT | (tid() as u64 & TID) << TID_AT | (need as u64) << UNITS_AT | CLAIMED;
        if claims.compare_exchange(before, claim, AcqRel, Relaxed).is_err() {
            return None;
        }
        let whole = fill(span) == length;
        crate::stop::here(crate::stop::Point::Queued);
        self.publish(cell, &record(), claim, whole);
        self.advance(tail, self.after((number, unit), need));
        Some(whole)
    }

    /// Stores what is told with a datagram and that it is there, all of the cell's own line at once: whoever polls it takes
    /// it away in between.
    #[inline(always)]
    fn publish(&self, cell: &Cell, record: &Packed, claim: u64, whole: bool) {
        for (to, value) in cell.meta.iter().zip(record.0) {
            to.store(value, Relaxed);
        }
        cell.word.store(claim - CLAIMED + if whole { FULL } else { DONE }, Release);
    }

    /// Moves the tail on to `next`, behind what was published: a full barrier.
    #[inline(always)]
    fn advance(&self, tail: u64, next: Place) {
        let _ = self.ends().tail.compare_exchange(tail, pack(next), SeqCst, Relaxed);
        // What was published must be seen by whoever sets the receiver's armed word before that is looked at. The
        // exchange above does it where it is a full barrier.
        if cfg!(not(target_arch = "x86_64")) {
            fence(SeqCst);
        }
        if self.cells > 2 * AHEAD {
            // A consumer read what comes next last.
            self.fetch(next.0.wrapping_add(AHEAD), true);
        }
    }

    /// Moves the tail over a cell that was claimed.
    #[inline]
    pub(super) fn help(&self, tail: u64, word: u64) {
        let next = self.after(self.unpack(tail), units_in(word));
        let _ = self.ends().tail.compare_exchange(tail, pack(next), AcqRel, Relaxed);
    }

    /// Is there room for `need` more units at `tail`?
    #[inline]
    fn admit(&self, tail: u64, need: u32, budget: u64) -> Push {
        let ends = self.ends();
        let look = |head: u64| {
            let (cells, units) = self.distance(head, tail);
            // An empty queue takes anything. One cell stays free for the end.
            if cells != 0 && charge(cells.saturating_add(1), units.saturating_add(need)) > budget {
                Push::Full
            } else if cells.saturating_add(2) > self.cells || units.saturating_add(need) > self.units {
                Push::NoRoom
            } else {
                Push::Done
            }
        };
        let seen = look(ends.head_seen.load(Relaxed));
        if seen == Push::Done {
            return Push::Done;
        }
        // The head's line is the consumers'. Whoever floods a full queue looks at it now and then only. Beside the time stands
        // how many looks in a row found it full.
        let (now, last) = (ticks() & !IN_A_ROW, ends.looked.load(Relaxed));
        let floods = last & IN_A_ROW >= FLOOD;
        if seen == Push::Full && floods && now.wrapping_sub(last & !IN_A_ROW) < LOOK_EVERY {
            return Push::Full;
        }
        let head = ends.head.load(Acquire);
        ends.head_seen.store(head, Relaxed);
        let found = look(head);
        let in_a_row = if found == Push::Full { (last & IN_A_ROW) + 1 } else { 0 };
        ends.looked.store(now | in_a_row.min(IN_A_ROW), Relaxed);
        found
    }

    /// Is what keeps the queue full a datagram that somebody is still at work on? Claims of the dead are given up first.
    #[cold]
    pub fn stuck(&self) -> bool {
        let (number, _) = self.unpack(self.ends().head.load(Acquire));
        let first = self.state(number) & STATE;
        matches!(first, CLAIMED | TAKEN) && self.heal() && !self.readable()
    }

    /// The chunk that the queue goes on in.
    pub fn next(&self) -> Option<u32> {
        let (number, _) = self.unpack(self.ends().tail.load(Acquire));
        let claim = self.claim(number).load(Acquire);
        (claim >> LAP_AT == self.lap(number) && claim & STATE == END).then(|| next_in(claim))
    }

    /// The tail's position: it changes with every datagram.
    pub fn tail(&self) -> u64 {
        self.ends().tail.load(Acquire)
    }

    /// Does a datagram of this length fit into an empty chunk of this class at all?
    pub fn fits(class: usize, length: usize) -> bool {
        units_of(length) <= units_of_class(class)
    }

    /// Ends this chunk: the queue goes on in the chunk `next`, or nowhere. Gives the name that stands there, which is
    /// another if somebody else ended it before.
    pub fn end(&self, next: u32) -> u32 {
        let ends = self.ends();
        for _ in 0..MAX_ATTEMPTS {
            let tail = ends.tail.load(Acquire);
            let (number, _) = self.unpack(tail);
            let claim = self.claim(number);
            let word = claim.load(Acquire);
            if word >> LAP_AT == self.lap(number) {
                if word & STATE == END {
                    return next_in(word);
                }
                self.help(tail, word);
            } else if ends.tail.load(Acquire) == tail {
                let end = self.lap(number) << LAP_AT | (next as u64) << UNITS_AT | END;
                if claim.compare_exchange(word, end, AcqRel, Relaxed).is_ok() {
                    return next;
                }
            }
        }
        NO_CHUNK
    }
}
