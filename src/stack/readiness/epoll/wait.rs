//! epoll_wait(2), epoll_pwait(2), epoll_pwait2(2).

use core::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::Arc;

use super::instance::kernel_part;
use super::{set_of, Set, EAR, INNER_BELLS, KERNELS, KICK, NESTED};
use crate::abi::{Errno, Result};
use crate::bell;
use crate::kernel;
use crate::readiness::Until;
use crate::shm::views::UserPtr;
use crate::shm::Bed;
use crate::signal;
use crate::wait::{self, Deadline};

/// While sockets of ours keep a program busy, the kernel's own descriptors and the bells are looked at this often, which
/// is about every 5 microseconds, in ticks of the processor's counter: a wait that costs a fraction of a system call must
/// not pay for one each time (figures: every 8 to 32 hits).
const KERNEL_EVERY: u64 = if cfg!(target_arch = "x86_64") { 1 << 14 } else { 1 << 9 };
/// Before that, as many looks in a row have to find nothing.
const DRY_LOOKS: u32 = 4;
/// What most programs have room for.
const FEW: usize = 64;
/// Events told by one call at most; a program that asks for more gets them with the next.
const MOST: usize = 256;
/// Bells taken by one system call.
const AT_ONCE: usize = 64;

/// Waits on an instance that watches sockets of ours. None: the kernel's.
pub fn wait(epoll: i32, at: UserPtr, most: i32, until: &Until, mask: Option<&u64>) -> Option<Result<usize>> {
    signal::cancel::test();
    let set = set_of(epoll)?;
    if most <= 0 || most as usize > i32::MAX as usize / 12 {
        return Some(Err(Errno::EINVAL));
    }
    let ask = Ask { set: &set, epoll, until, mask };
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
    until: &'a Until,
    mask: Option<&'a u64>,
}

impl Ask<'_> {
    fn answer(&self, told: &mut [libc::epoll_event], at: UserPtr) -> Result<usize> {
        let count = self.gather(told)?;
        if count > 0 {
            // Nobody armed what this thread goes off to handle: another one that sleeps here takes over.
            self.set.kick();
        }
        let told = &told[..count];
        #[allow(unsafe_code)]
        // SAFETY: events as the program has them, which are looked at as bytes.
        let bytes = unsafe { core::slice::from_raw_parts(told.as_ptr().cast::<u8>(), size_of_val(told)) };
        match at.write_some(bytes) / size_of::<libc::epoll_event>() {
            0 if count > 0 => Err(Errno::EFAULT),
            whole => Ok(whole),
        }
    }

    fn gather(&self, told: &mut [libc::epoll_event]) -> Result<usize> {
        let (set, at_once) = (self.set, self.until.at_once());
        let interrupts = signal::InterruptScope::begin();
        let mut kernels = false;
        loop {
            if set.rescan.load(Acquire) != 0 && set.rescan.swap(0, AcqRel) != 0 {
                set.lock().wake_all();
            }
            let busy = !at_once && set.dry_looks.load(Relaxed) >= DRY_LOOKS;
            let asks = !busy || kernels || is_due(set);
            if asks && !kernels {
                // A socket that was left to its bell, or a peer that died: both say so on the anchor only. So does the
                // kernel's part that it has something.
                kernels = take_bells(set);
            }
            let mut items = set.lock();
            let mut count = set.collect(&mut items, told);
            let full = count == told.len();
            // A full array of ours must not keep the kernel's waiting for ever, nor the other way round.
            if full && asks && set.full_waits.fetch_add(1, Relaxed) & 1 == 0 {
                let mut one = [NO_EVENT];
                if kernel_part(self.epoll, &mut one) > 0 {
                    set.take_back_last(&mut items);
                    told[count - 1] = one[0];
                }
            }
            drop(items);
            if full {
                return Ok(count);
            }
            if asks {
                let native = if kernels { kernel_part(self.epoll, &mut told[count..]) } else { 0 };
                let dry = if native > 0 { 0 } else { set.dry_looks.load(Relaxed).saturating_add(1) };
                set.dry_looks.store(dry, Relaxed);
                count += native;
            }
            // With no time to wait the mask is never looked at: what it lets through stays pending (ep_poll).
            if count > 0 || at_once {
                return Ok(count);
            }
            let deadline = self.until.deadline();
            kernels = false;
            if !interrupts.came() && spin(set, &interrupts, &mut kernels) {
                continue;
            }
            let whole = set.whole.load(Acquire);
            let sleep = || sleep(set, self.epoll, deadline, at_once, self.mask);
            let start = kernel::now_ns();
            let slept = wait::interruptible_poll(&interrupts, self.mask, whole, sleep)?;
            wait::learn(kernel::now_ns() - start);
            if slept.unwrap_or(false) {
                count = set.collect(&mut set.lock(), told);
                count += kernel_part(self.epoll, &mut told[count..]);
                return Ok(count);
            }
        }
    }
}

