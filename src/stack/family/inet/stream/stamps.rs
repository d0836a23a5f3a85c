//! Time stamps (SO_TIMESTAMP, SO_TIMESTAMPING; the kernel's timestamping.rst): when bytes came, told with them, and when
//! the last byte of a send went on its way and was acknowledged, told through the error queue.
//!
//! What the far end's buffer takes is sent and acknowledged at once, as on loopback. What waits in the socket until there is
//! room has its time when it is next looked at.

use core::sync::atomic::Ordering::*;

use super::super::dgram::lookup::bits;
use super::super::dgram::{store, tell};
use super::super::frame::Packet;
use super::{close, data};
use crate::abi::{Errno, Name, Result};
use crate::family::ops::{Incoming, Outgoing};
use crate::kernel;
use crate::options;
use crate::shm::{Arena, End, Record, Slot, SlotFlags};
use crate::socket::Sock;

/// The word of `Slot::extra` with the chunk + 1 of the stamps that wait to be told.
pub const STAMPS: usize = 25;
/// More are not kept.
const MOST: usize = 256;
/// How much of a send's data is told again, from its end.
const DATA_MOST: usize = 16 << 10;
/// How soon to look again whether what waits was sent.
const LOOK_NS: u64 = 2_000_000;
/// SO_EE_ORIGIN_TIMESTAMPING, and what became of the byte (SCM_TSTAMP_SCHED, _SND, _ACK).
const ORIGIN: u8 = 4;
const SCHEDULED: u8 = 1;
const SENT: u8 = 0;
const ACKNOWLEDGED: u8 = 2;
/// What concerns sent bytes.
const OUT: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SCHED | libc::SOF_TIMESTAMPING_TX_ACK;
/// In a record's flags: the bytes were held back by a cork when they were sent.
const HELD: u16 = 1;

/// One attempt to send, with the stamps that a control message asks for in the place of the socket's own.
pub fn send(s: &Sock, m: &mut Outgoing<'_>, given: Option<u32>) -> Result<usize> {
    let own = options::word(s.slot, options::TIMESTAMPING);
    let asked = given.unwrap_or(own) & OUT;
    let before = m.data;
    let more = m.flags & libc::MSG_MORE != 0 || options::flag(s.slot, options::CORK);
    let held_before = s.end().is_some_and(|e| e.tx().shared.corked.load(Relaxed) != 0);
    let sent = data::send(s, m)?;
    // A call that sleeps for room comes again with what is left.
    let last = m.data.left() == 0 || m.flags & libc::MSG_DONTWAIT != 0 || s.nonblocking();
    if asked == 0 || sent == 0 || !last || before.is_file() {
        return Ok(sent);
    }
    let Some(end) = s.end() else { return Ok(sent) };
    if held_before {
        forget_held(s);
    }
    let position = end.tx().written();
    let mut payload = Vec::new();
    if own & libc::SOF_TIMESTAMPING_OPT_TSONLY == 0 {
        let mut tail = before;
        tail.advance(sent.saturating_sub(DATA_MOST));
        payload.resize(sent.min(DATA_MOST), 0);
        tail.take_slice(&mut payload);
    }
    let headers = (!payload.is_empty()).then(|| frame(s, &end, position, payload.len()));
    let kinds = [
        (libc::SOF_TIMESTAMPING_TX_SCHED, SCHEDULED),
        (libc::SOF_TIMESTAMPING_TX_SOFTWARE, SENT),
        (libc::SOF_TIMESTAMPING_TX_ACK, ACKNOWLEDGED),
    ];
    let waits = !is_sent(&end, position);
    for (_, kind) in kinds.into_iter().filter(|(bit, _)| asked & bit != 0) {
        // Who is told that a segment left is shown its headers as well; an acknowledgement is for the bytes.
        let shown = headers.iter().filter(|_| kind != ACKNOWLEDGED).flatten().copied();
        let bytes: Vec<u8> = shown.chain(payload.iter().copied()).collect();
        queue(s, &end, kind, position, if waits { 0 } else { now() }, more, &bytes);
    }
    if !waits {
        close::wake_own(s);
    }
    Ok(sent)
}

