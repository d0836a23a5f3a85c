//! The boundary: how a hook's answer leaves, and how its signature is checked.

use std::panic::{catch_unwind, AssertUnwindSafe};

use stack::abi::{Errno, Result};

/// Writes the C variable `errno`: the only place that does.
pub fn set_errno(error: Errno) {
    // SAFETY: glibc's errno location is valid for the calling thread.
    unsafe { *libc::__errno_location() = error.raw() };
}

/// Runs a hook's work on a descriptor of ours. A panic must not reach redhook, which would forward the call to the
/// kernel: it becomes EIO.
#[inline]
pub fn answer<T: Answer>(work: impl FnOnce() -> Result<T>) -> T::C {
    stack::signal::thread_ready();
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => value.to_c(),
        Ok(Err(error)) => {
            set_errno(error);
            T::FAILED
        }
        Err(_) => {
            log::error!("a call failed inside the library; this is a bug");
            set_errno(Errno::EIO);
            T::FAILED
        }
    }
}

/// A result as C sees it.
pub trait Answer {
    /// The C type.
    type C;
    /// What stands for an error.
    const FAILED: Self::C;
    /// The good result.
    fn to_c(self) -> Self::C;
}

impl Answer for usize {
    type C = libc::ssize_t;
    const FAILED: libc::ssize_t = -1;
    fn to_c(self) -> libc::ssize_t {
        self as libc::ssize_t
    }
}

impl Answer for i32 {
    type C = i32;
    const FAILED: i32 = -1;
    fn to_c(self) -> i32 {
        self
    }
}

impl Answer for () {
    type C = i32;
    const FAILED: i32 = -1;
    fn to_c(self) -> i32 {
        0
    }
}

/// Has the compiler compare a hook with the `libc` crate's declaration of the symbol. The second function is ours.
macro_rules! signature {
    ($symbol:ident, $hook:ident, fn($($t:ty),*) -> $r:ty) => {
        const _: unsafe extern "C" fn($($t),*) -> $r = libc::$symbol;
        const _: unsafe fn($($t),*) -> $r = $hook;
    };
}

/// Hooks a symbol under another name that glibc exports for it.
macro_rules! alias {
    ($alias:ident => $alias_hook:ident is $hook:ident ( $($v:ident : $t:ty),* ) -> $r:ty) => {
        redhook::hook! {
            unsafe fn $alias($($v: $t),*) -> $r => $alias_hook {
                $hook($($v),*)
            }
        }
    };
}
