//! Copies between our memory and the program's that survive a fault.
//!
//! The program may hand us a bad pointer (the kernel answers EFAULT), and a page of a shared file may vanish (SIGBUS). Each
//! instruction below that touches memory lies in a range of `sockhop_uc_table`; the SIGSEGV/SIGBUS handler asks [`fixup`]
//! where to go on. No system call and no bookkeeping happens on the good path.
//!
//! Invariant of the copy routines at every instruction that can fault (the landings rely on it): rdi and rsi are the next
//! byte to write and to read, rdx is what remains from there, r8 is where the destination began, and all before rdi is
//! copied. So a landing finishes byte by byte from rdi, and a fault in that loop gives the exact count. Stores go in
//! ascending order, so that nothing lies behind a hole. Both sides may fault. The two sides must not overlap.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
const ROWS: usize = 5;
#[cfg(target_arch = "aarch64")]
const ROWS: usize = 3;

extern "C" {
    fn sockhop_uc_copy(dst: *mut u8, src: *const u8, len: usize) -> usize;
    fn sockhop_uc_probe(first: *const u8, last: *const u8, write: u32) -> usize;
    static sockhop_uc_begin: u8;
    static sockhop_uc_end: u8;
    static sockhop_uc_table: [[i32; 3]; ROWS];
    #[cfg(target_arch = "x86_64")]
    static sockhop_uc_avx: core::sync::atomic::AtomicU32;
    #[cfg(target_arch = "x86_64")]
    static sockhop_uc_rep_min: core::sync::atomic::AtomicU64;
}

/// From this size on the string move is faster than the loop (measured; it also spares the vector unit). Bytes.
#[cfg(target_arch = "x86_64")]
const REP_MIN: u64 = 8192;

/// Looks at the processor once. Copies are right before this as well, only slower.
pub fn init() {
    #[cfg(target_arch = "x86_64")]
    {
        use core::sync::atomic::Ordering::Relaxed;
        // CPUID leaf 7, EBX bit 9: enhanced rep movsb.
        let erms =
            core::arch::x86_64::__cpuid(0).eax >= 7 && core::arch::x86_64::__cpuid_count(7, 0).ebx & (1 << 9) != 0;
        if std::is_x86_feature_detected!("avx") {
            // SAFETY: the static lives in the module's assembly; words that only atomics and the copy routines touch.
            unsafe { sockhop_uc_avx.store(1, Relaxed) };
        }
        if erms {
            // SAFETY: as above.
            unsafe { sockhop_uc_rep_min.store(REP_MIN, Relaxed) };
        }
    }
}

/// Copies from the program's memory. Returns how many bytes were copied before the first that faults.
///
/// # Safety
/// `dst` is valid for `len` writes or lies in memory whose faults are to be caught too; no Rust reference to the bytes
/// written is alive; the two ranges do not overlap. `signal::arm_faults` has been called if a fault is to be survived.
#[inline(always)]
pub unsafe fn copy_in(dst: *mut u8, user_src: *const u8, len: usize) -> usize {
    // SAFETY: the routine follows the C calling convention; faults on either side end it early; the rest is the caller's.
    unsafe { sockhop_uc_copy(dst, user_src, len) }
}

/// Copies to the program's memory. Returns how many bytes were copied before the first that faults.
///
/// # Safety
/// As [`copy_in`], with the sides exchanged.
#[inline(always)]
pub unsafe fn copy_out(user_dst: *mut u8, src: *const u8, len: usize) -> usize {
    // SAFETY: see copy_in.
    unsafe { sockhop_uc_copy(user_dst, src, len) }
}

/// Reads one value, which need not be aligned. `None` means EFAULT.
///
/// # Safety
/// Every pattern of bits is a valid `T`. A fault is survived only after `signal::arm_faults`.
#[inline(always)]
pub unsafe fn read_user<T: Copy>(ptr: *const T) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let size = size_of::<T>();
    // SAFETY: the destination is ours and large enough; a fault of the source ends the copy.
    let done = unsafe { copy_in(value.as_mut_ptr().cast(), ptr.cast(), size) };
    // SAFETY: all bytes were written, and the caller vouches for T.
    (done == size).then(|| unsafe { value.assume_init() })
}

/// Writes one value, which need not be aligned. False means EFAULT; a part may have been written, as by the kernel.
///
/// # Safety
/// No Rust reference to the target is alive. `T` has no padding that must not leak.
#[inline(always)]
pub unsafe fn write_user<T: Copy>(ptr: *mut T, value: T) -> bool {
    let size = size_of::<T>();
    // SAFETY: the source is ours; a fault of the target ends the copy.
    unsafe { copy_out(ptr.cast(), (&raw const value).cast(), size) == size }
}

/// Whether each page of the range can be read (or written) now. True for an empty range, false for one that wraps.
///
/// # Safety
/// With `write`, the touched bytes are ordinary memory (they are stored back unchanged, atomically).
pub unsafe fn probe(ptr: *const u8, len: usize, write: bool) -> bool {
    let Some(room) = len.checked_sub(1) else { return true };
    let Some(last) = (ptr as usize).checked_add(room) else { return false };
    // SAFETY: faults end the routine; reads have no effect and writes change nothing.
    unsafe { sockhop_uc_probe(ptr, last as *const u8, write.into()) != 0 }
}

/// Where a fault at `pc` goes on, if it happened in one of the routines above. For the SIGSEGV/SIGBUS handler only; `pc` and
/// not the fault's address decides, because an address that is not canonical is reported as 0.
pub fn fixup(pc: usize) -> Option<usize> {
    if pc < &raw const sockhop_uc_begin as usize || pc >= &raw const sockhop_uc_end as usize {
        return None;
    }
    // SAFETY: a read-only table of the module's assembly with exactly ROWS rows.
    let rows = unsafe { &sockhop_uc_table };
    let address = |word: &i32| (word as *const i32 as usize).wrapping_add_signed(*word as isize);
    rows.iter().find(|[begin, end, _]| (address(begin)..address(end)).contains(&pc)).map(|[_, _, to]| address(to))
}
