//! System calls that sleep, made inside a critical section.
//!
//! A handler of the program must end such a sleep, yet run only when nothing of ours is held any more, because it may leave by
//! longjmp. So the signal is put off as in every critical section, and ends the call with EINTR on its way. That
//! leaves the moment between the last look at what is put off and the system call itself: a signal that comes there would be
//! slept through. The call is therefore one piece of assembly whose addresses are known: what puts a signal off moves a
//! thread that it finds before the system call past it. The same holds where the kernel would start the call again by
//! itself (SA_RESTART, ERESTARTSYS): it goes back to before the system call.

use super::thread::{thread, Thread};
use crate::abi::{Errno, Result};
use crate::kernel::timespec;
use core::arch::global_asm;
use core::sync::atomic::AtomicU32;
use syscalls::Sysno;

#[cfg(target_arch = "x86_64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_sleep,"ax",@progbits
    .p2align 4
    .globl sockhop_sleep, sockhop_sleep_begin, sockhop_sleep_end, sockhop_sleep_cut
    .hidden sockhop_sleep, sockhop_sleep_begin, sockhop_sleep_end, sockhop_sleep_cut
    .type sockhop_sleep,@function
    // rdi: the word of what is put off; rsi: the call's number and its six arguments.
sockhop_sleep:
    .cfi_startproc
    mov     r11, rdi
    mov     rax, [rsi]
    mov     rdi, [rsi + 8]
    mov     rdx, [rsi + 24]
    mov     r10, [rsi + 32]
    mov     r8, [rsi + 40]
    mov     r9, [rsi + 48]
    mov     rsi, [rsi + 16]
sockhop_sleep_begin:
    cmp     qword ptr [r11], 0
    jne     sockhop_sleep_cut
    syscall
sockhop_sleep_end:
    ret
sockhop_sleep_cut:
    mov     rax, -4
    ret
    .cfi_endproc
    .popsection
"#
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_sleep,"ax",@progbits
    .p2align 4
    .globl sockhop_sleep, sockhop_sleep_begin, sockhop_sleep_end, sockhop_sleep_cut
    .hidden sockhop_sleep, sockhop_sleep_begin, sockhop_sleep_end, sockhop_sleep_cut
