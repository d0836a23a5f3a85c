//! Readiness (udp_poll), waiting, and who wakes whom.
//!
//! Those who wait in a receive call sleep on the futex in the receiver's slot; those who wait in poll or epoll sleep on its
//! anchor, a datagram socket at a path in the network's directory. The word ARMED says that somebody sleeps: a receiver sets
//! it and looks again, a sender puts its datagram into the queue and looks at the word, both sequentially consistent.

use core::sync::atomic::{fence, Ordering::*};

use super::deliver::Target;
use super::place::{ARMED, NEWS, SLEEPERS, TARGET};
use super::{cache, errors, kernel_side, mailbox, opts};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::names::Names;
use crate::network::{self, called};
use crate::shm::{Slot, SlotFlags};
use crate::signal;
use crate::sleepers::Kept;
use crate::socket::Sock;
use crate::wait::{self, Deadline, Interest};

const IN: u32 = (libc::POLLIN | libc::POLLRDNORM) as u32;
const OUT: u32 = (libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND) as u32;

/// In [`ARMED`]: somebody waits on the anchor.
const POLLS: u64 = 1;
/// In [`ARMED`]: somebody sleeps on the futex.
const SLEEPS: u64 = 2;

/// Where several sleep, the one that was woken may die before it takes the datagram: the others look now and then.
const SHARED_SLEEP_NS: u64 = 1_000_000_000;

/// poll(2)'s events, all that hold now.
pub fn ready(s: &Sock) -> u32 {
    let slot = s.slot;
    let mut events = OUT;
    if slot.error.load(Acquire) != 0 || errors::queued(s) {
        events |= libc::POLLERR as u32;
        if opts::flag(slot, opts::SELECT_ERR_QUEUE) {
            events |= libc::POLLPRI as u32;
        }
    }
    if slot.has(SlotFlags::SHUT_RD) {
        events |= IN | libc::POLLRDHUP as u32;
        if slot.has(SlotFlags::SHUT_WR) {
            events |= libc::POLLHUP as u32;
        }
    }
    let beside = kernel_side::ready(s);
    events |= beside & libc::POLLERR as u32;
    if mailbox::readable(s) || beside & libc::POLLIN as u32 != 0 {
        events |= IN;
    }
    events
}

/// See [`crate::family::SocketOps::edges`].
pub fn edges(s: &Sock) -> (u64, u64) {
    let news = s.slot.extra[NEWS].load(Acquire);
    (mailbox::arrivals(s).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ news, 0)
}

/// Asks to be rung at the anchor. Nobody takes that back: others may wait there too, and one ring too many does no harm.
pub fn arm(s: &Sock, events: u32) {
    if events == 0 {
        return;
    }
    if !s.slot.has(SlotFlags::CALLED) {
        let _held = s.slot.lock.lock();
        if !s.slot.has(SlotFlags::CALLED) && called::call(s.arena, s.fd, s.number, s.slot).is_err() {
            return;
        }
    }
    mailbox::heal(s);
    look_after_the_peer(s);
    if s.slot.extra[ARMED].load(Relaxed) & POLLS == 0 {
        s.slot.extra[ARMED].fetch_or(POLLS, SeqCst);
    }
    fence(SeqCst);
}

/// The anchor was rung.
pub fn answer_bell(s: &Sock, events: u32) {
    if events & libc::POLLIN as u32 != 0 {
        wait::drain(s.fd);
    }
}

/// Looks for a short while whether something comes. True when it does.
#[inline]
pub fn comes_soon(s: &Sock) -> bool {
    cache::waits();
    // Who has no name has no queue, and hears from nobody so soon.
    let Some(stirs) = mailbox::watcher(s) else { return false };
    let slot = s.slot;
    let other = || slot.error.load(Relaxed) as u32 | slot.flags.load(Relaxed) & SlotFlags::SHUT_RD;
    wait::spin_first_closely(|| stirs() || other() != 0)
}

/// Is there anything for a receive call to come back with?
fn arrived(s: &Sock) -> bool {
    mailbox::readable(s) || s.slot.error.load(Acquire) != 0 || s.slot.has(SlotFlags::SHUT_RD)
}

/// Waits for something to receive, the deadline (EAGAIN) or a signal (EINTR).
pub fn wait(s: &Sock, interest: Interest, deadline: Deadline) -> Result<()> {
    if interest == Interest::Write {
        return Ok(());
    }
    if let Some(companion) = kernel_side::descriptor(s) {
        return wait_for_both(s, companion, deadline);
    }
    if !wait::has_spun() && comes_soon(s) {
        return Ok(());
    }
    let _ = wait::has_spun();
    let start = kernel::now_ns();
    let outcome = sleep(s, deadline);
    wait::learn(kernel::now_ns() - start);
    outcome
}

#[cold]
fn sleep(s: &Sock, deadline: Deadline) -> Result<()> {
    mailbox::heal(s);
    look_after_the_peer(s);
    loop {
        let slept = wait::interruptible(deadline.is_some(), Some(s), |known| doze(s, deadline, known));
        match slept {
            _ if Kept::any() => return Err(Errno::MOVED),
            Ok(Some(true)) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(e),
        }
    }
}

