//! What happens to descriptors as such: duplicated, replaced, inherited, sent away, counted at fork.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};

use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::owner;
use crate::process;
use crate::shm::views::UserPtr;
use crate::shm::SlotFlags;
use crate::socket::{self, Sock};

pub use crate::offspring::{after_fork, arrived, before_fork, fetched, inherit, leave, sent};

// Numbers that the libc crate does not have (asm/sockios.h, fcntl.h).
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;
const FIOGETOWN: u64 = 0x8903;
const SIOCGPGRP: u64 = 0x8904;

/// The soft RLIMIT_NOFILE, -1 when it has to be asked for again.
static OPEN_LIMIT: AtomicI32 = AtomicI32::new(-1);

/// The soft RLIMIT_NOFILE, as far as the program changed it by itself: more entries than that are too many for poll(2).
pub fn open_limit() -> usize {
    let known = OPEN_LIMIT.load(Relaxed);
    if known >= 0 {
        return known as usize;
    }
    let limit = kernel::open_limit();
    OPEN_LIMIT.store(limit, Relaxed);
    limit as usize
}

/// The program is about to have this hard limit on its descriptors.
pub fn limit_changes(hard: u64) {
    crate::readiness::epoll::reserve(hard);
}

/// The program may have changed its limits.
pub fn limit_changed() {
    OPEN_LIMIT.store(-1, Relaxed);
}

static ANY: AtomicBool = AtomicBool::new(false);

/// Did this process ever hold a socket of ours? Before that, descriptors in messages are nobody's business.
pub fn any() -> bool {
    ANY.load(Relaxed) || crate::network::opened().is_some()
}

/// A descriptor that is not a socket of ours is about to be closed. True: it is a descriptor of the library's own, which
/// the program does not have.
pub fn closing(fd: i32) -> bool {
    crate::readiness::closing(fd)
}

/// Is the number one of the library's own?
pub fn reserved(fd: i32) -> bool {
    crate::readiness::is_internal(fd)
}

/// Moves a descriptor of the library's own out of the way of the program.
pub fn make_way(fd: i32) -> Result<()> {
    crate::readiness::make_way(fd)
}

/// dup2(2) and dup3(2) once the way is free.
pub fn redo_dup(old: i32, new: i32, flags: i32) -> Result<i32> {
    let made = kernel::dup3(old, new, flags)?;
    copied(old, made);
    Ok(made)
}

/// The kernel made `new` a duplicate of `old`.
pub fn copied(old: i32, new: i32) {
    match fdtable::get(old) {
        Some(s) => socket::duplicated(&s, new),
        None => crate::readiness::copied(old, new),
    }
}

/// dup2(2) and dup3(2): `act` has the kernel replace `new` by `old`.
pub fn replacing(old: i32, new: i32, act: impl FnOnce() -> i32) -> i32 {
    if fdtable::is_empty() {
        let answered = act();
        if answered >= 0 {
            crate::readiness::copied(old, new);
        }
        return answered;
    }
    let displaced = fdtable::get(new);
    // What is replaced may be the last of its socket, whose end the peer is told of while its bell still works: so it
    // is kept under another number until then.
    let kept = displaced.filter(|d| old != new && d.number + 1 != 0).and_then(|d| {
        (!process::borrowed()).then_some(())?;
        crate::sleepers::keep(&d);
        let kept = kernel::fcntl(d.fd, libc::F_DUPFD_CLOEXEC, 512).ok()?;
        Some((d, kept))
    });
    let answered = act();
    if answered >= 0 && old != new {
        if process::borrowed() {
            if displaced.is_some() {
                fdtable::doubt(new, None);
            }
        } else {
            if displaced.is_some() {
                crate::readiness::forget(new, displaced.map_or(0, |d| d.number));
                fdtable::clear(new);
            } else {
                crate::readiness::closed(new);
            }
        }
        copied(old, new);
        if let Some((d, kept)) = kept {
            socket::drop_reference(&Sock { fd: kept, ..d });
        }
    }
    if let Some((_, kept)) = kept {
        let _ = kernel::close(kept);
    }
    answered
}

