//! The layer beneath the program's signal handlers.
//!
//! What the kernel has for each handled signal is one of two assembly entries (see `table`). An entry asks [`prepare`]
//! what to do and then jumps to the program's handler with the kernel's own frame, so the handler, its backtrace, longjmp and
//! unwinding find exactly what they find without us. Nothing of ours runs after a handler and nothing is counted around it.
//!
//! Inside a critical section a signal is not handled: it is queued to this thread again and stays blocked, in the mask that
//! the interrupted code gets back, until [`leave_critical`] unblocks it. The kernel keeps it; nothing is stored here. Two
//! cannot be blocked, because usercopy needs them: SIGSEGV and SIGBUS sent by kill() wait in a slot of the thread.
//! Faults of the processor itself are never put off.
#![allow(unsafe_code)]

#[macro_use]
mod thread;

pub mod actions;
pub mod cancel;
mod critical;
mod entry;
mod interrupt;
mod mask;
pub mod sleep;
pub mod table;

pub use critical::{critical, enter_critical, in_critical, leave_critical, put_off, Critical, Held};
pub use interrupt::{end_of_call, rest_of_call, whole_call, Interrupt, InterruptScope};
pub use mask::{before_exec, change_mask, exec_failed, thread_ready, ExecToken};

use crate::shm::usercopy;
use thread::thread;

/// This thread's id, cached.
#[inline]
pub fn thread_id() -> u32 {
    let thread = thread();
    match get!(thread.id) {
        0 => {
            let id = crate::kernel::tid();
            set!(thread.id = id);
            id
        }
        id => id,
    }
}

/// This thread is a new one, in the child of a fork.
pub fn forget_thread_id() {
    let thread = thread();
    set!(thread.id = 0);
}

/// A number of this thread's, for `wait::spin`.
#[inline]
pub fn yields() -> u32 {
    let thread = thread();
    get!(thread.yields)
}

/// Sets [`yields`].
#[inline]
pub fn set_yields(value: u32) {
    let thread = thread();
    set!(thread.yields = value);
}

/// An address that the thread keeps, for `dgram::cache`: this block is reached without a call. 0 at first.
#[inline]
pub fn destinations() -> usize {
    let thread = thread();
    get!(thread.destinations)
}

/// Sets [`destinations`].
pub fn set_destinations(at: usize) {
    let thread = thread();
    set!(thread.destinations = at);
}

/// When the library is loaded.
pub fn init() {
    table::claim();
}

/// In the child after fork (not vfork).
pub fn after_fork_child() {
    table::claim_after_fork();
    let thread = thread();
    // Pending signals are not inherited.
    set!(thread.held_state = [0; 2]);
    set!(thread.kept_count = 0);
}

/// Puts our handler beneath SIGSEGV and SIGBUS; cheap when it is there already. Before the first usercopy. False if it cannot
/// be done here (a vfork child).
pub fn arm_faults() -> bool {
    table::is_armed() || {
        usercopy::init();
        table::arm()
    }
}
