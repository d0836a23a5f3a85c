//! Receiving (udp_recvmsg, udpv6_recvmsg), and the ioctls about what waits.

use core::cell::Cell;
use core::sync::atomic::Ordering::*;

use super::cmsg::{self, Builder};
use super::lookup::name_of;
use super::place::STAMP;
use super::{cork, errors, kernel_side, mailbox, opts, PEEKED};
use crate::abi::{Errno, Result};
use crate::family::ops::Incoming;
use crate::kernel;
use crate::shm::views::{Buffers, UserPtr};
use crate::shm::{Record, SlotFlags};
use crate::socket::Sock;

/// In [`STAMP`]: somebody asked for times by ioctl.
pub const STAMPS_ASKED: u64 = 1 << 63;
/// In [`STAMP`]: a datagram was received whose time nobody took.
const STAMP_UNKNOWN: u64 = 1;

/// What was made of a datagram.
struct Taken<'a> {
    record: Record,
    offset: usize,
    copied: usize,
    wanted: usize,
    data: Buffers<'a>,
}

/// One attempt to receive.
#[inline]
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    if m.flags & libc::MSG_ERRQUEUE != 0 {
        return errors::receive(s, m);
    }
    if s.slot.error.load(Relaxed) != 0 {
        if let Some(error) = errors::take(s.slot) {
            return Err(error);
        }
    }
    let peek = m.flags & libc::MSG_PEEK != 0;
    let start = if peek { opts::peek_offset(s.slot) } else { -1 };
    let room = m.data.left();
    let skip = Cell::new(start.max(0) as usize);
    let choose = |record: &Record| {
        let (length, left) = (record.length as usize, skip.get());
        // A look from an offset on passes over what lies before it.
        let passed = start >= 0 && left >= length && (length != 0 || left != 0 || record.flags & PEEKED != 0);
        if passed {
            skip.set(left - length);
        }
        !passed
    };
    let taken = mailbox::take(s, peek, choose, |record, payload| {
        let mut data = m.data;
        let offset = skip.get();
        let wanted = payload.len().saturating_sub(offset).min(room);
        let copied = payload.each(offset, wanted, |span| span.put(&mut data));
        Taken { record: *record, offset, copied, wanted, data }
    });
    let Some(taken) = taken else { return nothing(s, m) };
    if taken.copied < taken.wanted {
        return Err(Errno::EFAULT);
    }
    m.data = taken.data;
    let record = &taken.record;
    m.from = Some(name_of(record.source, record.source_port, s.family()));
    note_time(s, record);
    if opts::tells_anything(s.slot) {
        tell(s, record, m);
    }
    let length = record.length as usize;
    if taken.copied < length.saturating_sub(taken.offset) {
        m.out_flags |= libc::MSG_TRUNC;
    }
    let told = if m.flags & libc::MSG_TRUNC != 0 { length } else { taken.copied };
    if opts::word(s.slot, opts::PEEK_OFFSET) != 0 {
        move_peek_offset(s, peek, told);
    }
    if peek && length == 0 {
        mailbox::mark(s, PEEKED, |r| r.length == 0);
    }
    Ok(told)
}

/// Nothing waits.
#[cold]
fn nothing(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    mailbox::heal(s);
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
    cmsg::tell(s, record, &mut out);
    if out.cut {
        m.out_flags |= libc::MSG_CTRUNC;
    }
    m.control = out.into_bytes();
}

#[inline]
fn note_time(s: &Sock, record: &Record) {
    let stamp = &s.slot.extra[STAMP];
    let old = stamp.load(Relaxed);
    if record.time_ns != 0 {
        stamp.store(old & STAMPS_ASKED | record.time_ns, Relaxed);
    } else if old & !STAMPS_ASKED == 0 {
        stamp.store(old | STAMP_UNKNOWN, Relaxed);
    }
}

/// sk_peek_offset_fwd, sk_peek_offset_bwd.
#[cold]
fn move_peek_offset(s: &Sock, peek: bool, n: usize) {
    let old = opts::peek_offset(s.slot);
    if old >= 0 {
        let n = n as i32;
        opts::set_peek_offset(s.slot, if peek { old.saturating_add(n) } else { (old - n).max(0) });
    }
}

/// The length of the next datagram.
fn next_length(s: &Sock) -> u32 {
    mailbox::take(s, true, |_| true, |record, _| record.length).or_else(|| kernel_side::waiting(s)).unwrap_or(0)
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
    argument.add(8).write(&(time % 1_000_000_000 / per).to_ne_bytes())
}
