//! A queue of datagrams in a chunk: many producers, many consumers, no lock, and nobody whose death or whose stop in the
//! middle of an operation is waited for.
//!
//! A chunk holds a ring of cells, one for each datagram, a claim beside each, and a ring of bytes, handed out in units of 64.
//! A cell is two cache lines, a pair that processors fetch together: the second one is a short datagram's payload, so that
//! neighbours in the ring do not share a pair, and a longer one goes to the ring of bytes. A
//! position is a cell's number together with a unit's; the tail's is where the next datagram goes. A producer claims the
//! cell at the tail by exchanging its claim for one that names the claimant and how many units it takes, and that exchange
//! alone is the reservation: whoever finds the cell claimed can move the tail on. It then copies and publishes in the cell's
//! own word. The claims lie apart, so that what consumers poll changes once for each datagram and not in the middle of it: a
//! line that goes back and forth twice costs half as much again. A consumer
//! copies the first datagram out and moves the head over it; if somebody else did so meanwhile, what it copied counts for
//! nothing. Where the first datagram is still being written, consumers walk past it: then each claims the cell that it
//! takes, and the head is marked so that nobody uses the short way. Claims of threads that no longer exist are given up.
//!
//! A word carries the lap, so no word is mistaken for one of another round; laps start at a number that no other queue in
//! the same memory began with, so a producer that still believes in a queue long gone cannot claim there.
//!
//! A queue that is full goes on in another chunk: the claim on its last cell then names it.
#![allow(unsafe_code)]

mod gather;
mod push;
mod record;
mod take;
#[cfg(test)]
mod tests;
mod walk;

use core::sync::atomic::{AtomicU64, Ordering::*};

use super::ahead::{prefetch, prefetch_for_write};
use super::arena::Arena;
use super::chunk::{Chunk, CLASS_SIZES};

pub use push::Push;
pub use record::{Packed, Payload, Record, Span, Told};
pub use take::Found;

/// Payload is handed out in units of this many bytes.
pub const UNIT: usize = 64;
/// What a datagram is charged for besides its units (sk_buff and the room around the payload).
pub const OVERHEAD: u64 = 768;
/// So many bytes have room in the cell.
const INLINE: usize = 64;

const CLAIMS_AT: usize = 256;
/// Number of cells, by chunk class; a power of two, so that a cell's number may wrap.
const CELLS: [u32; 5] = [16, 256, 512, 2048, 8192];
/// A peer that rewrites words as fast as we read them does not keep us here.
const MAX_ATTEMPTS: u32 = 100_000;

// A cell's word, and the claim on it: the state, the number of units or the name of the next chunk, the claimant, the lap.
// CLAIMED and END stand in claims, the other states in cells.
const STATE: u64 = 7;
const DONE: u64 = 0;
const CLAIMED: u64 = 1;
const FULL: u64 = 2;
const TAKEN: u64 = 3;
const END: u64 = 4;
const UNITS_AT: u32 = 3;
const UNITS: u64 = 0x7ff;
const TID_AT: u32 = 14;
const TID: u64 = 0x3f_ffff;
const LAP_AT: u32 = 36;
const LAP: u64 = 0xfff_ffff;

/// In the head's position: consumers claim cells, since they take them out of order.
const SCATTERED: u64 = 1 << 63;

/// A datagram's cell: the word that says that it is there, what is told with the datagram, and its payload if it is short.
#[repr(C, align(128))]
struct Cell {
    word: AtomicU64,
    meta: [AtomicU64; 7],
    bytes: [AtomicU64; INLINE / 8],
}

const _: () = assert!(size_of::<Cell>() == 128);

/// The chunk's first lines: the producers' and the consumers' apart.
#[repr(C)]
struct Ends {
    tail: AtomicU64,
    /// The head as a producer last saw it.
    head_seen: AtomicU64,
    /// When that was.
    looked: AtomicU64,
    _pad: [AtomicU64; 13],
    head: AtomicU64,
    /// The tail as a consumer that lets datagrams gather last saw it.
    tail_seen: AtomicU64,
}

