//! Which descriptors are ours: a flat table from number to slot, so that a foreign one costs a load.

use core::sync::atomic::{AtomicU32, Ordering::*};

use crate::network;
use crate::socket::Sock;

/// Numbers from here on are never ours.
pub const LIMIT: usize = 1 << 20;

/// Slot number + 1, 0 for a descriptor that is not ours. Untouched pages cost nothing.
static TABLE: [AtomicU32; LIMIT] = [const { AtomicU32::new(0) }; LIMIT];

/// The number after the highest entry that was ever set: bounds the walks over the table.
static TOP: AtomicU32 = AtomicU32::new(0);

/// Is the descriptor ours?
#[inline]
pub fn owned(fd: i32) -> bool {
    (fd as usize) < LIMIT && TABLE[fd as usize].load(Acquire) != 0
}

/// The socket behind a descriptor, if it is ours.
#[inline]
pub fn get(fd: i32) -> Option<Sock> {
    if fd as usize >= LIMIT {
        return None;
    }
    let number = TABLE[fd as usize].load(Acquire).checked_sub(1)?;
    let arena = network::opened()?;
    Some(Sock { fd, number, slot: arena.slot(number)?, arena })
}

/// Enters a descriptor. Gives the slot number that stood there, of which the kernel has already let go.
pub fn set(fd: i32, number: u32) -> Option<u32> {
    if fd as usize >= LIMIT {
        return None;
    }
    TOP.fetch_max(fd as u32 + 1, AcqRel);
    TABLE[fd as usize].swap(number + 1, AcqRel).checked_sub(1)
}

/// Takes a descriptor out. Gives its slot number.
pub fn clear(fd: i32) -> Option<u32> {
    if fd as usize >= LIMIT {
        return None;
    }
    TABLE[fd as usize].swap(0, AcqRel).checked_sub(1)
}

/// All descriptors that are ours, with their slot numbers.
pub fn all() -> impl Iterator<Item = (i32, u32)> {
    (0..TOP.load(Acquire)).filter_map(|fd| Some((fd as i32, TABLE[fd as usize].load(Acquire).checked_sub(1)?)))
}
