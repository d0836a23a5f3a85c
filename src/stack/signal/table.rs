//! What the program asked for with sigaction, kept beside what the kernel has.
//!
//! The kernel is the authority: an action is ours only while the kernel's handler is one of our two entries. SIG_DFL and
//! SIG_IGN go to the kernel unchanged and need no row, so a vfork child that resets signals before exec changes its own
//! kernel table and nothing here. A handler is stored in the row's idle slot first; the one kernel call that installs the
//! entry belonging to that slot then switches handler, mask and flags together, and gives back exactly the action replaced.
//!
//! Writers hold LOCK with all signals blocked, so no handler can interrupt a writer on its own thread. Readers (handlers,
//! queries) take no lock. A process that is not OWNER (a vfork child, a raw fork) never writes here: its handlers are
//! installed in the kernel directly.
#![allow(unsafe_code)]

use core::sync::atomic::{fence, AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use syscalls::{raw_syscall, Sysno};

/// Signals are numbered from 1 to this.
pub const SIGNALS: i32 = 64;
/// glibc's own: SIGCANCEL (32) and SIGSETXID (33).
pub const LIBC_SIGNALS: u64 = bit(32) | bit(33);
/// The signals that usercopy lives by.
pub const FAULTS: u64 = bit(libc::SIGSEGV) | bit(libc::SIGBUS);
/// The kernel's flag for a restorer, which libc does not show.
pub const SA_RESTORER: u64 = 0x0400_0000;
/// The default action.
pub const SIG_DFL: usize = 0;
/// Ignored.
pub const SIG_IGN: usize = 1;
const SA_EXPOSE_TAGBITS: u64 = 0x800;
const NODEFER: u64 = libc::SA_NODEFER as u32 as u64;
const RESETHAND: u64 = libc::SA_RESETHAND as u32 as u64;
/// What an entry needs itself, whatever the program asked for.
const OWN: u64 = libc::SA_SIGINFO as u64 | SA_RESTORER;
/// Flags that mean the same for the entry as for the program's handler. SA_NODEFER and SA_RESETHAND are not among them: the
/// entry does their work, because a deferred signal must stay blocked and must keep its handler.
const PASSED: u64 =
    (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT | libc::SA_ONSTACK | libc::SA_RESTART) as u32 as u64 | SA_EXPOSE_TAGBITS;
/// The kernel forgets all other flags (UAPI_SA_FLAGS, kernel/signal.c).
const KNOWN: u64 = PASSED | OWN | NODEFER | RESETHAND;

/// Bit of a signal in the kernel's 64-bit sets; 0 if there is no such signal.
pub const fn bit(sig: i32) -> u64 {
    if sig >= 1 && sig <= SIGNALS {
        1 << (sig - 1)
    } else {
        0
    }
}

/// The kernel's `struct sigaction` (x86_64, aarch64), which is also what SYS_rt_sigaction takes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The handler's address, or [`SIG_DFL`] or [`SIG_IGN`].
    pub handler: usize,
    /// SA_ flags.
    pub flags: u64,
    /// Where a handler returns to.
    pub restorer: usize,
    /// Signals that are blocked while the handler runs.
    pub mask: u64,
}

impl Action {
    /// What a process starts with.
    pub const DEFAULT: Self = Self { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 };

    /// Is there a handler?
    pub fn is_function(&self) -> bool {
        self.handler > SIG_IGN
    }
    /// SA_RESETHAND.
    pub fn resets(&self) -> bool {
        self.flags & RESETHAND != 0
    }
    /// SA_RESTART.
    pub fn restarts(&self) -> bool {
        self.flags & libc::SA_RESTART as u64 != 0
    }
    /// SA_NODEFER, unless the mask blocks the signal all the same.
    pub fn leaves_open(&self, sig: i32) -> bool {
        self.flags & NODEFER != 0 && self.mask & bit(sig) == 0
    }
}

struct Slot {
    /// Odd while being written.
    seq: AtomicU32,
    /// SA_RESETHAND has fired: the action reads as SIG_DFL from then on.
    spent: AtomicBool,
    handler: AtomicUsize,
    flags: AtomicU64,
    restorer: AtomicUsize,
    mask: AtomicU64,
}

