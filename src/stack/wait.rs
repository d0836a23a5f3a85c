//! The one place that waits (design, invariant 5).
//!
//! A waiter looks, spins a little, then asks to be rung, looks once more, and sleeps on its anchor: a byte on it is the
//! bell, and a hang-up is the peer's death. Interruption follows signal(7): with a timeout set on the socket a handler
//! always ends the call with EINTR, without one SA_RESTART starts it again.

use core::cell::Cell;
use core::sync::atomic::{fence, AtomicU32, Ordering::*};

use crate::abi::{Errno, Result};
use crate::config;
use crate::kernel;
use crate::shm::{SlotFlags, PLAIN, SELF};
use crate::signal;
use crate::socket::Sock;

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Something to read, the end of the stream, an error.
    Read,
    /// Room to write, or an error.
    Write,
}

/// How long one look-again-later sleep lasts when more than one thread sleeps on a socket: a byte that wakes all of them
/// is taken by the first.
const SHARED_SLEEP_NS: u64 = 10_000_000;
/// The longest spin, by what a halt and a wake-up cost (figures, round trip).
const LONG_SPIN_NS: u64 = 50_000;
/// The spin of a waiter whose last waits were long.
const SHORT_SPIN_NS: u64 = 1_500;
/// Pauses before the first sched_yield: about a microsecond.
const PAUSES: u32 = 30;

thread_local! {
    /// How well spinning did on this thread, 0 (never) to 16; the top half spins long.
    static CREDIT: Cell<u32> = const { Cell::new(8) };
}

/// A moment of the monotonic clock, in nanoseconds; none is never.
pub type Deadline = Option<u64>;

/// The moment `timeout_ns` from now; a timeout of none never comes.
pub fn deadline(timeout_ns: Option<u64>) -> Deadline {
    timeout_ns.map(|t| kernel::now_ns().saturating_add(t))
}

/// Looks for a short while without sleeping: `pause` for a microsecond, then `sched_yield` between looks, which lets a
/// peer on the same core run (figures: `pause` alone loses everything there).
#[inline]
pub fn spin(mut ready: impl FnMut() -> bool) -> bool {
    let configured = config::get().spin_ns;
    if configured == Some(0) {
        return false;
    }
    for _ in 0..PAUSES {
        if ready() {
            return true;
        }
        core::hint::spin_loop();
    }
    let credit = CREDIT.try_with(Cell::get).unwrap_or(0);
    let budget = configured.unwrap_or(if credit >= 4 { LONG_SPIN_NS } else { SHORT_SPIN_NS });
    let start = kernel::now_ns();
    let won = loop {
        kernel::yield_now();
        for _ in 0..8 {
            if ready() {
                break;
            }
            core::hint::spin_loop();
        }
        if ready() {
            break true;
        }
        if kernel::now_ns() - start >= budget {
            break false;
        }
    };
    let _ = CREDIT.try_with(|c| c.set(if won { (credit + 2).min(16) } else { credit.saturating_sub(1) }));
    won
}

/// Tells [`spin`] how long a sleep lasted: a short one would have been worth a longer spin.
fn learn(slept_ns: u64) {
    if slept_ns < LONG_SPIN_NS {
        let _ = CREDIT.try_with(|c| c.set((c.get() + 1).min(16)));
    }
}

/// Waits until `ready`, the deadline (EAGAIN) or a signal (EINTR). `armed` is the word that asks the other side to ring.
/// `restart` says whether SA_RESTART counts.
pub fn until(
    s: &Sock,
    armed: &AtomicU32,
    deadline: Deadline,
    mode: u32,
    interest: Interest,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    if spin(&mut ready) {
        return Ok(());
    }
    sleep(s, armed, deadline, mode, interest, ready)
}

