//! TCP_DEFER_ACCEPT (tcp(7); net/ipv4/inet_connection_sock.c, syn_ack_recalc; tcp_check_req): a connection that its
//! listener sees with its first data, its end of stream, or when the time is over.
//!
//! The connector is connected at once, but its anchor is not: it goes into the listener's queue when something is sent,
//! by whoever sends. When the time is over it goes by whoever looks first: a sleeper on the connector, or one on the
//! listener, which finds the connector's anchor in its own process or, as far as ptrace(2) is allowed, in another. Only a
//! connector that neither sends nor looks, in a process that is closed to the listener's, is later than it should be.

use core::sync::atomic::Ordering::*;

use super::{connect, state};
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::network::called;
use crate::options;
use crate::shm::{End, Slot};
use crate::socket::Sock;

/// The word of a listener's `Slot::extra` with the time at which the next deferred connection is due, 0 for none.
pub const EARLIEST: usize = 28;
/// Times are at least a second away, so a sleeper who looks as often misses none that begin while it sleeps.
const LOOK_NS: u64 = 1_000_000_000;
/// How soon to look again after a connection that could not go yet.
const RETRY_NS: u64 = 2_000_000;
/// How long a sleeper on a deferred connection sleeps at most: its anchor has no bell yet.
const SILENT_NS: u64 = 50_000_000;
/// In [`crate::shm::Conn::deferred_ns`]: due since ever, it waits for room in the queue.
const OVERDUE: u64 = 1;

fn no_later(listener: &Slot, at: u64) {
    let sooner = |old: u64| (old == 0 || at < old).then_some(at);
    let _ = listener.extra[EARLIEST].fetch_update(AcqRel, Acquire, sooner);
}

/// A connection begins: is it deferred?
pub fn begins(s: &Sock, number: u32, listener: &Slot) -> bool {
    let seconds = options::value(listener, options::DEFER_ACCEPT);
    let Some(end) = s.end().filter(|_| seconds > 0) else { return false };
    let until = kernel::now_ns() + seconds as u64 * 1_000_000_000;
    end.conn.deferred_to.store(number + 1, Relaxed);
    end.conn.deferred_ns.store(until, Release);
    no_later(listener, until);
    true
}

/// Is the connection still kept from its listener?
#[inline]
pub fn holds(end: &End) -> bool {
    end.far().slot.load(Relaxed) == 0 && end.conn.deferred_ns.load(Acquire) != 0
}

/// The connector has sent something. True when it went nowhere, because the listener is gone.
#[cold]
pub fn spoke(s: &Sock, end: &End) -> bool {
    if !holds(end) {
        return false;
    }
    let _held = s.slot.lock.lock();
    match queue(s, end) {
        Err(Errno::EAGAIN) => {
            end.conn.deferred_ns.store(OVERDUE, Release);
            if let Some(listener) = listener_of(s, end) {
                no_later(listener, OVERDUE);
            }
            false
        }
        Err(_) => {
            end.conn.deferred_ns.store(0, Release);
            true
        }
        Ok(()) => false,
    }
}

/// The connection goes without ever having been seen. True: nobody holds the acceptor's end.
pub fn forgotten(end: &End) -> bool {
    holds(end) && end.conn.deferred_ns.swap(0, AcqRel) != 0
}

/// Shows the connection if it is due.
pub fn look(s: &Sock, end: &End) {
    let until = end.conn.deferred_ns.load(Acquire);
    if until == 0 || kernel::now_ns() < until {
        return;
    }
    let _held = s.slot.lock.lock();
    if queue(s, end).is_err_and(|e| e != Errno::EAGAIN) {
        // Nobody listens any more, which the connector learns when it sends.
        end.conn.deferred_ns.store(u64::MAX, Release);
    }
}

/// When to look again at a connection that is deferred.
pub fn next_look(end: &End) -> u64 {
    let now = kernel::now_ns();
    match end.conn.deferred_ns.load(Acquire) {
        OVERDUE => now + RETRY_NS,
        until => until.min(now + SILENT_NS),
    }
}

