//! What stands behind the libc symbols that install handlers or change the signal mask. The hook crate gives these the
//! symbols' names and writes errno. All are async-signal-safe, allocate nothing and wait for no lock that a handler could hold.
//! Pointers are read plainly, as glibc reads them: a bad one is a SIGSEGV in the caller. The raw system calls answer EFAULT.
#![allow(unsafe_code)]

use super::change_mask;
use super::table::{bit, restorer, swap, Action, LIBC_SIGNALS, SA_RESTORER};
use crate::shm::usercopy;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use libc::{c_int, c_void, sigset_t, EFAULT, EINVAL, SA_RESTART, SIG_BLOCK, SIG_UNBLOCK};

/// The value, or the errno.
pub type Outcome<T> = Result<T, c_int>;
/// An address, SIG_DFL (0), SIG_IGN (1), SIG_HOLD (2).
pub type Handler = libc::sighandler_t;

const SIG_HOLD: Handler = 2;
/// Signals for which siginterrupt() asked that signal() leave SA_RESTART out.
static INTERRUPTING: AtomicU64 = AtomicU64::new(0);

/// glibc refuses numbers that do not exist and its own two.
fn valid(sig: c_int) -> Outcome<u64> {
    let bit = bit(sig) & !LIBC_SIGNALS;
    if bit == 0 {
        Err(EINVAL)
    } else {
        Ok(bit)
    }
}

fn set_action(sig: c_int, handler: Handler, flags: c_int, mask: u64) -> Outcome<Action> {
    swap(sig, Some(&with_restorer(handler, flags, mask)))
}

#[cfg(target_arch = "x86_64")]
fn with_restorer(handler: Handler, flags: c_int, mask: u64) -> Action {
    // The int is sign-extended by glibc as well; the kernel drops what it does not know.
    Action { handler, flags: flags as u64 | SA_RESTORER, restorer: restorer(), mask }
}
#[cfg(not(target_arch = "x86_64"))]
fn with_restorer(handler: Handler, flags: c_int, mask: u64) -> Action {
    let _ = (restorer(), SA_RESTORER);
    Action { handler, flags: flags as u64, restorer: 0, mask }
}

