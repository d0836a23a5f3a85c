//! vfork(2), whose child comes back through the caller's frame before the parent does: nothing of ours may stand between
//! the two. So the hook notes that the memory is lent (`stack::process::lend`) and jumps on to libc's own function. Before
//! the library has started, a fork does the same.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};

use libc::pid_t;

/// libc's vfork.
static REAL: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
/// The word that says that the memory is lent.
static LENT: AtomicPtr<AtomicBool> = AtomicPtr::new(core::ptr::null_mut());

/// See above.
///
/// # Safety
/// That of vfork(2).
#[unsafe(naked)]
#[no_mangle]
pub unsafe extern "C" fn vfork() -> pid_t {
    core::arch::naked_asm!(
        "endbr64",
        "mov rax, qword ptr [rip + {lent}]",
        "test rax, rax",
        "je 2f",
        "mov byte ptr [rax], 1",
        "mov rax, qword ptr [rip + {real}]",
        "test rax, rax",
        "je 2f",
        "jmp rax",
        "2:",
        "jmp {early}",
        lent = sym LENT,
        real = sym REAL,
        early = sym early,
    )
}

/// glibc's other name for it.
///
/// # Safety
/// That of vfork(2).
#[unsafe(naked)]
#[no_mangle]
pub unsafe extern "C" fn __vfork() -> pid_t {
    core::arch::naked_asm!("jmp {vfork}", vfork = sym vfork)
}

unsafe extern "C" fn early() -> pid_t {
    crate::process::our_fork()
}

/// At start: finds libc's function.
pub fn start() {
    LENT.store(core::ptr::from_ref(stack::process::lent()).cast_mut(), Relaxed);
    // SAFETY: a C string.
    REAL.store(unsafe { redhook::ld_preload::dlsym_next("vfork\0") }.cast_mut(), Relaxed);
}
