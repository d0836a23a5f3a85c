//! The ends of a connection: shutdown, close, reset, and the peer's death (tcp_close, tcp_shutdown, tcp_disconnect).

use core::sync::atomic::Ordering::*;

use super::super::dgram::kernel_side;
use super::super::reuseport;
use super::{deferred, state, transport};
use crate::abi::{Errno, Name, Result};
use crate::anchor;
use crate::kernel;
use crate::names::conflict::Claim;
use crate::names::table::claim_of;
use crate::names::{timewait, Names};
use crate::options;
use crate::shm::{Arena, Direction, End, Slot, SlotFlags, CLOSED, DEAF, PLAIN, SELF};
use crate::socket::Sock;
use crate::stop::{self, Point};
use crate::wait;

/// shutdown(2); `how` is one of SHUT_RD, SHUT_WR, SHUT_RDWR.
pub fn shutdown(s: &Sock, how: i32) -> Result<()> {
    let _held = s.slot.lock.lock();
    let bits = match how {
        libc::SHUT_RD => SlotFlags::SHUT_RD,
        libc::SHUT_WR => SlotFlags::SHUT_WR,
        _ => SlotFlags::SHUT_RD | SlotFlags::SHUT_WR,
    };
    match super::current_state(s) {
        state::CLOSE => {
            s.slot.set(bits);
            return Err(Errno::ENOTCONN);
        }
        state::LISTEN => {
            if bits & SlotFlags::SHUT_RD != 0 {
                stop_listening(s)?;
            }
            return Ok(());
        }
        state::SYN_SENT => return disconnect(s),
        _ => {}
    }
    s.slot.set(bits);
    let Some(end) = s.end() else { return Ok(()) };
    let carrier = transport::of(&end);
    if bits & SlotFlags::SHUT_WR != 0 && end.tx().sent.fin.load(Acquire) == 0 {
        end.tx().shared.corked.store(0, Release);
        who_was_first(&end);
        if deferred::holds(&end) && end.mode & PLAIN != 0 {
            deferred::deliver(s, &end);
        }
        carrier.end_of_stream(s, &end);
        deferred::deliver(s, &end);
        answered(s.arena, &end, s.slot);
    }
    if s.slot.has(SlotFlags::SHUT_RD | SlotFlags::SHUT_WR) {
        end.own().closed.fetch_or(DEAF, AcqRel);
    }
    wake_own(s);
    Ok(())
}

/// Wakes this end's own sleepers: a shutdown ends what other threads wait for.
pub fn wake_own(s: &Sock) {
    // Their bell is on our own anchor, which only the peer can ring.
    wait::wake_all(s);
    if s.slot.sleepers.load(Acquire) > 0 {
        crate::readiness::poke(s);
    }
    if s.slot.has(SlotFlags::WATCHED) {
        crate::readiness::activate(s);
    }
}

/// A listener that was shut down for reading is closed, but keeps its name and may listen again.
fn stop_listening(s: &Sock) -> Result<()> {
    s.slot.state.store(state::CLOSE, Release);
    let _ = kernel::shutdown(s.fd, libc::SHUT_RDWR);
    anchor::replace(s)?;
    release_port(s);
    wake_own(s);
    Ok(())
}

/// A port that the program did not name goes back (inet_put_port), although getsockname still tells it.
pub fn release_port(s: &Sock) {
    if !s.slot.has(SlotFlags::PORT_LOCKED) {
        Names::lock(s.arena).remove(s.number);
    }
}

/// The address goes back to the wildcard unless bind named it (inet_reset_saddr).
pub fn reset_address(s: &Sock) {
    if !s.slot.has(SlotFlags::ADDRESS_LOCKED) {
        let port = s.slot.local().port;
        s.slot.set_local(Name { port, ..Name::any(s.family()) });
    }
}

/// connect(2) to AF_UNSPEC (tcp_disconnect): whatever it was, it is a fresh socket with its bound name.
pub fn disconnect(s: &Sock) -> Result<()> {
    match s.slot.state.load(Acquire) {
        state::LISTEN => return stop_listening(s),
        state::CLOSE if s.end().is_none() => {
            s.slot.clear(SlotFlags::CONNECT_UNTOLD);
            return Ok(());
        }
        _ => {}
    }
    let before = super::current_state(s);
    if s.end().is_some() {
        leave(s, true);
        super::stamps::let_go(s.arena, s.slot);
        anchor::replace(s)?;
    }
    s.slot.set_conn(None);
    s.slot.error.store(if before == state::CLOSE { 0 } else { Errno::ECONNRESET.raw() }, Release);
    s.slot.state.store(state::CLOSE, Release);
    s.slot.clear(SlotFlags::CONNECT_UNTOLD | SlotFlags::PEER | SlotFlags::SHUT_RD | SlotFlags::SHUT_WR);
    s.slot.set_peer(Name::any(s.family()));
    release_port(s);
    reset_address(s);
    wake_own(s);
    Ok(())
}

