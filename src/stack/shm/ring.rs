//! The byte ring of one direction: a stream position for each side, over a chain of chunks that grows with need.
//!
//! Positions never wrap (64 bits at 100 GB/s last for years). A chunk is a ring by itself; when it is full and the
//! direction may hold more, the producer goes on in a larger one and says where the stream left the old one; the consumer
//! follows and gives the old one back. Each operation commits with one store, so that a process killed anywhere leaves
//! either the old state or the new one.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering::*;

use super::arena::Arena;
use super::chunk::{Chunk, CLASS_SIZES};
use super::conn::Direction;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::stop::{self, Point};

/// No direction ever holds more bytes than this.
pub const MAX_BUFFERED: u64 = 16 << 20;

/// A chain of chunks is never longer: all that may be buffered, in chunks of the size that is taken when the largest are out.
pub(super) const LONGEST_CHAIN: usize = (MAX_BUFFERED as usize / CLASS_SIZES[1]) + CLASS_SIZES.len();

/// Rounds in a row that may bring no byte: into the next chunk, or for a look at what the other side wrote meanwhile. More
/// than these few, and somebody spoils the words.
const IDLE_ROUNDS: u32 = 16;

/// The other side wrote something that cannot be: the connection is of no use any more.
#[derive(Debug)]
pub struct Corrupt;

impl From<Corrupt> for Errno {
    fn from(_: Corrupt) -> Errno {
        Errno::ECONNRESET
    }
}

/// How to take bytes.
#[derive(Clone, Copy)]
pub struct Take {
    /// How many at most.
    pub want: usize,
    /// Leave them there (MSG_PEEK).
    pub peek: bool,
    /// Waiting bytes to pass over before the first one that is wanted; only with `peek`.
    pub skip: u64,
    /// Throw them away (MSG_TRUNC).
    pub discard: bool,
    /// The stream position to stop at.
    pub limit: u64,
}

impl Direction {
    /// Bytes that wait, held-back ones included. Any garbage gives a number, so callers bound what they do with it.
    #[inline]
    pub fn buffered(&self) -> u64 {
        {
            let head = self.taken.head.load(Acquire);
            self.sent.tail.load(Acquire).saturating_sub(head)
        }
    }

    /// The position up to which bytes were written.
    pub fn written(&self) -> u64 {
        self.sent.tail.load(Acquire)
    }

    /// The position up to which bytes were read.
    #[inline]
    pub fn consumed(&self) -> u64 {
        self.taken.head.load(Acquire)
    }

    /// Bytes that may still be written before the direction is full.
    pub fn room(&self) -> u64 {
        self.shared.capacity.load(Relaxed).min(MAX_BUFFERED).saturating_sub(self.buffered())
    }