/// One sleep, in a critical section. True when something arrived.
fn doze(s: &Sock, deadline: Deadline, known: bool) -> Result<bool> {
    let slot = s.slot;
    let sleepers = &slot.extra[SLEEPERS];
    let shared = sleepers.fetch_add(1, AcqRel) > 0;
    let seen = slot.wake.load(Acquire);
    slot.extra[ARMED].fetch_or(SLEEPS, SeqCst);
    fence(SeqCst);
    let now = kernel::now_ns();
    let outcome = if arrived(s) {
        Ok(true)
    } else if deadline.is_some_and(|d| d <= now) {
        Err(Errno::EAGAIN)
    } else {
        let mut left = deadline.map(|d| d - now);
        if shared || !known || slot.has(SlotFlags::SHARED) && slot.refs.load(Acquire) > 1 {
            left = Some(left.unwrap_or(u64::MAX).min(SHARED_SLEEP_NS));
        }
        match signal::sleep::futex(&slot.wake, seen, left) {
            // What came together with the signal counts.
            Err(Errno::EINTR) if !arrived(s) => Err(Errno::EINTR),
            _ => Ok(arrived(s)),
        }
    };
    if sleepers.fetch_sub(1, AcqRel) > 1 {
        pass_on(s);
    }
    outcome
}

/// A sender wakes one and takes the mark away: whoever leaves sets it for the others, and wakes one if there is more.
fn pass_on(s: &Sock) {
    s.slot.extra[ARMED].fetch_or(SLEEPS, SeqCst);
    fence(SeqCst);
    if arrived(s) {
        s.slot.wake.fetch_add(1, AcqRel);
        kernel::futex_wake(&s.slot.wake, 1);
    }
}

/// With a socket of the kernel beside it, the sleep is on descriptors.
fn wait_for_both(s: &Sock, companion: i32, deadline: Deadline) -> Result<()> {
    loop {
        arm(s, IN);
        if arrived(s) || kernel_side::ready(s) != 0 {
            return Ok(());
        }
        let now = kernel::now_ns();
        if deadline.is_some_and(|d| d <= now) {
            return Err(Errno::EAGAIN);
        }
        let mut fds = [s.fd, companion].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        let slept = wait::interruptible(deadline.is_some(), Some(s), |_| {
            signal::sleep::ppoll(&mut fds, deadline.map(|d| d - now), None)
        });
        if Kept::any() {
            return Err(Errno::MOVED);
        }
        if slept?.is_some() {
            answer_bell(s, fds[0].revents as u16 as u32);
        }
    }
}

/// Tells a receiver that a datagram is in its queue. False when it turns out to be gone.
#[inline]
pub fn alert(s: &Sock, to: &Target) -> bool {
    // The datagram was published by an exchange that is sequentially consistent too: either this sees the mark, or
    // whoever set it sees the datagram.
    if to.slot.extra[ARMED].load(SeqCst) == 0 && !to.slot.has(SlotFlags::ASYNC) {
        return true;
    }
    wake(s, to.number, to.slot, 1)
}

#[cold]
fn wake(s: &Sock, number: u32, slot: &Slot, count: u32) -> bool {
    let armed = slot.extra[ARMED].fetch_and(!(POLLS | SLEEPS), SeqCst);
    let mut alive = true;
    if armed & SLEEPS != 0 {
        slot.wake.fetch_add(1, AcqRel);
        // Nobody slept: on the way to sleep, it will see the new number; or dead.
        alive = kernel::futex_wake(&slot.wake, count) > 0 || lives(slot);
    }
    if armed & POLLS != 0 && slot.has(SlotFlags::CALLED) {
        let name = called::of_slot(s.arena, number, slot);
        let rung = kernel::sendto(s.fd, &[0], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &name);
        alive &= rung != Err(Errno::ECONNREFUSED);
    }
    if armed & POLLS != 0 {
        crate::ears::tell(s.arena, number);
    }
    if slot.has(SlotFlags::ASYNC) {
        crate::owner::readable(slot);
    }
    if alive {
        return true;
    }
    let generation = slot.generation.load(Acquire);
    network::sweep(&Names::lock(s.arena));
    slot.generation.load(Acquire) == generation
}

/// Wakes the socket's own waiters, all of them: there is news that is not a datagram.
pub fn knock(s: &Sock) {
    wake(s, s.number, s.slot, u32::MAX >> 1);
}

/// Does the socket live? Where the process that made it is gone, or others hold it too, the kernel is asked for the anchor.
pub fn lives(slot: &Slot) -> bool {
    let maker = kernel::thread_exists(slot.pid.load(Relaxed));
    if maker && !slot.has(SlotFlags::SHARED) {
        return true;
    }
    kernel::unix_socket_exists(slot.inode.load(Relaxed)).unwrap_or(maker)
}

/// Before it sleeps, a connected socket sees whether whom it sent to last died unnoticed: its kernel would have told.
fn look_after_the_peer(s: &Sock) {
    let word = s.slot.extra[TARGET].load(Relaxed);
    let Some(peer) = s.arena.slot((word as u32).wrapping_sub(1)).filter(|_| s.slot.has(SlotFlags::PEER)) else {
        return;
    };
    let lives_on = |slot: &Slot| slot.generation.load(Acquire) == (word >> 32) as u32;
    if lives_on(peer) && !lives(peer) {
        network::sweep(&Names::lock(s.arena));
        if !lives_on(peer) {
            s.slot.extra[TARGET].store(0, Relaxed);
            s.slot.error.store(libc::ECONNREFUSED, Release);
            s.slot.extra[NEWS].fetch_add(1, Release);
        }
    }
}

/// shutdown(2) (inet_shutdown): has its effect on an unconnected socket too, although that is refused.
pub fn shutdown(s: &Sock, how: i32) -> Result<()> {
    let flags = match how {
        libc::SHUT_RD => SlotFlags::SHUT_RD,
        libc::SHUT_WR => SlotFlags::SHUT_WR,
        _ => SlotFlags::SHUT_RD | SlotFlags::SHUT_WR,
    };
    s.slot.set(flags);
    errors::news(s);
    crate::readiness::poke(s);
    if s.slot.has(SlotFlags::PEER) {
        Ok(())
    } else {
        Err(Errno::ENOTCONN)
    }
}
