//! The door to the kernel: raw system calls, so that nothing in here comes back in through the hooks.
//!
//! Functions that take plain numbers are safe: the worst that a wrong descriptor does is an errno. Those that take
//! pointers of the program are unsafe and hand them to the kernel, which checks them itself.
#![allow(unsafe_code)]

mod diag;
mod epoll;
mod files;
mod interfaces;
mod maps;
mod processes;
mod sleep;
mod sockets;
mod status;
mod ticks;

pub use diag::*;
pub use epoll::*;
pub use files::*;
pub use interfaces::*;
pub use maps::*;
pub use processes::*;
pub use sleep::*;
pub use sockets::*;
pub use status::*;
pub use ticks::*;

pub use syscalls::Sysno;

use crate::abi::{Errno, Result};

/// One raw system call.
///
/// # Safety
/// The arguments are what `number` wants: pointers among them are valid, or the call is one that answers EFAULT.
#[inline]
pub unsafe fn call(number: Sysno, args: [usize; 6]) -> Result<usize> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller's promise.
    unsafe { syscalls::syscall6(number, a, b, c, d, e, f) }.map_err(|e| Errno::from_raw(e.into_raw()))
}

/// As [`call`], with fewer arguments.
///
/// # Safety
/// As [`call`].
#[inline(always)]
pub unsafe fn call_with<const N: usize>(number: Sysno, given: [usize; N]) -> Result<usize> {
    let mut args = [0; 6];
    args[..N].copy_from_slice(&given);
    // SAFETY: the caller's promise.
    unsafe { call(number, args) }
}

macro_rules! sys {
    ($number:ident $(, $arg:expr)* $(,)?) => {{
        $crate::kernel::call_with($crate::kernel::Sysno::$number, [$($arg as usize),*])
    }};
}
pub(crate) use sys;
