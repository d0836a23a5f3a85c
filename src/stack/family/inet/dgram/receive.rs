//! Receiving (udp_recvmsg, udpv6_recvmsg), and the ioctls about what waits.

use core::cell::Cell;
use core::sync::atomic::Ordering::*;

use super::lookup::name_of;
use super::place::{PATH_MTU, STAMP};
use super::tell::{self, Builder};
use super::{cork, errors, kernel_side, limits, mailbox, opts, PEEKED};
use crate::abi::{Errno, Result};
use crate::family::ops::Incoming;
use crate::kernel;
use crate::options;
use crate::shm::views::UserPtr;
use crate::shm::{Packed, Record, SlotFlags};
use crate::socket::Sock;

/// In [`STAMP`]: somebody asked for times by ioctl.
pub const STAMPS_ASKED: u64 = 1 << 63;
/// In [`STAMP`]: a datagram was received whose time nobody took.
const STAMP_UNKNOWN: u64 = 1;

/// One attempt to receive.
#[inline]
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    if m.flags & (libc::MSG_ERRQUEUE | libc::MSG_PEEK) != 0 || s.slot.error.load(Relaxed) != 0 {
        return receive_otherwise(s, m);
    }
    let room = m.data.left();
    let tells = opts::tells_anything(s.slot);
    if tells && s.slot.extra[PATH_MTU].load(Relaxed) != 0 && limits::tell_path_mtu(s, m) {
        return Ok(0);
    }
    let (mut length, mut copied) = (0, 0);
    let mut tried = false;
    let found = mailbox::take(s, |record, payload| {
        if core::mem::replace(&mut tried, true) {
            m.data.restart();
        }
        length = payload.len();
        copied = payload.each(0, length.min(room), |span| span.put(&mut m.data));
        let (address, port) = record.source();
        m.from = Some(name_of(address, port, s.family()));
        note_time(s, record.time_ns());
        if tells {
            tell(s, &record.unpack(), m);
        }
    });
    if !found {
        if tried {
            // Somebody else was quicker.
            m.data.restart();
            (m.from, m.control) = (None, Vec::new());
            m.out_flags &= !libc::MSG_CTRUNC;
        }
        return nothing(s, m);
    }
    let taken = if m.flags & libc::MSG_TRUNC != 0 { length } else { copied };
    options::move_peek_offset(s.slot, -(taken as i32));
    outcome(m, length, 0, copied, room)
}

/// What a receive call answers for a datagram of `length` bytes, `copied` of them from `offset` on.
#[inline]
fn outcome(m: &mut Incoming<'_>, length: usize, offset: usize, copied: usize, room: usize) -> Result<usize> {
    let rest = length.saturating_sub(offset);
    if copied < rest.min(room) {
        return Err(Errno::EFAULT);
    }
    if copied < rest {
        m.out_flags |= libc::MSG_TRUNC;
    }
    Ok(if m.flags & libc::MSG_TRUNC != 0 { length } else { copied })
}

/// An error, the error queue, or a look at what waits.
#[inline(never)]
fn receive_otherwise(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    if m.flags & libc::MSG_ERRQUEUE != 0 {
        return errors::receive(s, m);
    }
    if let Some(error) = errors::take(s.slot) {
        return Err(error);
    }
    if m.flags & libc::MSG_PEEK != 0 {
        return peek(s, m);
    }
    receive(s, m)
}

