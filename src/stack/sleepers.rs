//! Who of this process sleeps in a call of the library, and on which socket.
//!
//! Three things need to know. A descriptor that is closed or replaced under a sleeper takes nothing from it: the sleeper
//! holds the socket until its call returns (close(2), "Multithreaded processes"). A shutdown wakes sleepers at once. And a
//! thread that is cancelled is called out of its sleep. All sleeps happen in critical sections, so no handler leaves
//! an entry behind.
//!
//! An entry's own lock is held for a few instructions, and by whoever calls a thread out until the signal is on its way.

use core::cell::Cell;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};

use crate::fdtable;
use crate::kernel;
use crate::network;
use crate::readiness::internal;
use crate::shm::tid;
use crate::signal::{self, cancel};
use crate::socket::{self, Sock};

/// More threads than this sleep without being known here: they look for themselves every [`UNKNOWN_LOOK_NS`].
const ENTRIES: usize = 256;
/// See [`ENTRIES`].
pub const UNKNOWN_LOOK_NS: u64 = 20_000_000;

struct Entry {
    lock: AtomicU32,
    /// The sleeping thread, 0 for a free entry.
    tid: AtomicU32,
    fd: AtomicI32,
    /// Slot number + 1; 0 for a sleep on many descriptors.
    number: AtomicU32,
    /// A duplicate of the anchor, kept when `fd` went away; 0 for none.
    kept: AtomicI32,
    /// The thread was called out.
    called: AtomicU32,
}

static SLEEPING: [Entry; ENTRIES] = [const {
    Entry {
        lock: AtomicU32::new(0),
        tid: AtomicU32::new(0),
        fd: AtomicI32::new(0),
        number: AtomicU32::new(0),
        kept: AtomicI32::new(0),
        called: AtomicU32::new(0),
    }
}; ENTRIES];
/// How many entries are in use.
static COUNT: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// What was kept for this thread while it slept: the descriptor, 0 for none.
    static KEPT: Cell<i32> = const { Cell::new(0) };
}

impl Entry {
    fn locked<T>(&self, act: impl FnOnce(&Entry) -> T) -> T {
        let _critical = signal::critical();
        let mut spins = 0u32;
        while self.lock.compare_exchange_weak(0, 1, Acquire, Relaxed).is_err() {
            spins += 1;
            if spins.is_multiple_of(64) {
                kernel::yield_now();
            }
            core::hint::spin_loop();
        }
        let done = act(self);
        self.lock.store(0, Release);
        done
    }
}

