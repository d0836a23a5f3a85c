//! What the kernel enters for a signal, and what is decided there.
//!
//! The entries keep the handler's three arguments, ask [`prepare`] and jump to the program's handler with the kernel's own frame.

use core::arch::global_asm;

use libc::{SIG_BLOCK, SIG_UNBLOCK};
use syscalls::{raw_syscall, Sysno};

use super::table::{self, bit, kernel_mask, Action, FAULTS, SIG_IGN};
use super::thread::{thread, Info, Thread, KEPT};
use super::{cancel, sleep};
use crate::shm::{self, usercopy};

#[cfg(target_arch = "x86_64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_signal,"ax",@progbits
    .p2align 4
    .globl sockhop_sig_entry_a, sockhop_sig_entry_b, sockhop_sig_entry_cancel, sockhop_sig_restorer
    .hidden sockhop_sig_entry_a, sockhop_sig_entry_b, sockhop_sig_entry_cancel, sockhop_sig_restorer
    .type sockhop_sig_entry_a,@function
    .type sockhop_sig_entry_b,@function
    .type sockhop_sig_entry_cancel,@function
sockhop_sig_entry_a:
    .cfi_startproc
    endbr64
    xor     ecx, ecx
    jmp     2f
    .p2align 4
sockhop_sig_entry_b:
    endbr64
    mov     ecx, 1
    // As after a call: rsp is 8 off a multiple of 16, and three words bring it there.
2:  push    rdi
    .cfi_adjust_cfa_offset 8
    push    rsi
    .cfi_adjust_cfa_offset 8
    push    rdx
    .cfi_adjust_cfa_offset 8
    call    {prepare}
    pop     rdx
    .cfi_adjust_cfa_offset -8
    pop     rsi
    .cfi_adjust_cfa_offset -8
    pop     rdi
    .cfi_adjust_cfa_offset -8
    mov     r11, rax
    // The kernel starts handlers with 0 here.
    xor     eax, eax
    test    r11, r11
    je      3f
    jmp     r11
3:  ret
    .p2align 4
sockhop_sig_entry_cancel:
    endbr64
    mov     ecx, 2
    jmp     2b
    .cfi_endproc
    // Unwinders and debuggers know a signal frame by exactly these bytes (mov rax, 15; syscall) and by the lack of
    // unwinding information, also for the byte before them.
    .p2align 4
    nop
    nop
sockhop_sig_restorer:
    .byte   0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05
    ud2
    .popsection
"#,
    prepare = sym prepare,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_signal,"ax",@progbits
    .p2align 4
    .globl sockhop_sig_entry_a, sockhop_sig_entry_b, sockhop_sig_entry_cancel
    .hidden sockhop_sig_entry_a, sockhop_sig_entry_b, sockhop_sig_entry_cancel
sockhop_sig_entry_cancel:
    mov     w3, #2
    b       2f
sockhop_sig_entry_a:
    mov     w3, #0
    b       2f
sockhop_sig_entry_b:
    mov     w3, #1
