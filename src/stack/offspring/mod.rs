//! What a process hands on: to the children that it forks or spawns, to the program that it becomes, to whom it sends
//! descriptors.
//!
//! [`Slot::refs`](crate::shm::Slot::refs) counts who holds a socket. Here it is kept an upper bound: raised before a copy
//! can exist, lowered after it is gone for sure. What is counted too high (a process was killed, a message thrown away)
//! delays nothing: the kernel hangs up on the other end all the same, and the next bind sweeps the name away.

pub mod environment;
pub mod exec;
pub mod foreign;
mod fork;
pub mod image;
mod pump;
pub mod spawn;
mod travel;

pub use fork::{after_fork, before_fork, copying, leave, leave_at_once, not_forked, untold};
pub use travel::{arrived, fetched, inherit, sent};

use core::sync::atomic::Ordering::*;

use crate::shm::{Slot, SlotFlags};

/// One holder more, in another process.
fn add(slot: &Slot) {
    slot.set(SlotFlags::SHARED);
    slot.refs.fetch_add(1, AcqRel);
}

/// One holder less, unless it is the last one: then the kernel's hang-up tells of its end. False if it was the last.
fn lessen(slot: &Slot) -> bool {
    slot.refs.fetch_update(AcqRel, Acquire, |n| (n > 1).then(|| n - 1)).is_ok()
}
