//! Bells: ringing the far side, and what a sleeper of this side does with a bell that rang.

use core::sync::atomic::{AtomicU32, Ordering::*};

use crate::bell::{self, Seats, Word};
use crate::ears;
use crate::kernel;
use crate::shm::{tid, Slot, SlotFlags};
use crate::sleepers;
use crate::socket::Sock;

/// The seats of a socket.
pub(super) fn seats(slot: &Slot) -> Seats<'_, AtomicU32> {
    Seats { first: &slot.first_sleeper, others: &slot.other_sleepers, wake: &slot.wake }
}

pub(super) fn wake_others(slot: &Slot) {
    kernel::futex_wake_all(&slot.wake);
}

/// A thread comes to sleep on the socket beside the first one, which must not sleep where no bell is heard.
pub(super) fn rouse_first(s: &Sock) {
    let Some(end) = s.end() else { return };
    for word in [&end.rx().shared.reader_armed, &end.tx().shared.writer_armed] {
        if bell::rouse(word) {
            kernel::futex_wake_all(word);
        }
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

/// Has everybody who sleeps on the socket look again: in this process, in others through the word that they share or
/// through their ears.
pub fn wake_all(s: &Sock) {
    Word::bump(&s.slot.wake);
    wake_others(s.slot);
    ears::tell(s.arena, s.number);
    sleepers::wake(s);
}

/// Takes back an ask that nobody needs any more, so that the far side is spared a bell. Left standing when somebody else
/// sleeps on the socket: only whoever rings takes that back.
pub fn disarm(s: &Sock, armed: &AtomicU32) {
    let needed = || {
        let slot = s.slot;
        let alone = slot.first_sleeper.load(Acquire) == 0 && slot.other_sleepers.load(Acquire) == 0;
        !alone || slot.sleepers.load(Acquire) != 0 || slot.has(SlotFlags::WATCHED) || ears::any(s)
    };
    if armed.load(Relaxed) == 0 || needed() {
        return;
    }
    bell::take(armed);
    <AtomicU32 as Word>::fence();
    if needed() {
        // Somebody began to sleep in between, and the bell may have passed by.
        bell::ask(armed, bell::BELL);
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
    let hung_up = libc::POLLHUP | libc::POLLERR;
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
    let ticks = kernel::ticks();
    if asks_now(s, ticks) {
        s.slot.asked.store(about_ms(ticks), Relaxed);
        ask_for_end(s);
    }
}

/// Would [`ask_now_and_then`] ask at this time?
#[inline]
pub fn asks_now(s: &Sock, ticks: u64) -> bool {
    s.slot.asked.load(Relaxed) != about_ms(ticks) && !s.slot.has(SlotFlags::WATCHED)
}

/// A number that changes about every millisecond.
#[inline]
pub fn about_ms(ticks: u64) -> u32 {
    (ticks >> if cfg!(target_arch = "x86_64") { 21 } else { 16 }) as u32
}

/// Takes what bells left on the anchor.
pub fn drain(fd: i32) {
    let mut bytes = [0u8; 16];
    let _ = kernel::recv(fd, &mut bytes, libc::MSG_DONTWAIT);
}

/// Rings the far side of a connection if it asked for it. Called after what it is rung for was stored.
#[inline]
pub fn ring(s: &Sock, armed: &AtomicU32) {
    if bell::asked(armed, |name| s.arena.bed(name)) {
        ring_now(s, armed);
    }
}

#[cold]
fn ring_now(s: &Sock, armed: &AtomicU32) {
    let call = || {
        kernel::futex_wake_all(armed);
    };
    bell::answer(armed, |name| s.arena.bed(name), call, || send_bell(s));
}

/// As [`ring`], with a byte also where nobody asked.
#[cold]
pub fn ring_always(s: &Sock, armed: &AtomicU32) {
    <AtomicU32 as Word>::fence();
    if bell::take(armed) & bell::CALL != 0 {
        kernel::futex_wake_all(armed);
    }
    send_bell(s);
}

/// Puts the bell's byte on the far anchor, and tells the ears of the far socket, which the byte may not reach. False: the
/// far anchor is gone, or so full that whoever sleeps there is awake.
fn send_bell(s: &Sock) -> bool {
    let rung = kernel::sendto(s.fd, &[0], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &[]).is_ok();
    if let Some(end) = s.end() {
        ears::tell(s.arena, end.far().slot.load(Acquire).wrapping_sub(1));
    }
    rung
}