/// Tells the other end of a reset; what it makes of it depends on whether it saw our end of stream before.
fn reset_far(end: &End) {
    let error = if end.tx().sent.fin.load(Acquire) != 0 { Errno::EPIPE } else { Errno::ECONNRESET };
    if end.far().was_reset.swap(1, AcqRel) == 0 {
        end.tx().comes_last();
        end.far().reset.store(error.raw(), Release);
    }
}

/// The last descriptor goes.
pub fn release(s: &Sock) {
    if s.end().is_some() {
        leave(s, false);
    }
    s.slot.set_conn(None);
    super::let_go(s.arena, s.slot);
    kernel_side::drop_companion(s.number);
    reuseport::let_go(s.arena, s.slot);
}

/// Ends this side of the connection (tcp_close): a reset when bytes were left unread or linger says so, else the end of
/// the stream, with TIME_WAIT for whoever closed first.
fn leave(s: &Sock, reset: bool) {
    let (Some(end), Some((number, _))) = (s.end(), s.slot.conn()) else { return };
    let carrier = transport::of(&end);
    let (tx, rx) = (end.tx(), end.rx());
    let linger_reset = options::flag(s.slot, options::LINGER_ON) && options::word(s.slot, options::LINGER_SECONDS) == 0;
    let mut unseen = false;
    let dead = end.own().was_reset.load(Acquire) != 0;
    tx.shared.corked.store(0, Release);
    let over = tx.sent.fin.load(Acquire) != 0 && rx.sent.fin.load(Acquire) != 0;
    let linger2_reset = options::word(s.slot, options::LINGER2) as i32 == -1 && tx.sent.fin.load(Acquire) != 0;
    if reset || super::data::waiting(s, &end) > 0 || (linger_reset || linger2_reset) && !over {
        if !dead && end.mode & SELF == 0 {
            reset_far(&end);
        }
        if !over {
            reset_waiting(s, &end);
        }
        unseen = deferred::forgotten(&end);
    } else if !dead && end.own().slot.load(Acquire) != 0 {
        who_was_first(&end);
        tx.finish();
        deferred::deliver(s, &end);
        unseen = deferred::forgotten(&end);
        if end.far().was_reset.load(Acquire) == 0 {
            answered(s.arena, &end, s.slot);
            keep_name(s.arena, &end, s.slot);
        }
    }
    stop::here(Point::FinSent);
    end.own().closed.fetch_or(CLOSED, AcqRel);
    stop::here(Point::Closed);
    // An end that has gone sleeps nowhere, whatever it asked for before.
    if end.far().closed.load(Acquire) & CLOSED == 0 {
        if end.mode & PLAIN == 0 {
            crate::wait::ring(s, &tx.shared.reader_armed);
        }
        carrier.wake_writer(s, &end);
    }
    end.own().slot.store(0, Release);
    // First, so that whoever buries the slot of a killed process never lets go of the connection a second time.
    s.slot.set_conn(None);
    end.conn.release(s.arena, number);
    if end.mode & SELF != 0 || unseen {
        end.conn.release(s.arena, number);
    }
}

/// Notes, before this end's end of stream goes, whether the other one's came. Both may be first.
fn who_was_first(end: &End) {
    if end.tx().sent.fin.load(Acquire) == 0 && end.rx().sent.fin.load(Acquire) == 0 {
        end.own().first.store(1, Release);
    }
}

/// This end, nobody's any more, closed first: it waits for the other one, as long as TCP_LINGER2 says, or in TIME_WAIT, and
/// its name is taken meanwhile (tcp_fin_time, tcp_time_wait).
fn keep_name(arena: &'static Arena, end: &End, slot: &Slot) {
    let claim = Claim { time_wait: true, uid: 0, ..claim_of(slot) };
    let linger2 = options::word(slot, options::LINGER2) as i32;
    let lasts = match (end.rx().sent.fin.load(Acquire) != 0, linger2) {
        (true, _) | (_, 0) => None,
        (false, seconds) => Some(seconds.max(0) as u64 * 1000),
    };
    if end.own().first.load(Acquire) != 0 && claim.name.port != 0 && lasts != Some(0) {
        let number = timewait::enter(arena, &claim, &slot.peer(), lasts);
        end.own().time_wait.store(number, Release);
    }
}

/// This end sent its end of stream: another one that waits for it in FIN_WAIT2 is in TIME_WAIT now.
fn answered(arena: &'static Arena, end: &End, slot: &Slot) {
    timewait::extend(arena, end.far().time_wait.load(Acquire), &slot.peer(), &slot.local());
}

