//! The program's signal mask. SIGSEGV and SIGBUS stay open in the kernel's, because usercopy needs them.

use libc::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK};

use super::critical::raise_held;
use super::table::{self, kernel_mask, FAULTS};
use super::thread::{thread, Thread};

/// Once in each thread before its first usercopy: opens SIGSEGV and SIGBUS in the kernel's mask, because the kernel kills for a
/// fault whose signal is blocked. The program goes on seeing the mask that it set. One system call a thread, two if blocked.
#[inline(always)]
pub fn thread_ready() {
    let thread = thread();
    if get!(thread.ready) == 0 {
        make_ready(thread);
    }
}

#[cold]
#[inline(never)]
fn make_ready(thread: *mut Thread) {
    let blocked = kernel_mask(SIG_BLOCK, None).unwrap_or(0) & FAULTS;
    set!(thread.veiled = blocked);
    set!(thread.ready = 1);
    if blocked != 0 {
        let _ = kernel_mask(SIG_UNBLOCK, Some(blocked));
    }
}

/// The program's rt_sigprocmask on this thread.
pub fn change_mask(how: i32, set: Option<u64>) -> Result<u64, i32> {
    let thread = thread();
    if get!(thread.ready) == 0 {
        return kernel_mask(how, set);
    }
    let veiled = get!(thread.veiled);
    let old = match set {
        Some(set) => {
            // An unblocked fault is opened in the kernel as well: inside the program's own fault handler it is really blocked.
            let (now, kernel) = match how {
                SIG_BLOCK => (veiled | set & FAULTS, set & !FAULTS),
                SIG_UNBLOCK => (veiled & !set, set),
                SIG_SETMASK => (set & FAULTS, set & !FAULTS),
                _ => return Err(libc::EINVAL),
            };
            // Opening goes first: a held signal is raised when all is in place.
            set!(thread.veiled = now);
            let old = kernel_mask(how, Some(kernel))?;
            raise_held(thread);
            old
        }
        None => kernel_mask(how, None)?,
    };
    Ok(old | veiled)
}

/// Before execve: shows the kernel what the new program inherits (ignored and blocked SIGSEGV, SIGBUS).
pub fn before_exec() -> ExecToken {
    let thread = thread();
    let veiled = if get!(thread.ready) != 0 { get!(thread.veiled) } else { 0 };
    if veiled != 0 {
        let _ = kernel_mask(SIG_BLOCK, Some(veiled));
    }
    ExecToken { veiled, ignored: if table::is_armed() { table::expose_ignored() } else { 0 } }
}

/// What [`before_exec`] changed.
pub struct ExecToken {
    veiled: u64,
    ignored: u64,
}

/// execve returned: puts everything back.
pub fn exec_failed(token: ExecToken) {
    table::cover_ignored(token.ignored);
    if token.veiled != 0 {
        let _ = kernel_mask(SIG_UNBLOCK, Some(token.veiled));
    }
}
