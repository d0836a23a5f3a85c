//! Errors that come back: ECONNREFUSED, and the error queue (IP_RECVERR in ip(7), MSG_ERRQUEUE in recv(2)).

use core::sync::atomic::Ordering::*;

use super::super::frame::Packet;
use super::super::zerocopy::Sends;
use super::cmsg::Control;
use super::lookup::{is_v4, name_of};
use super::place::{ERRORS, NEWS, STAMP_ID, ZEROCOPY};
use super::source::Path;
use super::tell::{stamping_kind, three_times, Builder};
use super::{kernel_side, opts, poll, store};
use crate::abi::{Errno, Name, Result};
use crate::family::ops::Incoming;
use crate::kernel;
use crate::shm::views::Buffers;
use crate::shm::{Record, Slot, SlotFlags};
use crate::socket::Sock;

// SO_EE_ORIGIN_ numbers.
const LOCAL: u8 = 1;
const ICMP: u8 = 2;
const ICMP6: u8 = 3;
const TIMESTAMPING: u8 = 4;
/// More errors than this are not kept.
const MOST: usize = 256;
/// ee_info and ee_data stand before the payload.
const PREFIX: usize = 8;

/// An error as struct sock_extended_err tells it.
struct Extended {
    errno: i32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
    data: u32,
}

/// Takes the pending error.
#[inline]
pub fn take(slot: &Slot) -> Option<Errno> {
    slot.take_error()
}

fn wants_queue(slot: &Slot, v4: bool) -> bool {
    opts::flag(slot, if v4 { opts::IP_RECVERR } else { opts::IPV6_RECVERR })
}

/// Nobody was there: what ICMP would tell, of a datagram of `length` bytes that begins at `data`.
pub fn refused(s: &Sock, path: &Path, length: usize, mut data: Buffers<'_>) {
    let slot = s.slot;
    let v4 = is_v4(path.packet.destination);
    // What is told of a datagram finds the socket as an answer to it would.
    let own = slot.local();
    if !own.is_any() && super::lookup::bits(own.ip) != path.packet.source {
        return;
    }
    let connected = slot.has(SlotFlags::PEER);
    if connected {
        let peer = slot.peer();
        // A peer's port of 0 is any (__udp4_lib_lookup).
        let is_port = peer.port == 0 || peer.port == path.packet.port;
        if super::lookup::bits(peer.ip) != path.packet.destination || !is_port {
            return;
        }
    }
    let queued = wants_queue(slot, v4);
    if !connected && !queued {
        return;
    }
    if queued {
        let mut payload = vec![0; length];
        let n = data.take_slice(&mut payload);
        payload.truncate(n);
        let (origin, kind, code) = if v4 { (ICMP, 3, 3) } else { (ICMP6, 1, 4) };
        let error = Extended { errno: libc::ECONNREFUSED, origin, kind, code, info: 0, data: 0 };
        queue(s, path, &error, 0, &payload);
    }
    slot.error.store(libc::ECONNREFUSED, Release);
    news(s);
}

/// A datagram was too long for the way, which takes packets of `mtu` bytes.
pub fn too_long(s: &Sock, path: &Path, mtu: u32) {
    let v4 = is_v4(path.packet.destination);
    if wants_queue(s.slot, v4) {
        let mut path = *path;
        if v4 {
            // The port that is told over IPv4 is the peer's (ip_append_data).
            path.packet.port = if s.slot.has(SlotFlags::PEER) { s.slot.peer().port } else { 0 };
        }
        let error = Extended { errno: libc::EMSGSIZE, origin: LOCAL, kind: 0, code: 0, info: mtu, data: 0 };
        queue(s, &path, &error, 0, &[]);
        news(s);
    }
}

/// A datagram was sent: tells when, if the program wants to know (SOF_TIMESTAMPING_TX_SOFTWARE).
pub fn stamp_sent(s: &Sock, path: &Path, control: &Control, mut data: Buffers<'_>) {
    let flags = opts::word(s.slot, opts::TIMESTAMPING);
    let asked = control.stamps.unwrap_or(flags);
    if asked & (libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SCHED) == 0 {
        return;
    }
    let id = match flags & libc::SOF_TIMESTAMPING_OPT_ID {
        0 => 0,
        _ => s.slot.extra[STAMP_ID].fetch_add(1, Relaxed) as u32,
    };
    let mut payload = Vec::new();
    if flags & libc::SOF_TIMESTAMPING_OPT_TSONLY == 0 {
        let length = data.left();
        payload = headers(path, length);
        let start = payload.len();
        payload.resize(start + length, 0);
        let n = data.take_slice(&mut payload[start..]);
        payload.truncate(start + n);
    }
    for (bit, info) in [(libc::SOF_TIMESTAMPING_TX_SCHED, 1), (libc::SOF_TIMESTAMPING_TX_SOFTWARE, 0)] {
        if asked & bit != 0 {
            let error = Extended { errno: libc::ENOMSG, origin: TIMESTAMPING, kind: 0, code: 0, info, data: id };
            queue(s, path, &error, kernel::clock_ns(libc::CLOCK_REALTIME), &payload);
        }
    }
    news(s);
}

