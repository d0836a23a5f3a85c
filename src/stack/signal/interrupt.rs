//! Which handler has interrupted a call of the program.

use core::marker::PhantomData;

use super::cancel;
use super::critical::{critical, Critical};
use super::thread::thread;
use crate::abi::{Errno, Result};

/// A handler of the program ran on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// It was installed with SA_RESTART.
    pub restart: bool,
}

fn interrupt_of(word: u32) -> Option<Interrupt> {
    (word != 0).then_some(Interrupt { restart: word == 2 })
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
    /// The handler that ran in this call since the last take, if one did: of several the one that the kernel took first.
    #[inline]
    pub fn take(&self) -> Option<Interrupt> {
        let thread = thread();
        let word = get!(thread.interrupt);
        set!(thread.interrupt = 0);
        interrupt_of(word)
    }
    /// Did a handler run?
    #[inline]
    pub fn came(&self) -> bool {
        let thread = thread();
        get!(thread.interrupt) != 0
    }
}

impl Drop for InterruptScope {
    #[inline]
    fn drop(&mut self) {
        let thread = thread();
        set!(thread.interrupt = self.0);
    }
}

/// One call of the program, all of it a critical section: what it does happens before the handlers run, or not at all.
/// [`Errno::RESTART`] when a signal ended it before anything was done: it becomes EINTR unless the handler's flags
/// (SA_RESTART) say that the call is to be made again.
#[inline]
pub fn whole_call<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    rest_of_call(critical(), work)
}

/// As [`whole_call`], of a call that began with the section that is handed over.
#[inline]
pub fn rest_of_call<T>(critical: Critical, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match work() {
        Err(Errno::RESTART) => Err(interrupted(critical)),
        done => {
            end_of_call(critical);
            done
        }
    }
}

/// A call is done; the handlers that were put off run here.
#[inline]
pub fn end_of_call(critical: Critical) {
    drop(critical);
    cancel::test_put_off();
}

#[cold]
#[inline(never)]
fn interrupted(critical: Critical) -> Errno {
    let interrupts = InterruptScope::begin();
    // The handlers run here.
    drop(critical);
    cancel::test();
    match interrupts.take() {
        Some(i) if !i.restart => Errno::EINTR,
        _ => Errno::RESTART,
    }
}
