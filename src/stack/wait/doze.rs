//! One sleep of a blocking call on a stream socket, inside a critical section.

use core::sync::atomic::{AtomicU32, Ordering::*};

use super::bells::{rouse_first, rung, seats, wake_others};
use super::{Interest, Limits};
use crate::abi::{Errno, Result};
use crate::bell::{self, Seat};
use crate::ears::Listening;
use crate::kernel;
use crate::shm::{tid, SlotFlags, PLAIN, SELF};
use crate::signal::sleep;
use crate::sleepers;
use crate::socket::Sock;

/// How long one sleep lasts at most where a bell may be taken by another one, and there is no ear to hear it with.
const SHARED_SLEEP_NS: u64 = 20_000_000;
/// A first sleep is on the asking word: most are over soon, and this costs both sides less than a bell. Then the anchor tells
/// of a peer that dies, too.
const CALLED_SLEEP_NS: u64 = 10_000_000;
/// A socket that is connected to itself has no bell.
const LONELY_SLEEP_NS: u64 = 5_000_000;

/// One wait: who, for what, until when.
pub(super) struct Wait<'a> {
    pub s: &'a Sock,
    pub armed: &'a AtomicU32,
    pub limits: Limits,
    pub mode: u32,
    pub interest: Interest,
}

/// Where one sleep takes place.
struct Place<'a> {
    seat: Seat,
    /// Others of this process can call the thread out.
    known: bool,
    /// Nobody takes the bell, or the ear hears of it.
    heard: bool,
    /// What the far side is asked for.
    how: u32,
    ear: &'a Listening,
}

impl Wait<'_> {
    fn plain(&self) -> bool {
        self.mode & PLAIN != 0
    }

    /// One sleep, in a critical section. True when it is `ready`. `known`: others of this process can call this thread
    /// out. `first`: nothing of the time is gone yet.
    pub fn doze(&self, known: bool, first: bool, ready: &mut impl FnMut() -> bool) -> Result<bool> {
        if !sleepers::stands(self.s) {
            // Closed by another thread before this one was known to sleep: as if that had come first.
            return Err(Errno::EBADF);
        }
        let slot = self.s.slot;
        // Bytes on a plain anchor are data, which wakes everybody and stays until it is read.
        let alone = |holder| !kernel::thread_exists(holder);
        let seat = if self.plain() { Seat::First } else { seats(slot).sit(tid(), alone) };
        // The bell's byte may be taken by somebody else: another process, whose death nobody would tell, poll or epoll. And
        // what another process does to the socket itself rings no bell. Shared once, but whoever it was shared with has
        // let go: then it is as if it never had been.
        let shared = slot.has(SlotFlags::SHARED) && slot.refs.load(Acquire) > 1;
        let contended = shared || !self.plain() && (seat != Seat::First || slot.sleepers.load(Acquire) > 0);
        let mut ear = Listening::idle();
        let heard = !contended || ear.to(self.s);
        let sole = seat == Seat::First && !contended && known && self.mode & (PLAIN | SELF) == 0;
        let how = if first && sole && !self.timed(first) { bell::CALL } else { bell::BELL };
        bell::ask(self.armed, how);
        if seat != Seat::First {
            rouse_first(self.s);
        }
        let place = Place { seat, known, heard, how, ear: &ear };
        let outcome = self.sleep_in(place, first, ready);
        if !self.plain() && seats(slot).rise(seat) {
            wake_others(slot);
        }
        outcome
    }

    fn sleep_in(&self, place: Place<'_>, first: bool, ready: &mut impl FnMut() -> bool) -> Result<bool> {
        if ready() {
            return Ok(true);
        }
        let (slot, limits) = (self.s.slot, &self.limits);
        // Most sleeps have no end that a clock tells, and a look at it costs as much as a third of one of the system calls.
        let bounded = limits.deadline.is_some() || limits.look_by.is_some();
        let now = if bounded { kernel::now_ns() } else { 0 };
        if limits.deadline.is_some_and(|d| d <= now) {
            return Err(Errno::EAGAIN);
        }
        let mut look_by = limits.look_by.map(|d| d.saturating_sub(now));
        let mut at_most = |ns: u64| look_by = Some(look_by.map_or(ns, |l| l.min(ns)));
        if !place.heard || !place.known {
            at_most(SHARED_SLEEP_NS);
        }
        if self.mode & SELF != 0 {
            at_most(LONELY_SLEEP_NS);
        }
        let left = [limits.deadline.map(|d| d - now), look_by].into_iter().flatten().min();
        let slept = match place.seat {
            seat if place.ear.fd() >= 0 && seats(slot).may_sleep(seat) => self.on_anchor(left, place.ear),
            Seat::First if place.how == bell::CALL => self.on_word(left),
            Seat::First if self.timed(first) => self.on_anchor_timed(),
            Seat::First => self.on_anchor(left, place.ear),
            seat @ Seat::Other(_) if !seats(slot).may_sleep(seat) => return Ok(false),
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

    /// Does the anchor's own timeout, which is the socket's, end the sleep?
    fn timed(&self, first: bool) -> bool {
        let limits = &self.limits;
        first && limits.look_by.is_none() && limits.deadline.is_some() && self.interest == Interest::Read
    }

    /// Sleeps in the first seat for a short while, on the asking word.
    fn on_word(&self, left: Option<u64>) -> Result<bool> {
        let Some(asked) = bell::called(self.armed).filter(|_| seats(self.s.slot).sole()) else { return Ok(false) };
        let at_most = left.map_or(CALLED_SLEEP_NS, |left| left.min(CALLED_SLEEP_NS));
        match sleep::futex(self.armed, asked, Some(at_most)) {
            Ok(()) | Err(Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Sleeps in the first seat. True: bytes arrived that nobody counted (plain, from a program without the library).
    fn on_anchor(&self, left: Option<u64>, ear: &Listening) -> Result<bool> {
        // An anchor that is connected to nobody would be a hang-up at once.
        let fd = if self.mode & SELF != 0 { -1 } else { self.s.fd };
        let events = if self.plain() && self.interest == Interest::Write { libc::POLLOUT } else { libc::POLLIN };
        let heard = libc::pollfd { fd: ear.fd(), events: libc::POLLIN, revents: 0 };
        let mut fds = [libc::pollfd { fd, events, revents: 0 }, heard];
        sleep::ppoll(&mut fds, left, None)?;
        if fds[1].revents != 0 {
            ear.take();
        }
        Ok(self.told(fds[0].revents))
    }

    /// As [`Wait::on_anchor`] for the whole of the socket's timeout, which the anchor has too. A sleep in recv is one
    /// that the kernel does not go on with after a stop (signal(7)).
    fn on_anchor_timed(&self) -> Result<bool> {
        match sleep::peek(self.s.fd) {
            // Bytes, or an end: poll tells which.
            Ok(_) => self.on_anchor(Some(LONELY_SLEEP_NS), &Listening::idle()),
            Err(Errno::EINTR) => Err(Errno::EINTR),
            Err(Errno::EAGAIN) => Ok(false),
            Err(_) => self.on_anchor(Some(LONELY_SLEEP_NS), &Listening::idle()),
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