fn listener_of(s: &Sock, end: &End) -> Option<&'static Slot> {
    s.arena.slot(end.conn.deferred_to.load(Acquire).wrapping_sub(1)).filter(|l| l.state.load(Acquire) == state::LISTEN)
}

/// The end of the stream, which is shown as data is. The slot's lock is held, or nobody else has the socket.
pub fn deliver(s: &Sock, end: &End) {
    if holds(end) {
        let _ = queue(s, end);
    }
}

/// Puts the connection into its listener's queue. EAGAIN when that is full.
fn queue(s: &Sock, end: &End) -> Result<()> {
    let listener = listener_of(s, end).ok_or(Errno::ECONNREFUSED)?;
    let number = end.conn.deferred_to.load(Acquire) - 1;
    let connect = || kernel::connect(s.fd, &called::of_slot(s.arena, number, listener));
    let gone = connect::at_once(s, || connect::arriving(listener, connect));
    match gone {
        // Two saw that it was due.
        Ok(()) | Err(Errno::EISCONN) => {
            end.conn.deferred_ns.store(0, Release);
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// On a listener: shows the connections that are due.
pub fn show_due(s: &Sock) {
    let earliest = s.slot.extra[EARLIEST].load(Acquire);
    if earliest == 0 {
        return;
    }
    let now = kernel::now_ns();
    if now < earliest {
        return;
    }
    // Before the look: who begins meanwhile stores its time again.
    s.slot.extra[EARLIEST].store(0, Release);
    for number in 0..s.arena.slots_used() {
        let Some((connector, end)) = deferred_to(s, number) else { continue };
        if end.conn.deferred_ns.load(Acquire) <= now {
            fetch(s, number, connector, &end);
        }
        match end.conn.deferred_ns.load(Acquire) {
            0 => {}
            until => no_later(s.slot, if until <= now { now + SILENT_NS } else { until }),
        }
    }
}

/// The connector in a slot, if its connection is deferred to this listener.
fn deferred_to(s: &Sock, number: u32) -> Option<(&'static Slot, End)> {
    let slot =
        s.arena.slot(number).filter(|slot| slot.in_use() && slot.kind.load(Relaxed) == libc::SOCK_STREAM as u32)?;
    let (conn, side) = slot.conn().filter(|(_, side)| *side == 0)?;
    let end = End::new(s.arena.conn(conn)?, side);
    (holds(&end) && end.conn.deferred_to.load(Relaxed) == s.number + 1).then_some((slot, end))
}

/// Shows a connection whose anchor is in this process, or in another one that lets us have it.
fn fetch(s: &Sock, number: u32, slot: &'static Slot, end: &End) {
    let own = fdtable::all().find(|(_, n)| *n == number).map(|(fd, _)| fd);
    let foreign = || {
        let fd = kernel::socket_of(slot.pid.load(Relaxed), slot.inode.load(Relaxed)).ok()?;
        kernel::move_up(fd).ok()
    };
    if let Some(fd) = own {
        look(&Sock { fd, number, slot, arena: s.arena }, end);
    } else if let Some(fd) = foreign() {
        look(&Sock { fd, number, slot, arena: s.arena }, end);
        let _ = kernel::close(fd);
    }
}

/// When a sleeper on the listener has to look by itself; none while no connection can be deferred.
pub fn listener_look(s: &Sock) -> Option<u64> {
    let soon = || kernel::now_ns() + LOOK_NS;
    match s.slot.extra[EARLIEST].load(Acquire) {
        0 if options::word(s.slot, options::DEFER_ACCEPT) == 0 => None,
        0 => Some(soon()),
        at => Some(at.min(soon())),
    }
}

/// A connection whose bytes go through the anchors was shown by its first data, which follows at once.
pub fn await_data(fd: i32, end: &End) {
    const LONGEST_NS: u64 = 10_000_000;
    if end.conn.deferred_to.load(Relaxed) != 0 && end.tx().sent.fin.load(Relaxed) == 0 {
        let mut fds = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
        let _ = kernel::ppoll(&mut fds, Some(LONGEST_NS), None);
    }
}
