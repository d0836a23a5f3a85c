//! Processes of the library's own.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::ffi::CString;

use super::sys;
use crate::abi::{Errno, Result};

/// getegid(2).
pub fn egid() -> u32 {
    // SAFETY: no pointers.
    unsafe { sys!(getegid) }.unwrap_or(0) as u32
}

/// getcpu(2).
pub fn processor() -> i32 {
    let mut number = 0u32;
    // SAFETY: the word is writable; the other pointers may be null.
    match unsafe { sys!(getcpu, &raw mut number, 0, 0) } {
        Ok(_) => number as i32,
        Err(_) => -1,
    }
}

/// Do two processes have one descriptor table (kcmp(2), KCMP_FILES)?
pub fn same_files(a: u32, b: u32) -> bool {
    const KCMP_FILES: usize = 2;
    // SAFETY: no pointers.
    matches!(unsafe { sys!(kcmp, a, b, KCMP_FILES, 0, 0) }, Ok(0))
}

/// Is there a process of this number that may still run? One that was killed and not waited for yet does not. A parent is
/// not asked about in /proc, which costs as much as twenty other calls: whose parent ended has another one.
pub fn process_lives(pid: u32) -> bool {
    pid != 0 && (pid == parent() || super::thread_exists(pid))
}

/// getppid(2).
fn parent() -> u32 {
    // SAFETY: no pointers.
    unsafe { sys!(getppid) }.map_or(0, |pid| pid as u32)
}

/// What [`network_namespace`] found, 0 for nothing yet.
static NAMESPACE: AtomicU32 = AtomicU32::new(0);

/// The network namespace that this process makes its sockets in, by its inode number; 0 where /proc does not tell.
pub fn network_namespace() -> u32 {
    match NAMESPACE.load(Relaxed) {
        0 => {
            let found = namespace_of(c"/proc/thread-self/ns/net").unwrap_or(0);
            NAMESPACE.store(found, Relaxed);
            found
        }
        known => known,
    }
}

/// The inode number of a namespace that a file of /proc stands for.
pub fn namespace_of(file: &CStr) -> Option<u32> {
    let fd = super::open(file, libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?;
    let inode = super::status(fd).ok().map(|s| s.inode as u32);
    let _ = super::close(fd);
    inode
}

/// This process may have changed its network namespace (unshare(2), setns(2)).
pub fn network_namespace_changed() {
    NAMESPACE.store(0, Relaxed);
}

/// A duplicate of another process' socket, by its inode (pidfd_getfd(2)).
///
/// Errors: EPERM where ptrace(2) would not be allowed, ENOENT when the process does not have it.
pub fn socket_of(pid: u32, inode: u64) -> Result<i32> {
    let path = |text: String| CString::new(text).map_err(|_| Errno::EINVAL);
    let mut number = None;
    let wanted = format!("socket:[{inode}]");
    super::list(&path(format!("/proc/{pid}/fd"))?, |name| {
        let fd = core::str::from_utf8(name).ok().and_then(|n| n.parse::<i32>().ok());
        if let Some(fd) = fd.filter(|_| number.is_none()) {
            if super::link_at(&format!("/proc/{pid}/fd/{fd}")) == wanted.as_bytes() {
                number = Some(fd);
            }
        }
    })?;
    let number = number.ok_or(Errno::ENOENT)?;
    // SAFETY: no pointers.
    let process = unsafe { sys!(pidfd_open, pid, 0) }? as i32;
    // SAFETY: no pointers.
    let got = unsafe { sys!(pidfd_getfd, process, number, 0) };
    let _ = super::close(process);
    got.map(|fd| fd as i32)
}

/// CLOCK_MONOTONIC_COARSE in milliseconds: a few nanoseconds to ask, steps of a few milliseconds.
pub fn coarse_ms() -> u32 {
    (super::clock_ns(libc::CLOCK_MONOTONIC_COARSE) / 1_000_000) as u32
}

/// Waits for a child of clone(2), whatever signal it was made with.
pub fn wait_for(child: usize) {
    loop {
        // SAFETY: null pointers are not written to.
        match unsafe { sys!(wait4, child, 0, libc::__WALL, 0) } {
            Err(Errno::EINTR) => continue,
            _ => return,
        }
    }
}

/// Ends this process as SIGKILL does, whatever it holds.
pub fn die() {
    // SAFETY: no pointers.
    let _ = unsafe { sys!(kill, super::pid(), libc::SIGKILL) };
}

/// Closes all descriptors from `first` to `last`.
pub fn close_range(first: u32, last: u32) {
    // SAFETY: no pointers.
    if unsafe { sys!(close_range, first, last, 0) } == Err(Errno::ENOSYS) {
        for fd in first..=last.min(super::open_limit() as u32) {
            let _ = super::close(fd as i32);
        }
    }
}

/// Makes this process a background one: a session and a directory of its own, a name, no handler of the program's, and
/// deaf to what its terminal and its broken pipes tell.
pub fn detach(name: &CStr) {
    for signal in 1..=64usize {
        let quiet = [libc::SIGPIPE, libc::SIGHUP].contains(&(signal as i32));
        // struct sigaction as the kernel has it: handler, flags, restorer, mask.
        let action = [if quiet { libc::SIG_IGN as u64 } else { 0 }, 0, 0, 0];
        // SAFETY: the array is long enough; default and ignored actions run nothing.
        let _ = unsafe { sys!(rt_sigaction, signal, action.as_ptr(), 0, 8) };
    }
    let nothing = 0u64;
    // SAFETY: the mask is 8 readable bytes; the name and the path are C strings.
    unsafe {
        let _ = sys!(rt_sigprocmask, libc::SIG_SETMASK, &raw const nothing, 0, 8);
        let _ = sys!(setsid);
        let _ = sys!(prctl, libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0);
        let _ = sys!(chdir, c"/".as_ptr());
    }
}