impl Slot {
    #[allow(clippy::declare_interior_mutable_const)] // a pattern to fill the table with
    const EMPTY: Self = Self {
        seq: AtomicU32::new(0),
        spent: AtomicBool::new(false),
        handler: AtomicUsize::new(SIG_DFL),
        flags: AtomicU64::new(0),
        restorer: AtomicUsize::new(0),
        mask: AtomicU64::new(0),
    };

    /// A writer can be in the way only on another thread and only if two actions were installed since the caller learnt
    /// which slot to read; it is then a few stores from its end.
    fn read(&self) -> Action {
        loop {
            let seq = self.seq.load(Acquire);
            let mut action = Action {
                handler: self.handler.load(Relaxed),
                flags: self.flags.load(Relaxed),
                restorer: self.restorer.load(Relaxed),
                mask: self.mask.load(Relaxed),
            };
            if self.spent.load(Relaxed) {
                action.handler = SIG_DFL;
            }
            fence(Acquire);
            if seq & 1 == 0 && seq == self.seq.load(Relaxed) {
                return action;
            }
            core::hint::spin_loop();
        }
    }

    fn write(&self, action: &Action) {
        let seq = self.seq.load(Relaxed);
        self.seq.store(seq.wrapping_add(1), Relaxed);
        fence(Release);
        self.spent.store(false, Relaxed);
        self.handler.store(action.handler, Relaxed);
        self.flags.store(action.flags & KNOWN, Relaxed);
        self.restorer.store(action.restorer, Relaxed);
        self.mask.store(action.mask & !(bit(libc::SIGKILL) | bit(libc::SIGSTOP)), Relaxed);
        self.seq.store(seq.wrapping_add(2), Release);
    }
}

struct Row {
    slots: [Slot; 2],
    active: AtomicUsize,
}

static TABLE: [Row; SIGNALS as usize + 1] =
    [const { Row { slots: [Slot::EMPTY; 2], active: AtomicUsize::new(0) } }; SIGNALS as usize + 1];
static LOCK: AtomicU32 = AtomicU32::new(0);
/// The process that TABLE describes; 0 until somebody asks.
static OWNER: AtomicI32 = AtomicI32::new(0);
static ARMED: AtomicBool = AtomicBool::new(false);

// ---- the kernel's calls ----

/// getpid(2), raw.
pub fn getpid() -> i32 {
    // SAFETY: getpid has no arguments and no effects. Not libc's, which some versions answered from a cache.
    (unsafe { raw_syscall!(Sysno::getpid) }) as i32
}

fn checked(result: usize) -> Result<usize, i32> {
    let value = result as isize;
    if (-4095..0).contains(&value) {
        Err(-value as i32)
    } else {
        Ok(result)
    }
}

/// rt_sigaction, word for word.
pub fn kernel_action(sig: i32, new: Option<&Action>) -> Result<Action, i32> {
    let mut old = Action::DEFAULT;
    let new = new.map_or(core::ptr::null(), |action| action as *const Action);
    // SAFETY: both pointers are null or to an Action, which has the kernel's layout; 8 is the size of its set.
    checked(unsafe { raw_syscall!(Sysno::rt_sigaction, sig as usize, new, &raw mut old, 8) }).map(|_| old)
}

/// rt_sigprocmask, word for word. `how` matters only with a set.
pub fn kernel_mask(how: i32, set: Option<u64>) -> Result<u64, i32> {
    let mut old = 0u64;
    let new = set.as_ref().map_or(core::ptr::null(), |set| set as *const u64);
    // SAFETY: both pointers are null or to a 64-bit set, and 8 is its size.
    checked(unsafe { raw_syscall!(Sysno::rt_sigprocmask, how as usize, new, &raw mut old, 8) }).map(|_| old)
}

extern "C" {
    fn sockhop_sig_entry_a();
    fn sockhop_sig_entry_b();
    fn sockhop_sig_entry_cancel();
    #[cfg(target_arch = "x86_64")]
    fn sockhop_sig_restorer();
}