    /// Offers room for up to `want` bytes to `fill`, piece by piece, which says how many it wrote into each (fewer than
    /// offered ends it). Gives the number of bytes that were published; 0 when there is no room.
    ///
    /// `alone` promises that no other thread anywhere produces here (see `process::alone`): no lock is taken then.
    pub fn produce(
        &self,
        arena: &'static Arena,
        alone: bool,
        want: usize,
        mut fill: impl FnMut(*mut u8, usize) -> usize,
    ) -> Result<usize> {
        let _held = self.producer.lock.lock_unless(alone);
        let ticks = kernel::ticks();
        let mut done = 0;
        let mut tail = self.sent.tail.load(Relaxed);
        let capacity = self.shared.capacity.load(Relaxed).min(MAX_BUFFERED);
        let mut idle = 0;
        while done < want {
            idle += 1;
            if idle > IDLE_ROUNDS {
                return Err(Corrupt.into());
            }
            let mut chunk = Chunk::from_name(self.producer.chunk.load(Relaxed)).ok_or(Corrupt)?;
            // A holder that died between closing a chunk and entering the next one left this to us.
            let end = chunk.meta(arena).end.load(Relaxed);
            if end != u64::MAX {
                chunk = Chunk::from_name(chunk.meta(arena).next.load(Relaxed)).ok_or(Corrupt)?;
                self.producer.base.store(end, Relaxed);
                self.producer.chunk.store(chunk.name(), Release);
            }
            let base = self.producer.base.load(Relaxed);
            let size = chunk.size() as u64;
            let mut head = self.producer.head_seen.load(Relaxed);
            let wanted = (want - done) as u64;
            // What the chunk has room for, and what the direction may still hold.
            let room = |head: u64| -> (u64, u64) {
                let in_chunk = size.saturating_sub(tail.wrapping_sub(head.max(base)));
                (in_chunk, capacity.saturating_sub(tail.wrapping_sub(head)))
            };
            let (in_chunk, allowed) = room(head);
            if in_chunk.min(allowed) < wanted {
                head = self.taken.head.load(Acquire);
                if head > tail {
                    return Err(Corrupt.into());
                }
                self.producer.head_seen.store(head, Relaxed);
            }
            let buffered = tail - head.min(tail);
            let (in_chunk, allowed) = room(head);
            if allowed == 0 {
                break;
            }
            // Growing beats waiting while the reader is behind; a chunk that has room for a quarter is used up first.
            // What the direction may not hold is no reason to grow.
            let aim = wanted.min(allowed);
            if in_chunk < aim && in_chunk < size / 4 && self.grow(arena, chunk, tail, aim + buffered) {
                continue;
            }
            if in_chunk == 0 {
                // No memory to grow with. What the direction has is all that it can hold from here on, and who waits for
                // room has to see that.
                self.shared.capacity.fetch_min(size, Relaxed);
                break;
            }
            let free = in_chunk.min(allowed);
            let offset = (tail.wrapping_sub(base) & (size - 1)) as usize;
            // A piece is at most a quarter of a large ring, or writer and reader take turns instead of overlapping.
            let piece = if size > 64 << 10 { size / 4 } else { size };
            let n = (wanted.min(free).min(piece) as usize).min(size as usize - offset);
            // SAFETY: the offset is masked by the chunk's size and the length does not reach past its end; the cursors
            // give these bytes to the producer's side, whose lock is held.
            let wrote = fill(unsafe { arena.chunk_bytes(chunk).add(offset) }, n).min(n);
            tail += wrote as u64;
            done += wrote;
            idle = 0;
            stop::here(Point::Produced);
            if done == wrote {
                self.comes(tail - wrote as u64, ticks);
            }
            self.sent.tail.store(tail, Release);
            stop::here(Point::Published);
            if wrote < n {
                break;
            }
        }
        if done > 0 {
            self.producer.straight.forget();
            self.probe(tail, done as u64, ticks);
        }
        Ok(done)
    }

    /// Goes on in a larger chunk (or one of equal size when the largest is full and more may be held).
    #[cold]
    fn grow(&self, arena: &'static Arena, from: Chunk, tail: u64, need: u64) -> bool {
        let fitting = CLASS_SIZES.iter().position(|&s| s as u64 >= need).unwrap_or(CLASS_SIZES.len() - 1);
        let class = fitting.max(from.class() + 1).min(CLASS_SIZES.len() - 1);
        let Some(to) = Chunk::take(arena, class).or_else(|| Chunk::take(arena, 1)) else { return false };
        stop::here(Point::ChunkTaken);
        self.producer.straight.forget();
        let meta = from.meta(arena);
        meta.next.store(to.name(), Relaxed);
        meta.end.store(tail, Release);
        stop::here(Point::ChunkLinked);
        self.producer.base.store(tail, Relaxed);
        self.producer.chunk.store(to.name(), Release);
        true
    }

