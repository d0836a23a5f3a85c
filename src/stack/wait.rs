//! The one place that waits (design, invariant 5).
//!
//! A waiter looks, spins a little, then asks to be rung, looks once more, and sleeps: the first sleeper of a socket on its
//! anchor, where a byte is the bell and a hang-up is the peer's death, the others on a word beside it (see [`crate::bell`]).
//!
//! Interruption follows signal(7): with a timeout set on the socket a handler always ends the call with EINTR, without
//! one SA_RESTART starts it again, from its start and by its number. Handlers run when the sleep is over and nothing is
//! held, so they may call anything or leave by longjmp. The same moment is the cancellation point.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering::*};

use crate::abi::{Errno, Result};
use crate::bell::{self, Seat, Seats, Word};
use crate::config;
use crate::kernel;
use crate::shm::{tid, Slot, SlotFlags, PLAIN, SELF};
use crate::signal::{self, cancel, sleep};
use crate::sleepers::{self, Kept, Sleeping};
use crate::socket::Sock;

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Something to read, the end of the stream, an error.
    Read,
    /// Room to write, or an error.
    Write,
}

/// How long one sleep lasts at most where a bell may be taken by somebody who cannot tell (poll in another process), or
/// the one who would tell may be killed.
const SHARED_SLEEP_NS: u64 = 20_000_000;
/// A socket that is connected to itself has no bell.
const LONELY_SLEEP_NS: u64 = 5_000_000;
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

/// Until when to wait.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// The end of the socket's timeout, whose existence makes every signal end the call.
    pub deadline: Deadline,
    /// When to look again at the latest, for the library's own reasons.
    pub look_by: Deadline,
}

/// Waits until `ready`, the deadline (EAGAIN) or a signal (EINTR, [`Errno::RESTART`]). `armed` is the word that asks the
/// other side to ring. [`Errno::MOVED`]: see there.
#[inline]
pub fn until(
    s: &Sock,
    armed: &AtomicU32,
    limits: Limits,
    mode: u32,
    interest: Interest,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    if spin(&mut ready) {
        return Ok(());
    }
    sleep_until(&Wait { s, armed, limits, mode, interest }, ready)
}

#[cold]
fn sleep_until(wait: &Wait<'_>, mut ready: impl FnMut() -> bool) -> Result<()> {
    let s = wait.s;
    let start = kernel::now_ns();
    let mut first = true;
    let outcome = loop {
        let slept = interruptible(wait.limits.deadline.is_some(), Some(s), |known| wait.doze(known, first, &mut ready));
        first = false;
        match slept {
            Ok(Some(true)) => break Ok(()),
            Ok(_) if Kept::any() => break Err(Errno::MOVED),
            Ok(_) => {}
            Err(e) => break Err(e),
        }
    };
    learn(kernel::now_ns() - start);
    match outcome {
        // Whatever woke it, the number is not the socket's any more.
        Ok(()) if Kept::any() => Err(Errno::MOVED),
        Err(e) if e != Errno::MOVED && Kept::any() => {
            drop(Kept::take(s));
            outcome
        }
        other => other,
    }
}

/// Makes one sleeping call with the program's handlers put off until it is over. A call that a signal ended, and that a
/// handler's flags end for the program: EINTR or [`Errno::RESTART`]. None: to be made again.
pub fn interruptible<T>(timed: bool, s: Option<&Sock>, call: impl FnOnce(bool) -> Result<T>) -> Result<Option<T>> {
    let interrupts = signal::InterruptScope::begin();
    let (outcome, left) = {
        let _critical = signal::critical();
        let sleeping = Sleeping::enter(s);
        // A request that came before the entry was there is seen here, a later one calls the thread out.
        cancel::test();
        (call(sleeping.known()), sleeping.leave())
        // Handlers run here.
    };
    left.note();
    match outcome {
        Err(Errno::EINTR) => {
            cancel::test();
            match interrupts.take() {
                Some(i) if i.restart && !timed => Err(Errno::RESTART),
                Some(_) => Err(Errno::EINTR),
                // A stop without a handler, which the kernel does not go on after when there is a timeout (signal(7)).
                None if timed && !left.called => Err(Errno::EINTR),
                None => Ok(None),
            }
        }
        other => other.map(Some),
    }
}

