//! One thread's state beneath its handlers.

#[cfg(target_arch = "x86_64")]
use core::arch::{asm, global_asm};

#[cfg(target_arch = "x86_64")]
global_asm!(
    r#"
    .pushsection .tbss.sockhop_signal,"awT",@nobits
    .p2align 4
    .globl sockhop_sig_tls
    .hidden sockhop_sig_tls
    .type sockhop_sig_tls,@object
    .size sockhop_sig_tls, {size}
sockhop_sig_tls:
    .zero {size}
    .popsection
"#,
    size = const size_of::<Thread>(),
);

/// What of siginfo_t the kernel fills at most: all of its 128 bytes.
pub(super) type Info = [u64; 16];

/// One thread's state, all zero at its start. Handlers on the same thread are its only other user, so each access is a
/// volatile one and the order is the compiler's to keep.
#[repr(C, align(16))]
pub(super) struct Thread {
    /// Nesting of critical sections.
    pub(super) depth: u32,
    /// SIGSEGV and SIGBUS are known to be open in the kernel's mask, and `veiled` is valid.
    pub(super) ready: u32,
    /// Signals put off by the critical section: blocked in the kernel, or (FAULTS) waiting in `held`.
    pub(super) pending: u64,
    /// Of FAULTS: what the program believes to be blocked.
    pub(super) veiled: u64,
    /// 0 none, 1 a handler without SA_RESTART has run, 2 one with it.
    pub(super) interrupt: u32,
    /// glibc's signal for this thread's end came in a critical section and was put off.
    pub(super) ending: u32,
    /// The thread's id, 0 while nobody asked for it. Kept here because this block is reached without a call.
    pub(super) id: u32,
    /// Waits in a row that ended with the first sched_yield; see `wait::spin`.
    pub(super) yields: u32,
    /// Where this thread's memory of destinations is, 0 for not known yet; see `dgram::cache`.
    pub(super) destinations: usize,
    /// For SIGSEGV and SIGBUS: 0 empty, 1 `held` is full, 2 it is just being raised again.
    pub(super) held_state: [u32; 2],
    pub(super) held: [Info; 2],
    /// How many signals are in `kept`.
    pub(super) kept_count: u32,
    /// Signals put off that did not stay blocked (see `entry::keep`).
    pub(super) kept: [Info; KEPT],
}

/// More put-off signals than these at a time are not kept.
pub(super) const KEPT: usize = 4;

/// Initial-exec access: no call into the dynamic linker, which may allocate and must not run in a handler.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn thread() -> *mut Thread {
    let place: *mut Thread;
    // SAFETY: reads the offset of the block above from the GOT and the thread pointer from its own first word (TLS ABI).
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + sockhop_sig_tls@GOTTPOFF]",
            "add {0}, qword ptr fs:[0]",
            out(reg) place,
            options(nostack, readonly)
        );
    }
    place
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn thread() -> *mut Thread {
    use core::cell::UnsafeCell;
    thread_local!(static PLACE: UnsafeCell<Thread> = const { UnsafeCell::new(Thread { depth: 0, ready: 0, pending: 0,
        veiled: 0, interrupt: 0, ending: 0, id: 0, yields: 0, destinations: 0, held_state: [0; 2], held: [[0; 16]; 2], kept_count: 0, kept: [[0; 16]; KEPT] }) });
    PLACE.with(UnsafeCell::get)
}

macro_rules! get {
    ($thread:ident.$($field:tt)+) => {
        // SAFETY: `thread()` gives this thread's own block, which lives as long as the thread.
        unsafe { (&raw const (*$thread).$($field)+).read_volatile() }
    };
}
macro_rules! set {
    ($thread:ident.$field:ident $([$index:expr])? = $value:expr) => {
        {
            let value = $value;
            // SAFETY: as above.
            unsafe { (&raw mut (*$thread).$field $([$index])?).write_volatile(value) }
        }
    };
}