/// The other end, which waits in FIN_WAIT2, got something that it does not understand or a reset, and is gone.
pub fn reset_waiting(s: &Sock, end: &End) {
    timewait::forget(s.arena, end.far().time_wait.load(Acquire), &s.slot.peer(), &s.slot.local());
}

/// Is the connection still in its listener's queue, and the listener gone? The kernel is asked, since nobody else knows
/// of the connection yet.
#[cold]
pub fn never_accepted(s: &Sock, end: &End) -> bool {
    if end.side == 1 || end.mode & SELF != 0 || deferred::holds(end) {
        return false;
    }
    look_for_hang_up(s);
    end.own().was_reset.load(Acquire) != 0
}

/// Asks the kernel now and then whether the peer's process still lives: for programs that never sleep in here.
pub fn notice_death(s: &Sock, end: &End) {
    if end.far().closed.load(Acquire) & CLOSED != 0 || end.mode & SELF != 0 {
        return;
    }
    let now = super::data::now_ms();
    if s.slot.extra[LAST_LOOK].swap(now, Relaxed) != now {
        look_for_hang_up(s);
    }
}

/// Did nothing come since the last look? A peer that sends lives.
#[inline]
pub fn stands_still(s: &Sock, rx: &Direction) -> bool {
    let written = rx.written();
    s.slot.extra[LAST_WRITTEN].swap(written, Relaxed) == written
}

/// The word of `Slot::extra` with the position that the peer had written at the last look.
const LAST_WRITTEN: usize = 30;
/// The word of `Slot::extra` with the millisecond of the last look.
const LAST_LOOK: usize = 31;

fn look_for_hang_up(s: &Sock) {
    let mut fds = [libc::pollfd { fd: s.fd, events: 0, revents: 0 }];
    if matches!(kernel::ppoll(&mut fds, Some(0), None), Ok(1)) && fds[0].revents & libc::POLLHUP != 0 {
        hung_up(s);
    }
}

/// The kernel hung up on the anchor: whoever held the other end is gone, in order or killed.
pub fn hung_up(s: &Sock) {
    let (Some(end), Some((number, _))) = (s.end(), s.slot.conn()) else { return };
    if s.slot.state.load(Acquire) != state::ESTABLISHED || end.mode & SELF != 0 || deferred::holds(&end) {
        return;
    }
    let ended = end.tx().sent.fin.load(Acquire) != 0 && end.rx().sent.fin.load(Acquire) != 0;
    if end.mode & PLAIN != 0 && ended {
        // Anchors that carry bytes are shut down with them: hung up does not mean gone.
        return;
    }
    if end.far().closed.fetch_or(CLOSED, AcqRel) & CLOSED != 0 {
        return;
    }
    // What the kernel does for a process that dies: it closes its sockets.
    let (tx, rx) = (end.tx(), end.rx());
    let slot = end.far().slot.swap(0, AcqRel);
    let never_accepted = slot == 0;
    if never_accepted || tx.buffered() > 0 {
        reset_far(&end.opposite());
    } else {
        who_was_first(&end.opposite());
        rx.finish();
        if let Some(far) = s.arena.slot(slot.wrapping_sub(1)) {
            keep_name(s.arena, &end.opposite(), far);
        }
    }
    let side = end.opposite().side;
    if let Some(far) = s.arena.slot(slot.wrapping_sub(1)) {
        // Whoever sweeps meanwhile holds the lock of the names, too: a slot is put away by one of us.
        let names = Names::lock(s.arena);
        if far.in_use() && far.conn() == Some((number, side)) {
            names.remove(slot - 1);
            far.set_conn(None);
            far.give(s.arena, slot - 1);
        }
    }
    end.conn.release(s.arena, number);
}

/// A slot whose anchor is gone lets go of its connection.
pub fn bury(arena: &'static Arena, slot: &'static Slot) {
    let Some((number, side)) = slot.conn() else { return };
    let Some(conn) = arena.conn(number) else { return };
    let end = End::new(conn, side);
    slot.set_conn(None);
    if end.own().closed.fetch_or(CLOSED, AcqRel) & CLOSED == 0 {
        if end.rx().buffered() > 0 {
            reset_far(&end);
        } else {
            who_was_first(&end);
            end.tx().finish();
            if end.far().slot.load(Acquire) != 0 {
                keep_name(arena, &end, slot);
            }
            answered(arena, &end, slot);
        }
        // Nobody ever accepted it: the other reference has no owner.
        if end.far().slot.load(Acquire) == 0 && end.far().closed.fetch_or(CLOSED, AcqRel) & CLOSED == 0 {
            conn.release(arena, number);
        }
        conn.release(arena, number);
    }
}
