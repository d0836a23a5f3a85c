//! Sending and receiving (tcp_sendmsg, tcp_recvmsg).

use core::sync::atomic::Ordering::*;

use super::super::zerocopy::Sends;
use super::transport;
use super::{close, connect, deferred, filter, slow, stamps, state, urgent};
use crate::abi::{Errno, Result};
use crate::bell::BELL;
use crate::family::ops::{Incoming, Outgoing};
use crate::kernel;
use crate::options;
use crate::shm::views::UserPtr;
use crate::shm::{Direction, End, SlotFlags, Take, DEAF, PLAIN};
use crate::socket::Sock;

/// What may wait on each side when the program did not say: enough for what TCP's tuning reaches on loopback.
const DEFAULT_BUFFER: u64 = 32 * SEGMENT as u64;
/// The largest segment on loopback (MTU 65536): what TCP_CORK and MSG_MORE fill before they let go.
const SEGMENT: u32 = 65483;
const SO_TIMESTAMPING_NEW: i32 = 65;
/// linux/sockios.h.
const SIOCOUTQNSD: u64 = 0x894b;
/// TCP_CORK and MSG_MORE let go after this long, full or not.
const CORK_MS: u64 = 200;

/// Milliseconds of the monotonic clock.
pub fn now_ms() -> u64 {
    kernel::now_ns() / 1_000_000
}

/// The end that bytes can go through now, or why not.
fn usable(s: &Sock) -> Result<Option<End>> {
    match s.slot.state.load(Acquire) {
        state::ESTABLISHED => Ok(s.end()),
        state::SYN_SENT => {
            connect::progress(s);
            if s.slot.state.load(Acquire) == state::SYN_SENT {
                Err(Errno::EAGAIN)
            } else {
                usable_now(s)
            }
        }
        _ => Ok(None),
    }
}

fn usable_now(s: &Sock) -> Result<Option<End>> {
    Ok(s.end().filter(|_| s.slot.state.load(Acquire) == state::ESTABLISHED))
}

/// SO_ERROR's value: what waits in the slot, or a reset that was not told yet.
pub fn take_error(s: &Sock) -> Option<Errno> {
    s.slot.take_error().or_else(|| {
        let reset = &s.end()?.own().reset;
        match if reset.load(Relaxed) == 0 { 0 } else { reset.swap(0, AcqRel) } {
            0 => None,
            e => Some(Errno::from_shared(e)),
        }
    })
}

