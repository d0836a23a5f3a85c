//! Readiness of a stream socket (tcp_poll), and waiting for it.

use core::sync::atomic::Ordering::*;

use super::super::zerocopy::Sends;
use super::{close, connect, data, deferred, filter, low_water, slow, stamps, state, urgent, Calm};
use crate::abi::Result;
use crate::bell::{self, BELL};
use crate::kernel;
use crate::shm::{Direction, End, SlotFlags, PLAIN, SELF};
use crate::socket::Sock;
use crate::wait::{self, Deadline, Interest};

pub(super) const IN: u32 = (libc::POLLIN | libc::POLLRDNORM) as u32;
pub(super) const OUT: u32 = (libc::POLLOUT | libc::POLLWRNORM) as u32;
const PRI: u32 = libc::POLLPRI as u32;
const ERR: u32 = libc::POLLERR as u32;
const HUP: u32 = libc::POLLHUP as u32;
const RDHUP: u32 = libc::POLLRDHUP as u32;

/// How often a connection whose listener's queue is full is tried again.
const RETRY_NS: u64 = 2_000_000;

/// How soon a listener's arrivals are looked at again while one may not be counted, and how late at most.
const COUNTED_NS: u64 = 100_000;
const COUNTED_AT_LAST_NS: u64 = 1_000_000_000;

/// Two to three microseconds of the processor's counter. A pause takes from 10 to 50 ns and cannot be counted.
const GATHER_TICKS: u64 = if cfg!(target_arch = "x86_64") { 3 << 11 } else { 3 << 6 };

/// A blocking reader has read all that it knows of and is about to look for more. At the end of a one-way stream it pays
/// to let bytes gather first: a reader that looks all the time takes the line from the writer with each look, and each
/// message costs both of them a trip between the cores.
#[inline(always)]
pub fn before_look(rx: &Direction) {
    if rx.trickles() {
        gather();
    }
}

#[cold]
#[inline(never)]
fn gather() {
    if crate::config::get().spin_ns != Some(0) {
        let start = kernel::ticks();
        while kernel::ticks().wrapping_sub(start) < GATHER_TICKS {
            core::hint::spin_loop();
        }
    }
}

/// As [`ready`], at least of those events that are wanted.
#[inline]
pub fn ready_for(s: &Sock, wanted: u32) -> u32 {
    Calm::of(s).and_then(|calm| calm.ready_for(wanted)).unwrap_or_else(|| ready(s))
}

/// poll(2)'s events, all that hold now.
pub fn ready(s: &Sock) -> u32 {
    // Whoever does not hold the socket cannot go on with its connection.
    if s.slot.state.load(Acquire) == state::SYN_SENT && s.fd >= 0 {
        connect::progress(s);
    }
    let base = s.slot.state.load(Acquire);
    let error = if s.slot.error.load(Acquire) != 0 { ERR } else { 0 };
    match base {
        state::LISTEN => return listener_ready(s),
        state::SYN_SENT => return error,
        _ => {}
    }
    let Some(end) = s.end().filter(|_| base == state::ESTABLISHED) else {
        let shut = s.slot.has(SlotFlags::SHUT_RD);
        return HUP | OUT | error | if shut { IN | RDHUP } else { 0 };
    };
    let (tx, rx) = (end.tx(), end.rx());
    if end.far().slot.load(Relaxed) == 0 && s.fd >= 0 {
        deferred::look(s, &end);
        if s.slot.has(SlotFlags::WATCHED) {
            // Many of them may be looked at time and again, and their bells tell of a listener that is gone.
            close::notice_death(s, &end);
        } else {
            close::never_accepted(s, &end);
        }
    }
    let reset = end.own().was_reset.load(Acquire) != 0;
    let no_more_in = reset || filter::end_came(s, &end) || s.slot.has(SlotFlags::SHUT_RD);
    let no_more_out = reset || tx.sent.fin.load(Acquire) != 0 || s.slot.has(SlotFlags::SHUT_WR);
    let mut events = error;
    if no_more_in && no_more_out {
        events |= HUP;
    }
    if no_more_in {
        events |= IN | RDHUP;
    } else if readable(s, &end) {
        events |= IN;
    }
    if no_more_out || writable(&end, s) {
        events |= OUT;
    }
    if rx.shared.urgent.load(Relaxed) != 0 && urgent::pending(&end) {
        events |= PRI;
    }
    if end.own().reset.load(Acquire) != 0 || Sends(&end.own().zerocopy).untold() || stamps::any_due(s, &end) {
        events |= ERR;
    }
    events
}

fn listener_ready(s: &Sock) -> u32 {
    deferred::show_due(s);
    match connect::queue(s) {
        connect::Queue::Waits => IN,
        connect::Queue::Empty(_) | connect::Queue::Unknown => 0,
    }
}

