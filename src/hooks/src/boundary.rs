//! The boundary: what a hook is, how its answer leaves, and how its signature is checked.

use stack::abi::{Errno, Result};
use stack::signal::Critical;

use crate::guard;

/// One symbol of libc's that the library takes the place of. As redhook's macro of this name, whose look-up of the real
/// function it uses, but with no `catch_unwind` around the body: a cancelled thread is unwound through here, also
/// out of the real function (see [`crate::guard`]).
macro_rules! hook {
    (unsafe fn $real_fn:ident ( $($v:ident : $t:ty),* $(,)? ) -> $r:ty => $hook_fn:ident $body:block) => {
        pub struct $real_fn;
        impl $real_fn {
            // A hook that answers everything by itself never asks for the real function.
            #[allow(dead_code)]
            #[inline]
            fn get(&self) -> unsafe extern "C-unwind" fn($($t),*) -> $r {
                static REAL: core::sync::atomic::AtomicPtr<u8> = core::sync::atomic::AtomicPtr::new(core::ptr::null_mut());
                let mut real = REAL.load(core::sync::atomic::Ordering::Relaxed);
                if real.is_null() {
                    // SAFETY: a C string; the symbol exists, or it could not have been called.
                    real = unsafe { redhook::ld_preload::dlsym_next(concat!(stringify!($real_fn), "\0")) }.cast_mut();
                    REAL.store(real, core::sync::atomic::Ordering::Relaxed);
                }
                // SAFETY: the function of that name has this signature.
                unsafe { core::mem::transmute(real) }
            }

            #[no_mangle]
            pub unsafe extern "C-unwind" fn $real_fn($($v: $t),*) -> $r {
                $hook_fn($($v),*)
            }
        }
        pub unsafe fn $hook_fn($($v: $t),*) -> $r {
            $body
        }
    };
    (unsafe fn $real_fn:ident ( $($v:ident : $t:ty),* $(,)? ) => $hook_fn:ident $body:block) => {
        hook! { unsafe fn $real_fn($($v: $t),*) -> () => $hook_fn $body }
    };
}

/// The function that a hook took the place of.
macro_rules! real {
    ($real_fn:ident) => {
        $real_fn.get()
    };
}

/// Writes the C variable `errno`: the only place that does.
pub fn set_errno(error: Errno) {
    // SAFETY: glibc's errno location is valid for the calling thread.
    unsafe { *libc::__errno_location() = error.raw() };
}

/// The C variable `errno`.
pub fn errno() -> i32 {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

/// Runs a hook's work on a descriptor of ours. A panic becomes EIO; it must not reach the program.
#[inline]
pub fn answer<T: Answer>(work: impl FnOnce() -> Result<T>) -> T::C {
    finish(work).unwrap_or_else(|| {
        set_errno(Errno::EINTR);
        T::FAILED
    })
}

/// As [`answer`], for a call that may sleep. The program's handlers run when it is over, as they do at the end of a
/// system call. None: a signal interrupted the work before anything was done, and the handler's flags say that it is to
/// be done again from the start, with whatever the descriptor stands for by now.
#[inline]
pub fn attempt<T: Answer>(work: impl FnOnce() -> Result<T>) -> Option<T::C> {
    finish(|| stack::signal::whole_call(work))
}

/// As [`attempt`], of a call that began with the section that is handed over.
#[inline]
pub fn attempt_rest<T: Answer>(critical: Critical, work: impl FnOnce() -> Result<T>) -> Option<T::C> {
    finish(|| stack::signal::rest_of_call(critical, work))
}

#[inline]
fn finish<T: Answer>(work: impl FnOnce() -> Result<T>) -> Option<T::C> {
    stack::signal::thread_ready();
    match guard::catch(work) {
        Some(Ok(value)) => Some(value.to_c()),
        Some(Err(Errno::RESTART)) => None,
        Some(Err(error)) => {
            set_errno(if error == Errno::MOVED { Errno::EBADF } else { error });
            Some(T::FAILED)
        }
        None => {
            log::error!("a call failed inside the library; this is a bug");
            set_errno(Errno::EIO);
            Some(T::FAILED)
        }
    }
}

/// A call that may sleep, which makes it a cancellation point: `work` if the descriptor is ours, else `other`. `quick` is
/// tried before it; it cannot panic.
macro_rules! point {
    ($fd:expr, $s:ident => quick $quick:expr, $work:expr, else $other:expr) => {
        loop {
            let Some($s) = stack::fdtable::get($fd) else { break $other };
            stack::signal::cancel::test();
            stack::signal::thread_ready();
            let critical = stack::signal::critical();
            if let Some(done) = $quick {
                stack::signal::end_of_call(critical);
                break done as libc::ssize_t;
            }
            if let Some(answered) = $crate::boundary::attempt_rest(critical, || $work) {
                break answered;
            }
        }
    };
    ($fd:expr, $s:ident => $work:expr, else $other:expr) => {
        loop {
            let Some($s) = stack::fdtable::get($fd) else { break $other };
            stack::signal::cancel::test();
            if let Some(answered) = $crate::boundary::attempt(|| $work) {
                break answered;
            }
        }
    };
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
        hook! {
            unsafe fn $alias($($v: $t),*) -> $r => $alias_hook {
                $hook($($v),*)
            }
        }
    };
}
