//! The straight piece of a ring: as far as a side may go on by copying alone, without a look at chunks, wrap-around and
//! the far cursor. Most small messages lie in one; what does not fit is left to [`Direction::produce`] and
//! [`Direction::consume`], which know everything.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::*};

use super::ahead::{prefetch, prefetch_for_write};
use super::arena::Arena;
use super::chunk::Chunk;
use super::conn::Direction;
use super::ring::MAX_BUFFERED;
use crate::stop::{self, Point};

/// How far ahead of the producer its lines are fetched: the reader has them, and a line takes as long to come as several
/// small writes. Bytes.
const AHEAD: u64 = 512;

/// What a side knows of the straight piece that it is in. Garbage is harmless: places are bounded when they are used.
#[repr(C)]
pub(super) struct Straight {
    /// The stream position where it ends.
    pub end: AtomicU64,
    /// Where in the arena's file a position lies, less the position.
    at: AtomicU64,
    /// The producer's: the position where it goes on. Its own copy of what it published, on a line that nobody polls.
    next: AtomicU64,
}

impl Straight {
    /// It is looked for anew next time.
    pub fn forget(&self) {
        self.end.store(0, Relaxed);
    }

    fn set(&self, position: u64, offset: usize, end: u64) {
        self.at.store((offset as u64).wrapping_sub(position), Relaxed);
        self.end.store(end, Relaxed);
    }

    #[inline]
    fn bytes(&self, arena: &'static Arena, position: u64, length: usize) -> Option<*mut u8> {
        arena.bytes(self.at.load(Relaxed).wrapping_add(position), length)
    }
}

impl Direction {
    /// Writes `length` bytes if they fit in the straight piece: `fill` copies them and says how many it could. False:
    /// nothing was written. `alone` as for [`Direction::produce`]; `ticks` is the time. In a critical section.
    #[inline(always)]
    pub fn put_straight(
        &self,
        arena: &'static Arena,
        alone: bool,
        length: usize,
        ticks: u64,
        fill: impl FnOnce(*mut u8) -> usize,
    ) -> bool {
        let _held = self.producer.lock.lock_inside(alone);
        let straight = &self.producer.straight;
        // Others that produce here may have been killed between the two stores below.
        let mut tail = if alone { straight.next.load(Relaxed) } else { self.sent.tail.load(Relaxed) };
        if tail.wrapping_add(length as u64) > straight.end.load(Relaxed) {
            tail = self.sent.tail.load(Relaxed);
            if !self.straighten(arena, tail, tail.wrapping_add(length as u64)) {
                return false;
            }
        }
        let after = tail.wrapping_add(length as u64);
        let Some(at) = straight.bytes(arena, tail, length) else { return false };
        if fill(at) != length {
            return false;
        }
        stop::here(Point::Produced);
        self.comes(tail, ticks);
        self.sent.tail.store(after, Release);
        stop::here(Point::Published);
        straight.next.store(after, Relaxed);
        if after.wrapping_add(AHEAD) < straight.end.load(Relaxed) {
            prefetch_for_write(at.wrapping_add(length + AHEAD as usize));
        }
        self.probe(after, length as u64, ticks);
        true
    }

    /// Finds the producer's straight piece from `tail` on. False if it does not reach `after`.
    #[cold]
    fn straighten(&self, arena: &'static Arena, tail: u64, after: u64) -> bool {
        let producer = &self.producer;
        producer.straight.forget();
        let Some(chunk) = Chunk::from_name(producer.chunk.load(Relaxed)) else { return false };
        let (base, head) = (producer.base.load(Relaxed), self.taken.head.load(Acquire));
        if chunk.meta(arena).end.load(Relaxed) != u64::MAX || head > tail || base > tail {
            return false;
        }
        producer.head_seen.store(head, Relaxed);
        let size = chunk.size() as u64;
        let offset = (tail - base) & (size - 1);
        let capacity = self.shared.capacity.load(Relaxed).min(MAX_BUFFERED);
        let room = head.max(base).saturating_add(size).min(head.saturating_add(capacity));
        let end = room.min(tail.saturating_add(size - offset));
        if end < after {
            return false;
        }
        producer.straight.set(tail, chunk.offset() + offset as usize, end);
        producer.straight.next.store(tail, Relaxed);
        true
    }

    /// Does a byte wait? Held-back and urgent ones count.
    #[inline]
    pub fn stirs(&self) -> bool {
        self.sent.tail.load(Acquire) != self.taken.head.load(Relaxed)
    }

    /// How many bytes are known to wait in the consumer's straight piece, without a look at what the producer writes.
    #[inline(always)]
    pub fn known(&self) -> u64 {
        self.consumer.straight.end.load(Relaxed).saturating_sub(self.taken.head.load(Relaxed))
    }

    /// Somebody will read what waits soon: has the line that it begins in fetched meanwhile.
    #[inline]
    pub fn expect_read(&self, arena: &'static Arena) {
        if let Some(at) = self.consumer.straight.bytes(arena, self.taken.head.load(Relaxed), 1) {
            prefetch(at);
        }
    }

    /// Somebody will write soon: has the line that tells of it fetched meanwhile.
    #[inline]
    pub fn expect_write(&self) {
        prefetch_for_write(&self.sent);
    }

    /// Reads up to `want` bytes if all that wait, or all that is wanted, lies in the straight piece: `drain` copies them
    /// and says how many it could. None: nothing was read. `alone` as for [`Direction::produce`]. In a critical section.
    #[inline(always)]
    pub fn take_straight(
        &self,
        arena: &'static Arena,
        alone: bool,
        want: usize,
        drain: impl FnOnce(*const u8, usize) -> usize,
    ) -> Option<usize> {
        let _held = self.consumer.lock.lock_inside(alone);
        let head = self.taken.head.load(Relaxed);
        let straight = &self.consumer.straight;
        let mut known = straight.end.load(Relaxed).saturating_sub(head);
        if known < want as u64 {
            known = self.look_straight(arena, head, want as u64)?;
        }
        let n = want.min(known as usize);
        let at = straight.bytes(arena, head, n)?;
        if drain(at, n) != n {
            return None;
        }
        let head = head.wrapping_add(n as u64);
        stop::here(Point::Consumed);
        self.taken.head.store(head, Release);
        stop::here(Point::Freed);
        self.probed(head);
        Some(n)
    }

    /// Finds the consumer's straight piece from `head` on: its length. None if nothing lies there, or not enough of what
    /// waits.
    #[inline]
    fn look_straight(&self, arena: &'static Arena, head: u64, want: u64) -> Option<u64> {
        let consumer = &self.consumer;
        let tail = self.sent.tail.load(Acquire);
        let waiting = tail.wrapping_sub(head);
        if waiting.wrapping_sub(1) >= MAX_BUFFERED {
            return None;
        }
        let chunk = Chunk::from_name(consumer.chunk.load(Relaxed))?;
        let end = chunk.meta(arena).end.load(Acquire);
        let size = chunk.size() as u64;
        let offset = head.checked_sub(consumer.base.load(Relaxed))? & (size - 1);
        let known = waiting.min(end.saturating_sub(head)).min(size - offset);
        if known == 0 || known < waiting && known < want {
            return None;
        }
        self.found(waiting);
        consumer.straight.set(head, chunk.offset() + offset as usize, head + known);
        Some(known)
    }
}