/// An entry while its thread sleeps.
pub struct Sleeping(Option<&'static Entry>);

impl Sleeping {
    /// Enters this thread; `s` is what it sleeps on, none for many descriptors. Done before what is waited for, and the
    /// request to end, are looked at for the last time.
    pub fn enter(s: Option<&Sock>) -> Sleeping {
        debug_assert!(signal::in_critical());
        let me = tid();
        let start = me as usize;
        let found = (0..ENTRIES).map(|i| &SLEEPING[(start + i) % ENTRIES]).find(|e| {
            e.tid.load(Relaxed) == 0
                && e.locked(|e| {
                    let free = e.tid.load(Relaxed) == 0;
                    if free {
                        e.fd.store(s.map_or(-1, |s| s.fd), Relaxed);
                        e.number.store(s.map_or(0, |s| s.number + 1), Relaxed);
                        e.kept.store(0, Relaxed);
                        e.called.store(0, Relaxed);
                        e.tid.store(me, Relaxed);
                    }
                    free
                })
        });
        if found.is_some() {
            COUNT.fetch_add(1, SeqCst);
        }
        Sleeping(found)
    }

    /// Is the thread known to those who could wake it?
    pub fn known(&self) -> bool {
        self.0.is_some()
    }
}

/// What [`Sleeping::leave`] found.
#[must_use]
pub struct Left {
    kept: i32,
    /// The thread was called out by another one.
    pub called: bool,
}

impl Left {
    /// To be called when the handlers have run: notes what was kept, for [`Kept::take`].
    pub fn note(&self) {
        if self.kept != 0 {
            let _ = KEPT.try_with(|k| k.set(self.kept));
        }
    }
}

impl Sleeping {
    /// The sleep is over.
    pub fn leave(mut self) -> Left {
        let (_, kept, called) = self.leave_entry();
        Left { kept, called }
    }

    fn leave_entry(&mut self) -> (u32, i32, bool) {
        let Some(entry) = self.0.take() else { return (0, 0, false) };
        let (number, kept, called) = entry.locked(|e| {
            e.tid.store(0, Relaxed);
            (e.number.load(Relaxed), e.kept.load(Relaxed), e.called.load(Relaxed))
        });
        COUNT.fetch_sub(1, SeqCst);
        if called != 0 {
            // The signal is pending by now; it must not meet a later call of the program, which it would end.
            kernel::yield_now();
        }
        (number, kept, called != 0)
    }
}

impl Drop for Sleeping {
    /// The thread is cancelled: nobody will take what was kept.
    fn drop(&mut self) {
        let (number, fd, _) = self.leave_entry();
        if fd == 0 {
            return;
        }
        if let Some((arena, number)) = network::opened().zip(number.checked_sub(1)) {
            if let Some(slot) = arena.slot(number) {
                drop(Kept { sock: Sock { fd, number, slot, arena } });
            }
        }
    }
}

fn each(mut act: impl FnMut(&Entry)) {
    if COUNT.load(SeqCst) == 0 {
        return;
    }
    for entry in SLEEPING.iter().filter(|e| e.tid.load(Relaxed) != 0) {
        entry.locked(|e| {
            if e.tid.load(Relaxed) != 0 {
                act(e);
            }
        });
    }
}

fn call_entry(entry: &Entry) {
    entry.called.store(1, Relaxed);
    cancel::call_out(entry.tid.load(Relaxed));
}

/// A descriptor of a socket is about to be closed or replaced: whoever sleeps on it keeps a reference of its own.
pub fn keep(s: &Sock) {
    each(|e| {
        if e.fd.load(Relaxed) == s.fd && e.number.load(Relaxed) == s.number + 1 && e.kept.load(Relaxed) == 0 {
            let kept = kernel::fcntl(s.fd, libc::F_DUPFD_CLOEXEC, 512).and_then(internal::keep);
            if let Ok(kept) = kept {
                s.slot.refs.fetch_add(1, AcqRel);
                e.kept.store(kept, Relaxed);
                // The kernel's poll looks the number up again each time it is woken.
                call_entry(e);
            }
        }
    });
}

/// Has all threads of this process that sleep on a socket look again.
pub fn wake(s: &Sock) {
    each(|e| {
        if e.number.load(Relaxed) == s.number + 1 && e.tid.load(Relaxed) != tid() {
            call_entry(e);
        }
    });
}

/// Has all threads of this process that sleep for bells look again: another process may soon hold what they sleep on, and
/// take them. A listener has none.
pub fn wake_all() {
    let is_listener = |number: u32| {
        let found = network::opened().zip(number.checked_sub(1));
        let found = found.and_then(|(arena, number)| Some(Sock { fd: -1, number, slot: arena.slot(number)?, arena }));
        found.is_some_and(|s| s.ops().asks_kernel(&s))
    };
    each(|e| {
        if e.tid.load(Relaxed) != tid() && !is_listener(e.number.load(Relaxed)) {
            call_entry(e);
        }
    });
}

/// Calls one thread out of its sleep, if it is in one.
pub fn call_out(thread: u32) {
    each(|e| {
        if e.tid.load(Relaxed) == thread {
            call_entry(e);
        }
    });
}

/// The child of a fork has one thread, which does not sleep.
pub fn after_fork() {
    for entry in &SLEEPING {
        entry.lock.store(0, Relaxed);
        entry.tid.store(0, Relaxed);
    }
    COUNT.store(0, Relaxed);
}

/// What a sleeper goes on with when its descriptor went away meanwhile; let go when its call ends.
pub struct Kept {
    /// The socket, by the descriptor that was kept.
    pub sock: Sock,
}

impl Kept {
    /// Was something kept for this thread?
    pub fn any() -> bool {
        KEPT.try_with(|k| k.get() != 0).unwrap_or(false)
    }

    /// Takes what was kept of the socket.
    pub fn take(s: &Sock) -> Kept {
        let fd = KEPT.try_with(|k| k.replace(0)).unwrap_or(0);
        Kept { sock: Sock { fd, ..*s } }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        socket::drop_reference(&self.sock);
        internal::drop(self.sock.fd);
    }
}

/// Does the descriptor still stand for the socket?
pub fn stands(s: &Sock) -> bool {
    fdtable::get(s.fd).is_some_and(|now| now.number == s.number) || internal::is_internal(s.fd)
}