/// As [`interruptible`], for poll(2) and its kin: every handler ends the call, and those that only `mask` lets through
/// run as well.
pub fn interruptible_poll<T>(mask: Option<&u64>, call: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    let interrupts = signal::InterruptScope::begin();
    let outcome = {
        let _critical = signal::critical();
        let _sleeping = Sleeping::enter(None);
        cancel::test();
        call()
    };
    match outcome {
        Err(Errno::EINTR) => {
            cancel::test();
            if let Some(mask) = mask {
                cancel::deliver(mask);
            }
            interrupts.take().map_or(Ok(None), |_| Err(Errno::EINTR))
        }
        other => other.map(Some),
    }
}

/// The seats of a socket.
fn seats(slot: &Slot) -> Seats<'_, AtomicU32> {
    Seats { first: &slot.first_sleeper, others: &slot.other_sleepers, wake: &slot.wake }
}

fn wake_others(slot: &Slot) {
    kernel::futex_wake(&slot.wake, u32::MAX >> 1);
}

/// One wait: who, for what, until when.
struct Wait<'a> {
    s: &'a Sock,
    armed: &'a AtomicU32,
    limits: Limits,
    mode: u32,
    interest: Interest,
}

impl Wait<'_> {
    fn plain(&self) -> bool {
        self.mode & PLAIN != 0
    }

    /// One sleep, in a critical section. True when it is `ready`. `known`: others of this process can call this thread
    /// out. `first`: nothing of the time is gone yet.
    fn doze(&self, known: bool, first: bool, ready: &mut impl FnMut() -> bool) -> Result<bool> {
        if !sleepers::stands(self.s) {
            // Closed by another thread before this one was known to sleep: as if that had come first.
            return Err(Errno::EBADF);
        }
        let slot = self.s.slot;
        // Bytes on a plain anchor are data, which wakes everybody and stays until it is read.
        let alone = |holder| !kernel::thread_exists(holder);
        let seat = if self.plain() { Seat::First } else { seats(slot).sit(tid(), alone) };
        bell::ask(self.armed);
        let outcome = self.sleep_in(seat, known, first, ready);
        if !self.plain() && seats(slot).rise(seat) {
            wake_others(slot);
        }
        outcome
    }

    fn sleep_in(&self, seat: Seat, known: bool, first: bool, ready: &mut impl FnMut() -> bool) -> Result<bool> {
        if ready() {
            return Ok(true);
        }
        let (slot, limits, now) = (self.s.slot, &self.limits, kernel::now_ns());
        if limits.deadline.is_some_and(|d| d <= now) {
            return Err(Errno::EAGAIN);
        }
        let mut look_by = limits.look_by.map(|d| d.saturating_sub(now));
        let mut at_most = |ns: u64| look_by = Some(look_by.map_or(ns, |l| l.min(ns)));
        if seat != Seat::First || slot.sleepers.load(Acquire) > 0 || slot.has(SlotFlags::SHARED) || !known {
            at_most(SHARED_SLEEP_NS);
        }
        if self.mode & SELF != 0 {
            at_most(LONELY_SLEEP_NS);
        }
        let left = [limits.deadline.map(|d| d - now), look_by].into_iter().flatten().min();
        let slept = match seat {
            Seat::First
                if first && look_by.is_none() && limits.deadline.is_some() && self.interest == Interest::Read =>
            {
                self.on_anchor_timed()
            }
            Seat::First => self.on_anchor(left),
            Seat::Other(_) if !seats(slot).may_sleep(seat) => return Ok(false),
            Seat::Other(seen) => match sleep::futex(&slot.wake, seen, left) {
                Ok(()) | Err(Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(false),
                Err(e) => Err(e),
            },
        };
        match slept {
            // What came together with the signal counts.
            Err(Errno::EINTR) if ready() => Ok(true),
            Ok(arrived) => Ok(arrived || ready()),
            Err(e) => Err(e),
        }
    }

    /// Sleeps in the first seat. True: bytes arrived that nobody counted (plain, from a program without the library).
    fn on_anchor(&self, left: Option<u64>) -> Result<bool> {
        // An anchor that is connected to nobody would be a hang-up at once.
        let fd = if self.mode & SELF != 0 { -1 } else { self.s.fd };
        let events = if self.plain() && self.interest == Interest::Write { libc::POLLOUT } else { libc::POLLIN };
        let mut fds = [libc::pollfd { fd, events, revents: 0 }];
        sleep::ppoll(&mut fds, left, None)?;
        Ok(self.told(fds[0].revents))
    }

    /// As [`Wait::on_anchor`] for the whole of the socket's timeout, which the anchor has too. A sleep in recv is one
    /// that the kernel does not go on with after a stop (signal(7)).
    fn on_anchor_timed(&self) -> Result<bool> {
        match sleep::peek(self.s.fd) {
            // Bytes, or an end: poll tells which.
            Ok(_) => self.on_anchor(Some(LONELY_SLEEP_NS)),
            Err(Errno::EINTR) => Err(Errno::EINTR),
            Err(Errno::EAGAIN) => Ok(false),
            Err(_) => self.on_anchor(Some(LONELY_SLEEP_NS)),
        }
    }

    /// The anchor told of these events.
    fn told(&self, events: i16) -> bool {
        if self.mode & SELF == 0 && !sleepers::stands(self.s) {
            // What is told is another file's.
            return false;
        }
        if events & (libc::POLLHUP | libc::POLLERR) != 0 {
            self.s.hung_up();
        }
        if events & libc::POLLIN == 0 {
            return false;
        }
        if self.plain() {
            return kernel::recv(self.s.fd, &mut [0], libc::MSG_PEEK | libc::MSG_DONTWAIT) == Ok(1);
        }
        rung(self.s);
        false
    }
}

