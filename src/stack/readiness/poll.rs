//! poll(2) and ppoll(2).

use core::sync::atomic::{fence, AtomicU32, Ordering::*};

use super::{epoll, First, Poke, Until, FEW};
use crate::abi::{Errno, Result};
use crate::ears::Listening;
use crate::fdtable;
use crate::kernel;
use crate::shm::SlotFlags;
use crate::signal;
use crate::socket::Sock;
use crate::wait::{self, Deadline};

const ALWAYS: u32 = (libc::POLLERR | libc::POLLHUP) as u32;
/// A bell that may be taken by another sleeper of the same socket, with no ear to hear of it: look again after this long.
const SHARED_LOOK_NS: u64 = 10_000_000;

/// What stands behind one entry.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Ours(Sock),
    /// An epoll descriptor that watches sockets of ours.
    Set,
    Kernel,
}

#[inline]
pub(super) fn kind(fd: i32) -> Kind {
    match fdtable::get(fd) {
        Some(s) => Kind::Ours(s),
        None if epoll::is_mixed(fd) => Kind::Set,
        None => Kind::Kernel,
    }
}

/// Looks over a set that is asked for the first time, and fills in `revents` where that is all there is to do.
#[inline]
pub fn first_look(fds: &mut [libc::pollfd]) -> First {
    let (mut count, mut ours, mut others, mut last) = (0, false, false, 0);
    for p in fds {
        p.revents = 0;
        match kind(p.fd) {
            Kind::Ours(s) => {
                (ours, last) = (true, p.fd);
                // Whoever asks for an end is told at once of one that only the kernel knows.
                others |= p.events & libc::POLLRDHUP != 0;
                p.revents = found(&s, p.events);
                count += (p.revents != 0) as usize;
            }
            Kind::Set => (ours, others) = (true, true),
            Kind::Kernel => others |= p.fd >= 0,
        }
        if ours && others {
            break;
        }
    }
    answered(ours, others, count, last)
}

/// What to do after a first look that met sockets of `ours`, of which `last` is one, and `others`.
#[inline]
pub(super) fn answered(ours: bool, others: bool, count: usize, last: i32) -> First {
    match (ours, others) {
        (false, _) => First::Native,
        (true, false) if count > 0 && asked(last).load(Relaxed) == now_ms() => First::Found(count),
        _ => First::More,
    }
}

/// Waits for the events of `fds` until the deadline. Fills in `revents`; gives how many are not 0. `mask` is the
/// kernel's signal set for the time of the wait.
pub fn poll(fds: &mut [libc::pollfd], until: &Until, mask: Option<&u64>) -> Result<usize> {
    signal::cancel::test();
    let (at_once, deadline) = (until.at_once(), until.deadline());
    if fds.len() > crate::descriptors::open_limit() {
        return Err(Errno::EINVAL);
    }
    let interrupts = signal::InterruptScope::begin();
    loop {
        // Anew in each turn, as in the kernel: another thread may have put something else behind a number.
        let kernels = any_kernel(fds);
        let mut count = look(fds);
        if (count > 0 || at_once) && ask_for_ends(fds, count > 0) {
            count = look(fds);
        }
        if kernels && (count > 0 || at_once) {
            count = look_kernel(fds);
        }
        if count > 0 || (at_once && mask.is_none()) {
            return Ok(count);
        }
        let spins = !at_once && !interrupts.came() && (kernels || mask.is_none());
        if spins && wait::spin_over(fds.len(), || interrupts.came() || look(fds) > 0) {
            continue;
        }
        let start = kernel::now_ns();
        let slept = wait::interruptible_poll(&interrupts, mask, false, || sleep(fds, deadline, at_once, mask))?;
        wait::learn(kernel::now_ns() - start);
        if slept.unwrap_or(false) {
            let count = if any_kernel(fds) { look_kernel(fds) } else { look(fds) };
            if count > 0 || at_once || deadline.is_some_and(|d| d <= kernel::now_ns()) {
                return Ok(count);
            }
        }
    }
}

