//! Time, identity and the ways to sleep.

use core::sync::atomic::AtomicU32;

use super::sys;
use crate::abi::Result;

/// getpid(2), asked afresh.
pub fn pid() -> u32 {
    // SAFETY: no pointers.
    unsafe { sys!(getpid) }.unwrap_or(0) as u32
}

/// gettid(2), asked afresh.
pub fn tid() -> u32 {
    // SAFETY: no pointers.
    unsafe { sys!(gettid) }.unwrap_or(0) as u32
}

/// geteuid(2).
pub fn euid() -> u32 {
    // SAFETY: no pointers.
    unsafe { sys!(geteuid) }.unwrap_or(0) as u32
}

/// Is there a thread of this number that may still run? (tkill(2) with signal 0; one that we may not signal is alive
/// too.) One that was killed and not waited for yet is there, but will never let go of anything.
pub fn thread_exists(tid: u32) -> bool {
    // SAFETY: no pointers.
    !matches!(unsafe { sys!(tkill, tid, 0) }, Err(crate::abi::Errno::ESRCH)) && !is_dead(tid)
}

/// Does /proc say that the thread is dead (states Z and X)?
fn is_dead(tid: u32) -> bool {
    let mut path = [0u8; 32];
    let mut rest = &mut path[..];
    if std::io::Write::write_fmt(&mut rest, format_args!("/proc/{tid}/stat\0")).is_err() {
        return false;
    }
    let Ok(path) = core::ffi::CStr::from_bytes_until_nul(&path) else { return false };
    let Ok(fd) = super::open(path, libc::O_RDONLY, 0) else { return false };
    let mut text = [0u8; 512];
    let n = super::read(fd, &mut text).unwrap_or(0);
    let _ = super::close(fd);
    // The state comes after the name, which stands in brackets and may contain anything.
    let state = text[..n].iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 2));
    matches!(state, Some(b'Z' | b'X' | b'x'))
}

/// Sends a signal to the calling thread.
pub fn raise(signal: i32) {
    // SAFETY: no pointers.
    let _ = unsafe { sys!(tgkill, pid(), tid(), signal) };
}

/// sched_yield(2).
pub fn yield_now() {
    // SAFETY: no pointers.
    let _ = unsafe { sys!(sched_yield) };
}

/// CLOCK_MONOTONIC in nanoseconds. The vDSO answers; no system call is made.
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// A clock in nanoseconds.
pub fn clock_ns(clock: i32) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is writable; clock_gettime is not a symbol that we hook.
    unsafe { libc::clock_gettime(clock, &mut t) };
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

/// A span of nanoseconds as struct timespec.
pub fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// ppoll(2). `timeout_ns` is relative; none waits for ever. `mask` is the kernel's 8-byte signal set.
pub fn ppoll(fds: &mut [libc::pollfd], timeout_ns: Option<u64>, mask: Option<&u64>) -> Result<usize> {
    let mut time = timeout_ns.map(timespec);
    let time = time.as_mut().map_or(core::ptr::null_mut(), |t| t as *mut libc::timespec);
    let mask = mask.map_or(core::ptr::null(), |m| m as *const u64);
    // SAFETY: all three are valid or null.
    unsafe { sys!(ppoll, fds.as_mut_ptr(), fds.len(), time, mask, 8) }
}

/// futex(2): sleeps while `word` holds `expected`, in memory that several processes share. With no timeout the kernel
/// itself follows SA_RESTART (ERESTARTSYS); with one, a handler ends the sleep with EINTR, as for a socket.
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout_ns: Option<u64>) -> Result<()> {
    let time = timeout_ns.map(timespec);
    let time = time.as_ref().map_or(core::ptr::null(), |t| t as *const libc::timespec);
    // SAFETY: the word lives while the reference does.
    unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAIT, expected, time, 0, 0) }.map(drop)
}

/// futex(2): wakes up to `count` sleepers on the word; gives how many.
pub fn futex_wake(word: &AtomicU32, count: u32) -> usize {
    // SAFETY: the word lives while the reference does.
    unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAKE, count, 0, 0, 0) }.unwrap_or(0)
}

/// As [`futex_wake`], of all that there are.
pub fn futex_wake_all(word: &AtomicU32) {
    futex_wake(word, u32::MAX >> 1);
}

/// Random bytes (getrandom(2)); zeroes where the kernel has none to give at once.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is writable.
    let _ = unsafe { sys!(getrandom, bytes.as_mut_ptr(), 8, libc::GRND_NONBLOCK) };
    u64::from_ne_bytes(bytes)
}
