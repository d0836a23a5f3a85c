//! This process: whose memory it runs on, across fork, vfork and clone.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::*};

use crate::kernel;

/// A page that the kernel zeroes in a child of fork, not of vfork: its first word is the pid of whose memory this is.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());

/// A process with its own pid uses this memory and this descriptor table as well (CLONE_VM and CLONE_FILES).
static KINDRED: AtomicBool = AtomicBool::new(false);

/// Somebody with a pid of its own may run on this memory, as a child of vfork does. Until the first time nobody needs to
/// ask who it is.
static LENT: AtomicBool = AtomicBool::new(false);

/// See [`lend`]; the word itself, for a hook that can call nothing.
pub fn lent() -> &'static AtomicBool {
    &LENT
}

/// A process is about to be made that runs on this memory.
pub fn lend() {
    LENT.store(true, Relaxed);
}

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
    own();
}

/// The memory is this process' own from here on: at start, and in a child that was told of its fork. Who runs on the memory
/// that it is a copy of does not run on the copy.
pub fn own() {
    KINDRED.store(false, Relaxed);
    LENT.store(false, Relaxed);
    owner().store(kernel::pid(), Release);
}

/// Whose memory does this thread run on?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// The process' own, with its own descriptor table.
    Own,
    /// That of the parent, which sleeps in vfork: the table in memory is the parent's, the kernel's is the child's.
    Borrowed,
}

/// One system call where a vfork child may be the one that asks; on other architectures than x86-64, where nobody says
/// that there may be one, always. A copy that a fork made and nobody told us of (a raw system call) is brought in order
/// here, when the library first hears from it.
pub fn memory() -> Memory {
    let owner = owner().load(Acquire);
    if owner == 0 {
        own();
        crate::offspring::untold();
        return Memory::Own;
    }
    if cfg!(target_arch = "x86_64") && !LENT.load(Relaxed) {
        return Memory::Own;
    }
    let pid = kernel::pid();
    match owner {
        n if n == pid => Memory::Own,
        n if KINDRED.load(Relaxed) && kernel::same_files(n, pid) => Memory::Own,
        _ => Memory::Borrowed,
    }
}

/// This process' pid, without a system call where [`memory`] needs none.
pub fn pid() -> u32 {
    match owner().load(Acquire) {
        0 => kernel::pid(),
        _ if !cfg!(target_arch = "x86_64") || LENT.load(Relaxed) => kernel::pid(),
        owner => owner,
    }
}

extern "C" {
    /// glibc's word of whether the process never had a second thread (2.32 and later).
    static mut __libc_single_threaded: core::ffi::c_char;
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

/// Is this a vfork child, whose parent's table must stay as it is?
pub fn borrowed() -> bool {
    memory() == Memory::Borrowed
}

/// A process is about to be made that shares memory and descriptors with this one.
pub fn kindred() {
    KINDRED.store(true, Release);
    lend();
    not_alone();
}

/// From here on this thread may not be the only one at the process' sockets, although it is the process' only one.
pub fn not_alone() {
    #[allow(unsafe_code)]
    // SAFETY: glibc's, a byte. To say "no" is always right: it only makes libc and us take more locks.
    unsafe {
        core::ptr::addr_of_mut!(__libc_single_threaded).write_volatile(0);
    }
}

/// May the program use io_uring? If not, io_uring_setup(2) answers ENOSYS, so that it falls back to calls that are seen.
pub fn io_uring_allowed() -> bool {
    crate::config::get().io_uring
}
