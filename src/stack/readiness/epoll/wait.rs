//! epoll_wait(2), epoll_pwait(2), epoll_pwait2(2).

use core::sync::atomic::Ordering::*;
use std::sync::Arc;

use super::instance::kernel_part;
use super::{set_of, Set, EAR, INNER_BELLS, KERNELS, KICK, NESTED};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::signal;
use crate::wait::{self, Deadline};

/// While sockets of ours keep a program busy, the kernel's own descriptors are looked at this often: a wait that costs a
/// fraction of a system call must not pay for one each time (figures: every 8 to 32 hits).
const KERNEL_EVERY_NS: u64 = 5_000;
/// A loop that never sleeps looks at the bells this often.
const BELLS_EVERY_NS: u64 = 1_000_000;
/// Before that, as many looks in a row have to find nothing.
const DRY_LOOKS: u32 = 4;
/// What most programs have room for.
const FEW: usize = 64;
/// Events told by one call at most; a program that asks for more gets them with the next.
const MOST: usize = 256;
/// Bells taken by one system call.
const AT_ONCE: usize = 64;

/// Waits on an instance that watches sockets of ours. None: the kernel's.
pub fn wait(
    epoll: i32,
    at: UserPtr,
    most: i32,
    deadline: Deadline,
    at_once: bool,
    mask: Option<&u64>,
) -> Option<Result<usize>> {
    signal::cancel::test();
    let set = set_of(epoll)?;
    if most <= 0 || most as usize > i32::MAX as usize / 12 {
        return Some(Err(Errno::EINVAL));
    }
    let ask = Ask { set: &set, epoll, deadline, at_once, mask };
    // Room for no more than is asked for: it has to be cleared each time.
    Some(match most as usize {
        most @ ..=FEW => ask.answer(&mut [NO_EVENT; FEW][..most], at),
        most => ask.answer(&mut [NO_EVENT; MOST][..most.min(MOST)], at),
    })
}

const NO_EVENT: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };

/// One wait: on what, until when.
struct Ask<'a> {
    set: &'a Arc<Set>,
    epoll: i32,
    deadline: Deadline,
    at_once: bool,
    mask: Option<&'a u64>,
}

impl Ask<'_> {
    fn answer(&self, told: &mut [libc::epoll_event], at: UserPtr) -> Result<usize> {
        let count = gather(self.set, self.epoll, told, self.deadline, self.at_once, self.mask)?;
        if count > 0 {
            // Nobody armed what this thread goes off to handle: another one that sleeps here takes over.
            self.set.kick();
        }
        for (i, event) in told[..count].iter().enumerate() {
            let mut bytes = [0u8; 12];
            bytes[..4].copy_from_slice(&{ event.events }.to_ne_bytes());
            bytes[4..].copy_from_slice(&{ event.u64 }.to_ne_bytes());
            if let Err(e) = at.plus(i * 12).write(&bytes) {
                return if i > 0 { Ok(i) } else { Err(e) };
            }
        }
        Ok(count)
    }
}

fn gather(
    set: &Arc<Set>,
    epoll: i32,
    told: &mut [libc::epoll_event],
    deadline: Deadline,
    at_once: bool,
    mask: Option<&u64>,
) -> Result<usize> {
    let interrupts = signal::InterruptScope::begin();
    loop {
        if set.rescan.load(Acquire) != 0 && set.rescan.swap(0, AcqRel) != 0 {
            set.lock().wake_all();
        }
        let now = kernel::now_ns();
        let due = now.wrapping_sub(set.looked_ns.load(Relaxed)) >= KERNEL_EVERY_NS;
        let busy = !at_once && set.dry_looks.load(Relaxed) >= DRY_LOOKS;
        let mut took = false;
        if due || !busy {
            set.looked_ns.store(now, Relaxed);
            if set.lock().some_quiet || now.wrapping_sub(set.bells_ns.load(Relaxed)) > BELLS_EVERY_NS {
                // A socket that was left to its bell, or a peer that died: both say so on the anchor only.
                set.bells_ns.store(now, Relaxed);
                took = true;
                take_bells(set);
            }
        }
        let mut items = set.lock();
        let mut count = set.collect(&mut items, told);
        if count > 0 && busy && !due {
            return Ok(count);
        }
        let full = count == told.len();
        // A full array of ours must not keep the kernel's waiting for ever, nor the other way round.
        if full && set.full_waits.fetch_add(1, Relaxed) & 1 == 0 {
            let mut one = [libc::epoll_event { events: 0, u64: 0 }];
            if kernel_part(epoll, &mut one) > 0 {
                set.take_back_last(&mut items);
                told[count - 1] = one[0];
            }
        }
        drop(items);
        if full {
            return Ok(count);
        }
        let native = kernel_part(epoll, &mut told[count..]);
        let dry = if native > 0 { 0 } else { set.dry_looks.load(Relaxed).saturating_add(1) };
        set.dry_looks.store(dry, Relaxed);
        count += native;
        // With no time to wait the mask is never looked at: what it lets through stays pending (ep_poll).
        if count > 0 || at_once {
            if count == 0 && !took && take_bells(set) {
                return Ok(set.collect(&mut set.lock(), told));
            }
            return Ok(count);
        }
        if !at_once && !interrupts.came() && spin(set, &interrupts) {
            continue;
        }
        let whole = set.whole.load(Acquire);
        let slept = wait::interruptible_poll(&interrupts, mask, whole, || sleep(set, epoll, deadline, at_once, mask))?;
        if slept.unwrap_or(false) {
            count = set.collect(&mut set.lock(), told);
            count += kernel_part(epoll, &mut told[count..]);
            return Ok(count);
        }
    }
}