2:  stp     x0, x1, [sp, #-32]!
    stp     x2, x30, [sp, #16]
    bl      {prepare}
    mov     x16, x0
    ldp     x2, x30, [sp, #16]
    ldp     x0, x1, [sp], #32
    cbz     x16, 3f
    br      x16
3:  ret
    .popsection
"#,
    prepare = sym prepare,
);

/// Queues a signal to this thread as it came. To its own process a thread may send any si_code (kernel/signal.c,
/// do_rt_tgsigqueueinfo). The only failure is a full queue (RLIMIT_SIGPENDING, realtime signals only); then the signal goes
/// without its data, which never fails.
pub(super) fn requeue(sig: i32, info: *const Info) {
    // SAFETY: gettid has no arguments. Asked each time: a vfork child runs on its parent's thread block.
    let tid = unsafe { raw_syscall!(Sysno::gettid) };
    let pid = table::getpid() as usize;
    // SAFETY: `info` is a whole siginfo_t as the kernel made it.
    let result = unsafe { raw_syscall!(Sysno::rt_tgsigqueueinfo, pid, tid, sig as usize, info) };
    if result != 0 {
        let mut bare: Info = [0; 16];
        bare[0] = sig as u64;
        // SAFETY: as above; si_code 0 is SI_USER.
        unsafe { raw_syscall!(Sysno::rt_tgsigqueueinfo, pid, tid, sig as usize, &raw const bare) };
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn program_counter(context: &mut libc::ucontext_t) -> &mut i64 {
    &mut context.uc_mcontext.gregs[libc::REG_RIP as usize]
}
#[cfg(target_arch = "aarch64")]
pub(super) fn program_counter(context: &mut libc::ucontext_t) -> &mut u64 {
    &mut context.uc_mcontext.pc
}

fn held_index(sig: i32) -> usize {
    (sig == libc::SIGBUS) as usize
}

fn hold(thread: *mut Thread, sig: i32, info: *const Info) {
    let index = held_index(sig);
    // A standard signal that is pending already is not queued twice.
    if get!(thread.held_state[index]) != 1 {
        // SAFETY: the kernel's siginfo_t is 128 bytes, as Info.
        set!(thread.held[index] = unsafe { *info });
        set!(thread.held_state[index] = 1);
    }
}

/// Keeps a signal that was put off and is back although its frame had it blocked: valgrind, for one, goes on with the mask from
/// before the handler, whatever the frame says. False: there is no room.
#[cold]
fn keep(thread: *mut Thread, sig: i32, info: *const Info) -> bool {
    let count = get!(thread.kept_count) as usize;
    let standard = sig < libc::SIGRTMIN();
    if standard && (0..count.min(KEPT)).any(|i| get!(thread.kept[i])[0] as i32 == sig) {
        return true;
    }
    if count >= KEPT {
        return false;
    }
    // SAFETY: the kernel's siginfo_t is 128 bytes, as Info.
    set!(thread.kept[count] = unsafe { *info });
    set!(thread.kept_count = count as u32 + 1);
    true
}

/// Decides about one delivered signal: the address of the handler to jump to, or 0 to return to what was interrupted.
unsafe extern "C-unwind" fn prepare(
    sig: i32,
    info: *const Info,
    context: *mut libc::ucontext_t,
    which: usize,
) -> usize {
    let thread = thread();
    if which == cancel::ENTRY {
        // SAFETY: the kernel's own frame, and nothing else refers to it.
        return cancel::arrived(thread, unsafe { &*info }, unsafe { &mut *context });
    }
    let fault = bit(sig) & FAULTS != 0;
    // SAFETY: the entries are installed with SA_SIGINFO: both pointers are to the kernel's frame. si_code is the third int.
    let code = unsafe { *info.cast::<i32>().add(2) };
    // Only the processor sends these with a positive code: the instruction cannot go on without an answer.
    let traps = FAULTS | bit(libc::SIGFPE) | bit(libc::SIGILL) | bit(libc::SIGTRAP) | bit(libc::SIGSYS);
    let synchronous = code > 0 && bit(sig) & traps != 0;
    // SAFETY: as above. Of uc_sigmask the kernel has 64 bits.
    let mask: *mut u64 = unsafe { (&raw mut (*context).uc_sigmask).cast() };

    if fault && synchronous {
        // SAFETY: as above. si_addr is the word at offset 16.
        if sig == libc::SIGBUS && shm::mend(unsafe { (*info)[2] } as usize) {
            return 0;
        }
        // SAFETY: as above, and nothing else refers to the context.
        let pc = program_counter(unsafe { &mut *context });
        if let Some(landing) = usercopy::fixup(*pc as usize) {
            *pc = landing as _;
            return 0;
        }
    }

    if !synchronous {
        // abort() raises SIGABRT itself and does not expect to come back before the handler has run.
        // SAFETY: si_pid is the int at offset 16.
        let sender = unsafe { (*info)[2] } as i32;
        let own_abort = sig == libc::SIGABRT && code == libc::SI_TKILL && sender == table::getpid();
        if (get!(thread.depth) != 0 || get!(thread.pending) != 0) && !own_abort {
            if fault {
                hold(thread, sig, info);
                set!(thread.pending = get!(thread.pending) | bit(sig));
            } else if get!(thread.pending) & bit(sig) == 0 || !keep(thread, sig, info) {
                // The entry runs with the signal blocked (never SA_NODEFER), so it waits in the kernel from here on.
                requeue(sig, info);
                // SAFETY: see `mask`.
                let before = unsafe { *mask };
                if before & bit(sig) == 0 {
                    // SAFETY: see `mask`.
                    unsafe { *mask = before | bit(sig) };
                    set!(thread.pending = get!(thread.pending) | bit(sig));
                }
            }
            // SAFETY: the kernel's own context, and nothing else refers to it.
            sleep::cut_short(program_counter(unsafe { &mut *context }));
            return 0;
        }
        if fault && get!(thread.veiled) & bit(sig) != 0 {
            hold(thread, sig, info);
            return 0;
        }
    }

    let mut action = table::action(sig, which);
    if action.is_function() && action.resets() {
        action = table::take_once(sig, which, action);
    }
    if !action.is_function() {
        default_action(sig, info, &action, synchronous);
        return 0;
    }

    if action.leaves_open(sig) {
        let _ = kernel_mask(SIG_UNBLOCK, Some(bit(sig)));
    }
    // The handler that the kernel took first decides how the call ends. In a batch its frame is the lowest, and the entries
    // of the others interrupt its entry; a handler that comes later interrupts it, or what goes on after it.
    // SAFETY: the kernel's own context, and nothing else refers to it.
    let at = *program_counter(unsafe { &mut *context }) as usize;
    if get!(thread.interrupt) == 0 && !table::is_entry(at) {
        set!(thread.interrupt = 1 + action.restarts() as u32);
    }
    action.handler
}

/// SIGSEGV or SIGBUS without a handler, or a second signal for an SA_RESETHAND action that another thread has used up.
#[cold]
fn default_action(sig: i32, info: *const Info, action: &Action, synchronous: bool) {
    if bit(sig) & FAULTS != 0 {
        if action.handler == SIG_IGN && !synchronous {
            return;
        }
        // The kernel kills also for a fault whose signal is ignored (force_sig_info_to_task).
        let _ = table::kernel_action(sig, Some(&Action::DEFAULT));
    }
    // Blocked now, it is delivered when the kernel has restored the interrupted context: the core shows the faulting instruction,
    // the signal, its code and its address, and the process dies even if another thread has mapped the page meanwhile.
    let _ = kernel_mask(SIG_BLOCK, Some(bit(sig)));
    requeue(sig, info);
}