/// Is there a descriptor that only the kernel can answer for?
fn any_kernel(fds: &[libc::pollfd]) -> bool {
    fds.iter().any(|p| p.fd >= 0 && matches!(kind(p.fd), Kind::Kernel))
}

/// What is to be told of a socket to whoever asks for `events`.
#[inline]
pub(super) fn found(s: &Sock, events: i16) -> i16 {
    let wanted = events as u16 as u32 | ALWAYS;
    (s.ops().ready_for(s, wanted) & wanted) as i16
}

/// Fills in what user space knows; kernel entries become 0.
fn look(fds: &mut [libc::pollfd]) -> usize {
    let mut count = 0;
    for p in fds {
        p.revents = match kind(p.fd) {
            Kind::Ours(s) => {
                s.ops().notice(&s);
                found(&s, p.events)
            }
            Kind::Set if epoll::is_ready(p.fd) => (libc::POLLIN | libc::POLLRDNORM) & p.events,
            _ => 0,
        };
        count += (p.revents != 0) as usize;
    }
    count
}

/// About the millisecond in which the kernel was last asked for the ends of everybody in a set that has this descriptor
/// as its last one.
fn asked(last: i32) -> &'static AtomicU32 {
    static ASKED: [AtomicU32; 32] = [const { AtomicU32::new(0) }; 32];
    &ASKED[last as usize % ASKED.len()]
}

fn now_ms() -> u32 {
    wait::about_ms(kernel::ticks())
}

/// Asks the kernel about peers that are gone, where no sleep will: they were killed perhaps. When something is ready
/// anyway, only whoever asked for an end (POLLRDHUP) is told at once, the rest with the next look some milliseconds
/// later. True when there is news.
fn ask_for_ends(fds: &[libc::pollfd], some_ready: bool) -> bool {
    let (now, last) = (now_ms(), fds.iter().rev().find(|p| fdtable::owned(p.fd)).map_or(0, |p| p.fd));
    let all = asked(last).swap(now, Relaxed) != now || !some_ready;
    let told = |p: &libc::pollfd| p.revents & (libc::POLLRDHUP | libc::POLLHUP) != 0;
    let asks = |p: &libc::pollfd| !told(p) && (all || p.events & libc::POLLRDHUP != 0);
    let mut news = false;
    for some in fds.chunks(FEW) {
        let mut native = [NOTHING; FEW];
        let mut any = false;
        for (p, n) in some.iter().zip(&mut native) {
            if let (true, Kind::Ours(s)) = (asks(p), kind(p.fd)) {
                if s.ops().watches_peer(&s) {
                    n.fd = s.fd;
                    any = true;
                }
            }
        }
        if !any || !matches!(kernel::ppoll(&mut native[..some.len()], Some(0), None), Ok(1..)) {
            continue;
        }
        for n in native.iter().filter(|n| n.revents & (libc::POLLHUP | libc::POLLERR) != 0) {
            if let Kind::Ours(s) = kind(n.fd) {
                s.hung_up();
                news = true;
            }
        }
    }
    news
}

/// An entry that poll(2) passes over.
const NOTHING: libc::pollfd = libc::pollfd { fd: -1, events: 0, revents: 0 };

/// As [`look`], and asks the kernel for its part without waiting.
fn look_kernel(fds: &mut [libc::pollfd]) -> usize {
    let (mut few, mut many) = ([NOTHING; FEW], Vec::new());
    let native = match fds.len() {
        count @ ..=FEW => &mut few[..count],
        count => {
            many.resize(count, NOTHING);
            &mut many[..]
        }
    };
    for (p, n) in fds.iter().zip(native.iter_mut()) {
        if let Kind::Kernel = kind(p.fd) {
            *n = *p;
        }
    }
    let asked = kernel::ppoll(native, Some(0), None).unwrap_or(0);
    let count = look(fds);
    if asked == 0 {
        return count;
    }
    for (p, n) in fds.iter_mut().zip(native) {
        if n.fd >= 0 {
            p.revents = n.revents;
        }
    }
    fds.iter().filter(|p| p.revents != 0).count()
}