/// MSG_PEEK, from an offset into all that waits if SO_PEEK_OFF is set.
fn peek(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    let start = options::peek_offset(s.slot);
    let (room, data) = (m.data.left(), m.data);
    let skip = Cell::new(start.max(0) as usize);
    let choose = |record: &Packed| {
        let (length, left) = (record.length(), skip.get());
        // A look from an offset on passes over what lies before it.
        let passed = start >= 0 && left >= length && (length != 0 || left != 0 || record.flags() & PEEKED != 0);
        if passed {
            skip.set(left - length);
        }
        !passed
    };
    let mut seen = (Record::default(), 0);
    let found = mailbox::look(s, choose, |record, payload| {
        m.data = data;
        let wanted = payload.len().saturating_sub(skip.get()).min(room);
        let copied = payload.each(skip.get(), wanted, |span| span.put(&mut m.data));
        seen = (record.unpack(), copied);
    });
    if !found {
        return nothing(s, m);
    }
    let (record, copied) = seen;
    m.from = Some(name_of(record.source, record.source_port, s.family()));
    note_time(s, record.time_ns);
    if opts::tells_anything(s.slot) {
        tell(s, &record, m);
    }
    if record.length == 0 {
        mailbox::mark(s, PEEKED, |r| r.length() == 0);
    }
    outcome(m, record.length as usize, skip.get(), copied, room)
}

/// Nothing waits.
#[cold]
fn nothing(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    if let Some(answer) = kernel_side::receive(s, m) {
        return answer;
    }
    let waits = m.flags & libc::MSG_DONTWAIT == 0 && !s.nonblocking();
    // A shutdown ends waiting, not receiving: what comes later is still heard.
    if waits && s.slot.has(SlotFlags::SHUT_RD) {
        return Ok(0);
    }
    Err(Errno::EAGAIN)
}

#[cold]
fn tell(s: &Sock, record: &Record, m: &mut Incoming<'_>) {
    let mut out = Builder::new(m.control_room);
    tell::tell(s, record, &mut out);
    if out.cut {
        m.out_flags |= libc::MSG_CTRUNC;
    }
    m.control = out.into_bytes();
}

#[inline]
pub fn note_time(s: &Sock, time_ns: u64) {
    let stamp = &s.slot.extra[STAMP];
    let old = stamp.load(Relaxed);
    if time_ns != 0 {
        stamp.store(old & STAMPS_ASKED | time_ns, Relaxed);
    } else if old & !STAMPS_ASKED == 0 {
        stamp.store(old | STAMP_UNKNOWN, Relaxed);
    }
}

/// The length of the next datagram.
fn next_length(s: &Sock) -> u32 {
    let mut length = 0;
    if mailbox::look(s, |_| true, |record, _| length = record.length() as u32) {
        return length;
    }
    kernel_side::waiting(s).unwrap_or(0)
}

/// ioctl(2): SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), SIOCGSTAMP, SIOCGSTAMPNS (udp(7), socket(7)).
pub fn ioctl(s: &Sock, request: u64, argument: UserPtr) -> Result<i32> {
    const SIOCGSTAMP: u64 = 0x8906;
    const SIOCGSTAMPNS: u64 = 0x8907;
    const SIOCGSTAMP_NEW: u64 = 0x8010_8906;
    const SIOCGSTAMPNS_NEW: u64 = 0x8010_8907;
    match request {
        libc::FIONREAD => argument.write_u32(next_length(s))?,
        libc::TIOCOUTQ => argument.write_u32(cork::held(s) as u32)?,
        SIOCGSTAMP | SIOCGSTAMP_NEW => stamp(s, argument, 1000)?,
        SIOCGSTAMPNS | SIOCGSTAMPNS_NEW => stamp(s, argument, 1)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// sock_gettstamp: the time of the last datagram; from now on each one's is taken.
fn stamp(s: &Sock, argument: UserPtr, per: u64) -> Result<()> {
    let word = s.slot.extra[STAMP].fetch_or(STAMPS_ASKED, AcqRel);
    let _ = opts::changed(s, 0, 0);
    let time = match word & !STAMPS_ASKED {
        0 => return Err(Errno::ENOENT),
        STAMP_UNKNOWN => {
            let now = kernel::clock_ns(libc::CLOCK_REALTIME);
            s.slot.extra[STAMP].store(STAMPS_ASKED | now, Release);
            now
        }
        time => time,
    };
    argument.write(&(time / 1_000_000_000).to_ne_bytes())?;
    argument.plus(8).write(&(time % 1_000_000_000 / per).to_ne_bytes())
}