sockhop_sleep:
    .cfi_startproc
    mov     x9, x0
    mov     x10, x1
    ldr     x8, [x10]
    ldp     x0, x1, [x10, #8]
    ldp     x2, x3, [x10, #24]
    ldp     x4, x5, [x10, #40]
sockhop_sleep_begin:
    ldr     x11, [x9]
    cbnz    x11, sockhop_sleep_cut
    svc     #0
sockhop_sleep_end:
    ret
sockhop_sleep_cut:
    mov     x0, #-4
    ret
    .cfi_endproc
    .popsection
"#
);

extern "C-unwind" {
    // A thread that can be cut anywhere is unwound from within.
    fn sockhop_sleep(put_off: *const u64, call: *const [usize; 7]) -> isize;
}
extern "C" {
    fn sockhop_sleep_begin();
    fn sockhop_sleep_end();
    fn sockhop_sleep_cut();
}

/// For what puts a signal off: a thread that is about to sleep does not.
pub(super) fn cut_short<T: Copy + TryInto<usize> + TryFrom<usize>>(pc: &mut T) {
    let at: usize = (*pc).try_into().unwrap_or(0);
    if (sockhop_sleep_begin as *const () as usize..sockhop_sleep_end as *const () as usize).contains(&at) {
        if let Ok(cut) = T::try_from(sockhop_sleep_cut as *const () as usize) {
            *pc = cut;
        }
    }
}

/// One system call that may sleep. EINTR when a signal was put off, before it or in it.
///
/// # Safety
/// As for [`crate::kernel::call`].
unsafe fn call(number: Sysno, [a, b, c, d, e, f]: [usize; 6]) -> Result<usize> {
    debug_assert!(super::in_critical());
    let thread: *mut Thread = thread();
    // SAFETY: this thread's own block; the arguments are the caller's promise.
    let answered = unsafe { sockhop_sleep(&raw const (*thread).pending, &[number as usize, a, b, c, d, e, f]) };
    if (-4095..0).contains(&answered) {
        Err(Errno::from_raw(-answered as i32))
    } else {
        Ok(answered as usize)
    }
}

/// ppoll(2). `timeout_ns` is relative; none waits for ever. `mask` is the kernel's 8-byte signal set.
pub fn ppoll(fds: &mut [libc::pollfd], timeout_ns: Option<u64>, mask: Option<&u64>) -> Result<usize> {
    let mut time = timeout_ns.map(timespec);
    let time = time.as_mut().map_or(core::ptr::null_mut(), |t| t as *mut libc::timespec);
    let mask = mask.map_or(core::ptr::null(), |m| m as *const u64);
    // SAFETY: all three are valid or null.
    match unsafe { call(Sysno::ppoll, [fds.as_mut_ptr() as usize, fds.len(), time as usize, mask as usize, 8, 0]) } {
        // More entries than the program left itself descriptors (RLIMIT_NOFILE), which select does not look at.
        Err(Errno::EINVAL) => pselect(fds, time, mask),
        other => other,
    }
}

/// pselect(2) in the place of ppoll(2): sleeps for the same events, then asks for each by itself.
fn pselect(fds: &mut [libc::pollfd], time: *mut libc::timespec, mask: *const u64) -> Result<usize> {
    const IN: i16 = libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP;
    let limit = fds.iter().map(|p| p.fd + 1).max().unwrap_or(0).max(0) as usize;
    let words = limit.div_ceil(64);
    let mut sets = vec![0u64; 3 * words];
    for p in fds.iter().filter(|p| p.fd >= 0) {
        // A hang-up counts as something to read, an error as room.
        let asked = [p.events & IN != 0 || p.events == 0, p.events & libc::POLLOUT != 0, p.events & libc::POLLPRI != 0];
        for (set, _) in asked.iter().enumerate().filter(|(_, asked)| **asked) {
            sets[set * words + p.fd as usize / 64] |= 1 << (p.fd % 64);
        }
    }
    let base = sets.as_mut_ptr() as usize;
    let at = |set: usize| base + set * words * size_of::<u64>();
    let signals = [mask as usize, 8];
    let args = [limit, at(0), at(1), at(2), time as usize, signals.as_ptr() as usize];
    // SAFETY: the sets are as long as `limit` says; time and mask are valid or null.
    unsafe { call(Sysno::pselect6, args) }?;
    let mut count = 0;
    for p in fds {
        if crate::kernel::ppoll(core::slice::from_mut(p), Some(0), None).is_err() {
            let told = |set: usize| p.fd >= 0 && sets[set * words + p.fd as usize / 64] >> (p.fd % 64) & 1 == 1;
            p.revents = [libc::POLLIN, libc::POLLOUT, libc::POLLPRI]
                .into_iter()
                .zip(0..)
                .filter(|(_, set)| told(*set))
                .map(|(event, _)| event)
                .sum();
        }
        count += usize::from(p.revents != 0);
    }
    Ok(count)
}

/// epoll_pwait2(2), timeout and mask as for [`ppoll`]. Unlike it, it ends with EINTR also when the process was stopped and goes
/// on (signal(7)).
pub fn epoll(fd: i32, into: &mut [libc::epoll_event], timeout_ns: Option<u64>, mask: Option<&u64>) -> Result<usize> {
    let time = timeout_ns.map(timespec);
    let time = time.as_ref().map_or(core::ptr::null(), |t| t as *const libc::timespec);
    let mask = mask.map_or(core::ptr::null(), |m| m as *const u64);
    let args = [fd as usize, into.as_mut_ptr() as usize, into.len(), time as usize, mask as usize, 8];
    // SAFETY: `into` is writable for as many events as it says, the others are valid or null.
    unsafe { call(Sysno::epoll_pwait2, args) }
}

/// futex(2): sleeps while `word` holds `expected`, in memory that several processes share.
pub fn futex(word: &AtomicU32, expected: u32, timeout_ns: Option<u64>) -> Result<()> {
    let time = timeout_ns.map(timespec);
    let time = time.as_ref().map_or(core::ptr::null(), |t| t as *const libc::timespec);
    let args = [word.as_ptr() as usize, libc::FUTEX_WAIT as usize, expected as usize, time as usize, 0, 0];
    // SAFETY: the word lives while the reference does.
    unsafe { call(Sysno::futex, args) }.map(drop)
}

/// recvfrom(2) of one byte that stays where it is, for as long as the socket's timeout says.
pub fn peek(fd: i32) -> Result<usize> {
    let mut byte = [0u8; 1];
    let args = [fd as usize, byte.as_mut_ptr() as usize, 1, libc::MSG_PEEK as usize, 0, 0];
    // SAFETY: the buffer is writable.
    unsafe { call(Sysno::recvfrom, args) }
}

/// accept4(2): the new descriptor and the encoded address of the peer.
pub fn accept4(fd: i32, flags: i32) -> Result<(i32, [u8; 128], usize)> {
    let mut address = [0u8; 128];
    let mut length: u32 = 128;
    let args = [fd as usize, address.as_mut_ptr() as usize, &raw mut length as usize, flags as usize, 0, 0];
    // SAFETY: buffer and length are writable and agree.
    let new = unsafe { call(Sysno::accept4, args) }?;
    Ok((new as i32, address, (length as usize).min(128)))
}

/// connect(2) to an encoded address.
pub fn connect(fd: i32, address: &[u8]) -> Result<()> {
    // SAFETY: the slice is readable.
    unsafe { call(Sysno::connect, [fd as usize, address.as_ptr() as usize, address.len(), 0, 0, 0]) }.map(drop)
}