fn now() -> u64 {
    kernel::clock_ns(libc::CLOCK_REALTIME)
}

/// Is the byte before a position with the far end, or its system?
fn is_sent(end: &End, position: u64) -> bool {
    end.tx().written().saturating_sub(data::unacknowledged(end)) >= position
}

/// What a frame with the last bytes before `position` would begin with.
fn frame(s: &Sock, end: &End, position: u64, length: usize) -> Vec<u8> {
    let (from, to) = (s.slot.local(), s.slot.peer());
    let packet = packet(s.slot, &from, &to);
    let mut out = packet.ethernet().to_vec();
    out.extend(packet.tcp((position - length as u64) as u32, end.rx().consumed() as u32, length));
    out
}

/// A packet of the socket's between two names.
pub fn packet(slot: &Slot, from: &Name, to: &Name) -> Packet {
    let v4 = to.canonical().is_ipv4();
    let (tos, ttl) = match v4 {
        true => (options::IP_TOS, options::IP_TTL),
        false => (options::IPV6_TCLASS, options::IPV6_UNICAST_HOPS),
    };
    Packet {
        source: bits(from.canonical()),
        destination: bits(to.canonical()),
        ports: [from.port, to.port],
        tos: options::value(slot, tos) as u8,
        ttl: options::value(slot, ttl) as u8,
    }
}

fn queue(s: &Sock, end: &End, kind: u8, position: u64, time_ns: u64, held: bool, bytes: &[u8]) {
    let _held = s.slot.lock.lock();
    let mut waiting = 0;
    store::each(s.arena, s.slot, STAMPS, |_, _| waiting += 1);
    if waiting >= MOST {
        return;
    }
    let (flags, length) = (if held { HELD } else { 0 }, bytes.len() as u32);
    let record = Record { source: position as u128, time_ns, tos: kind, flags, length, ..Record::default() };
    let _ = add(s, &record, bytes);
    end.own().stamps.fetch_add(1, Release);
}

fn add(s: &Sock, record: &Record, bytes: &[u8]) -> Result<()> {
    let mut done = 0;
    store::add(s.arena, s.slot, STAMPS, record, |span| {
        let n = span.write(&bytes[done..]);
        done += n;
        n
    })
}

/// A send goes into the segment that a cork still holds back: the segment has one stamp, the last send's.
fn forget_held(s: &Sock) {
    let _held = s.slot.lock.lock();
    let mut others = Vec::new();
    store::each(s.arena, s.slot, STAMPS, |record, payload| {
        if record.flags & HELD == 0 || record.time_ns != 0 {
            let mut bytes = vec![0; payload.len()];
            payload.copy(0, &mut bytes);
            others.push((*record, bytes));
        }
    });
    store::drop_all(s.arena, s.slot, STAMPS);
    for (record, bytes) in &others {
        let _ = add(s, record, bytes);
    }
}

fn first(s: &Sock) -> Option<Record> {
    store::first(s.arena, s.slot, STAMPS, true, |record, _| *record)
}

fn is_due(end: &End, record: &Record) -> bool {
    record.time_ns != 0 || is_sent(end, record.source as u64)
}

/// Is there a stamp to tell?
#[inline]
pub fn any_due(s: &Sock, end: &End) -> bool {
    end.own().stamps.load(Relaxed) != 0 && first(s).is_some_and(|record| is_due(end, &record))
}

/// When to look again at a stamp that waits.
pub fn next_look(s: &Sock, end: &End) -> Option<u64> {
    let waits = end.own().stamps.load(Relaxed) != 0 && first(s).is_some_and(|record| !is_due(end, &record));
    waits.then(|| kernel::now_ns() + LOOK_NS)
}

