//! Chunks: the memory that rings are made of, in five sizes, pooled so that warm pages are used again.
//!
//! A fresh page costs microseconds, a warm one nothing (figures: connections per second), so a freed chunk goes back on
//! its size's stack with its pages, and only what lies beyond a stock is given back to the system.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use super::arena::Arena;

/// Sizes in bytes. Powers of two, because ring positions are masked by them.
pub const CLASS_SIZES: [usize; 5] = [4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];
/// How many chunks of each size an arena can have.
pub const CLASS_COUNTS: [u32; 5] = [160 << 10, 16 << 10, 4 << 10, 1 << 10, 256];
/// How many are backed by pages in one go.
const CLASS_BATCH: [u32; 5] = [64, 4, 1, 1, 1];
/// Free chunks above this number give their pages back.
const CLASS_STOCK: [u32; 5] = [32 << 10, 256, 64, 16, 8];
/// The name of no chunk.
pub const NO_CHUNK: u32 = u32::MAX;

/// What is known of a chunk outside its bytes.
#[repr(C)]
pub struct ChunkMeta {
    /// The chunk that the stream goes on in, or the next free one.
    pub next: AtomicU32,
    /// 1 when the pages were given back.
    cold: AtomicU32,
    /// The stream position at which the stream leaves this chunk; `u64::MAX` while it has not.
    pub end: AtomicU64,
}

/// A chunk by name: its size class and its number, bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk(u32);

impl Chunk {
    /// The chunk of a name from shared memory, if it is one.
    #[inline]
    pub fn from_name(name: u32) -> Option<Chunk> {
        let class = (name >> 24) as usize;
        (class < CLASS_SIZES.len() && (name & 0xff_ffff) < CLASS_COUNTS[class]).then_some(Chunk(name))
    }

    /// The name to store.
    pub fn name(self) -> u32 {
        self.0
    }

    /// The size class.
    #[inline]
    pub fn class(self) -> usize {
        ((self.0 >> 24) as usize).min(CLASS_SIZES.len() - 1)
    }

    /// The size in bytes.
    #[inline]
    pub fn size(self) -> usize {
        CLASS_SIZES[self.class()]
    }

    #[inline]
    fn number(self) -> u32 {
        self.0 & 0xff_ffff
    }

    /// Where the bytes start in the arena's file.
    #[inline]
    pub fn offset(self) -> usize {
        OFFSETS[self.class()] + self.number() as usize * self.size()
    }

    fn meta_index(self) -> usize {
        META_BASES[self.class()] + self.number() as usize
    }

    /// What is known of the chunk.
    #[inline]
    pub fn meta(self, arena: &'static Arena) -> &'static ChunkMeta {
        arena.chunk_meta(self.meta_index())
    }

    /// A free chunk of a class, its stream end unset; none when memory is out.
    pub fn take(arena: &'static Arena, class: usize) -> Option<Chunk> {
        let name = |n: u32| Chunk((class as u32) << 24 | n);
        let number = arena.header().classes[class].pool.take(
            CLASS_COUNTS[class],
            CLASS_BATCH[class],
            |n| &name(n).meta(arena).next,
            |from, to| {
                let bytes = (to - from) as usize * CLASS_SIZES[class];
                arena.back(name(from).offset(), bytes)
                    && arena.back_metas(name(from).meta_index(), (to - from) as usize)
            },
        )?;
        let chunk = name(number);
        let meta = chunk.meta(arena);
        let stock = &arena.header().classes[class].free;
        let _ = stock.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
        if meta.cold.load(Acquire) != 0 {
            if !arena.back(chunk.offset(), chunk.size()) {
                chunk.give(arena);
                return None;
            }
            meta.cold.store(0, Release);
        }
        meta.next.store(NO_CHUNK, Relaxed);
        meta.end.store(u64::MAX, Release);
        Some(chunk)
    }

    /// Gives the chunk back. Nobody may use it any more.
    pub fn give(self, arena: &'static Arena) {
        let class = self.class();
        let meta = self.meta(arena);
        let header = &arena.header().classes[class];
        let plenty = header.free.fetch_add(1, Relaxed) >= CLASS_STOCK[class];
        if plenty && meta.cold.load(Relaxed) == 0 && arena.punch(self.offset(), self.size()) {
            meta.cold.store(1, Release);
        }
        header.pool.give(self.number(), &meta.next);
    }
}

/// One size's pool with the number of free chunks in it.
#[repr(C)]
pub struct Class {
    pub(super) pool: super::pool::Pool,
    free: AtomicU32,
    _pad: AtomicU32,
}

/// Where the chunks of a class start in the file.
pub(super) const fn class_offset(class: usize) -> usize {
    let mut at = super::arena::CHUNKS_AT;
    let mut c = 0;
    while c < class {
        at += CLASS_SIZES[c] * CLASS_COUNTS[c] as usize;
        c += 1;
    }
    at
}

const fn meta_base(class: usize) -> usize {
    let mut at = 0;
    let mut c = 0;
    while c < class {
        at += CLASS_COUNTS[c] as usize;
        c += 1;
    }
    at
}

/// What [`class_offset`] and [`meta_base`] give.
const OFFSETS: [usize; 5] = [class_offset(0), class_offset(1), class_offset(2), class_offset(3), class_offset(4)];
const META_BASES: [usize; 5] = [meta_base(0), meta_base(1), meta_base(2), meta_base(3), meta_base(4)];

/// How many chunks there can be in all.
pub const CHUNKS: usize = meta_base(CLASS_SIZES.len());
/// The length of the arena's file.
pub const FILE_LENGTH: usize = class_offset(CLASS_SIZES.len());