#[cold]
fn sleep(
    s: &Sock,
    armed: &AtomicU32,
    deadline: Deadline,
    mode: u32,
    interest: Interest,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let plain = mode & PLAIN != 0;
    // An anchor that is connected to nobody would be a hang-up at once.
    let (fd, lonely) = if mode & SELF != 0 { (-1, true) } else { (s.fd, false) };
    let events = if plain && interest == Interest::Write { libc::POLLOUT } else { libc::POLLIN };
    let interrupts = signal::InterruptScope::begin();
    s.slot.sleepers.fetch_add(1, AcqRel);
    let start = kernel::now_ns();
    // A timeout of the socket's makes signals end the call; the library's own looks do not.
    let timed = deadline.is_some();
    let outcome = loop {
        armed.store(1, Relaxed);
        // The store above must be visible before the look below: the far side does the same the other way round.
        fence(SeqCst);
        if ready() {
            break Ok(());
        }
        let now = kernel::now_ns();
        if deadline.is_some_and(|d| d <= now) {
            break Err(Errno::EAGAIN);
        }
        let mut left = deadline.map(|d| d - now);
        let shared = s.slot.sleepers.load(Acquire) > 1;
        if shared || lonely {
            left = Some(left.unwrap_or(u64::MAX).min(SHARED_SLEEP_NS));
        }
        let mut fds = [libc::pollfd { fd, events, revents: 0 }];
        match kernel::ppoll(&mut fds, left, None) {
            Ok(0) => continue,
            Ok(_) => {
                // A byte for the other waiter stays for it: its own word still says that it was not rung.
                if fds[0].revents & libc::POLLIN != 0 && !plain {
                    if armed.load(Acquire) == 0 || !shared {
                        drain(s.fd);
                    } else if !ready() {
                        kernel::yield_now();
                    }
                }
                if fds[0].revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
                    s.hung_up();
                    if !ready() && (plain || fds[0].revents & libc::POLLIN == 0) {
                        break Ok(());
                    }
                }
            }
            Err(Errno::EINTR) => {
                let restart = interrupts.take().is_none_or(|i| i.restart) && !timed;
                if !restart && !ready() {
                    break Err(Errno::EINTR);
                }
            }
            Err(e) => break Err(e),
        }
    };
    s.slot.sleepers.fetch_sub(1, AcqRel);
    armed.store(0, Relaxed);
    learn(kernel::now_ns() - start);
    outcome
}

/// Asks the kernel whether the other end's last holder is gone, killed perhaps: nobody else tells a caller that does not
/// sleep. True when that is news.
pub fn ask_for_end(s: &Sock) -> bool {
    let ops = s.ops();
    if !ops.watches_peer(s) {
        return false;
    }
    let mut fds = [libc::pollfd { fd: s.fd, events: 0, revents: 0 }];
    let hung_up = (libc::POLLHUP | libc::POLLERR) as i16;
    if !matches!(kernel::ppoll(&mut fds, Some(0), None), Ok(1)) || fds[0].revents & hung_up == 0 {
        return false;
    }
    s.hung_up();
    true
}

/// As [`ask_for_end`], at most every few milliseconds: for a sender, whom a full ring would tell too late. A socket in an
/// epoll set is told by its bell.
#[inline]
pub fn ask_now_and_then(s: &Sock) {
    let now = kernel::coarse_ms();
    if s.slot.asked_ms.load(Relaxed) != now && !s.slot.has(SlotFlags::WATCHED) {
        s.slot.asked_ms.store(now, Relaxed);
        ask_for_end(s);
    }
}

/// Takes one bell's byte from the anchor.
pub fn drain(fd: i32) {
    let mut byte = [0u8; 1];
    let _ = kernel::recv(fd, &mut byte, libc::MSG_DONTWAIT);
}

/// Rings the far side if it asked for it. `fd` is our end of the anchor pair. Called after what it is rung for was stored.
#[inline]
pub fn ring(fd: i32, armed: &AtomicU32) {
    // Pairs with the fence in `sleep`: either we see that it sleeps, or it sees what we stored.
    fence(SeqCst);
    if armed.load(Relaxed) != 0 {
        ring_now(fd, armed);
    }
}

#[cold]
fn ring_now(fd: i32, armed: &AtomicU32) {
    if armed.swap(0, AcqRel) != 0 {
        let _ = kernel::sendto(fd, &[0], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &[]);
    }
}

/// Waits a little for more than what waits already, by the clock: for the rare reader that looks without taking.
pub fn more(_s: &Sock, deadline: Deadline) -> Result<()> {
    const STEP_NS: u64 = 1_000_000;
    let now = kernel::now_ns();
    if deadline.is_some_and(|d| d <= now) {
        return Err(Errno::EAGAIN);
    }
    kernel::ppoll(&mut [], Some(STEP_NS.min(deadline.map_or(u64::MAX, |d| d - now))), None).map(drop)
}