/// Where handlers return to; 0 where the kernel supplies it (vdso).
pub fn restorer() -> usize {
    #[cfg(target_arch = "x86_64")]
    return sockhop_sig_restorer as *const () as usize;
    #[cfg(not(target_arch = "x86_64"))]
    return 0;
}

fn entry(which: usize) -> usize {
    (if which == 0 { sockhop_sig_entry_a as *const () } else { sockhop_sig_entry_b as *const () }) as usize
}

/// Is this where the kernel starts one of the entries?
pub fn is_entry(at: usize) -> bool {
    at == sockhop_sig_entry_a as *const () as usize || at == sockhop_sig_entry_b as *const () as usize
}

/// The entry that stands before glibc's own handler.
pub fn entry_cancel() -> usize {
    sockhop_sig_entry_cancel as *const () as usize
}

fn slot_of(handler: usize) -> Option<usize> {
    (0..2).find(|&which| entry(which) == handler)
}

fn slot(sig: i32, which: usize) -> &'static Slot {
    &TABLE[(sig & 63) as usize + (sig == SIGNALS) as usize * SIGNALS as usize].slots[which & 1]
}

fn row(sig: i32) -> &'static Row {
    &TABLE[(sig & 63) as usize + (sig == SIGNALS) as usize * SIGNALS as usize]
}

/// What the kernel gets so that `action` of the program comes true.
fn installed(sig: i32, action: &Action, which: usize) -> Action {
    let fault = bit(sig) & FAULTS != 0;
    let (mut flags, mut mask) = (action.flags & PASSED, action.mask);
    if !action.is_function() {
        // Our entry alone: on the alternate stack, as the default action needs no stack either; not noticed by calls.
        (flags, mask) = ((libc::SA_ONSTACK | libc::SA_RESTART) as u64, 0);
    } else if !fault && ARMED.load(Relaxed) {
        // A handler may call us with a bad pointer; a fault of a blocked signal would kill.
        mask &= !FAULTS;
    }
    Action { handler: entry(which), flags: flags | OWN, restorer: restorer(), mask }
}

// ---- writers ----

struct Writer(u64);

impl Writer {
    fn lock() -> Self {
        let saved = kernel_mask(libc::SIG_SETMASK, Some(!0)).unwrap_or(0);
        let mut spins = 0u32;
        while LOCK.compare_exchange_weak(0, 1, Acquire, Relaxed).is_err() {
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(64) {
                // SAFETY: sched_yield has no arguments and touches no memory.
                unsafe { raw_syscall!(Sysno::sched_yield) };
            }
            core::hint::spin_loop();
        }
        Self(saved)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        LOCK.store(0, Release);
        let _ = kernel_mask(libc::SIG_SETMASK, Some(self.0));
    }
}

fn is_owner() -> bool {
    let pid = getpid();
    OWNER.compare_exchange(0, pid, Relaxed, Relaxed).map_or_else(|owner| owner == pid, |_| true)
}

/// To be called when the library is loaded: the table is this process's.
pub fn claim() {
    OWNER.store(getpid(), Relaxed);
}

/// In the child after a real fork (not vfork): the table is a copy, and nobody else is here to hold the lock.
pub fn claim_after_fork() {
    LOCK.store(0, Relaxed);
    claim();
}

/// Are faults in copies caught already?
pub fn is_armed() -> bool {
    ARMED.load(Relaxed)
}

/// Translates what the kernel has into what the program asked for.
fn seen(sig: i32, kernel: Action) -> Action {
    slot_of(kernel.handler).map_or(kernel, |which| slot(sig, which).read())
}

/// The program's sigaction: reads the action and replaces it, if there is a new one.
pub fn swap(sig: i32, new: Option<&Action>) -> Result<Action, i32> {
    let fault = bit(sig) & FAULTS != 0;
    let direct = bit(sig) & !LIBC_SIGNALS == 0;
    match new {
        Some(new) if !direct && (fault || new.is_function()) && is_owner() => {
            let _writer = Writer::lock();
            if !new.is_function() && !ARMED.load(Relaxed) {
                return kernel_action(sig, Some(new)).map(|old| seen(sig, old));
            }
            install(sig, new)
        }
        _ => kernel_action(sig, new).map(|old| seen(sig, old)),
    }
}