/// A position: a cell's number, which wraps, and a unit's, below twice the number of units.
type Place = (u32, u32);

/// A queue's chunk.
#[derive(Clone, Copy)]
pub struct Queue {
    arena: &'static Arena,
    chunk: Chunk,
    base: *mut u8,
    cells: u32,
    units: u32,
}

// SAFETY: what `base` leads to is atomics, and bytes that the cells hand to one user at a time; it is mapped for ever.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new, empty queue in a chunk of a class. None when memory is out.
    pub fn make(arena: &'static Arena, class: usize) -> Option<Queue> {
        let queue = Queue::of(arena, Chunk::take(arena, class)?);
        let first = (arena.header().next_order() as u32).wrapping_add(1).wrapping_mul(queue.cells);
        let before = queue.lap(first.wrapping_sub(1)) << LAP_AT | DONE;
        for i in 0..queue.cells {
            queue.cell(i).word.store(before, Relaxed);
            queue.claim(i).store(before, Relaxed);
        }
        let ends = queue.ends();
        for word in [&ends.tail, &ends.head, &ends.head_seen, &ends.tail_seen] {
            word.store(pack((first, 0)), Release);
        }
        ends.looked.store(0, Relaxed);
        Some(queue)
    }

    /// The queue in the chunk of this name.
    #[inline]
    pub fn open(arena: &'static Arena, name: u32) -> Option<Queue> {
        Chunk::from_name(name).map(|chunk| Queue::of(arena, chunk))
    }

    #[inline]
    fn of(arena: &'static Arena, chunk: Chunk) -> Queue {
        let (cells, units) = SHAPES[chunk.class()];
        Queue { arena, chunk, base: arena.chunk_bytes(chunk), cells, units }
    }

    /// The chunk's name.
    pub fn name(&self) -> u32 {
        self.chunk.name()
    }

    /// The chunk's size class.
    pub fn class(&self) -> usize {
        self.chunk.class()
    }

    /// Gives the chunk back. The queue is ended, and nobody is at work in it any more.
    pub fn give(self) {
        self.chunk.give(self.arena);
    }

    #[inline]
    fn ends(&self) -> &'static Ends {
        // SAFETY: the chunk is longer than this, aligned to pages, mapped for ever; all fields are atomics.
        unsafe { &*self.base.cast::<Ends>() }
    }

    #[inline]
    fn cell(&self, number: u32) -> &'static Cell {
        let cells = cells_at(self.cells);
        // SAFETY: masked by the number of cells, which lie inside the chunk; made of atomics only.
        unsafe { &*self.base.add(cells).cast::<Cell>().add((number & (self.cells - 1)) as usize) }
    }

    /// The claim on the cell of this number.
    #[inline]
    fn claim(&self, number: u32) -> &'static AtomicU64 {
        // SAFETY: as above.
        unsafe { &*self.base.add(CLAIMS_AT).cast::<AtomicU64>().add((number & (self.cells - 1)) as usize) }
    }

    /// What is known of a cell: its word, or the claim on it while that is all there is. Of another lap: nothing.
    #[inline]
    fn state(&self, number: u32) -> u64 {
        let (word, lap) = (self.cell(number).word.load(Acquire), self.lap(number));
        if word >> LAP_AT == lap {
            return word;
        }
        let claim = self.claim(number).load(Acquire);
        if claim >> LAP_AT == lap {
            claim
        } else {
            word
        }
    }

    #[inline]
    fn payload(&self, (number, unit): Place, length: usize) -> Payload {
        if length <= INLINE {
            let bytes = core::ptr::from_ref(&self.cell(number).bytes).cast_mut().cast::<u8>();
            return Payload::new(bytes, INLINE, 0, length);
        }
        let size = self.units as usize * UNIT;
        // SAFETY: behind the cells, inside the chunk.
        let ring = unsafe { self.base.add(cells_at(self.cells) + self.cells as usize * size_of::<Cell>()) };
        Payload::new(ring, size, unit as usize * UNIT, length)
    }

    /// The memory of a payload, if it is in one piece.
    #[inline(always)]
    fn piece(&self, number: u32, unit: u32, length: usize) -> Option<Span> {
        if length <= INLINE {
            let bytes = core::ptr::from_ref(&self.cell(number).bytes).cast_mut().cast::<u8>();
            // SAFETY: the cell's own bytes.
            return Some(unsafe { Span::new(bytes, length) });
        }
        let unit = if unit < self.units { unit } else { unit - self.units };
        let (size, at) = (self.units as usize * UNIT, unit as usize * UNIT);
        if at >= size || length > size - at {
            return None;
        }
        // SAFETY: behind the cells, inside the chunk.
        let start = unsafe { self.base.add(cells_at(self.cells) + self.cells as usize * size_of::<Cell>() + at) };
        // SAFETY: as above.
        Some(unsafe { Span::new(start, length) })
    }

    /// Has both lines of a cell brought here.
    #[inline]
    fn fetch(&self, number: u32, to_write: bool) {
        let cell = self.cell(number);
        if to_write {
            prefetch_for_write(cell);
            prefetch_for_write(&cell.bytes);
        } else {
            prefetch(cell);
            prefetch(&cell.bytes);
        }
    }

    #[inline]
    fn lap(&self, cell: u32) -> u64 {
        (cell >> self.cells.trailing_zeros()) as u64 & LAP
    }

    /// The place after a datagram of so many units.
    #[inline]
    fn after(&self, (cell, unit): Place, units: u32) -> Place {
        let next = unit + units.min(self.units);
        (cell.wrapping_add(1), if next >= 2 * self.units { next - 2 * self.units } else { next })
    }

    #[inline]
    fn unpack(&self, position: u64) -> Place {
        let unit = (position >> 32) as u32 & !(1 << 31);
        (position as u32, if unit < 2 * self.units { unit } else { unit % (2 * self.units) })
    }

    /// Cells and units from one position to a later one.
    #[inline(always)]
    fn distance(&self, from: u64, to: u64) -> (u32, u32) {
        let ((fc, fu), (tc, tu)) = (self.unpack(from), self.unpack(to));
        (tc.wrapping_sub(fc), if tu >= fu { tu - fu } else { tu + 2 * self.units - fu })
    }

    /// What waits in this chunk is charged for.
    pub fn charged(&self) -> u64 {
        let ends = self.ends();
        let (cells, units) = self.distance(ends.head.load(Acquire), ends.tail.load(Acquire));
        charge(cells.min(self.cells), units.min(self.units))
    }
}