/// The bell rang: takes its bytes and tells whoever else sleeps on the socket.
pub fn rung(s: &Sock) {
    drain(s.fd);
    tell(s, true);
}

/// As [`rung`], for poll and epoll sets, whose locks may be held.
pub fn rung_for_set(s: &Sock) {
    drain(s.fd);
    tell(s, false);
    crate::readiness::share_bell(s);
}

/// Tells the other sleepers of a socket to look again. `watched`: an epoll set may have missed what this one took.
fn tell(s: &Sock, watched: bool) {
    if seats(s.slot).tell() {
        wake_others(s.slot);
    }
    if watched && s.slot.has(SlotFlags::WATCHED) {
        crate::readiness::activate(s);
    }
    let first = s.slot.first_sleeper.load(Acquire);
    if first != 0 && first != tid() {
        // It was woken too, and finds no byte any more.
        sleepers::wake(s);
    }
}

/// Has everybody who sleeps on the socket look again, in this process at once, in others through the word that they share
/// or when their sleep is over.
pub fn wake_all(s: &Sock) {
    Word::bump(&s.slot.wake);
    wake_others(s.slot);
    sleepers::wake(s);
}

/// Takes back an ask that nobody needs any more, so that the far side is spared a bell. Left standing when somebody else
/// sleeps on the socket: only whoever rings takes that back.
pub fn disarm(s: &Sock, armed: &AtomicU32) {
    let needed = || {
        let slot = s.slot;
        let alone = slot.first_sleeper.load(Acquire) == 0 && slot.other_sleepers.load(Acquire) == 0;
        !alone || slot.sleepers.load(Acquire) != 0 || slot.has(SlotFlags::WATCHED)
    };
    if armed.load(Relaxed) == 0 || needed() {
        return;
    }
    bell::take(armed);
    <AtomicU32 as Word>::fence();
    if needed() {
        // Somebody began to sleep in between, and the bell may have passed by.
        bell::ask(armed);
        wake_all(s);
    }
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

/// Takes what bells left on the anchor.
pub fn drain(fd: i32) {
    let mut bytes = [0u8; 16];
    let _ = kernel::recv(fd, &mut bytes, libc::MSG_DONTWAIT);
}

/// Rings the far side if it asked for it. `fd` is our end of the anchor pair. Called after what it is rung for was stored.
#[inline]
pub fn ring(fd: i32, armed: &AtomicU32) {
    if bell::asked(armed) {
        ring_now(fd, armed);
    }
}

#[cold]
fn ring_now(fd: i32, armed: &AtomicU32) {
    if bell::take(armed) {
        let _ = kernel::sendto(fd, &[0], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &[]);
    }
}

/// Sleeps for at most `step_ns`, for what cannot ring. EAGAIN at the deadline; signals as in [`until`].
pub fn pause(s: &Sock, deadline: Deadline, step_ns: u64) -> Result<()> {
    let now = kernel::now_ns();
    if deadline.is_some_and(|d| d <= now) {
        return Err(Errno::EAGAIN);
    }
    let left = step_ns.min(deadline.map_or(u64::MAX, |d| d - now));
    let slept = interruptible(deadline.is_some(), Some(s), |_| sleep::ppoll(&mut [], Some(left), None));
    if Kept::any() {
        return Err(Errno::MOVED);
    }
    slept.map(drop)
}

/// Waits a little for more than what waits already, by the clock: for the rare reader that looks without taking.
pub fn more(s: &Sock, deadline: Deadline) -> Result<()> {
    const STEP_NS: u64 = 1_000_000;
    pause(s, deadline, STEP_NS)
}