/// recvmsg(2) with MSG_ERRQUEUE. None: there is no stamp to tell.
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Option<Result<usize>> {
    let end = s.end().filter(|end| any_due(s, end))?;
    let taken = {
        let _held = s.slot.lock.lock();
        store::first(s.arena, s.slot, STAMPS, false, |record, payload| {
            let mut bytes = vec![0; payload.len()];
            payload.copy(0, &mut bytes);
            (*record, bytes)
        })
    };
    let (record, bytes) = taken.filter(|_| end.own().stamps.load(Relaxed) != 0)?;
    let n = bytes.len().min(m.data.left());
    if m.data.put_slice(&bytes[..n]) < n {
        return Some(Err(Errno::EFAULT));
    }
    if n < bytes.len() {
        m.out_flags |= libc::MSG_TRUNC;
    }
    tell(s, m, &record, !bytes.is_empty());
    m.out_flags |= libc::MSG_ERRQUEUE;
    Some(Ok(n))
}

/// The two messages of a stamp: the time, and struct sock_extended_err that says of what.
fn tell(s: &Sock, m: &mut Incoming<'_>, record: &Record, shown: bool) {
    let flags = options::word(s.slot, options::TIMESTAMPING);
    if flags & libc::SOF_TIMESTAMPING_SOFTWARE != 0 {
        let time = if record.time_ns != 0 { record.time_ns } else { now() };
        m.put_control(libc::SOL_SOCKET, tell::stamping_kind(s.slot), &tell::three_times(time));
    }
    let id = match flags & libc::SOF_TIMESTAMPING_OPT_ID {
        0 => 0,
        _ => (record.source as u32).wrapping_sub(1).wrapping_sub(options::word(s.slot, options::STAMP_BASE)),
    };
    let (level, kind, length) = match s.family() {
        libc::AF_INET => (libc::IPPROTO_IP, libc::IP_RECVERR, 16 + 16),
        _ => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 16 + 28),
    };
    let mut told = [0u8; 16 + 28];
    told[..4].copy_from_slice(&libc::ENOMSG.to_ne_bytes());
    told[4] = ORIGIN;
    told[8..12].copy_from_slice(&(record.tos as u32).to_ne_bytes());
    told[12..16].copy_from_slice(&id.to_ne_bytes());
    // IPv6 tells who sent a frame that it shows.
    if s.family() == libc::AF_INET6 && shown && record.tos != ACKNOWLEDGED {
        let (offender, _) = Name { port: 0, flow: 0, ..s.slot.local() }.encode();
        told[16..].copy_from_slice(&offender);
    }
    m.put_control(level, kind, &told[..length]);
}

/// SO_TIMESTAMPING was set: SOF_TIMESTAMPING_OPT_ID counts from here on.
pub fn changed(s: &Sock, end: &End) {
    const OPT_ID_TCP: u32 = 1 << 16;
    let flags = options::word(s.slot, options::TIMESTAMPING);
    let base = match flags & OPT_ID_TCP {
        0 => end.tx().written().saturating_sub(data::unacknowledged(end)),
        _ => end.tx().written(),
    };
    if flags & libc::SOF_TIMESTAMPING_OPT_ID == 0 {
        // Counts anew when it is next set.
        options::change(s.slot, options::STAMP_BASE, 0);
        s.slot.clear(SlotFlags::STAMPS_COUNT);
    } else if !s.slot.has(SlotFlags::STAMPS_COUNT) {
        options::change(s.slot, options::STAMP_BASE, base as i32);
        s.slot.set(SlotFlags::STAMPS_COUNT);
    }
}

/// When the last of the bytes came that a receive gives (tcp_recv_timestamp).
pub fn tell_arrival(s: &Sock, m: &mut Incoming<'_>) {
    let wanted = options::word(s.slot, options::TIMESTAMP) | options::word(s.slot, options::TIMESTAMPING);
    let Some(ago) = s.end().filter(|_| wanted != 0).and_then(|end| end.rx().idle_ns()) else { return };
    tell::times(s.slot, now().saturating_sub(ago), |kind, data| m.put_control(libc::SOL_SOCKET, kind, data));
}

/// Lets go of what was not told.
pub fn let_go(arena: &'static Arena, slot: &Slot) {
    store::drop_all(arena, slot, STAMPS);
}
