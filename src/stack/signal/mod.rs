//! The layer beneath the program's signal handlers.
//!
//! What the kernel has for each handled signal is one of two assembly entries (see `table`). An entry asks [`prepare`]
//! what to do and then jumps to the program's handler with the kernel's own frame, so the handler, its backtrace, longjmp and
//! unwinding find exactly what they find without us. Nothing of ours runs after a handler and nothing is counted around it.
//!
//! Inside a critical section a signal is not handled: it is queued to this thread again and stays blocked, in the mask that
//! the interrupted code gets back, until [`leave_critical`] unblocks it. The kernel keeps it; nothing is stored here. Two
//! cannot be blocked, because usercopy needs them: SIGSEGV and SIGBUS sent by kill() wait in a slot of the thread.
//! Faults of the processor itself are never put off.
#![allow(unsafe_code)]

pub mod actions;
pub mod cancel;
pub mod sleep;
pub mod table;

use self::table::{bit, kernel_mask, Action, FAULTS, SIG_IGN};
use crate::shm::usercopy;
use core::arch::{asm, global_asm};
use core::marker::PhantomData;
use core::sync::atomic::{compiler_fence, Ordering::SeqCst};
use libc::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK};
use syscalls::{raw_syscall, Sysno};

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
    prepare = sym prepare,
    size = const size_of::<Thread>(),
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

/// What of siginfo_t the kernel fills at most: all of its 128 bytes.
type Info = [u64; 16];

/// One thread's state, all zero at its start. Handlers on the same thread are its only other user, so each access is a
/// volatile one and the order is the compiler's to keep.
#[repr(C, align(16))]
struct Thread {
    /// Nesting of critical sections.
    depth: u32,
    /// SIGSEGV and SIGBUS are known to be open in the kernel's mask, and `veiled` is valid.
    ready: u32,
    /// Signals put off by the critical section: blocked in the kernel, or (FAULTS) waiting in `held`.
    pending: u64,
    /// Of FAULTS: what the program believes to be blocked.
    veiled: u64,
    /// 0 none, 1 a handler without SA_RESTART has run, 2 one with it.
    interrupt: u32,
    /// glibc's signal for this thread's end came in a critical section and was put off.
    ending: u32,
    /// For SIGSEGV and SIGBUS: 0 empty, 1 `held` is full, 2 it is just being raised again.
    held_state: [u32; 2],
    held: [Info; 2],
}

/// Initial-exec access: no call into the dynamic linker, which may allocate and must not run in a handler.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn thread() -> *mut Thread {
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
fn thread() -> *mut Thread {
    use core::cell::UnsafeCell;
    thread_local!(static PLACE: UnsafeCell<Thread> = const { UnsafeCell::new(Thread { depth: 0, ready: 0, pending: 0,
        veiled: 0, interrupt: 0, ending: 0, held_state: [0; 2], held: [[0; 16]; 2] }) });
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

// ---- critical sections ----

/// Begins a section that no handler of the program may interrupt. Sections nest.
#[inline(always)]
pub fn enter_critical() {
    let thread = thread();
    // Not one atomic instruction, and it need not be: a handler that comes in between leaves the depth as it found it.
    set!(thread.depth = get!(thread.depth).wrapping_add(1));
    compiler_fence(SeqCst);
}

/// Ends it. Handlers that were put off run in here, and may leave by longjmp.
#[inline(always)]
pub fn leave_critical() {
    let thread = thread();
    compiler_fence(SeqCst);
    let depth = get!(thread.depth).wrapping_sub(1);
    set!(thread.depth = depth);
    // In this order: a signal either still sees the section (or the mark) and is put off, or is handled at once.
    compiler_fence(SeqCst);
    if get!(thread.pending) != 0 && depth == 0 {
        release(thread);
    }
}

/// A critical section as a value.
pub struct Critical(PhantomData<*mut ()>);

impl Critical {
    /// Enters a section; it ends when the value is dropped.
    #[inline(always)]
    pub fn enter() -> Self {
        enter_critical();
        Self(PhantomData)
    }
}

impl Drop for Critical {
    #[inline(always)]
    fn drop(&mut self) {
        leave_critical();
    }
}

/// Whether this thread is in a critical section.
pub fn in_critical() -> bool {
    let thread = thread();
    get!(thread.depth) != 0
}

/// While something is pending no handler runs, also when the depth is 0 already: `prepare` puts off what comes until here. So
/// no handler can leave by longjmp between the end of the section and this, and none finds `pending` set. All signals are
/// blocked while the mark is cleared; the last call opens the mask, and the kernel delivers everything at once.
#[cold]
#[inline(never)]
fn release(thread: *mut Thread) {
    let mask = kernel_mask(SIG_SETMASK, Some(!0)).unwrap_or(0);
    let pending = get!(thread.pending);
    raise_held(thread);
    set!(thread.pending = 0);
    let _ = kernel_mask(SIG_SETMASK, Some(mask & !(pending & !FAULTS)));
}

/// Raises the held SIGSEGV and SIGBUS again that neither the section nor the program's mask keeps back now.
fn raise_held(thread: *mut Thread) {
    for (index, sig) in [libc::SIGSEGV, libc::SIGBUS].into_iter().enumerate() {
        if get!(thread.held_state[index]) == 1 && get!(thread.veiled) & bit(sig) == 0 && get!(thread.depth) == 0 {
            set!(thread.held_state[index] = 2);
            let info = get!(thread.held[index]);
            requeue(sig, &info);
            set!(thread.held_state[index] = 0);
        }
    }
}

// ---- interruptions ----

/// A handler of the program ran on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// It was installed with SA_RESTART.
    pub restart: bool,
}