/// # Safety
/// The pointers are null or valid, as for the libc function.
pub unsafe fn sigaction(sig: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> Outcome<c_int> {
    valid(sig)?;
    let action = (!new.is_null()).then(|| {
        // SAFETY: not null, and the caller's.
        let (new, mask) = unsafe { (&*new, first_word(&raw const (*new).sa_mask)) };
        let (handler, flags) = (new.sa_sigaction, new.sa_flags);
        with_restorer(handler, flags, mask)
    });
    let before = swap(sig, action.as_ref())?;
    if !old.is_null() {
        // SAFETY: not null, and the caller's; field by field, for it may be uninitialised. All zeros is a valid set.
        unsafe {
            (*old).sa_sigaction = before.handler;
            (*old).sa_flags = before.flags as c_int;
            (*old).sa_mask = core::mem::zeroed();
            (&raw mut (*old).sa_mask).cast::<u64>().write(before.mask);
            (&raw mut (*old).sa_restorer).cast::<usize>().write(before.restorer);
        }
    }
    Ok(0)
}

/// The kernel's sets have 64 bits; libc's type is longer and the rest means nothing.
unsafe fn first_word(set: *const sigset_t) -> u64 {
    // SAFETY: the caller's.
    unsafe { set.cast::<u64>().read() }
}

/// `syscall(SYS_rt_sigaction, …)`.
///
/// # Safety
/// As [`usercopy::read_user`]: before `arm_faults` the pointers must be valid or null.
pub unsafe fn sys_rt_sigaction(sig: c_int, new: *const Action, old: *mut Action, size: usize) -> Outcome<c_int> {
    if size != 8 {
        return Err(EINVAL);
    }
    // SAFETY: any bits are an Action.
    let action = if new.is_null() { None } else { Some(unsafe { usercopy::read_user(new) }.ok_or(EFAULT)?) };
    let before = swap(sig, action.as_ref())?;
    // SAFETY: the caller's; Action has no padding.
    if !old.is_null() && !unsafe { usercopy::write_user(old, before) } {
        return Err(EFAULT);
    }
    Ok(0)
}

/// `signal`, `bsd_signal`, `ssignal`: BSD rules, the handler stays, calls restart.
pub fn signal(sig: c_int, handler: Handler) -> Outcome<Handler> {
    let bit = valid(sig)?;
    if handler == libc::SIG_ERR {
        return Err(EINVAL);
    }
    let flags = if INTERRUPTING.load(Relaxed) & bit != 0 { 0 } else { SA_RESTART };
    set_action(sig, handler, flags, bit).map(|old| old.handler)
}

/// `sysv_signal`, `__sysv_signal`: one shot, not blocked, calls are interrupted.
pub fn sysv_signal(sig: c_int, handler: Handler) -> Outcome<Handler> {
    valid(sig)?;
    if handler == libc::SIG_ERR {
        return Err(EINVAL);
    }
    const SA_INTERRUPT: c_int = 0x2000_0000;
    set_action(sig, handler, libc::SA_RESETHAND | libc::SA_NODEFER | SA_INTERRUPT, 0).map(|old| old.handler)
}

/// `sigset` (System V): SIG_HOLD as a disposition blocks, anything else installs and unblocks.
pub fn sigset(sig: c_int, disposition: Handler) -> Outcome<Handler> {
    let bit = valid(sig)?;
    if disposition == libc::SIG_ERR {
        return Err(EINVAL);
    }
    let (before, blocked) = if disposition == SIG_HOLD {
        let blocked = change_mask(SIG_BLOCK, Some(bit))?;
        (swap(sig, None)?, blocked)
    } else {
        let before = set_action(sig, disposition, 0, 0)?;
        (before, change_mask(SIG_UNBLOCK, Some(bit))?)
    };
    Ok(if blocked & bit != 0 { SIG_HOLD } else { before.handler })
}

/// `sigignore` (System V). glibc's own would put SIG_IGN over our fault handler.
pub fn sigignore(sig: c_int) -> Outcome<c_int> {
    valid(sig)?;
    set_action(sig, libc::SIG_IGN, 0, 0).map(|_| 0)
}

/// `siginterrupt`.
pub fn siginterrupt(sig: c_int, interrupt: c_int) -> Outcome<c_int> {
    let bit = valid(sig)?;
    let mut action = swap(sig, None)?;
    if interrupt != 0 {
        INTERRUPTING.fetch_or(bit, Relaxed);
        action.flags &= !(SA_RESTART as u64);
    } else {
        INTERRUPTING.fetch_and(!bit, Relaxed);
        action.flags |= SA_RESTART as u64;
    }
    swap(sig, Some(&with_restorer(action.handler, action.flags as c_int, action.mask))).map(|_| 0)
}

/// `pthread_sigmask`, whose result is the errno itself, and `sigprocmask`.
///
/// # Safety
/// The pointers are null or valid, as for the libc function.
pub unsafe fn pthread_sigmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> Outcome<c_int> {
    // glibc never lets the program block its own two.
    // SAFETY: the caller's.
    let set = (!set.is_null()).then(|| unsafe { first_word(set) } & !LIBC_SIGNALS);
    let before = change_mask(how, set)?;
    if !old.is_null() {
        // SAFETY: the caller's. The kernel too writes only this word.
        unsafe { old.cast::<u64>().write(before) };
    }
    Ok(0)
}

/// # Safety
/// As [`pthread_sigmask`].
pub unsafe fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> Outcome<c_int> {
    // SAFETY: the caller's.
    unsafe { pthread_sigmask(how, set, old) }
}

/// `syscall(SYS_rt_sigprocmask, …)`.
///
/// # Safety
/// As [`sys_rt_sigaction`].
pub unsafe fn sys_rt_sigprocmask(how: c_int, set: *const c_void, old: *mut c_void, size: usize) -> Outcome<c_int> {
    if size != 8 {
        return Err(EINVAL);
    }
    // SAFETY: any bits are a set.
    let set = if set.is_null() { None } else { Some(unsafe { usercopy::read_user(set.cast()) }.ok_or(EFAULT)?) };
    let before = change_mask(how, set)?;
    // SAFETY: the caller's.
    if !old.is_null() && !unsafe { usercopy::write_user(old.cast(), before) } {
        return Err(EFAULT);
    }
    Ok(0)
}
