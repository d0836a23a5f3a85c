//! Which handler has interrupted a call of the program.

use core::marker::PhantomData;

use super::thread::thread;

/// A handler of the program ran on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// It was installed with SA_RESTART.
    pub restart: bool,
}

fn interrupt_of(word: u32) -> Option<Interrupt> {
    (word != 0).then_some(Interrupt { restart: word == 2 })
}

/// What has interrupted this thread since the last take or clear. If several handlers ran in one batch it is the one that the
/// kernel took first, which also decides about its own restart: its entry runs last.
#[inline]
pub fn take_interrupt() -> Option<Interrupt> {
    let thread = thread();
    let word = get!(thread.interrupt);
    set!(thread.interrupt = 0);
    interrupt_of(word)
}

/// As [`take_interrupt`], but leaves it there.
#[inline]
pub fn peek_interrupt() -> Option<Interrupt> {
    let thread = thread();
    interrupt_of(get!(thread.interrupt))
}

/// Forgets what happened so far.
#[inline]
pub fn clear_interrupt() {
    let thread = thread();
    set!(thread.interrupt = 0);
}

/// The time in which one call of the program may be interrupted. A handler may make calls of its own, which wait, take and clear;
/// this keeps them from eating the mark meant for the call that the handler interrupted.
pub struct InterruptScope(u32, PhantomData<*mut ()>);

impl InterruptScope {
    /// Begins a call: what interrupted an outer one is put aside until this one is over.
    #[inline]
    pub fn begin() -> Self {
        let thread = thread();
        let outer = get!(thread.interrupt);
        set!(thread.interrupt = 0);
        Self(outer, PhantomData)
    }
    /// The handler that ran in this call, if one did.
    #[inline]
    pub fn take(&self) -> Option<Interrupt> {
        take_interrupt()
    }
}

impl Drop for InterruptScope {
    #[inline]
    fn drop(&mut self) {
        let thread = thread();
        set!(thread.interrupt = self.0);
    }
}
