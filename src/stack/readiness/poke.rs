//! Waking this process' own sleepers: what one thread does to a socket ends what another waits for (shutdown, close).
//!
//! Sleepers look at the reading end of a pipe beside their anchors. A poke closes the writing end, which no sleeper can
//! miss, and makes a new pipe for those who sleep next.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};

use parking_lot::{Mutex, MutexGuard};

use super::internal;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::signal;
use crate::socket::Sock;

struct Pipe {
    read: AtomicI32,
    write: AtomicI32,
    /// Sleepers that look at this pipe; the last one to leave a poked pipe closes it.
    users: AtomicU32,
    poked: AtomicU32,
}

static PIPES: [Pipe; 8] = [const {
    Pipe { read: AtomicI32::new(-1), write: AtomicI32::new(-1), users: AtomicU32::new(0), poked: AtomicU32::new(0) }
}; 8];
static CURRENT: AtomicU32 = AtomicU32::new(0);
static CHANGING: Mutex<()> = Mutex::new(());

fn changing() -> signal::Held<MutexGuard<'static, ()>> {
    signal::Held::new(|| CHANGING.lock())
}

/// A sleeper's hold on the pipe.
pub struct Poke(&'static Pipe);

impl Poke {
    /// The descriptor to look at beside the others: readable or hung up when there was a poke. -1 where there can be none.
    pub fn fd(&self) -> i32 {
        self.0.read.load(Acquire)
    }

    /// Takes hold. Done before the last look at what is waited for, so that a poke after that look is seen.
    pub fn hold() -> Poke {
        loop {
            let pipe = &PIPES[CURRENT.load(Acquire) as usize % PIPES.len()];
            pipe.users.fetch_add(1, AcqRel);
            if pipe.poked.load(Acquire) == 0 && pipe.read.load(Acquire) >= 0 {
                return Poke(pipe);
            }
            let hold = Poke(pipe);
            let _one = changing();
            if PIPES[CURRENT.load(Acquire) as usize % PIPES.len()].poked.load(Acquire) == 0 && make(pipe).is_err() {
                return hold;
            }
        }
    }
}

impl Drop for Poke {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, AcqRel) == 1 && self.0.poked.load(Acquire) != 0 {
            let _one = changing();
            retire(self.0);
        }
    }
}

fn make(pipe: &Pipe) -> Result<()> {
    if pipe.read.load(Acquire) >= 0 {
        return Ok(());
    }
    let ends = kernel::make_own(kernel::pipe)?;
    pipe.write.store(internal::keep(ends[1])?, Release);
    pipe.read.store(internal::keep(ends[0])?, Release);
    Ok(())
}

/// A poked pipe that nobody looks at any more is closed and ready for another turn.
fn retire(pipe: &Pipe) {
    if pipe.poked.load(Acquire) == 1 && pipe.users.load(Acquire) == 0 {
        internal::drop(pipe.read.swap(-1, AcqRel));
        pipe.poked.store(0, Release);
    }
}

/// Wakes all sleepers of this process, and through the socket's own word and their ears those of others: they look again.
pub fn poke(s: &Sock) {
    s.slot.wake.fetch_add(1, AcqRel);
    kernel::futex_wake_all(&s.slot.wake);
    crate::ears::tell(s.arena, s.number);
    let _one = changing();
    let now = CURRENT.load(Acquire) as usize % PIPES.len();
    let pipe = &PIPES[now];
    if pipe.users.load(Acquire) == 0 {
        return;
    }
    pipe.poked.store(1, Release);
    // The next one that is free; if all are still being left, sleepers of the next one wake once more than needed.
    CURRENT.store((now as u32 + 1) % PIPES.len() as u32, Release);
    internal::drop(pipe.write.swap(-1, AcqRel));
    retire(pipe);
}

/// No thread may be changing the pipes while the process is copied.
pub fn before_fork() {
    core::mem::forget(CHANGING.lock());
}

/// Lets go of what [`before_fork`] took.
pub fn after_fork(child: bool) {
    if child {
        forget_pipes();
    }
    #[allow(unsafe_code)]
    // SAFETY: taken by `before_fork` in this thread, or in the one that this is a copy of.
    unsafe {
        CHANGING.force_unlock(Default::default());
    }
}

/// The child of a fork has its parent's pipes: a poke there must not wake the parent's sleepers.
fn forget_pipes() {
    for pipe in &PIPES {
        for end in [&pipe.read, &pipe.write] {
            let fd = end.swap(-1, AcqRel);
            if fd >= 0 {
                internal::drop(fd);
            }
        }
        pipe.users.store(0, Release);
        pipe.poked.store(0, Release);
    }
}

/// Moves an end to another number if the program wants this one.
pub fn make_way(fd: i32) -> Result<()> {
    let _one = changing();
    for end in PIPES.iter().flat_map(|p| [&p.read, &p.write]) {
        if end.load(Acquire) == fd {
            end.store(internal::renumber(fd)?, Release);
        }
    }
    if internal::is_internal(fd) {
        return Err(Errno::EBUSY);
    }
    Ok(())
}