/// Arms the bells, looks once more, sleeps. True when it is worth looking again or the time is up.
fn sleep(fds: &mut [libc::pollfd], deadline: Deadline, at_once: bool, mask: Option<&u64>) -> Result<bool> {
    let poke = Poke::hold();
    let mut native: Vec<libc::pollfd> = Vec::with_capacity(fds.len() + 1);
    let mut owned: Vec<(usize, Sock)> = Vec::new();
    let mut look_by: Deadline = deadline;
    let mut ear = Listening::idle();
    let sooner = |by: &mut Deadline, at: u64| *by = Some(by.map_or(at, |b| b.min(at)));
    for p in fds.iter() {
        let entry = match kind(p.fd) {
            Kind::Ours(s) => {
                let ops = s.ops();
                let events = p.events as u16 as u32 | ALWAYS;
                let crowded = s.slot.sleepers.fetch_add(1, AcqRel) > 0 || s.slot.first_sleeper.load(Acquire) != 0;
                let taken = ops.bell_is_taken(&s);
                let contended = crowded && taken || super::is_shared(&s);
                if contended && !ear.to(&s) && taken {
                    sooner(&mut look_by, kernel::now_ns() + SHARED_LOOK_NS);
                }
                ops.arm(&s, events);
                if let Some(at) = ops.next_look(&s) {
                    sooner(&mut look_by, at);
                }
                owned.push((native.len(), s));
                let events = ops.native_events(&s, events);
                // An anchor that is connected to nobody is hung up all the time; nothing but a poke concerns it.
                let fd = if ops.has_bell(&s) { s.fd } else { -1 };
                libc::pollfd { fd, events: (events | libc::POLLIN as u32) as i16, revents: 0 }
            }
            Kind::Set => {
                epoll::arm(p.fd, &mut look_by);
                let inner = epoll::bells(p.fd);
                native.push(libc::pollfd { fd: inner, events: libc::POLLIN, revents: 0 });
                libc::pollfd { fd: p.fd, events: libc::POLLIN, revents: 0 }
            }
            Kind::Kernel => libc::pollfd { fd: p.fd, events: p.events, revents: 0 },
        };
        native.push(entry);
        if let Kind::Ours(s) = kind(p.fd) {
            if let Some(companion) = s.ops().companion(&s) {
                native.push(libc::pollfd { fd: companion, events: p.events, revents: 0 });
            }
        }
    }
    native.push(libc::pollfd { fd: poke.fd(), events: libc::POLLIN, revents: 0 });
    native.push(libc::pollfd { fd: ear.fd(), events: libc::POLLIN, revents: 0 });
    fence(SeqCst);
    let outcome = if look(fds) > 0 {
        Ok(0)
    } else {
        let left = if at_once { Some(0) } else { look_by.map(|d| d.saturating_sub(kernel::now_ns())) };
        signal::sleep::ppoll(&mut native, left, mask)
    };
    if native.last().is_some_and(|heard| heard.revents != 0) {
        ear.take();
    }
    drop(ear);
    for (i, s) in &owned {
        let told = native[*i].revents;
        if s.slot.sleepers.fetch_sub(1, AcqRel) == 1 {
            s.ops().arm(s, 0);
        }
        if told != 0 {
            s.ops().answer_bell(s, told as u16 as u32);
            if s.slot.has(SlotFlags::WATCHED) {
                // The bell was rung for a set perhaps, and for all that it watches.
                epoll::activate(s);
            }
        }
    }
    match outcome {
        Ok(_) => Ok(true),
        // What is ready by now wins over the signal, whose handler runs all the same.
        Err(Errno::EINTR) if look(fds) > 0 => Ok(true),
        Err(e) => Err(e),
    }
}