#[inline]
fn pack((cell, unit): Place) -> u64 {
    cell as u64 | (unit as u64) << 32
}

#[inline]
fn charge(cells: u32, units: u32) -> u64 {
    cells as u64 * OVERHEAD + units as u64 * UNIT as u64
}

/// How many units a payload takes; a short one takes none.
#[inline]
fn units_of(length: usize) -> u32 {
    if length <= INLINE {
        0
    } else {
        length.div_ceil(UNIT).min(u32::MAX as usize) as u32
    }
}

/// Where the cells begin, behind the claims.
#[inline]
const fn cells_at(cells: u32) -> usize {
    CLAIMS_AT + cells as usize * size_of::<AtomicU64>()
}

/// Cells and units of a chunk, by class.
const SHAPES: [(u32, u32); 5] = [shape(0), shape(1), shape(2), shape(3), shape(4)];

const fn shape(class: usize) -> (u32, u32) {
    (CELLS[class], units_of_class(class))
}

/// How many units a chunk of a class has.
#[inline]
const fn units_of_class(class: usize) -> u32 {
    ((CLASS_SIZES[class] - cells_at(CELLS[class]) - CELLS[class] as usize * size_of::<Cell>()) / UNIT) as u32
}

/// The number of units that a word tells.
#[inline]
fn units_in(word: u64) -> u32 {
    (word >> UNITS_AT & UNITS) as u32
}

/// The chunk's name that an END word tells.
#[inline]
fn next_in(word: u64) -> u32 {
    (word >> UNITS_AT) as u32
}