/// Looks for a short while whether an item becomes ready, now and then also for what only bells tell.
fn spin(set: &Arc<Set>, interrupts: &signal::InterruptScope) -> bool {
    /// A system call among so many looks at memory.
    const BELLS_EVERY: u32 = 16;
    let (mut look, (some_quiet, busy)) = (0u32, { set.lock().outline() });
    wait::spin_over(busy, || {
        look = look.wrapping_add(1);
        if some_quiet && look.is_multiple_of(BELLS_EVERY) {
            take_bells(set);
        }
        interrupts.came() || set.items.try_lock().is_some_and(|items| items.any_ready())
    })
}

/// Arms, looks once more, sleeps on the kernel's set and our bells. True when the time is up.
fn sleep(set: &Arc<Set>, epoll: i32, deadline: Deadline, at_once: bool, mask: Option<&u64>) -> Result<bool> {
    set.sleepers.fetch_add(1, AcqRel);
    let outcome = sleep_armed(set, epoll, deadline, at_once, mask);
    set.sleepers.fetch_sub(1, AcqRel);
    if !set.whole.load(Acquire) {
        take_bells(set);
    }
    outcome
}

fn sleep_armed(set: &Arc<Set>, epoll: i32, deadline: Deadline, at_once: bool, mask: Option<&u64>) -> Result<bool> {
    let look_by = {
        let mut items = set.lock();
        let look_by = set.arm(&mut items);
        if items.any_ready() {
            return Ok(false);
        }
        items.quiet();
        look_by
    };
    let now = kernel::now_ns();
    if deadline.is_some_and(|d| d <= now) && mask.is_none() {
        return Ok(true);
    }
    let until = [deadline, look_by].into_iter().flatten().min();
    let left = if at_once { Some(0) } else { until.map(|u| u.saturating_sub(now)) };
    let bells = set.bells.load(Acquire);
    let slept = if set.whole.load(Acquire) {
        let mut rung = [libc::epoll_event { events: 0, u64: 0 }; AT_ONCE];
        let slept = signal::sleep::epoll(bells, &mut rung, left, mask);
        answer(set, &rung[..slept.unwrap_or(0)]);
        slept
    } else {
        let mut fds = [epoll, bells].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        signal::sleep::ppoll(&mut fds, left, mask)
    };
    match slept {
        Ok(0) => Ok(at_once || deadline.is_some_and(|d| d <= kernel::now_ns())),
        Ok(_) => Ok(false),
        Err(Errno::ENOSYS) => {
            // Before Linux 5.11.
            set.whole.store(false, Release);
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Takes what rang since. True if anything did.
pub fn take_bells(set: &Arc<Set>) -> bool {
    let mut rung = [libc::epoll_event { events: 0, u64: 0 }; AT_ONCE];
    let mut any = false;
    // Bounded: bells that keep ringing are taken with the next wait.
    for _ in 0..16 {
        let count = kernel::epoll_events(set.bells.load(Acquire), &mut rung);
        answer(set, &rung[..count]);
        any |= count > 0;
        if count < rung.len() {
            break;
        }
    }
    any
}

/// What the bells told is worth a look.
fn answer(set: &Arc<Set>, rung: &[libc::epoll_event]) {
    let mut items = set.lock();
    for event in rung {
        let data = { event.u64 };
        if data == KICK {
            let mut counter = [0u8; 8];
            let _ = kernel::read(set.kick.load(Acquire), &mut counter);
        } else if data == EAR {
            items.hear();
        } else if data == KERNELS {
            // The program's own instance, which is asked by itself.
        } else if data & NESTED != 0 {
            items.rung_nested(data as u32, data & INNER_BELLS != 0);
        } else {
            items.rung(data as u32, event.events);
        }
    }
}