/// One attempt to send.
pub fn send(s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> {
    if m.flags & libc::MSG_FASTOPEN != 0 {
        connect::with_data(s, m)?;
    }
    let Some(end) = usable(s)? else {
        return Err(take_error(s).unwrap_or(Errno::EPIPE));
    };
    crate::wait::ask_now_and_then(s);
    if end.own().was_reset.load(Relaxed) != 0 || s.slot.error.load(Relaxed) != 0 {
        return Err(take_error(s).unwrap_or(Errno::EPIPE));
    }
    let tx = end.tx();
    if tx.sent.fin.load(Relaxed) != 0 || s.slot.has(SlotFlags::SHUT_WR) {
        return Err(Errno::EPIPE);
    }
    let mut want = m.data.left();
    if want > 0 && s.slot.has(SlotFlags::SLOW) {
        want = want.min(slow::may_send(s, &end).min(usize::MAX as u64) as usize);
        if want == 0 {
            no_room(s, &end);
            return Err(Errno::EAGAIN);
        }
    }
    let unseen = end.far().slot.load(Relaxed) == 0;
    if unseen && close::never_accepted(s, &end) {
        return Err(take_error(s).unwrap_or(Errno::EPIPE));
    }
    // Bytes that go through the anchor need it connected.
    if unseen && end.mode & PLAIN != 0 && want > 0 && deferred::spoke(s, &end) {
        return into_the_void(s, &end, m, want);
    }
    if end.far().closed.load(Acquire) != 0 {
        return into_the_void(s, &end, m, want);
    }
    if m.flags & libc::MSG_OOB != 0 && want > 0 {
        let sent = urgent::send(s, &end, m, want)?;
        if unseen {
            spoken(s, &end);
        }
        return Ok(sent);
    }
    let carrier = transport::of(&end);
    let more = m.flags & libc::MSG_MORE != 0 || options::flag(s.slot, options::CORK);
    let held = tx.shared.corked.load(Relaxed);
    if more {
        // Before the reader can see them, all bytes are held back.
        hold_back(&end, held, want.min(u32::MAX as usize) as u32);
    }
    let outcome = carrier.send(s, &end, &mut m.data, want);
    if more || held != 0 {
        let sent = *outcome.as_ref().unwrap_or(&0) as u32;
        settle_held(&end, held, sent, more);
    }
    let sent = match outcome {
        Err(Errno::EPIPE | Errno::ECONNRESET) => return into_the_void(s, &end, m, want),
        Err(Errno::EAGAIN) => {
            no_room(s, &end);
            return Err(Errno::EAGAIN);
        }
        other => other?,
    };
    end.rx().answered();
    carrier.wake_reader(s, &end);
    if unseen && sent > 0 {
        spoken(s, &end);
    }
    if m.flags & libc::MSG_ZEROCOPY != 0 && m.data.left() == 0 && sent > 0 {
        let own = end.own();
        if options::flag(s.slot, options::ZEROCOPY) {
            Sends(&own.zerocopy).count();
            close::wake_own(s);
        }
    }
    Ok(sent)
}

/// The first bytes of a deferred connection: to a listener that is gone they are the last ones as well.
#[cold]
fn spoken(s: &Sock, end: &End) {
    if deferred::spoke(s, end) && end.own().was_reset.swap(1, AcqRel) == 0 {
        end.own().reset.store(Errno::ECONNRESET.raw(), Release);
    }
}

/// The buffer is full: an epoll set that watches the socket has an edge coming, and its bell must ring for it.
fn no_room(s: &Sock, end: &End) {
    let tx = end.tx();
    tx.count_full();
    if s.slot.has(SlotFlags::WATCHED) {
        tx.shared.writer_armed.fetch_or(BELL, Relaxed);
        core::sync::atomic::fence(SeqCst);
        if tx.room() >= tx.shared.capacity.load(Relaxed) / 3 {
            crate::readiness::activate(s);
        }
    }
}

/// The bytes that the kernel packs into one buffer of a socket's queue.
const PACK: usize = 32 << 10;
/// tcp_sendmsg looks at what arrived after this many packs, and there is the reset.
const PACKS: usize = 16;

/// The peer is gone: the kernel takes the bytes, and the answer to them is a reset (RFC 9293, 3.10.7.1), which ends the
/// call that is still taking them as soon as the buffer is full or a number of packs was sent.
fn into_the_void(s: &Sock, end: &End, m: &mut Outgoing<'_>, want: usize) -> Result<usize> {
    if want == 0 {
        return Ok(0);
    }
    let packs = match options::word(s.slot, options::SEND_BUFFER) as usize / PACK {
        0 if options::word(s.slot, options::SEND_BUFFER) == 0 => PACKS,
        full => full.clamp(1, PACKS),
    };
    let taken = discard(m, want.min(packs * PACK))?;
    if end.far().closed.load(Acquire) == DEAF && end.far().was_reset.swap(1, AcqRel) == 0 {
        // The far end is still there, but closed to both sides: the reset is told on both (tcp_rcv_state_process).
        end.far().reset.store(Errno::ECONNRESET.raw(), Release);
        transport::of(end).wake_reader(s, end);
    }
    super::close::reset_waiting(s, end);
    let error = if end.rx().sent.fin.load(Acquire) != 0 { Errno::EPIPE } else { Errno::ECONNRESET };
    if end.own().was_reset.swap(1, AcqRel) == 0 {
        end.own().reset.store(error.raw(), Release);
    }
    Ok(taken)
}

/// Takes up to `want` bytes from the program for nobody. EFAULT if the first segment cannot be read.
fn discard(m: &mut Outgoing<'_>, want: usize) -> Result<usize> {
    if !m.data.reachable(want.min(SEGMENT as usize), false) {
        return Err(Errno::EFAULT);
    }
    let mut page = [0; 4096];
    let mut taken = 0;
    while taken < want {
        let n = page.len().min(want - taken);
        let got = m.data.take_slice(&mut page[..n]);
        taken += got;
        if got < n {
            break;
        }
    }
    Ok(taken)
}

/// Keeps the next `coming` bytes from the reader, with the `held` ones before them.
fn hold_back(end: &End, held: u32, coming: u32) {
    let tx = end.tx();
    if held == 0 {
        tx.shared.corked_ms.store(now_ms(), Relaxed);
    }
    tx.shared.corked.store(held.saturating_add(coming), Release);
}

/// `sent` bytes went behind those that were held back: with no more to come all may go, else whole segments, and where none
/// was sent all is as before.
fn settle_held(end: &End, held: u32, sent: u32, more: bool) {
    let left = match (more, sent) {
        (_, 0) => held,
        (true, _) => held.saturating_add(sent) % SEGMENT,
        (false, _) => 0,
    };
    end.tx().shared.corked.store(left, Release);
}

/// Lets go of what [`hold_back`] keeps.
pub fn uncork(s: &Sock, end: &End) {
    if end.tx().shared.corked.swap(0, AcqRel) != 0 {
        transport::of(end).wake_reader(s, end);
    }
}

/// Bytes that wait for this end. Of the anchors' bytes the kernel knows more than the count: a sender may not have come to
/// counting what it sent, or was killed before, and a program without the library never counts.
#[inline]
pub fn waiting(s: &Sock, end: &End) -> u64 {
    match end.rx().buffered() {
        0 if end.mode & PLAIN != 0 => kernel::waiting_in(s.fd).unwrap_or(0) as u64,
        counted => counted,
    }
}

/// Bytes that the reader may see now; what a cork holds back comes when it is released or old enough.
pub fn visible(s: &Sock, end: &End) -> u64 {
    let rx = end.rx();
    let mut waiting = waiting(s, end);
    if filter::is_on(end) {
        waiting = waiting.min(filter::passed(s, end).saturating_sub(rx.consumed()));
    }
    let held = rx.shared.corked.load(Acquire) as u64;
    if held == 0 || waiting == 0 || rx.sent.fin.load(Acquire) != 0 {
        return waiting;
    }
    if now_ms() >= rx.shared.corked_ms.load(Relaxed).saturating_add(CORK_MS) {
        rx.shared.corked.store(0, Release);
        return waiting;
    }
    waiting.saturating_sub(held)
}

/// When held-back bytes become visible by themselves, in nanoseconds of the monotonic clock.
pub fn shows_at(s: &Sock, end: &End) -> Option<u64> {
    let rx = end.rx();
    let uncorks = (rx.shared.corked.load(Acquire) != 0)
        .then(|| rx.shared.corked_ms.load(Relaxed).saturating_add(CORK_MS).saturating_mul(1_000_000));
    [uncorks, filter::comes_again(s, end)].into_iter().flatten().min()
}

/// One attempt to receive.
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    let got = take(s, m)?;
    if got > 0 && s.slot.has(SlotFlags::SLOW) {
        stamps::tell_arrival(s, m);
    }
    if options::flag(s.slot, options::INQ) {
        if let Some(end) = s.end() {
            tell_queue(s, &end, m);
        }
    }
    Ok(got)
}

