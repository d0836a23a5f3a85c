//! A process that gives up its user or its root directory cannot open the network's files any more. What it needs of them
//! it fetches before (a server that becomes another user before its first socket: memcached), and hands on to the
//! programs that it starts (su).

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, Ordering::*};
use std::ffi::CString;
use std::sync::OnceLock;

use crate::config;
use crate::kernel;
use crate::readiness::internal;
use crate::shm::Arena;

/// How a new program is told the descriptor of the arena.
const VARIABLE: &CStr = c"SOCKHOP__ARENA";

/// The arena's descriptor, -1 for none.
static KEPT: AtomicI32 = AtomicI32::new(-1);
/// The entry of a new program's environment that tells of it.
static ENTRY: OnceLock<CString> = OnceLock::new();

/// To be called while the process still has its rights.
pub fn about_to_give_up() {
    if KEPT.load(Acquire) >= 0 {
        return;
    }
    let Ok(arena) = super::arena() else { return };
    arena.header().be_guest();
    let kept = kernel::open(arena.path(), libc::O_RDWR | libc::O_NOFOLLOW, 0).and_then(internal::keep);
    kept.into_iter().for_each(keep);
}

fn keep(fd: i32) {
    KEPT.store(fd, Release);
    let _ = ENTRY.set(CString::new(format!("{}={fd}", VARIABLE.to_string_lossy())).unwrap_or_default());
}

/// The arena that whoever started this program handed on.
pub fn inherited() -> Option<&'static Arena> {
    let fd = config::var(VARIABLE)?.parse().ok()?;
    let path = super::arena_path(super::directory().ok()?).ok()?;
    // The number may have become another file's on the way.
    let arena = Arena::of_descriptor(&path, fd).ok()?;
    if KEPT.load(Acquire) < 0 {
        // Under the same number, which the environment tells to the programs that this one starts, too.
        internal::adopt(fd);
        keep(fd);
    }
    Some(arena)
}

/// Runs `act`, which starts a program, with the entry that its environment needs, if any.
pub fn handing_on<T>(act: impl FnOnce(Option<&CStr>) -> T) -> T {
    let fd = KEPT.load(Acquire);
    let entry = ENTRY.get().filter(|_| fd >= 0 && internal::is_internal(fd)).map(CString::as_c_str);
    if entry.is_none() {
        return act(None);
    }
    let _ = kernel::fcntl(fd, libc::F_SETFD, 0);
    let outcome = act(entry);
    let _ = kernel::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC as usize);
    outcome
}
