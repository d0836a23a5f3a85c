//! What is told with a datagram, as words, and its payload as the pieces that the ring of bytes makes of it.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::shm::usercopy;
use crate::shm::views::Buffers;

/// What is told with a datagram. Addresses are 128 bits, IPv4 ones v4-mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it came from.
    pub source: u128,
    /// Where it was sent to.
    pub destination: u128,
    /// The time of delivery, CLOCK_REALTIME in nanoseconds; 0 when nobody asked.
    pub time_ns: u64,
    /// The sender's port.
    pub source_port: u16,
    /// The port that it was sent to.
    pub port: u16,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// The payload's length.
    pub length: u32,
    /// How many datagrams were dropped before this one; the top bit is lost.
    pub drops: u32,
    /// Free for the user of the queue.
    pub flags: u16,
    /// The size of the segments that it is made of (UDP_GRO), or 0.
    pub segment: u16,
}

/// A record as the words that stand in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed(pub(super) [u64; 7]);

/// The bits that hold a length, and where.
const LENGTH: u64 = 0x1_ffff;
const LENGTH_AT: u32 = 32;

impl Packed {
    /// No addresses, no payload.
    pub const EMPTY: Packed = Packed([0; 7]);

    /// The same for a payload of another length.
    #[inline]
    pub fn with_length(mut self, length: usize) -> Packed {
        self.0[5] = self.0[5] & !(LENGTH << LENGTH_AT) | (length as u64 & LENGTH) << LENGTH_AT;
        self
    }

    /// The payload's length.
    #[inline]
    pub fn length(&self) -> usize {
        (self.0[5] >> LENGTH_AT & LENGTH) as usize
    }

    /// Where it came from.
    #[inline]
    pub fn source(&self) -> (u128, u16) {
        ((self.0[0] as u128) << 64 | self.0[1] as u128, self.0[5] as u16)
    }

    /// Where it was sent to.
    #[inline]
    pub fn destination(&self) -> u128 {
        (self.0[2] as u128) << 64 | self.0[3] as u128
    }

    /// The time of delivery.
    #[inline]
    pub fn time_ns(&self) -> u64 {
        self.0[4]
    }

    /// The flags.
    #[inline]
    pub fn flags(&self) -> u16 {
        (self.0[6] >> 16) as u16
    }

    /// All of it.
    pub fn unpack(&self) -> Record {
        let w = &self.0;
        Record {
            source: self.source().0,
            destination: self.destination(),
            time_ns: w[4],
            source_port: w[5] as u16,
            tos: (w[5] >> 16) as u8,
            ttl: (w[5] >> 24) as u8,
            length: self.length() as u32,
            drops: ((w[5] >> 49) as u32) << 16 | w[6] as u16 as u32,
            flags: self.flags(),
            segment: (w[6] >> 32) as u16,
            port: (w[6] >> 48) as u16,
        }
    }
}

impl Record {
    /// As the words that stand in a cell.
    pub fn pack(&self) -> Packed {
        Packed([
            (self.source >> 64) as u64,
            self.source as u64,
            (self.destination >> 64) as u64,
            self.destination as u64,
            self.time_ns,
            self.source_port as u64
                | (self.tos as u64) << 16
                | (self.ttl as u64) << 24
                | (self.length as u64 & LENGTH) << LENGTH_AT
                | (self.drops as u64 >> 16) << 49,
            self.drops as u64 & 0xffff
                | (self.flags as u64) << 16
                | (self.segment as u64) << 32
                | (self.port as u64) << 48,
        ])
    }
}

/// A piece of memory of the arena that a queue hands to one user at a time. The bytes may change under a reader all the
/// same when a peer does not keep to that, so they are only ever copied.
pub struct Span {
    at: *mut u8,
    length: usize,
}

impl Span {
    /// `length` bytes at a place inside the arena.
    ///
    /// # Safety
    /// They lie there, for ever.
    #[inline(always)]
    pub(super) unsafe fn new(at: *mut u8, length: usize) -> Span {
        Span { at, length }
    }

    /// Where it starts: for hints only.
    #[inline(always)]
    pub(super) fn start(&self) -> *const u8 {
        self.at
    }

    /// The length.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its first bytes.
    #[inline(always)]
    pub fn first(self, length: usize) -> Span {
        Span { length: length.min(self.length), ..self }
    }

