//! Catching panics without standing in the way of a thread's end.
//!
//! glibc ends a cancelled thread by unwinding it, through our frames into the program's (pthread_cancel, pthread_exit).
//! `catch_unwind` would catch that as well, which aborts the process. So the frame that catches is written by hand: its
//! personality routine stops at Rust's panics and lets everything else pass.

use core::arch::global_asm;
use core::ffi::{c_int, c_void};
use std::panic::catch_unwind;

#[cfg(target_arch = "x86_64")]
global_asm!(
    r#"
    .pushsection .data.rel.local.sockhop_guard,"aw"
    .p2align 3
sockhop_guard_personality:
    .quad   {personality}
    .popsection

    .pushsection .text.sockhop_guard,"ax",@progbits
    .p2align 4
    .globl sockhop_guard, sockhop_guard_caught
    .hidden sockhop_guard, sockhop_guard_caught
    .type sockhop_guard,@function
    // rdi: a function; rsi: what it is called with. Gives 0, or the panic.
sockhop_guard:
    .cfi_startproc
    // Indirect, relative to the place, 4 bytes.
    .cfi_personality 0x9b, sockhop_guard_personality
    push    rbp
    .cfi_adjust_cfa_offset 8
    mov     rax, rdi
    mov     rdi, rsi
    call    rax
    xor     eax, eax
sockhop_guard_caught:
    pop     rcx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .popsection
"#,
    personality = sym personality,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    r#"
    .pushsection .data.rel.local.sockhop_guard,"aw"
    .p2align 3
sockhop_guard_personality:
    .xword  {personality}
    .popsection

    .pushsection .text.sockhop_guard,"ax",@progbits
    .p2align 4
    .globl sockhop_guard, sockhop_guard_caught
    .hidden sockhop_guard, sockhop_guard_caught
sockhop_guard:
    .cfi_startproc
    .cfi_personality 0x9b, sockhop_guard_personality
    stp     x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset w29, -16
    .cfi_offset w30, -8
    mov     x9, x0
    mov     x0, x1
    blr     x9
    mov     x0, #0
sockhop_guard_caught:
    ldp     x29, x30, [sp], #16
    .cfi_def_cfa_offset 0
    .cfi_restore w29
    .cfi_restore w30
    ret
    .cfi_endproc
    .popsection
"#,
    personality = sym personality,
);

extern "C-unwind" {
    fn sockhop_guard(function: unsafe extern "C-unwind" fn(*mut c_void), data: *mut c_void) -> *mut c_void;
    fn _Unwind_RaiseException(exception: *mut c_void) -> c_int;
}
extern "C" {
    fn sockhop_guard_caught();
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
}

/// Rust's class of exceptions: "MOZ\0RUST".
const RUST: u64 = 0x4d4f_5a00_5255_5354;
const SEARCH_PHASE: c_int = 1;
const HANDLER_FRAME: c_int = 4;
const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;
const CONTINUE_UNWIND: c_int = 8;
/// rax, x0: the number 0 in both tables of DWARF registers.
const RESULT_REGISTER: c_int = 0;

/// The frame's personality routine (Itanium C++ ABI: Exception Handling, 1.6).
unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut c_void,
    context: *mut c_void,
) -> c_int {
    if class != RUST {
        return CONTINUE_UNWIND;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    if actions & HANDLER_FRAME == 0 {
        return CONTINUE_UNWIND;
    }
    _Unwind_SetGR(context, RESULT_REGISTER, exception as usize);
    _Unwind_SetIP(context, sockhop_guard_caught as *const () as usize);
    INSTALL_CONTEXT
}

/// Runs `work`. None when it panicked.
#[inline(always)]
pub fn catch<T, F: FnOnce() -> T>(work: F) -> Option<T> {
    struct Call<F, T> {
        work: Option<F>,
        done: Option<T>,
    }
    unsafe extern "C-unwind" fn run<T, F: FnOnce() -> T>(data: *mut c_void) {
        let call = &mut *data.cast::<Call<F, T>>();
        if let Some(work) = call.work.take() {
            call.done = Some(work());
        }
    }
    let mut call = Call { work: Some(work), done: None };
    // SAFETY: `run` gets the pointer that it expects, which outlives the call.
    let panic = unsafe { sockhop_guard(run::<T, F>, (&raw mut call).cast()) };
    if !panic.is_null() {
        end(panic);
    }
    call.done
}

/// Has the standard library catch the panic after all, so that its books are right.
#[cold]
fn end(panic: *mut c_void) {
    // SAFETY: a panic that was caught above and is nobody else's; it is caught again one frame below.
    let _ = catch_unwind(|| unsafe { _Unwind_RaiseException(panic) });
}
