//! The short way of small messages: a connection through rings, and nothing set or under way that the whole way
//! ([`super::data`]) would have to heed. Whatever is not so is left to it, before anything was done. All of it happens in
//! the critical section of the call.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering::*;

use super::{calm, poll, state};
use crate::kernel;
use crate::options;
use crate::process;
use crate::shm::views::Buffers;
use crate::shm::{usercopy, End, SlotFlags};
use crate::socket::Sock;
use crate::wait;

/// The longest message that goes this way, in bytes: what is longer is long in copying, too.
const LONGEST: usize = 16 << 10;

/// Flags that mean nothing to a receiver without descriptors in its messages; sockperf gives the first with every call.
const IGNORED: i32 = libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC;

/// The end of an established connection through rings.
#[inline(always)]
fn plain_sailing(s: &Sock, foul: u32) -> Option<End> {
    let slot = s.slot;
    let calm = slot.flags.load(Relaxed) & foul == 0 && slot.state.load(Acquire) == state::ESTABLISHED;
    s.end().filter(|end| calm && end.mode == 0)
}

/// send(2) of all of a message that there is room for. None: not done.
#[inline]
pub fn send(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    put(s, length, flags, |at| {
        // SAFETY: the ring gives `length` writable bytes at `at`; a fault of the program's side ends the copy.
        unsafe { usercopy::copy_in(at, buffer as *const u8, length) }
    })
}

/// As [`send`], of several buffers.
pub fn send_list(s: &Sock, mut data: Buffers<'_>, flags: i32) -> Option<usize> {
    let length = data.left();
    // SAFETY: as above.
    put(s, length, flags, |at| unsafe { data.take(at, length) })
}

/// recv(2) of what waits, or comes within a spin. None: not done.
#[inline]
pub fn receive(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    take(s, length, flags, |at, n| {
        // SAFETY: the ring gives `n` readable bytes at `at`; a fault of the program's side ends the copy.
        unsafe { usercopy::copy_out(buffer as *mut u8, at, n) }
    })
}

/// As [`receive`], into several buffers.
pub fn receive_list(s: &Sock, mut data: Buffers<'_>, flags: i32) -> Option<usize> {
    // SAFETY: as above.
    take(s, data.left(), flags, |at, n| unsafe { data.put(at, n) })
}

/// Sends `length` bytes that `fill` copies, which says how many it could.
#[inline(always)]
fn put(s: &Sock, length: usize, flags: i32, fill: impl FnOnce(*mut u8) -> usize) -> Option<usize> {
    if flags & !(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) != 0 || length.wrapping_sub(1) >= LONGEST {
        return None;
    }
    // What was shut down has the flag before the stream has its end, so the line that the reader polls need not be read.
    let end = plain_sailing(s, SlotFlags::SHUT_WR | SlotFlags::SLOW)?;
    let (tx, own, far) = (end.tx(), end.own(), end.far());
    let error = s.slot.error.load(Relaxed) as u32 | own.was_reset.load(Relaxed);
    let over = far.closed.load(Acquire) | (far.slot.load(Relaxed) == 0) as u32;
    let shared = &tx.shared;
    let special =
        shared.corked.load(Relaxed) | shared.reader_async.load(Relaxed) | options::word(s.slot, options::CORK);
    let ticks = kernel::ticks();
    if error | over | special != 0 || wait::asks_now(s, ticks) {
        return None;
    }
    if !tx.put_straight(s.arena, process::alone(s.slot), length, ticks, fill) {
        return None;
    }
    end.rx().answered();
    wait::ring(s, &shared.reader_armed);
    Some(length)
}

/// Receives up to `length` bytes that `drain` copies out, which says how many it could.
#[inline(always)]
fn take(s: &Sock, length: usize, flags: i32, drain: impl FnOnce(*const u8, usize) -> usize) -> Option<usize> {
    let (slot, foul) = (s.slot, SlotFlags::SHUT_RD | SlotFlags::ASYNC | SlotFlags::SLOW);
    if flags & !(libc::MSG_DONTWAIT | IGNORED) != 0 || length.wrapping_sub(1) >= isize::MAX as usize {
        return None;
    }
    let end = plain_sailing(s, foul)?;
    let rx = end.rx();
    let special = rx.shared.corked.load(Relaxed) as u64
        | rx.shared.urgent.load(Acquire)
        | (options::word(slot, options::INQ)
            | options::word(slot, options::PEEK_OFFSET)
            | options::word(slot, options::RECEIVE_LOW_WATER) >> 1) as u64;
    if special != 0 {
        return None;
    }
    if rx.known() < length as u64 {
        let may_wait = flags & libc::MSG_DONTWAIT == 0 && !s.nonblocking();
        if may_wait && rx.known() == 0 {
            poll::before_look(rx);
        }
        let come = rx.stirs() || may_wait && comes_soon(s, &end, foul) && rx.shared.urgent.load(Acquire) == 0;
        if !come {
            return None;
        }
    }
    let got = rx.take_straight(s.arena, process::alone(slot), length, drain)?;
    if slot.has(SlotFlags::WATCHED) {
        calm::expect_next(s, &end);
    }
    wait::ring(s, &rx.shared.writer_armed);
    Some(got)
}

/// Looks for a short while whether bytes come. False when they do not, or something else does.
#[inline(never)]
fn comes_soon(s: &Sock, end: &End, foul: u32) -> bool {
    let rx = end.rx();
    let come = wait::spin_first(|| {
        // The bytes come just before what tells of them, so both lines are asked for at the same time.
        rx.expect_read(s.arena);
        rx.stirs()
            || rx.sent.fin.load(Relaxed) | end.own().was_reset.load(Relaxed) | s.slot.flags.load(Relaxed) & foul != 0
            || s.slot.state.load(Relaxed) != state::ESTABLISHED
    });
    come && rx.stirs()
}
