//! Beds: where those sleep who wait for many sockets at once.
//!
//! A sleeper on one socket is asked for at that socket (`reader_armed`). One on many would be rung by each of them, and by
//! most of them while it is on its way already; a bell costs a system call on both sides. So an epoll set has a bed, a word
//! that says whether it sleeps, and its sockets name the bed: whoever finds it empty need not ring, and whoever rings
//! empties it (see [`crate::bell`]).
//!
//! A bed's name has a number of its life in it, so that what names a bed of a set that is gone names none.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::sync::Once;

use super::arena::Arena;
use crate::kernel;
use crate::process;

/// Sets of a network that can have a bed at a time; the others are rung by every socket.
pub(super) const BEDS: usize = 1024;
/// In a name: three bits are left to flags, then comes the number, then the life, which is never 0.
const NUMBER_SHIFT: u32 = 3;
const LIFE: u32 = (BEDS as u32) << NUMBER_SHIFT;

/// One bed. What senders look at has a line of its own.
#[repr(C, align(64))]
pub(super) struct Word {
    /// The name, and more; see [`crate::bell`].
    word: AtomicU64,
    /// The process whose bed it is, 0 for a free one.
    owner: AtomicU32,
}

impl Word {
    fn free(&self) {
        self.owner.store(0, Release);
    }
}

/// A bed of this process.
pub struct Bed {
    arena: &'static Arena,
    name: u32,
}

impl Bed {
    /// A bed, if one is free.
    pub fn take(arena: &'static Arena) -> Option<Bed> {
        static FIRST: Once = Once::new();
        let me = process::pid();
        let beds = arena.beds();
        // Those of the program that this process was before exec.
        FIRST.call_once(|| beds.iter().filter(|bed| bed.owner.load(Relaxed) == me).for_each(Word::free));
        let claim = |bed: &&Word, from: u32| bed.owner.compare_exchange(from, me, AcqRel, Relaxed).is_ok();
        let of_dead = |bed: &&Word| {
            let owner = bed.owner.load(Relaxed);
            !kernel::process_lives(owner) && claim(bed, owner)
        };
        // The first ones are taken first, so that few pages are touched.
        let free = |bed: &&Word| bed.owner.load(Relaxed) == 0 && claim(bed, 0);
        let bed = beds.iter().find(free).or_else(|| beds.iter().find(of_dead))?;
        let number = (core::ptr::from_ref(bed) as usize - beds.as_ptr() as usize) / size_of::<Word>();
        let life = (bed.word.load(Relaxed) as u32 & !(LIFE - 1)).wrapping_add(LIFE).max(LIFE);
        let name = life | (number as u32) << NUMBER_SHIFT;
        bed.word.store(name as u64, Release);
        Some(Bed { arena, name })
    }

    /// The bed's name, which only sockets of its own arena can ask from.
    pub fn name_for(&self, arena: &'static Arena) -> Option<u32> {
        core::ptr::eq(arena, self.arena).then_some(self.name)
    }

    /// The word that says whether somebody sleeps here, and the name.
    pub fn word(&self) -> (&'static AtomicU64, u32) {
        (self.arena.bed(self.name), self.name)
    }

    /// Gives the bed back. Not for a copy that fork made: it is the parent's.
    pub fn give(self) {
        let bed = &self.arena.beds()[number(self.name)];
        if bed.owner.load(Relaxed) == process::pid() {
            bed.free();
        }
    }
}

fn number(name: u32) -> usize {
    (name >> NUMBER_SHIFT) as usize % BEDS
}

impl Arena {
    fn beds(&'static self) -> &'static [Word; BEDS] {
        &self.header().beds
    }

    /// The word of the bed that has or had this name.
    #[inline]
    pub fn bed(&'static self, name: u32) -> &'static AtomicU64 {
        &self.beds()[number(name)].word
    }
}