/// Ethernet's, the internet protocol's and UDP's header for `length` bytes.
fn headers(path: &Path, length: usize) -> Vec<u8> {
    let from = &path.packet;
    let ports = [from.source_port, from.port];
    let packet = Packet { source: from.source, destination: from.destination, ports, tos: path.tos, ttl: path.ttl };
    let mut out = packet.ethernet().to_vec();
    out.extend(packet.udp(length));
    out
}

/// The socket's own waiters have something to look at.
pub fn news(s: &Sock) {
    s.slot.extra[NEWS].fetch_add(1, Release);
    poll::knock(s);
}

fn queue(s: &Sock, path: &Path, error: &Extended, time_ns: u64, payload: &[u8]) {
    let mut waiting = 0;
    store::each(s.arena, s.slot, ERRORS, |_, _| waiting += 1);
    if waiting >= MOST {
        return;
    }
    let mut bytes = Vec::with_capacity(PREFIX + payload.len());
    bytes.extend_from_slice(&error.info.to_ne_bytes());
    bytes.extend_from_slice(&error.data.to_ne_bytes());
    bytes.extend_from_slice(payload);
    let record = Record {
        source: if error.origin == TIMESTAMPING { path.packet.source } else { path.packet.destination },
        destination: path.packet.destination,
        port: path.packet.port,
        time_ns,
        tos: error.kind,
        ttl: error.code,
        flags: error.origin as u16,
        segment: error.errno as u16,
        length: bytes.len() as u32,
        ..Record::default()
    };
    let _held = s.slot.lock.lock();
    let mut done = 0;
    let _ = store::add(s.arena, s.slot, ERRORS, &record, |span| {
        let n = span.write(&bytes[done..]);
        done += n;
        n
    });
}

/// Is an error queued?
pub fn queued(s: &Sock) -> bool {
    store::holds(s.arena, s.slot, ERRORS) || Sends(&s.slot.extra[ZEROCOPY]).untold()
}

/// Empties the error queue.
pub fn purge(s: &Sock) {
    let _held = s.slot.lock.lock();
    store::drop_all(s.arena, s.slot, ERRORS);
}

fn is_icmp(record: &Record) -> bool {
    matches!(record.flags as u8, ICMP | ICMP6)
}

/// recvmsg(2) with MSG_ERRQUEUE (ip_recv_error, ipv6_recv_error).
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    let found = {
        let _held = s.slot.lock.lock();
        let found = store::first(s.arena, s.slot, ERRORS, false, |record, payload| {
            let mut bytes = vec![0; payload.len()];
            payload.copy(0, &mut bytes);
            (*record, bytes)
        });
        let next = store::first(s.arena, s.slot, ERRORS, true, |record, _| *record).filter(is_icmp);
        match (&found, next) {
            (Some(_), Some(next)) => s.slot.error.store(next.segment as i32, Release),
            (Some((taken, _)), None) if is_icmp(taken) => s.slot.error.store(0, Release),
            _ => {}
        }
        found
    };
    let Some((record, bytes)) = found.filter(|(_, b)| b.len() >= PREFIX) else {
        if Sends(&s.slot.extra[ZEROCOPY]).tell(s.family(), m) {
            return Ok(0);
        }
        return kernel_side::receive(s, m).unwrap_or(Err(Errno::EAGAIN));
    };
    let payload = &bytes[PREFIX..];
    let n = payload.len().min(m.data.left());
    if m.data.put_slice(&payload[..n]) < n {
        return Err(Errno::EFAULT);
    }
    if n < payload.len() {
        m.out_flags |= libc::MSG_TRUNC;
    }
    let family = s.family();
    let stamp = record.flags as u8 == TIMESTAMPING;
    m.from = (!stamp).then(|| name_of(record.destination, record.port, family));
    let mut out = Builder::new(m.control_room);
    if record.time_ns != 0 && opts::word(s.slot, opts::TIMESTAMPING) & libc::SOF_TIMESTAMPING_SOFTWARE != 0 {
        out.put(libc::SOL_SOCKET, stamping_kind(s.slot), &three_times(record.time_ns));
    }
    let (level, kind, length) = match family {
        libc::AF_INET => (libc::IPPROTO_IP, libc::IP_RECVERR, 16),
        _ => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 28),
    };
    let mut told = [0u8; 16 + 28];
    told[..4].copy_from_slice(&(record.segment as u32).to_ne_bytes());
    told[4..8].copy_from_slice(&[record.flags as u8, record.tos, record.ttl, 0]);
    told[8..16].copy_from_slice(&bytes[..PREFIX]);
    // IPv6 tells who sent a frame that it shows.
    if is_icmp(&record) || stamp && family == libc::AF_INET6 && !payload.is_empty() {
        let (offender, _) = Name { port: 0, ..name_of(record.source, 0, family) }.encode();
        told[16..].copy_from_slice(&offender);
    }
    out.put(level, kind, &told[..16 + length]);
    m.out_flags |= libc::MSG_ERRQUEUE | if out.cut { libc::MSG_CTRUNC } else { 0 };
    m.control = out.into_bytes();
    Ok(n)
}
