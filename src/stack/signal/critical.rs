//! Sections that no handler of the program may interrupt.

use core::marker::PhantomData;
use core::sync::atomic::{compiler_fence, Ordering::SeqCst};

use libc::SIG_SETMASK;

use super::entry::requeue;
use super::table::{bit, kernel_mask, FAULTS};
use super::thread::{thread, Thread, KEPT};

/// Begins a section that no handler of the program may interrupt. Sections nest.
#[inline(always)]
pub fn enter_critical() {
    let thread = thread();
    // Not one atomic instruction, and it need not be: a handler that comes in between leaves the depth as it found it.
    set!(thread.depth = get!(thread.depth).wrapping_add(1));
    compiler_fence(SeqCst);
}

/// Ends it. Handlers that were put off run in here, and may leave by longjmp.
#[inline(always)]
pub fn leave_critical() {
    let thread = thread();
    compiler_fence(SeqCst);
    let depth = get!(thread.depth).wrapping_sub(1);
    set!(thread.depth = depth);
    // In this order: a signal either still sees the section (or the mark) and is put off, or is handled at once.
    compiler_fence(SeqCst);
    if get!(thread.pending) != 0 && depth == 0 {
        release(thread);
    }
}

/// A critical section as a value.
pub struct Critical(PhantomData<*mut ()>);

impl Critical {
    /// Enters a section; it ends when the value is dropped.
    #[inline(always)]
    pub fn enter() -> Self {
        enter_critical();
        Self(PhantomData)
    }
}

impl Drop for Critical {
    #[inline(always)]
    fn drop(&mut self) {
        leave_critical();
    }
}

/// Whether this thread is in a critical section.
pub fn in_critical() -> bool {
    let thread = thread();
    get!(thread.depth) != 0
}

/// Enters a critical section until the guard is dropped.
#[inline]
pub fn critical() -> Critical {
    Critical::enter()
}

/// Has a signal been put off that a handler will take when the section ends (the kernel's signal_pending)?
#[inline]
pub fn put_off() -> bool {
    let thread = thread();
    get!(thread.pending) != 0
}

/// A lock's guard inside a critical section: a handler that calls back in never finds the lock held by its own thread.
pub struct Held<G> {
    // The order matters: the lock goes first, then the program's handlers may run.
    guard: G,
    _critical: Critical,
}

impl<G> Held<G> {
    /// Enters the section, then takes the lock.
    pub fn new(take: impl FnOnce() -> G) -> Held<G> {
        let critical = critical();
        Held { guard: take(), _critical: critical }
    }
}

impl<G: core::ops::Deref> core::ops::Deref for Held<G> {
    type Target = G::Target;
    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: core::ops::DerefMut> core::ops::DerefMut for Held<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// While something is pending no handler runs, also when the depth is 0 already: `prepare` puts off what comes until here. So
/// no handler can leave by longjmp between the end of the section and this, and none finds `pending` set. All signals are
/// blocked while the mark is cleared; the last call opens the mask, and the kernel delivers everything at once.
#[cold]
#[inline(never)]
fn release(thread: *mut Thread) {
    let mask = kernel_mask(SIG_SETMASK, Some(!0)).unwrap_or(0);
    let pending = get!(thread.pending);
    raise_held(thread);
    for i in 0..get!(thread.kept_count).min(KEPT as u32) as usize {
        let info = get!(thread.kept[i]);
        requeue(info[0] as i32, &info);
    }
    set!(thread.kept_count = 0);
    set!(thread.pending = 0);
    let _ = kernel_mask(SIG_SETMASK, Some(mask & !(pending & !FAULTS)));
}

/// Raises the held SIGSEGV and SIGBUS again that neither the section nor the program's mask keeps back now.
pub(super) fn raise_held(thread: *mut Thread) {
    for (index, sig) in [libc::SIGSEGV, libc::SIGBUS].into_iter().enumerate() {
        if get!(thread.held_state[index]) == 1 && get!(thread.veiled) & bit(sig) == 0 && get!(thread.depth) == 0 {
            set!(thread.held_state[index] = 2);
            let info = get!(thread.held[index]);
            requeue(sig, &info);
            set!(thread.held_state[index] = 0);
        }
    }
}
