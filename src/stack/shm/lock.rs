//! A lock in shared memory that outlives its holder.
//!
//! The word holds the thread id of the holder. Holders never sleep, so a waiter that waits for long asks the kernel
//! whether the holder still exists and takes the lock over if it does not (design, invariant 2). What the lock guards is
//! written so that its last store is the one that commits; a taken-over lock says so to whoever has to mend more.

use core::sync::atomic::{AtomicU32, Ordering::*};

use crate::kernel;
use crate::signal::{self, thread_id as tid};
use crate::stop::{self, Point};

const WAITERS: u32 = 1 << 31;
const SPINS: u32 = 200;
/// How long one sleep on a held lock lasts before the holder's life is asked about.
const PATIENCE_NS: u64 = 2_000_000;
/// After so many sleeps on one holder the lock is taken over even from a living one: its number may have been reused.
const MAX_SLEEPS: u32 = 1000;

/// The lock: 0 when free, else the holder's thread id with the mark of waiters.
#[repr(transparent)]
#[derive(Debug)]
pub struct ShmLock(AtomicU32);

/// Proof that the lock is held; lets go when dropped. Signals of the program wait until then.
#[must_use]
pub struct Locked<'a> {
    lock: &'a ShmLock,
    /// The lock came from a holder that died with it.
    pub taken_over: bool,
    _critical: signal::Critical,
}

impl ShmLock {
    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> Locked<'_> {
        let critical = signal::critical();
        let me = tid();
        let taken_over = self.0.compare_exchange(0, me, Acquire, Relaxed).is_err() && self.lock_slow(me);
        stop::here(Point::LockTaken);
        Locked { lock: self, taken_over, _critical: critical }
    }

    /// Takes the lock, unless the caller is alone: then nobody can be in the way, and only signals have to wait.
    #[inline]
    pub fn lock_unless(&self, alone: bool) -> (Option<Locked<'_>>, Option<signal::Critical>) {
        if alone {
            (None, Some(signal::critical()))
        } else {
            (Some(self.lock()), None)
        }
    }

    /// As [`ShmLock::lock_unless`], in a critical section of the caller's.
    #[inline]
    pub fn lock_inside(&self, alone: bool) -> Option<Locked<'_>> {
        if alone {
            None
        } else {
            Some(self.lock())
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<Locked<'_>> {
        let critical = signal::critical();
        self.0.compare_exchange(0, tid(), Acquire, Relaxed).ok()?;
        Some(Locked { lock: self, taken_over: false, _critical: critical })
    }

    /// Free again, whoever held it: for memory that starts a new life.
    pub fn reset(&self) {
        self.0.store(0, Release);
    }

    #[cold]
    fn lock_slow(&self, me: u32) -> bool {
        let mut sleeps = 0;
        let mut last = 0;
        for spin in 0.. {
            let word = self.0.load(Relaxed);
            if word & !WAITERS == 0 {
                // Others may sleep: whoever comes through here wakes one when it leaves.
                if self.0.compare_exchange(word, me | WAITERS, Acquire, Relaxed).is_ok() {
                    return false;
                }
                continue;
            }
            if spin < SPINS {
                core::hint::spin_loop();
                continue;
            }
            if spin < SPINS + 8 {
                kernel::yield_now();
                continue;
            }
            let holder = word & !WAITERS;
            sleeps = if holder == last { sleeps + 1 } else { 0 };
            last = holder;
            if holder == me || sleeps > MAX_SLEEPS || !kernel::thread_exists(holder) {
                if self.0.compare_exchange(word, me | WAITERS, Acquire, Relaxed).is_ok() {
                    return true;
                }
                continue;
            }
            if word & WAITERS != 0 || self.0.compare_exchange(word, word | WAITERS, Relaxed, Relaxed).is_ok() {
                let _ = kernel::futex_wait(&self.0, word | WAITERS, Some(PATIENCE_NS));
            }
        }
        false
    }

    #[inline]
    fn unlock(&self) {
        if self.0.swap(0, Release) & WAITERS != 0 {
            kernel::futex_wake(&self.0, 1);
        }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn many_threads_never_meet_inside() {
        let lock = Arc::new((ShmLock(AtomicU32::new(0)), std::sync::atomic::AtomicU64::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let lock = lock.clone();
                std::thread::spawn(move || {
                    for _ in 0..20_000 {
                        let _held = lock.0.lock();
                        let n = lock.1.load(Relaxed);
                        lock.1.store(n + 1, Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(lock.1.load(Relaxed), 80_000);
    }

    #[test]
    fn a_dead_holder_is_taken_over() {
        let dead = std::thread::spawn(tid).join().unwrap();
        let lock = ShmLock(AtomicU32::new(dead));
        assert!(lock.lock().taken_over);
        assert!(!lock.lock().taken_over);
    }
}