fn interrupt_of(word: u32) -> Option<Interrupt> {
    (word != 0).then_some(Interrupt { restart: word == 2 })
}

/// What has interrupted this thread since the last take or clear. If several handlers ran in one batch it is the one that the
/// kernel took first, which also decides about its own restart: its entry runs last.
#[inline]
pub fn take_interrupt() -> Option<Interrupt> {
    let thread = thread();
    let word = get!(thread.interrupt);
    set!(thread.interrupt = 0);
    interrupt_of(word)
}

/// As [`take_interrupt`], but leaves it there.
#[inline]
pub fn peek_interrupt() -> Option<Interrupt> {
    let thread = thread();
    interrupt_of(get!(thread.interrupt))
}

/// Forgets what happened so far.
#[inline]
pub fn clear_interrupt() {
    let thread = thread();
    set!(thread.interrupt = 0);
}

/// The time in which one call of the program may be interrupted. A handler may make calls of its own, which wait, take and clear;
/// this keeps them from eating the mark meant for the call that the handler interrupted.
pub struct InterruptScope(u32, PhantomData<*mut ()>);

impl InterruptScope {
    /// Begins a call: what interrupted an outer one is put aside until this one is over.
    #[inline]
    pub fn begin() -> Self {
        let thread = thread();
        let outer = get!(thread.interrupt);
        set!(thread.interrupt = 0);
        Self(outer, PhantomData)
    }
    /// The handler that ran in this call, if one did.
    #[inline]
    pub fn take(&self) -> Option<Interrupt> {
        take_interrupt()
    }
}

impl Drop for InterruptScope {
    #[inline]
    fn drop(&mut self) {
        let thread = thread();
        set!(thread.interrupt = self.0);
    }
}

// ---- what the kernel calls ----