    /// Hands up to `want` waiting bytes to `drain`, piece by piece, which says how many it took of each (fewer than
    /// offered ends it); with `peek` nothing is consumed. `limit` is the position
    /// that reading must not pass. Gives the number of bytes taken. `alone` as for [`Direction::produce`].
    pub fn consume(
        &self,
        arena: &'static Arena,
        alone: bool,
        Take { want, peek, mut skip, limit, .. }: Take,
        mut drain: impl FnMut(*const u8, usize) -> usize,
    ) -> Result<usize> {
        let _held = self.consumer.lock.lock_unless(alone);
        let mut done = 0;
        let mut head = self.taken.head.load(Relaxed);
        let mut chunk = Chunk::from_name(self.consumer.chunk.load(Relaxed)).ok_or(Corrupt)?;
        let mut base = self.consumer.base.load(Relaxed);
        let mut idle = 0;
        while done < want {
            idle += 1;
            if idle > IDLE_ROUNDS {
                return Err(Corrupt.into());
            }
            let mut tail = self.consumer.tail_seen.load(Relaxed);
            if tail.wrapping_sub(head).wrapping_sub(1) >= MAX_BUFFERED {
                tail = self.sent.tail.load(Acquire);
                self.consumer.tail_seen.store(tail, Relaxed);
            }
            let ready = tail.min(limit).saturating_sub(head);
            if ready == 0 {
                let fresh = self.sent.tail.load(Acquire);
                if fresh == tail || limit <= head {
                    break;
                }
                self.consumer.tail_seen.store(fresh, Relaxed);
                continue;
            }
            let end = chunk.meta(arena).end.load(Acquire);
            if head >= end {
                if head != end {
                    return Err(Corrupt.into());
                }
                let next = Chunk::from_name(chunk.meta(arena).next.load(Relaxed)).ok_or(Corrupt)?;
                if !peek {
                    self.consumer.base.store(head, Relaxed);
                    self.consumer.chunk.store(next.name(), Release);
                    stop::here(Point::ChunkLeft);
                    chunk.give(arena);
                }
                (chunk, base) = (next, head);
                continue;
            }
            let size = chunk.size() as u64;
            if tail - head > MAX_BUFFERED || head < base {
                return Err(Corrupt.into());
            }
            if skip > 0 {
                let passed = skip.min(ready).min(end - head);
                (head, skip, idle) = (head + passed, skip - passed, 0);
                continue;
            }
            let offset = (head.wrapping_sub(base) & (size - 1)) as usize;
            let piece = if size > 64 << 10 { size / 4 } else { size };
            let n = (ready.min(end - head).min(piece) as usize).min(want - done).min(size as usize - offset);
            // SAFETY: as in `produce`; the cursors give these bytes to the consumer's side, whose lock is held.
            let took = drain(unsafe { arena.chunk_bytes(chunk).add(offset) }, n).min(n);
            head += took as u64;
            done += took;
            idle = 0;
            if !peek {
                stop::here(Point::Consumed);
                self.taken.head.store(head, Release);
                stop::here(Point::Freed);
            }
            if took < n {
                break;
            }
        }
        if !peek && done > 0 {
            self.probed(head);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::Conn;

    fn direction() -> (&'static Arena, &'static Direction) {
        let path = format!("/dev/shm/sockhop-test-{}-{}", crate::kernel::pid(), crate::kernel::random_u64());
        let path = std::ffi::CString::new(path).unwrap();
        let arena = Arena::open(&path).unwrap();
        crate::kernel::unlink(&path).unwrap();
        let conn = arena.conn(Conn::open(arena, false).unwrap()).unwrap();
        conn.ways[0].shared.capacity.store(1 << 20, Relaxed);
        (arena, &conn.ways[0])
    }

    fn take(arena: &'static Arena, way: &Direction) -> Result<usize> {
        let how = Take { want: 100, peek: true, skip: 0, discard: true, limit: u64::MAX };
        way.consume(arena, false, how, |_, n| n)
    }

    #[test]
    fn a_chain_of_chunks_that_leads_back_to_itself_ends_the_connection() {
        let (arena, way) = direction();
        assert_eq!(way.produce(arena, false, 10, |_, n| n), Ok(10));
        let chunk = Chunk::from_name(way.consumer.chunk.load(Relaxed)).unwrap();
        chunk.meta(arena).next.store(chunk.name(), Relaxed);
        chunk.meta(arena).end.store(0, Relaxed);
        assert_eq!(take(arena, way), Err(Errno::ECONNRESET));
    }

    #[test]
    fn the_first_of_two_writes_that_wait_counts() {
        let (_arena, way) = direction();
        for (ticks, from) in [(5, 0), (7, 10)] {
            way.comes(from, ticks);
            way.producer.stamp.store(ticks, Relaxed);
            way.sent.tail.store(from + 10, Relaxed);
            assert_eq!(way.waits_since(0), 5);
        }
        assert_eq!(way.waits_since(10), 7);
        way.taken.head.store(10, Relaxed);
        assert_eq!(way.waits_since(0), 7);
    }

    #[test]
    fn positions_that_cannot_be_are_refused() {
        for (head, tail) in [(u64::MAX, 3), (0, 17 << 20), (1, u64::MAX), (1 << 40, 1 << 41)] {
            let (arena, way) = direction();
            way.taken.head.store(head, Relaxed);
            way.sent.tail.store(tail, Relaxed);
            let taken = take(arena, way);
            assert!(matches!(taken, Ok(0) | Err(Errno::ECONNRESET)), "{head} {tail}: {taken:?}");
            let produced = way.produce(arena, false, 10, |_, n| n);
            assert!(!matches!(produced, Ok(11..)), "{head} {tail}: {produced:?}");
        }
    }
}