#[inline]
fn readable(s: &Sock, end: &End) -> bool {
    let rx = end.rx();
    if rx.shared.corked.load(Relaxed) == 0 && rx.shared.urgent.load(Relaxed) == 0 && !filter::is_on(end) {
        return data::waiting(s, end) >= low_water(s.slot) as u64;
    }
    urgent::readable_now(s, end) >= low_water(s.slot) as u64
}

/// Enough room to be worth a wake-up: a third of the buffer (sk_stream_is_writeable).
#[inline]
fn writable(end: &End, s: &Sock) -> bool {
    let tx = end.tx();
    let roomy = if end.mode & PLAIN != 0 {
        let mut fds = [libc::pollfd { fd: s.fd, events: libc::POLLOUT, revents: 0 }];
        matches!(kernel::ppoll(&mut fds, Some(0), None), Ok(1))
    } else {
        tx.room() >= tx.shared.capacity.load(Relaxed) / 3
    };
    roomy && (!s.slot.has(SlotFlags::SLOW) || slow::may_send(s, end) > 0) || end.far().closed.load(Acquire) != 0
}

/// Waits for one direction.
pub fn wait(s: &Sock, interest: Interest, deadline: Deadline) -> Result<()> {
    while s.slot.state.load(Acquire) == state::SYN_SENT {
        connect::progress(s);
        if s.slot.state.load(Acquire) != state::SYN_SENT {
            return Ok(());
        }
        wait::pause(s, deadline, RETRY_NS)?;
    }
    let Some(end) = s.end() else { return Ok(()) };
    let over = || {
        end.own().was_reset.load(Acquire) != 0
            || s.slot.error.load(Relaxed) != 0
            || s.slot.state.load(Relaxed) != state::ESTABLISHED
    };
    while deferred::holds(&end) {
        deferred::look(s, &end);
        let enough = interest == Interest::Write && writable(&end, s);
        if enough || over() || s.slot.has(SlotFlags::SHUT_RD) || end.tx().sent.fin.load(Acquire) != 0 {
            break;
        }
        wait::pause(s, deadline, deferred::next_look(&end).saturating_sub(kernel::now_ns()))?;
    }
    match interest {
        Interest::Read => {
            let rx = end.rx();
            let arrived = || {
                rx.buffered() > 0 && readable(s, &end)
                    || filter::end_came(s, &end)
                    || s.slot.has(SlotFlags::SHUT_RD)
                    || rx.shared.urgent.load(Relaxed) != 0 && urgent::pending(&end)
                    || over()
            };
            let limits = wait::Limits { deadline, look_by: data::shows_at(s, &end) };
            wait::until(s, &rx.shared.reader_armed, limits, end.mode, Interest::Read, arrived)
        }
        Interest::Write => {
            while slow::holds_up(s, &end) && !over() {
                wait::pause(s, deadline, RETRY_NS)?;
            }
            let free = || {
                end.tx().sent.fin.load(Acquire) != 0
                    || end.far().closed.load(Acquire) != 0
                    || over()
                    || writable(&end, s)
            };
            let limits = wait::Limits { deadline, look_by: None };
            wait::until(s, &end.tx().shared.writer_armed, limits, end.mode, Interest::Write, free)
        }
    }
}

/// See [`crate::family::SocketOps::arm`]. Only ever asks for more: what another sleeper asked for stays, until all
/// that was asked is taken back with no events.
pub fn arm(s: &Sock, events: u32) {
    let Some(end) = s.end() else { return };
    if events == 0 {
        wait::disarm(s, &end.rx().shared.reader_armed);
        wait::disarm(s, &end.tx().shared.writer_armed);
    }
    if events & (IN | RDHUP | PRI | HUP | ERR) != 0 {
        end.rx().shared.reader_armed.fetch_or(BELL, Relaxed);
    }
    if events & OUT != 0 {
        end.tx().shared.writer_armed.fetch_or(BELL, Relaxed);
    }
}

/// See [`crate::family::SocketOps::arm_from_bed`].
pub fn arm_from_bed(s: &Sock, events: u32, name: u32) {
    let Some(end) = s.end() else { return };
    if events & (IN | RDHUP | PRI | HUP | ERR) != 0 {
        bell::ask_from_bed(&end.rx().shared.reader_armed, name);
    }
    if events & OUT != 0 {
        bell::ask_from_bed(&end.tx().shared.writer_armed, name);
    }
}