/// Is it time to look at the kernel's part and the bells? Then it is done now.
fn is_due(set: &Set) -> bool {
    let now = kernel::ticks();
    let due = now.wrapping_sub(set.looked.load(Relaxed)) >= KERNEL_EVERY;
    if due {
        set.looked.store(now, Relaxed);
    }
    due
}

/// Looks for a short while whether an item becomes ready, now and then also for what only bells tell. `kernels`: the
/// kernel's part has something.
fn spin(set: &Arc<Set>, interrupts: &signal::InterruptScope, kernels: &mut bool) -> bool {
    /// A look at the time among so many looks at memory.
    const TIME_EVERY: u32 = 8;
    let (mut look, busy) = (0u32, set.lock().active());
    wait::spin_over(busy, || {
        look = look.wrapping_add(1);
        if look.is_multiple_of(TIME_EVERY) && is_due(set) {
            *kernels = take_bells(set);
        }
        *kernels || interrupts.came() || set.items.try_lock().is_some_and(|items| items.any_ready())
    })
}

/// Arms, looks once more, sleeps on the kernel's set and our bells. True when the time is up.
fn sleep(set: &Arc<Set>, epoll: i32, deadline: Deadline, at_once: bool, mask: Option<&u64>) -> Result<bool> {
    set.sleepers.fetch_add(1, AcqRel);
    let bed = set.lock().bed().map(Bed::word);
    let outcome = sleep_armed(set, epoll, bed, deadline, at_once, mask);
    let last = set.sleepers.fetch_sub(1, AcqRel) == 1;
    if let Some((word, _)) = bed.filter(|_| last) {
        let _items = set.lock();
        if set.sleepers.load(Acquire) == 0 {
            bell::get_up(word);
        }
    }
    if !set.whole.load(Acquire) {
        take_bells(set);
    }
    outcome
}

fn sleep_armed(
    set: &Arc<Set>,
    epoll: i32,
    bed: Option<(&'static AtomicU64, u32)>,
    deadline: Deadline,
    at_once: bool,
    mask: Option<&u64>,
) -> Result<bool> {
    let look_by = {
        let mut items = set.lock();
        items.settle();
        let look_by = set.arm(&mut items, false);
        if let Some((word, name)) = bed {
            bell::lie_down(word, name);
        }
        if items.any_ready() {
            return Ok(false);
        }
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

/// Takes what rang since. True if the kernel's part may have something as well.
pub fn take_bells(set: &Arc<Set>) -> bool {
    let mut rung = [NO_EVENT; AT_ONCE];
    let mut kernels = !set.whole.load(Acquire);
    // Bounded: bells that keep ringing are taken with the next wait.
    for _ in 0..16 {
        let count = kernel::epoll_events(set.bells.load(Acquire), &mut rung);
        if count == 0 {
            return kernels;
        }
        kernels |= answer(set, &rung[..count]);
        if count < rung.len() {
            return kernels;
        }
    }
    true
}

/// What the bells told is worth a look. True if the kernel's part is among it.
fn answer(set: &Arc<Set>, rung: &[libc::epoll_event]) -> bool {
    let (mut items, mut kernels) = (set.lock(), false);
    for event in rung {
        let data = { event.u64 };
        if data == KICK {
            let mut counter = [0u8; 8];
            let _ = kernel::read(set.kick.load(Acquire), &mut counter);
        } else if data == EAR {
            items.hear();
        } else if data == KERNELS {
            // The program's own instance, which is asked by itself.
            kernels = true;
        } else if data & NESTED != 0 {
            items.rung_nested(data as u32, data & INNER_BELLS != 0);
        } else {
            items.rung(data as u32, event.events);
        }
    }
    kernels
}