/// `act` has the C library close a descriptor of ours, or put a file in its place, from within.
pub fn closed_within<T>(fd: i32, act: impl FnOnce() -> T) -> T {
    let Some(s) = fdtable::get(fd) else { return act() };
    if process::borrowed() {
        fdtable::doubt(fd, Some(s.number));
        return act();
    }
    crate::sleepers::keep(&s);
    // The peer is told of the end while its bell still works.
    let kept = kernel::make_own(|| kernel::fcntl(fd, libc::F_DUPFD_CLOEXEC, 512)).unwrap_or(fd);
    let answered = act();
    crate::readiness::forget(fd, s.number);
    if fdtable::take(fd, s.number) {
        socket::drop_reference(&Sock { fd: kept, ..s });
    }
    if kept != fd {
        let _ = kernel::close(kept);
    }
    answered
}

/// fcntl(2) succeeded on a descriptor.
pub fn after_fcntl(fd: i32, command: i32, argument: usize, answered: i32) {
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => copied(fd, answered),
        libc::F_SETFL => {
            if let Some(s) = fdtable::get(fd) {
                set_flag(&s, SlotFlags::NONBLOCK, argument as i32 & libc::O_NONBLOCK != 0);
                owner::set_async(&s, argument as i32 & libc::O_ASYNC != 0);
            }
        }
        libc::F_SETOWN => {
            if let Some(s) = fdtable::get(fd) {
                owner::set(&s, argument as i32);
            }
        }
        F_SETSIG => {
            if let Some(s) = fdtable::get(fd) {
                s.slot.owner_signal.store(argument as u32, Release);
            }
        }
        F_SETOWN_EX => {
            if let Some(s) = fdtable::get(fd) {
                owner::set_exactly(&s, UserPtr(argument));
            }
        }
        _ => {}
    }
}

fn set_flag(s: &Sock, flag: u32, on: bool) {
    if on {
        s.slot.set(flag);
    } else {
        s.slot.clear(flag);
    }
}

/// ioctl(2) on a socket of ours.
pub fn ioctl(s: &Sock, request: u64, argument: UserPtr) -> Result<i32> {
    match request {
        libc::FIONBIO => {
            let on = argument.read_u32()? != 0;
            #[allow(unsafe_code)]
            // SAFETY: the kernel checks the pointer.
            let done = unsafe { kernel::ioctl(s.fd, request, argument.0 as *mut _) }?;
            set_flag(s, SlotFlags::NONBLOCK, on);
            Ok(done)
        }
        libc::FIOCLEX | libc::FIONCLEX | libc::FIOASYNC | FIOSETOWN | SIOCSPGRP | FIOGETOWN | SIOCGPGRP => {
            #[allow(unsafe_code)]
            // SAFETY: the kernel checks the pointer.
            let done = unsafe { kernel::ioctl(s.fd, request, argument.0 as *mut _) }?;
            match request {
                libc::FIOASYNC => owner::set_async(s, argument.read_u32()? != 0),
                FIOSETOWN | SIOCSPGRP => owner::set(s, argument.read_u32()? as i32),
                _ => {}
            }
            Ok(done)
        }
        _ => match s.ops().ioctl(s, request, argument) {
            Err(Errno::ENOTTY) => interface_ioctl(s, request, argument),
            other => other,
        },
    }
}

/// Requests about interfaces and routes are the machine's: a kernel socket of the same family is asked.
fn interface_ioctl(s: &Sock, request: u64, argument: UserPtr) -> Result<i32> {
    if !(0x8900..0x8a00).contains(&request) {
        // What any file answers (FIGETBSZ) the anchor does, too.
        #[allow(unsafe_code)]
        // SAFETY: the kernel checks the pointer.
        return unsafe { kernel::ioctl(s.fd, request, argument.0 as *mut _) };
    }
    let helper = kernel::socket(s.family(), libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)?;
    #[allow(unsafe_code)]
    // SAFETY: the kernel checks the pointer.
    let done = unsafe { kernel::ioctl(helper, request, argument.0 as *mut _) };
    let _ = kernel::close(helper);
    done
}
