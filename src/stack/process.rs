//! This process: who it is, across fork and vfork.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

use crate::kernel;

/// A page that the kernel zeroes in a child of fork, not of vfork: its first word is the pid of whose memory this is.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());

#[allow(unsafe_code)]
fn owner() -> &'static AtomicU32 {
    static FALLBACK: AtomicU32 = AtomicU32::new(0);
    let page = PAGE.load(Acquire);
    if page.is_null() {
        return &FALLBACK;
    }
    // SAFETY: the page is mapped for ever, aligned, and only ever used as this atomic.
    unsafe { &*page }
}

/// Called once, before anything else.
#[allow(unsafe_code)]
pub fn start() {
    if let Ok(page) = kernel::map_private(4096) {
        // SAFETY: the page was just mapped for us.
        if unsafe { kernel::wipe_on_fork(page, 4096) }.is_ok() {
            PAGE.store(page.cast(), Release);
        }
    }
    owner().store(kernel::pid(), Release);
}

/// Whose memory does this thread run on?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// The process' own.
    Own,
    /// That of the parent, which sleeps in vfork: nothing of ours may change.
    Borrowed,
    /// A copy that a fork made, and nobody told us.
    Copied,
}

/// One system call: for paths where a wrong answer would spoil a parent's table.
pub fn memory() -> Memory {
    let (owner, pid) = (owner(), kernel::pid());
    match owner.load(Acquire) {
        0 => {
            owner.store(pid, Release);
            Memory::Copied
        }
        n if n == pid => Memory::Own,
        _ => Memory::Borrowed,
    }
}

extern "C" {
    /// glibc's word of whether the process never had a second thread (2.32 and later).
    static __libc_single_threaded: core::ffi::c_char;
}

/// Is this thread the only one that can use the socket: the process' only thread, and no other process holds it?
#[inline]
pub fn alone(slot: &crate::shm::Slot) -> bool {
    #[allow(unsafe_code)]
    // SAFETY: glibc's, a byte that is only ever read as such; a stale value is one from before a thread was made, when
    // this thread was alone.
    let single = unsafe { core::ptr::addr_of!(__libc_single_threaded).read_volatile() } != 0;
    single && !slot.has(crate::shm::SlotFlags::SHARED)
}
