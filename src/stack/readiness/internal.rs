//! Which descriptors are the library's own: the program must neither see nor close them.

use core::sync::atomic::{AtomicU64, Ordering::*};

use crate::abi::Result;
use crate::fdtable::LIMIT;
use crate::kernel;

static MARKS: [AtomicU64; LIMIT / 64] = [const { AtomicU64::new(0) }; LIMIT / 64];

/// Is the descriptor one of the library's own?
#[inline]
pub fn is_internal(fd: i32) -> bool {
    (fd as usize) < LIMIT && MARKS[fd as usize / 64].load(Relaxed) >> (fd as usize % 64) & 1 == 1
}

/// Moves a fresh descriptor up and marks it.
pub fn keep(fd: i32) -> Result<i32> {
    kernel::move_up(fd).inspect(|fd| mark(*fd))
}

/// Marks a descriptor as the library's own.
pub fn mark(fd: i32) {
    if (fd as usize) < LIMIT {
        MARKS[fd as usize / 64].fetch_or(1 << (fd as usize % 64), AcqRel);
    }
}

/// Marks a descriptor that came over exec, and lets it go no further unasked.
pub fn adopt(fd: i32) {
    if (fd as usize) < LIMIT {
        MARKS[fd as usize / 64].fetch_or(1 << (fd as usize % 64), AcqRel);
    }
    let _ = kernel::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC as usize);
}

/// Closes a descriptor of the library's own.
pub fn drop(fd: i32) {
    if (fd as usize) < LIMIT {
        MARKS[fd as usize / 64].fetch_and(!(1 << (fd as usize % 64)), AcqRel);
    }
    let _ = kernel::close(fd);
}

/// Gives a descriptor of the library's own another number; the old one is the program's to use.
pub fn renumber(fd: i32) -> Result<i32> {
    let new = kernel::fcntl(fd, libc::F_DUPFD_CLOEXEC, fd as usize + 1)?;
    mark(new);
    drop(fd);
    Ok(new)
}

/// All descriptors of the library's own from a number on, in order.
pub fn from(first: i32) -> impl Iterator<Item = i32> {
    let start = (first.max(0) as usize).min(LIMIT);
    (start / 64..LIMIT / 64).flat_map(move |word| {
        let bits = MARKS[word].load(Acquire);
        (0..64).filter(move |b| bits >> b & 1 == 1 && word * 64 + b >= start).map(move |b| (word * 64 + b) as i32)
    })
}
