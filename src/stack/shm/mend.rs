//! Pages of an arena that are not there any more, or never were: a file that somebody cut short, a file system that is full.
//!
//! To touch one is SIGBUS. The fault handler puts a page of zeros in its place, which is this process' alone: what was there
//! is gone for it (a free slot, an empty ring), and the program goes on with errors instead of dying.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering::*};

use crate::kernel;

const PAGE: usize = 4096;

/// Where arenas are mapped in this process. Of more than these the first ones are forgotten.
static BASES: [AtomicUsize; 16] = [const { AtomicUsize::new(0) }; 16];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// An arena was mapped here.
pub(super) fn remember(base: *mut u8) {
    BASES[NEXT.fetch_add(1, Relaxed) % BASES.len()].store(base as usize, Release);
}

/// For the fault handler: the page at `address` is missing. True if it is an arena's, and there is one now.
pub fn mend(address: usize) -> bool {
    let inside = |base: &AtomicUsize| {
        let base = base.load(Acquire);
        base != 0 && (base..base + super::chunk::FILE_LENGTH).contains(&address)
    };
    if !BASES.iter().any(inside) {
        return false;
    }
    // SAFETY: the page lies inside a mapping of ours that is never unmapped, and all that refers to it are atomics and
    // copies that any bytes will do for.
    unsafe { kernel::map_zeros_at((address & !(PAGE - 1)) as *mut u8, PAGE) }.is_ok()
}