/// With LOCK held.
fn install(sig: i32, new: &Action) -> Result<Action, i32> {
    let row = row(sig);
    let which = row.active.load(Relaxed) ^ 1;
    row.slots[which].write(new);
    let old = kernel_action(sig, Some(&installed(sig, new, which)))?;
    row.active.store(which, Relaxed);
    Ok(seen(sig, old))
}

/// Puts our entry beneath SIGSEGV and SIGBUS. False in a vfork child, whose faults stay its own.
pub fn arm() -> bool {
    if ARMED.load(Acquire) {
        return true;
    }
    if !is_owner() {
        return false;
    }
    let _writer = Writer::lock();
    if ARMED.load(Relaxed) {
        return true;
    }
    for sig in [libc::SIGSEGV, libc::SIGBUS] {
        match kernel_action(sig, None) {
            Ok(now) if slot_of(now.handler).is_none() => {
                // Whatever is there was installed before us or past us: it is the program's action.
                if install(sig, &now).is_err() {
                    return false;
                }
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    ARMED.store(true, Release);
    // Handlers that are installed already get a mask without the two.
    for sig in 1..=SIGNALS {
        let active = row(sig).active.load(Relaxed);
        let action = slot(sig, active).read();
        if action.is_function() && action.mask & FAULTS != 0 && bit(sig) & FAULTS == 0 {
            exchange(sig, &installed(sig, &action, active), active);
        }
    }
    true
}

/// Sets the kernel's action if the kernel still has entry `which`; what somebody else installed meanwhile is put back.
fn exchange(sig: i32, new: &Action, which: usize) {
    if !kernel_action(sig, None).is_ok_and(|now| now.handler == entry(which)) {
        return;
    }
    if let Ok(old) = kernel_action(sig, Some(new)) {
        if old.handler != entry(which) {
            let _ = kernel_action(sig, Some(&old));
        }
    }
}

// ---- for the entries ----

/// The action that entry `which` stands for.
pub fn action(sig: i32, which: usize) -> Action {
    slot(sig, which).read()
}

/// Takes the one shot of an SA_RESETHAND action. The result is SIG_DFL if another thread had it first.
pub fn take_once(sig: i32, which: usize, action: Action) -> Action {
    // The kernel leaves flags and mask as they are.
    let reset = Action { handler: SIG_DFL, ..action };
    if !is_owner() {
        exchange(sig, &reset, which);
        return action;
    }
    let _writer = Writer::lock();
    let slot = slot(sig, which);
    let now = slot.read();
    if now.is_function() && now.resets() {
        let keep = bit(sig) & FAULTS != 0 && ARMED.load(Relaxed);
        let reset = Action { handler: SIG_DFL, ..now };
        exchange(sig, &if keep { installed(sig, &reset, which) } else { reset }, which);
        slot.spent.store(true, Relaxed);
    }
    now
}

/// Before execve: an ignored SIGSEGV or SIGBUS must reach the new program as ignored. Returns what was changed.
pub fn expose_ignored() -> u64 {
    let mut changed = 0;
    for sig in [libc::SIGSEGV, libc::SIGBUS] {
        if let Ok(now) = kernel_action(sig, None) {
            if slot_of(now.handler).is_some_and(|which| action(sig, which).handler == SIG_IGN) {
                let _ = kernel_action(sig, Some(&Action { handler: SIG_IGN, ..Action::DEFAULT }));
                changed |= bit(sig);
            }
        }
    }
    changed
}

/// After an execve that failed.
pub fn cover_ignored(changed: u64) {
    for sig in [libc::SIGSEGV, libc::SIGBUS].into_iter().filter(|&sig| changed & bit(sig) != 0) {
        let active = row(sig).active.load(Relaxed);
        let _ = kernel_action(sig, Some(&installed(sig, &action(sig, active), active)));
    }
}
