//! Which descriptors are ours: a flat table from number to slot, so that a foreign one costs a load.
//!
//! An entry may be in doubt: a vfork child, which has its own descriptors but its parent's memory, did something to the
//! number, or a process with a table of ours in other memory may have (CLONE_FILES without CLONE_VM). Then the kernel is
//! asked what the descriptor is.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

use crate::kernel;
use crate::network;
use crate::process;
use crate::socket::{self, Sock};

/// Numbers from here on are never ours.
pub const LIMIT: usize = 1 << 20;

/// In an entry: in doubt; what stands beside it is a guess.
const DOUBT: u32 = 1 << 31;

/// Slot number + 1, 0 for a descriptor that is not ours. Untouched pages cost nothing.
static TABLE: [AtomicU32; LIMIT] = [const { AtomicU32::new(0) }; LIMIT];

/// The number after the highest entry that was ever set: bounds the walks over the table.
static TOP: AtomicU32 = AtomicU32::new(0);

/// The kernel's table is shared with a process that has other memory: every entry is in doubt, always.
static SHARED: AtomicBool = AtomicBool::new(false);

/// Is the descriptor ours?
#[inline]
pub fn owned(fd: i32) -> bool {
    if fd as usize >= LIMIT {
        return false;
    }
    match TABLE[fd as usize].load(Acquire) {
        0 => false,
        entry => entry & DOUBT == 0 || ask(fd, entry).is_some(),
    }
}

/// The socket behind a descriptor, if it is ours.
#[inline]
pub fn get(fd: i32) -> Option<Sock> {
    if fd as usize >= LIMIT {
        return None;
    }
    let entry = TABLE[fd as usize].load(Acquire);
    let number = entry.checked_sub(1)?;
    if entry & DOUBT != 0 {
        return ask(fd, entry);
    }
    let arena = network::opened()?;
    Some(Sock { fd, number, slot: arena.slot(number)?, arena })
}

/// Is it certain that the descriptor is the socket's of this slot?
#[inline]
pub fn is(fd: i32, number: u32) -> bool {
    (fd as usize) < LIMIT && TABLE[fd as usize].load(Acquire) == number + 1
}

/// Asks the kernel about a descriptor in doubt. The answer is kept where the table in memory is the kernel's own.
#[cold]
fn ask(fd: i32, entry: u32) -> Option<Sock> {
    let found = socket::identify(fd, (entry & !DOUBT).checked_sub(1));
    if !SHARED.load(Acquire) && !process::borrowed() {
        let sure = found.map_or(0, |s| s.number + 1);
        let _ = TABLE[fd as usize].compare_exchange(entry, sure, AcqRel, Relaxed);
    }
    found
}

/// Enters a descriptor. Gives the slot number that stood there, of which the kernel has already let go.
pub fn set(fd: i32, number: u32) -> Option<u32> {
    if fd as usize >= LIMIT {
        return None;
    }
    TOP.fetch_max(fd as u32 + 1, AcqRel);
    let doubt = if SHARED.load(Acquire) { DOUBT } else { 0 };
    let before = TABLE[fd as usize].swap((number + 1) | doubt, AcqRel);
    if before & DOUBT != 0 {
        return None;
    }
    before.checked_sub(1)
}

/// A vfork child changed what stands behind its number, or made it; `guess` is what it is now, if that is known.
pub fn doubt(fd: i32, guess: Option<u32>) {
    if fd as usize >= LIMIT {
        return;
    }
    TOP.fetch_max(fd as u32 + 1, AcqRel);
    let entry = &TABLE[fd as usize];
    // The parent's own entry is the better guess, because it is the parent that lives on.
    let guess = match entry.load(Acquire) & !DOUBT {
        0 => guess.map_or(0, |n| n + 1),
        before => before,
    };
    entry.store(guess | DOUBT, Release);
}

/// Takes a descriptor out. Gives its slot number.
pub fn clear(fd: i32) -> Option<u32> {
    if fd as usize >= LIMIT {
        return None;
    }
    let rest = if SHARED.load(Acquire) { DOUBT } else { 0 };
    (TABLE[fd as usize].swap(rest, AcqRel) & !DOUBT).checked_sub(1)
}

/// Takes a descriptor out if it is this socket's. False: somebody else was faster.
pub fn take(fd: i32, number: u32) -> bool {
    // Where entries are always in doubt, whoever found the socket behind the number is right.
    clear(fd) == Some(number) || SHARED.load(Acquire)
}

/// All descriptors that are ours, with their slot numbers.
pub fn all() -> impl Iterator<Item = (i32, u32)> {
    (0..TOP.load(Acquire) as i32).filter_map(|fd| {
        let entry = TABLE[fd as usize].load(Acquire);
        let number = entry.checked_sub(1)?;
        Some((fd, if entry & DOUBT == 0 { number } else { ask(fd, entry)?.number }))
    })
}

/// Has no descriptor ever been ours?
pub fn is_empty() -> bool {
    TOP.load(Acquire) == 0
}

/// The kernel's table is about to be shared with a process that will have a copy of this memory.
pub fn share() {
    SHARED.store(true, Release);
    let end = (kernel::open_limit().max(0) as usize).clamp(TOP.load(Acquire) as usize, LIMIT);
    for entry in &TABLE[..end] {
        entry.fetch_or(DOUBT, AcqRel);
    }
    TOP.fetch_max(end as u32, AcqRel);
}

/// Is the kernel's table shared so?
pub fn is_shared() -> bool {
    SHARED.load(Acquire)
}

/// Forgets everything, and what it counts for: this process has none of the descriptors any more.
pub fn abandon() {
    SHARED.store(false, Release);
    for entry in &TABLE[..TOP.load(Acquire) as usize] {
        entry.store(0, Release);
    }
}