fn take(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    if m.flags & libc::MSG_ERRQUEUE != 0 {
        if let Some(told) = stamps::receive(s, m) {
            return told;
        }
        let told = s.end().is_some_and(|e| Sends(&e.own().zerocopy).tell(s.family(), m));
        return if told { Ok(0) } else { Err(Errno::EAGAIN) };
    }
    let Some(end) = usable(s)? else { return receive_unconnected(s, m.flags) };
    let rx = end.rx();
    let want = m.data.left();
    if m.flags & libc::MSG_OOB != 0 {
        return urgent::receive(s, &end, m);
    }
    let peek = m.flags & libc::MSG_PEEK != 0;
    let skip = if peek { options::peek_offset(s.slot).max(0) as u64 } else { 0 };
    let mut limit = u64::MAX;
    if rx.shared.corked.load(Relaxed) != 0 || filter::is_on(&end) {
        limit = rx.consumed().saturating_add(visible(s, &end));
    }
    if rx.shared.urgent.load(Acquire) != 0 {
        limit = limit.min(urgent::stop_at(s, &end));
    }
    if want == 0 && visible(s, &end) == 0 {
        return nothing(s, &end, skip);
    }
    if end.mode & PLAIN != 0 && deferred::holds(&end) {
        return nothing(s, &end, skip);
    }
    let take = Take { want, peek, skip, discard: m.flags & libc::MSG_TRUNC != 0, limit };
    let carrier = transport::of(&end);
    match carrier.receive(s, &end, &mut m.data, take) {
        Ok(n) => {
            if take.discard {
                m.data.advance(n);
            }
            if !peek && n > 0 {
                options::move_peek_offset(s.slot, -(n as i32));
                carrier.wake_writer(s, &end);
            }
            Ok(n)
        }
        Err(Errno::EAGAIN) => nothing(s, &end, skip),
        // The anchor's reset is told once the connection's own state has it.
        Err(Errno::ECONNRESET) => {
            if end.own().was_reset.swap(1, AcqRel) != 0 {
                return take_error(s).map_or(Ok(0), Err);
            }
            Err(Errno::ECONNRESET)
        }
        Err(e) => Err(e),
    }
}

