//! The one place that waits (design, invariant 5).
//!
//! A waiter looks, spins a little, then asks to be rung, looks once more, and sleeps: the first sleeper of a socket on its
//! anchor, where a byte is the bell and a hang-up is the peer's death, the others on a word beside it (see [`crate::bell`]).
//!
//! Interruption follows signal(7): with a timeout set on the socket a handler always ends the call with EINTR, without
//! one SA_RESTART starts it again, from its start and by its number. Handlers run when the call is over and nothing is
//! held ([`signal::whole_call`]), so they may call anything or leave by longjmp; a signal that comes while the call is at
//! work ends its next sleep. Each sleep is a cancellation point.

mod bells;
mod doze;
mod spin;

pub use bells::*;
pub use spin::{has_spun, learn, spin, spin_first, spin_first_closely, spin_over};

use core::sync::atomic::AtomicU32;

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::signal::{self, cancel, sleep};
use crate::sleepers::{Kept, Sleeping};
use crate::socket::Sock;
use doze::Wait;

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Something to read, the end of the stream, an error.
    Read,
    /// Room to write, or an error.
    Write,
}

/// A moment of the monotonic clock, in nanoseconds; none is never.
pub type Deadline = Option<u64>;

/// The moment `timeout_ns` from now; a timeout of none never comes.
pub fn deadline(timeout_ns: Option<u64>) -> Deadline {
    timeout_ns.map(|t| kernel::now_ns().saturating_add(t))
}

/// Until when to wait.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// The end of the socket's timeout, whose existence makes every signal end the call.
    pub deadline: Deadline,
    /// When to look again at the latest, for the library's own reasons.
    pub look_by: Deadline,
}

/// Waits until `ready`, the deadline (EAGAIN) or a signal (EINTR, [`Errno::RESTART`]). `armed` is the word that asks the
/// other side to ring. [`Errno::MOVED`]: see there.
#[inline]
pub fn until(
    s: &Sock,
    armed: &AtomicU32,
    limits: Limits,
    mode: u32,
    interest: Interest,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    if !spin::has_spun() && spin(&mut ready) {
        return Ok(());
    }
    sleep_until(&Wait { s, armed, limits, mode, interest }, ready)
}

#[cold]
fn sleep_until(wait: &Wait<'_>, mut ready: impl FnMut() -> bool) -> Result<()> {
    let s = wait.s;
    let start = spin::learns().then(kernel::now_ns);
    let mut first = true;
    let outcome = loop {
        let slept = interruptible(wait.limits.deadline.is_some(), Some(s), |known| wait.doze(known, first, &mut ready));
        first = false;
        match slept {
            Ok(Some(true)) => break Ok(()),
            Ok(_) if Kept::any() => break Err(Errno::MOVED),
            Ok(_) => {}
            Err(e) => break Err(e),
        }
    };
    if let Some(start) = start {
        spin::learn(kernel::now_ns() - start);
    }
    match outcome {
        // Whatever woke it, the number is not the socket's any more.
        Ok(()) if Kept::any() => Err(Errno::MOVED),
        Err(e) if e != Errno::MOVED && Kept::any() => {
            drop(Kept::take(s));
            outcome
        }
        other => other,
    }
}

/// Makes one sleeping call. Ended by a signal whose handler will run when the program's call is over: EINTR where a
/// timeout is set, else [`Errno::RESTART`]. None: to be made again.
pub fn interruptible<T>(timed: bool, s: Option<&Sock>, call: impl FnOnce(bool) -> Result<T>) -> Result<Option<T>> {
    let _critical = signal::critical();
    let sleeping = Sleeping::enter(s);
    // A request that came before the entry was there is seen here, a later one calls the thread out.
    cancel::test();
    let outcome = call(sleeping.known());
    let left = sleeping.leave();
    left.note();
    match outcome {
        Err(Errno::EINTR) => {
            cancel::test();
            match signal::put_off() {
                true if timed => Err(Errno::EINTR),
                true => Err(Errno::RESTART),
                // A stop without a handler, which the kernel does not go on after when there is a timeout (signal(7)).
                false if timed && !left.called => Err(Errno::EINTR),
                false => Ok(None),
            }
        }
        other => other.map(Some),
    }
}

/// As [`interruptible`], for poll(2) and its kin: every handler ends the call, and those that only `mask` lets through
/// run as well. They run when the sleep is over; one that has run since `interrupts` began ends the call too. `stops`: so
/// does a stop without a handler.
pub fn interruptible_poll<T>(
    interrupts: &signal::InterruptScope,
    mask: Option<&u64>,
    stops: bool,
    call: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    let (outcome, stopped) = {
        let _critical = signal::critical();
        let sleeping = Sleeping::enter(None);
        cancel::test();
        let outcome = if interrupts.came() { Err(Errno::EINTR) } else { call() };
        let stopped = stops && !signal::put_off() && !sleeping.leave().called;
        (outcome, stopped)
    };
    match outcome {
        Err(Errno::EINTR) => {
            cancel::test();
            if let Some(mask) = mask {
                cancel::deliver(mask);
            }
            if interrupts.take().is_some() || stopped {
                Err(Errno::EINTR)
            } else {
                Ok(None)
            }
        }
        other => other.map(Some),
    }
}

/// Sleeps for at most `step_ns`, for what cannot ring. EAGAIN at the deadline; signals as in [`until`].
pub fn pause(s: &Sock, deadline: Deadline, step_ns: u64) -> Result<()> {
    let now = kernel::now_ns();
    if deadline.is_some_and(|d| d <= now) {
        return Err(Errno::EAGAIN);
    }
    let left = step_ns.min(deadline.map_or(u64::MAX, |d| d - now));
    let slept = interruptible(deadline.is_some(), Some(s), |_| sleep::ppoll(&mut [], Some(left), None));
    if Kept::any() {
        return Err(Errno::MOVED);
    }
    slept.map(drop)
}

/// Waits a little for more than what waits already, by the clock: for the rare reader that looks without taking.
pub fn more(s: &Sock, deadline: Deadline) -> Result<()> {
    const STEP_NS: u64 = 1_000_000;
    pause(s, deadline, STEP_NS)
}
