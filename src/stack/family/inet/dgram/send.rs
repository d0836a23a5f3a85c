//! Sending (udp_sendmsg, udpv6_sendmsg).

use core::sync::atomic::Ordering::*;

use super::super::zerocopy::Sends;
use super::cache::{self, Hit};
use super::cmsg::{self, Control};
use super::deliver::{self, Target};
use super::lookup::{bits, is_v4};
use super::place::{CHANGES, CORK, SPECIAL, TARGET, ZEROCOPY};
use super::source::{self, Path, Reach};
use super::{cork, errors, kernel_side, limits, naming, opts, SPECIAL_GRO, SPECIAL_SLOW};
use crate::abi::{Errno, Result};
use crate::family::ops::Outgoing;
use crate::options;
use crate::shm::views::Buffers;
use crate::shm::SlotFlags;
use crate::socket::Sock;

/// UDP_MAX_SEGMENTS.
const MOST_SEGMENTS: usize = 128;
/// Flags that change nothing on the way.
pub(super) const PLAIN_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_CONFIRM;
const MSG_PROBE: i32 = 0x10;

/// One attempt to send, which always is the last one: UDP does not wait.
#[inline]
pub fn send(s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> {
    if m.flags & !PLAIN_FLAGS == 0 && m.control.is_empty() {
        if let Some(entry) = cache::key(m.to).and_then(|key| cache::find(s, &key)) {
            let hit = entry.hit();
            let length = m.data.left();
            let quiet = s.slot.error.load(Relaxed) == 0
                && !s.slot.has(SlotFlags::SHUT_WR)
                && s.slot.extra[CORK].load(Relaxed) == 0
                && s.slot.extra[SPECIAL].load(Relaxed) & SPECIAL_SLOW == 0;
            if let Some(slot) = s.arena.slot(hit.target).filter(|_| quiet && length <= hit.longest as usize) {
                let target = Target { number: hit.target, slot, generation: hit.generation, by_program: false };
                let there = !entry.doubtful() || deliver::lives(s, &target);
                if there && deliver::put(s, &target, &hit.record.with_length(length), &mut m.data)? {
                    return Ok(length);
                }
                // The receiver is gone. What was read of the buffers is read again.
                m.data.restart();
            }
        }
    }
    send_slowly(s, m)
}

#[inline(never)]
fn send_slowly(s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> {
    naming::automatic(s)?;
    let length = m.data.left();
    let six = s.family() == libc::AF_INET6;
    if !six && length > 0xffff {
        return Err(Errno::EMSGSIZE);
    }
    if m.flags & libc::MSG_OOB != 0 && !six {
        return Err(Errno::EOPNOTSUPP);
    }
    let corked = m.flags & libc::MSG_MORE != 0 || opts::flag(s.slot, opts::UDP_CORK);
    if cork::pending(s) {
        return cork::add(s, None, corked, &mut m.data);
    }
    let changes = s.slot.extra[CHANGES].load(Acquire);
    let (to, connected) = source::destination(s, m.to)?;
    let v4 = is_v4(bits(to.ip));
    if six && v4 {
        // What udp_sendmsg says comes first, for whom udpv6_sendmsg leaves it to.
        source::speaks_v4(s)?;
        if length > 0xffff {
            return Err(Errno::EMSGSIZE);
        }
        if m.flags & libc::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
    }
    if to.port == 0 && (!connected || six && v4) {
        return Err(Errno::EINVAL);
    }
    let port_changes = cache::port_changes(s, to.port);
    let control = match m.control {
        [] => Control::default(),
        control => cmsg::parse(control, v4, six, || options::may_mark(s))?,
    };
    if control.timed && !options::row::was_set(s.slot, options::TXTIME_FLAGS) {
        return Err(Errno::EINVAL);
    }
    let path = source::path(s, &to, connected, &control)?;
    if m.flags & MSG_PROBE != 0 {
        m.data.advance(length);
        return Ok(length);
    }
    limits::check(s, &path, length, control.whole)?;
    told(s)?;
    if corked && path.reach != Reach::Kernel {
        return cork::add(s, Some(&path), true, &mut m.data);
    }
    let start = m.data;
    let whole = !v4 && opts::flag(s.slot, opts::IPV6_DONTFRAG);
    let sent = match path.reach {
        Reach::Kernel => kernel_side::send(s, m, &to)?,
        _ => {
            let segment = control.segment.unwrap_or(opts::word(s.slot, opts::UDP_SEGMENT) as u16) as usize;
            let keep = |t: &Target| {
                if m.control.is_empty() && !t.by_program {
                    let record = deliver::record(&path, 0).pack();
                    let hit = Hit {
                        target: t.number,
                        generation: t.generation,
                        longest: if whole { 0 } else { limits::longest_of(s.slot, v4) as u32 },
                        record,
                    };
                    cache::keep(s, m.to, changes, path.packet.port, port_changes, hit);
                }
            };
            put_segments(s, &path, segment, &mut m.data, keep)?;
            length
        }
    };
    errors::stamp_sent(s, &path, &control, start);
    if m.flags & libc::MSG_ZEROCOPY != 0 && sent > 0 && opts::flag(s.slot, opts::ZEROCOPY) {
        Sends(&s.slot.extra[ZEROCOPY]).count();
        errors::news(s);
    }
    Ok(sent)
}

/// What is told before anything is sent: a pending error, then a shutdown (sock_alloc_send_pskb).
pub fn told(s: &Sock) -> Result<()> {
    if let Some(error) = errors::take(s.slot) {
        return Err(error);
    }
    if s.slot.has(SlotFlags::SHUT_WR) {
        return Err(Errno::EPIPE);
    }
    Ok(())
}

/// Sends all of `data`, cut into segments if they are asked for (UDP_SEGMENT).
fn put_segments(s: &Sock, path: &Path, segment: usize, data: &mut Buffers<'_>, keep: impl Fn(&Target)) -> Result<()> {
    let length = data.left();
    if segment == 0 || length <= segment {
        return put(s, path, length, 0, data, keep);
    }
    if length > segment * MOST_SEGMENTS {
        return Err(Errno::EINVAL);
    }
    if path.reach == Reach::One {
        if let Some(target) = deliver::find(s, &path.packet, data, length) {
            if target.slot.extra[SPECIAL].load(Relaxed) & SPECIAL_GRO != 0 {
                return put(s, path, length, segment, data, keep);
            }
        }
    }
    while data.left() > 0 {
        put(s, path, segment.min(data.left()), 0, data, &keep)?;
    }
    Ok(())
}

/// Sends one datagram, the next `length` bytes of `data`.
pub fn put(
    s: &Sock,
    path: &Path,
    length: usize,
    segment: usize,
    data: &mut Buffers<'_>,
    keep: impl Fn(&Target),
) -> Result<()> {
    if path.reach == Reach::All {
        return deliver::put_all(s, path, length, data);
    }
    let start = *data;
    for _ in 0..4 {
        let Some(target) = deliver::find(s, &path.packet, data, length) else { break };
        let mut record = deliver::record(path, length);
        record.segment = segment as u16;
        if deliver::put(s, &target, &record.pack(), data)? {
            keep(&target);
            let word = (target.generation as u64) << 32 | (target.number as u64 + 1);
            s.slot.extra[TARGET].store(word, Relaxed);
            return Ok(());
        }
        *data = start;
    }
    // Nobody is there, but the datagram was made.
    let mut unheard = vec![0; length];
    if data.take_slice(&mut unheard) < length {
        return Err(Errno::EFAULT);
    }
    errors::refused(s, path, length, start);
    Ok(())
}