/// TCP_INQ (tcp(7)).
fn tell_queue(s: &Sock, end: &End, m: &mut Incoming<'_>) {
    const TCP_CM_INQ: i32 = 36;
    m.put_control(libc::IPPROTO_TCP, TCP_CM_INQ, &left(s, end).to_ne_bytes());
}

/// How many bytes are left, the end of the stream counting as one (tcp_inq_hint).
pub fn left(s: &Sock, end: &End) -> i32 {
    let over = (end.rx().sent.fin.load(Acquire) != 0) as u64;
    (urgent::readable_now(s, end) + over).min(i32::MAX as u64) as i32
}

/// No byte waits after the first `skip`: is it the end, an error, or just not yet?
fn nothing(s: &Sock, end: &End, skip: u64) -> Result<usize> {
    let rx = end.rx();
    close::notice_death(s, end);
    if filter::end_came(s, end) && waiting(s, end) <= skip {
        rx.shared.fin_read.store(1, Relaxed);
        return Ok(0);
    }
    if let Some(error) = take_error(s) {
        return Err(error);
    }
    if s.slot.has(SlotFlags::SHUT_RD) || end.own().was_reset.load(Acquire) != 0 {
        return Ok(0);
    }
    Err(Errno::EAGAIN)
}

fn receive_unconnected(s: &Sock, flags: i32) -> Result<usize> {
    if s.slot.state.load(Acquire) == state::LISTEN {
        return Err(Errno::ENOTCONN);
    }
    if flags & libc::MSG_OOB != 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(error) = take_error(s) {
        return Err(error);
    }
    if s.slot.has(SlotFlags::SHUT_RD) {
        return Ok(0);
    }
    Err(Errno::ENOTCONN)
}