/// See [`crate::family::SocketOps::native_events`].
pub fn native_events(s: &Sock, events: u32) -> u32 {
    match s.slot.state.load(Acquire) {
        state::ESTABLISHED if s.end().is_some_and(|e| e.mode & PLAIN != 0) => {
            let mut native = 0;
            if events & OUT != 0 && s.end().is_none_or(|e| !slow::holds_up(s, &e)) {
                native |= libc::POLLOUT as u32;
            }
            native
        }
        _ => 0,
    }
}

/// See [`crate::family::SocketOps::next_look`].
pub fn next_look(s: &Sock) -> Option<u64> {
    match s.slot.state.load(Acquire) {
        state::SYN_SENT => Some(kernel::now_ns() + RETRY_NS),
        state::LISTEN => [next_arrival(s), deferred::listener_look(s)].into_iter().flatten().min(),
        state::ESTABLISHED => {
            let end = s.end()?;
            if end.mode & SELF != 0 {
                // There is no peer to ring.
                return Some(kernel::now_ns() + RETRY_NS);
            }
            if deferred::holds(&end) {
                return Some(deferred::next_look(&end));
            }
            let unheld = slow::holds_up(s, &end).then(|| kernel::now_ns() + RETRY_NS);
            [data::shows_at(s, &end), stamps::next_look(s, &end), unheld].into_iter().flatten().min()
        }
        _ => None,
    }
}

/// A connection may be in the queue whose connector has not come to counting it: who watches the listener for edges looks
/// again soon after its bell, and ever later, as the connector may sleep before the queue or have been killed.
fn next_arrival(s: &Sock) -> Option<u64> {
    let extra = &s.slot.extra;
    let now = kernel::now_ns();
    let since = now.saturating_sub(extra[connect::RUNG_NS].load(Relaxed));
    (extra[connect::ON_THE_WAY].load(Acquire) != 0).then(|| now + (since / 2).clamp(COUNTED_NS, COUNTED_AT_LAST_NS))
}

/// See [`crate::family::SocketOps::has_bell`].
pub fn has_bell(s: &Sock) -> bool {
    match s.slot.state.load(Acquire) {
        state::LISTEN => true,
        state::ESTABLISHED => {
            s.end().is_some_and(|e| e.mode & SELF == 0 && e.far().closed.load(Acquire) == 0 && !deferred::holds(&e))
        }
        _ => false,
    }
}

/// See [`crate::family::SocketOps::answer_bell`].
pub fn answer_bell(s: &Sock, events: u32) {
    match s.slot.state.load(Acquire) {
        state::ESTABLISHED => {}
        state::LISTEN => return s.slot.extra[connect::RUNG_NS].store(kernel::now_ns(), Relaxed),
        _ => return,
    }
    let Some(end) = s.end() else { return };
    if events & IN != 0 && end.mode & PLAIN == 0 {
        wait::rung_for_set(s);
    }
    if events & (HUP | ERR) != 0 {
        s.hung_up();
    }
}

/// See [`crate::family::SocketOps::waits_since`].
pub fn waits_since(s: &Sock, seen: u64) -> u64 {
    s.end().map_or(0, |end| end.rx().waits_since(seen >> 8))
}

/// See [`crate::family::SocketOps::edges`].
pub fn edges(s: &Sock) -> (u64, u64) {
    let base = s.slot.state.load(Acquire) as u64;
    let error = (s.slot.error.load(Acquire) != 0) as u64;
    let Some(end) = s.end().filter(|_| base == state::ESTABLISHED as u64) else {
        let arrivals = if base == state::LISTEN as u64 { s.slot.extra[connect::ARRIVALS].load(Acquire) } else { 0 };
        return (base << 56 | error << 48 | arrivals & 0xffff_ffff, 0);
    };
    let rx = end.rx();
    let flags = filter::end_came(s, &end) as u64
        | (end.own().was_reset.load(Acquire) as u64) << 1
        | (s.slot.has(SlotFlags::SHUT_RD) as u64) << 2
        | (end.tx().sent.fin.load(Relaxed) as u64) << 3
        | error << 4;
    let mut arrived = rx.written();
    if end.mode & PLAIN != 0 {
        // What was sent and is not counted yet has arrived as well, and only once; also behind bytes that are counted.
        let uncounted = kernel::waiting_in(s.fd).unwrap_or(0) as u64;
        arrived = arrived.max(rx.consumed() + uncounted);
    }
    if filter::is_on(&end) {
        arrived = arrived.min(filter::passed(s, &end));
    }
    let done = (end.own().zerocopy.load(Relaxed) + end.own().stamps.load(Relaxed) as u64) << 40;
    // What is beyond the receive buffer is still the sender's (`data::ioctl`): it arrives when reading makes room for it.
    let arrived = arrived.min(rx.consumed() + rx.window());
    (done ^ (arrived << 8 | flags << 3 | 1), end.tx().full_count())
}