/// Queues a signal to this thread as it came. To its own process a thread may send any si_code (kernel/signal.c,
/// do_rt_tgsigqueueinfo). The only failure is a full queue (RLIMIT_SIGPENDING, realtime signals only); then the signal goes
/// without its data, which never fails.
fn requeue(sig: i32, info: *const Info) {
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
fn program_counter(context: &mut libc::ucontext_t) -> &mut i64 {
    &mut context.uc_mcontext.gregs[libc::REG_RIP as usize]
}
#[cfg(target_arch = "aarch64")]
fn program_counter(context: &mut libc::ucontext_t) -> &mut u64 {
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
        // SAFETY: as above, and nothing else refers to the context.
        let pc = program_counter(unsafe { &mut *context });
        // SAFETY: si_addr is the word at offset 16.
        let address = unsafe { (*info)[2] } as usize;
        if let Some(landing) = usercopy::fixup(*pc as usize, address) {
            *pc = landing as _;
            return 0;
        }
    }

    if !synchronous {
        // abort() raises SIGABRT itself and does not expect to come back before the handler has run.
        // SAFETY: si_pid is the int at offset 16.
        let own_abort =
            sig == libc::SIGABRT && code == libc::SI_TKILL && unsafe { (*info)[2] } as i32 == table::getpid();
        if (get!(thread.depth) != 0 || get!(thread.pending) != 0) && !own_abort {
            if fault {
                hold(thread, sig, info);
                set!(thread.pending = get!(thread.pending) | bit(sig));
            } else {
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
    set!(thread.interrupt = 1 + action.restarts() as u32);
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

// ---- set-up and the program's mask ----

/// When the library is loaded.
pub fn init() {
    table::claim();
}

/// In the child after fork (not vfork).
pub fn after_fork_child() {
    table::claim_after_fork();
    let thread = thread();
    // Pending signals are not inherited.
    set!(thread.held_state = [0; 2]);
}

/// Puts our handler beneath SIGSEGV and SIGBUS; cheap when it is there already. Before the first usercopy. False if it cannot
/// be done here (a vfork child).
pub fn arm_faults() -> bool {
    table::is_armed() || {
        usercopy::init();
        table::arm()
    }
}

/// Once in each thread before its first usercopy: opens SIGSEGV and SIGBUS in the kernel's mask, because the kernel kills for a
/// fault whose signal is blocked. The program goes on seeing the mask that it set. One system call a thread, two if blocked.
#[inline(always)]
pub fn thread_ready() {
    let thread = thread();
    if get!(thread.ready) == 0 {
        make_ready(thread);
    }
}

#[cold]
#[inline(never)]
fn make_ready(thread: *mut Thread) {
    let blocked = kernel_mask(SIG_BLOCK, None).unwrap_or(0) & FAULTS;
    set!(thread.veiled = blocked);
    set!(thread.ready = 1);
    if blocked != 0 {
        let _ = kernel_mask(SIG_UNBLOCK, Some(blocked));
    }
}

/// The program's rt_sigprocmask on this thread.
pub fn change_mask(how: i32, set: Option<u64>) -> Result<u64, i32> {
    let thread = thread();
    if get!(thread.ready) == 0 {
        return kernel_mask(how, set);
    }
    let veiled = get!(thread.veiled);
    let old = match set {
        Some(set) => {
            // An unblocked fault is opened in the kernel as well: inside the program's own fault handler it is really blocked.
            let (now, kernel) = match how {
                SIG_BLOCK => (veiled | set & FAULTS, set & !FAULTS),
                SIG_UNBLOCK => (veiled & !set, set),
                SIG_SETMASK => (set & FAULTS, set & !FAULTS),
                _ => return Err(libc::EINVAL),
            };
            // Opening goes first: a held signal is raised when all is in place.
            set!(thread.veiled = now);
            let old = kernel_mask(how, Some(kernel))?;
            raise_held(thread);
            old
        }
        None => kernel_mask(how, None)?,
    };
    Ok(old | veiled)
}

/// Before execve: shows the kernel what the new program inherits (ignored and blocked SIGSEGV, SIGBUS).
pub fn before_exec() -> ExecToken {
    let thread = thread();
    let veiled = if get!(thread.ready) != 0 { get!(thread.veiled) } else { 0 };
    if veiled != 0 {
        let _ = kernel_mask(SIG_BLOCK, Some(veiled));
    }
    ExecToken { veiled, ignored: if table::is_armed() { table::expose_ignored() } else { 0 } }
}

/// What [`before_exec`] changed.
pub struct ExecToken {
    veiled: u64,
    ignored: u64,
}

/// execve returned: puts everything back.
pub fn exec_failed(token: ExecToken) {
    table::cover_ignored(token.ignored);
    if token.veiled != 0 {
        let _ = kernel_mask(SIG_UNBLOCK, Some(token.veiled));
    }
}

/// Enters a critical section until the guard is dropped.
#[inline]
pub fn critical() -> Critical {
    Critical::enter()
}

/// A lock's guard inside a critical section: a handler that calls back in never finds the lock held by its own thread.
pub struct Held<G> {
    // The order matters: the lock goes first, then the program's handlers may run.
    guard: G,
    _critical: Critical,
}

impl<G> Held<G> {
    /// Enters the section, then takes the lock.
    pub fn new(take: impl FnOnce() -> G) -> Held<G> {
        let critical = critical();
        Held { guard: take(), _critical: critical }
    }
}

impl<G: core::ops::Deref> core::ops::Deref for Held<G> {
    type Target = G::Target;
    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: core::ops::DerefMut> core::ops::DerefMut for Held<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}