    /// Writes bytes of ours; gives how many.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.length);
        // SAFETY: a span lies inside the arena, which is mapped for ever.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at, n) };
        n
    }

    /// Reads into memory of ours; gives how many bytes.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> usize {
        let n = into.len().min(self.length);
        // SAFETY: as above.
        unsafe { core::ptr::copy_nonoverlapping(self.at, into.as_mut_ptr(), n) };
        n
    }

    /// Fills it from the program's buffers; gives how many bytes came before their end or a bad address.
    #[inline]
    pub fn take(&self, from: &mut Buffers<'_>) -> usize {
        // SAFETY: as above.
        unsafe { from.take(self.at, self.length) }
    }

    /// Copies it into the program's buffers; gives how many bytes went before their end or a bad address.
    #[inline]
    pub fn put(&self, into: &mut Buffers<'_>) -> usize {
        // SAFETY: as above.
        unsafe { into.put(self.at, self.length) }
    }

    /// Fills it from the program's memory at an address; gives how many bytes came before a bad address.
    #[inline(always)]
    pub fn take_at(&self, address: usize) -> usize {
        // SAFETY: a span lies inside the arena, which is mapped for ever; the copy ends at a fault.
        unsafe { usercopy::copy_in(self.at, address as *const u8, self.length) }
    }

    /// Copies it into the program's memory at an address; gives how many bytes went before a bad address.
    #[inline(always)]
    pub fn put_at(&self, address: usize) -> usize {
        // SAFETY: as above.
        unsafe { usercopy::copy_out(address as *mut u8, self.at, self.length) }
    }

    /// Fills it from a payload; gives how many bytes.
    pub fn copy(&self, from: &Payload, offset: usize) -> usize {
        let mut done = 0;
        from.each(offset, self.length, |piece| {
            // SAFETY: both lie inside the arena; `each` gives no more than was asked for.
            unsafe { core::ptr::copy(piece.at, self.at.add(done), piece.length) };
            done += piece.length;
            piece.length
        })
    }
}

/// What is told with a datagram that is being taken out.
pub struct Told<'a> {
    meta: &'a [AtomicU64; 7],
    length: usize,
}

impl<'a> Told<'a> {
    #[inline(always)]
    pub(super) fn new(meta: &'a [AtomicU64; 7]) -> Told<'a> {
        Told { meta, length: (meta[5].load(Relaxed) >> LENGTH_AT & LENGTH) as usize }
    }

    /// The payload's length.
    #[inline(always)]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The time of delivery.
    #[inline(always)]
    pub fn time_ns(&self) -> u64 {
        self.meta[4].load(Relaxed)
    }

    /// Where it came from.
    #[inline(always)]
    pub fn source(&self) -> (u128, u16) {
        let word = |i: usize| self.meta[i].load(Relaxed);
        ((word(0) as u128) << 64 | word(1) as u128, word(5) as u16)
    }
}

/// A datagram's payload, in up to two pieces.
#[derive(Clone, Copy)]
pub struct Payload {
    ring: *mut u8,
    size: usize,
    at: usize,
    length: usize,
}

impl Payload {
    /// `length` bytes from `at` on, both brought inside the ring of `size` bytes at `ring`, which stays mapped for ever.
    #[inline(always)]
    pub(super) fn new(ring: *mut u8, size: usize, at: usize, length: usize) -> Payload {
        let at = if at < size { at } else { at % size };
        Payload { ring, size, at, length: length.min(size) }
    }

    /// Where the bytes start: for hints only.
    #[inline]
    pub(super) fn start(&self) -> *const u8 {
        self.ring.wrapping_add(self.at)
    }

    /// The length.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Hands the bytes from `offset` on, at most `n`, to `piece`, in up to two pieces; it says how many it took of each.
    #[inline(always)]
    pub fn each(&self, offset: usize, n: usize, mut piece: impl FnMut(Span) -> usize) -> usize {
        let n = n.min(self.length.saturating_sub(offset));
        let start = self.at + offset.min(self.length);
        let mut at = if start < self.size { start } else { start - self.size };
        let mut done = 0;
        loop {
            let length = (n - done).min(self.size - at);
            // SAFETY: `at` lies inside the ring.
            let took = piece(Span { at: unsafe { self.ring.add(at) }, length });
            done += took.min(length);
            if took < length || done == n {
                return done;
            }
            at = 0;
        }
    }

    /// Copies bytes from `offset` on into memory of ours; gives how many.
    pub fn copy(&self, offset: usize, into: &mut [u8]) -> usize {
        let mut done = 0;
        self.each(offset, into.len(), |piece| {
            let n = piece.read(&mut into[done..]);
            done += n;
            n
        })
    }
}