/// How many bytes each way may hold, from the buffer sizes of both ends.
pub fn set_capacity(s: &Sock, end: &End) {
    let far = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1));
    let size = |slot: Option<&crate::shm::Slot>, option: usize, other: u64| match slot.map(|s| options::word(s, option))
    {
        None | Some(0) => other,
        Some(n) => n as u64,
    };
    let half = |given: bool| if given { 128 << 10 } else { DEFAULT_BUFFER };
    let set = |way: &Direction, from: Option<&crate::shm::Slot>, to: Option<&crate::shm::Slot>| {
        let given = from.is_some_and(|s| options::word(s, options::SEND_BUFFER) != 0)
            || to.is_some_and(|s| options::word(s, options::RECEIVE_BUFFER) != 0);
        let sent = size(from, options::SEND_BUFFER, half(given));
        way.set_capacity(sent, size(to, options::RECEIVE_BUFFER, half(given)));
    };
    set(end.tx(), Some(s.slot), far);
    set(end.rx(), far, Some(s.slot));
}

/// Bytes that the far end's system has not taken over yet: what a cork holds back, and what is beyond its receive buffer.
pub fn unacknowledged(end: &End) -> u64 {
    let tx = end.tx();
    tx.beyond().max(tx.shared.corked.load(Acquire) as u64)
}

/// ioctl(2): SIOCINQ, SIOCOUTQ, SIOCATMARK (tcp(7)).
pub fn ioctl(s: &Sock, request: u64, argument: UserPtr) -> Result<i32> {
    let listening = s.slot.state.load(Acquire) == state::LISTEN;
    let end = s.end();
    let value = match request {
        libc::FIONREAD if listening => return Err(Errno::EINVAL),
        // What is beyond the receive buffer is still the sender's (see `unacknowledged`).
        libc::FIONREAD => end.map_or(0, |e| urgent::readable_now(s, &e).min(e.rx().window())),
        libc::TIOCOUTQ if listening => return Err(Errno::EINVAL),
        SIOCOUTQNSD if listening => return Err(Errno::EINVAL),
        libc::TIOCOUTQ => end.map_or(0, |e| unacknowledged(&e).max(filter::held_up(s, &e))),
        SIOCOUTQNSD => end.map_or(0, |e| unacknowledged(&e)),
        // A stream keeps no packet's time (sock_gettstamp).
        0x8906 | 0x8907 | 0x8010_8906 | 0x8010_8907 => return Err(Errno::ENOENT),
        0x8905 => end.map_or(0, |e| urgent::at_mark(&e) as u64),
        _ => return Err(Errno::ENOTTY),
    };
    argument.write_u32(value as u32)?;
    Ok(0)
}

/// Acts on options that change what is under way.
pub fn option_changed(s: &Sock, level: i32, name: i32) -> Result<()> {
    if level == libc::SOL_SOCKET || name == libc::TCP_NOTSENT_LOWAT {
        slow::settle(s.slot, s.end().as_ref());
    }
    let Some(end) = s.end() else { return Ok(()) };
    match (level, name) {
        (libc::IPPROTO_IP, libc::IP_MINTTL) | (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT) => filter::settle(s),
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW) => stamps::changed(s, &end),
        (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) => {
            transport::of(&end).wake_writer(s, &end);
            close::wake_own(s);
        }
        (libc::SOL_SOCKET, libc::SO_SNDBUF | libc::SO_RCVBUF | libc::SO_SNDBUFFORCE | libc::SO_RCVBUFFORCE) => {
            set_capacity(s, &end);
            if end.mode & PLAIN != 0 {
                connect::widen(s);
            }
            transport::of(&end).wake_writer(s, &end);
            close::wake_own(s);
        }
        (libc::IPPROTO_TCP, libc::TCP_CORK) if !options::flag(s.slot, options::CORK) => uncork(s, &end),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) if options::flag(s.slot, options::NO_DELAY) => uncork(s, &end),
        _ => {}
    }
    Ok(())
}
