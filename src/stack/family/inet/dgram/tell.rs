//! What is told of a datagram that was received, as ancillary data (put_cmsg, ip_cmsg_recv, ip6_datagram_recv_ctl).

use core::net::{IpAddr, Ipv4Addr};

use super::super::own;
use super::cmsg::HEADER;
use super::lookup::{is_v4, name_of, v4_of};
use super::naming::{is_broadcast, is_group};
use super::opts;
use crate::abi::Name;
use crate::kernel;
use crate::shm::{Record, Slot};
use crate::socket::Sock;

const UDP_GRO: i32 = 104;

/// Control messages on their way to the program, cut to the room there is (put_cmsg).
pub struct Builder {
    bytes: Vec<u8>,
    room: usize,
    /// Something did not fit (MSG_CTRUNC).
    pub cut: bool,
}

impl Builder {
    /// No messages yet, and this much room.
    pub fn new(room: usize) -> Builder {
        Builder { bytes: Vec::new(), room, cut: false }
    }

    /// Adds a message.
    pub fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let left = self.room - self.bytes.len();
        if left < HEADER {
            self.cut = true;
            return;
        }
        let length = (HEADER + data.len()).min(left);
        self.cut |= length < HEADER + data.len();
        self.bytes.extend_from_slice(&(length as u64).to_ne_bytes());
        self.bytes.extend_from_slice(&level.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&data[..length - HEADER]);
        let padded = ((HEADER + data.len() + 7) & !7).min(left) - length;
        self.bytes.resize(self.bytes.len() + padded, 0);
    }

    /// Adds a message of one int.
    pub fn put_int(&mut self, level: i32, kind: i32, value: i32) {
        self.put(level, kind, &value.to_ne_bytes());
    }

    /// The messages.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn time(seconds: u64, part: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..].copy_from_slice(&part.to_ne_bytes());
    bytes
}

/// Tells when a datagram came.
pub fn put_time(slot: &Slot, time_ns: u64, out: &mut Builder) {
    times(slot, time_ns, |kind, data| out.put(libc::SOL_SOCKET, kind, data));
}

/// Gives `put` what the socket's options want to know of the time at which something came (__sock_recv_timestamp).
pub fn times(slot: &Slot, time_ns: u64, mut put: impl FnMut(i32, &[u8])) {
    let (seconds, ns) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    let stamp = opts::word(slot, opts::TIMESTAMP) as i32;
    if stamp & opts::STAMP_ON != 0 {
        let (part, new, old) = match stamp & opts::STAMP_NS != 0 {
            true => (ns, 64, libc::SO_TIMESTAMPNS),
            false => (ns / 1000, 63, libc::SO_TIMESTAMP),
        };
        let kind = if stamp & opts::STAMP_NEW != 0 { new } else { old };
        put(kind, &time(seconds, part));
    }
    let wanted = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    if opts::word(slot, opts::TIMESTAMPING) & wanted == wanted {
        put(stamping_kind(slot), &three_times(time_ns));
    }
}

/// The message of SO_TIMESTAMPING, which was set by its old name or its new one.
pub fn stamping_kind(slot: &Slot) -> i32 {
    const SO_TIMESTAMPING_NEW: i32 = 65;
    let new = opts::word(slot, opts::TIMESTAMP) as i32 & opts::STAMP_NEW != 0;
    if new {
        SO_TIMESTAMPING_NEW
    } else {
        libc::SO_TIMESTAMPING
    }
}

/// struct scm_timestamping with its first time set.
pub fn three_times(time_ns: u64) -> [u8; 48] {
    let mut three = [0; 48];
    three[..16].copy_from_slice(&time(time_ns / 1_000_000_000, time_ns % 1_000_000_000));
    three
}

/// Tells all that the socket's options ask for, in the kernel's order.
pub fn tell(s: &Sock, record: &Record, out: &mut Builder) {
    let slot = s.slot;
    let time = if record.time_ns != 0 { record.time_ns } else { kernel::clock_ns(libc::CLOCK_REALTIME) };
    put_time(slot, time, out);
    if opts::flag(slot, opts::RXQ_OVFL) && record.drops != 0 {
        out.put(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &record.drops.to_ne_bytes());
    }
    if opts::flag(slot, opts::RCVMARK) {
        out.put_int(libc::SOL_SOCKET, libc::SO_MARK, 0);
    }
    if record.segment != 0 && opts::flag(slot, opts::UDP_GRO) {
        out.put_int(libc::IPPROTO_UDP, UDP_GRO, record.segment as i32);
    }
    let six = s.family() == libc::AF_INET6;
    if six && opts::flag(slot, opts::IPV6_RECVPKTINFO) {
        out.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &told_info6(s, record));
    }
    if is_v4(record.destination) {
        tell_v4(s, record, out);
    } else {
        tell_v6(s, record, out);
    }
}

fn told_info6(s: &Sock, record: &Record) -> [u8; 20] {
    let mut info = [0; 20];
    info[..16].copy_from_slice(&record.destination.to_be_bytes());
    let to = name_of(record.destination, 0, libc::AF_INET6).ip;
    info[16..].copy_from_slice(&own::interface_of(s.fd, to).to_ne_bytes());
    info
}

fn encoded(name: &Name) -> ([u8; 28], usize) {
    name.encode()
}

fn tell_v4(s: &Sock, record: &Record, out: &mut Builder) {
    let slot = s.slot;
    let destination = v4_of(record.destination);
    if opts::flag(slot, opts::IP_PKTINFO) {
        let mut info = [0; 12];
        // The interface is known only if somebody wanted to know it when the datagram came.
        if record.flags & super::INTERFACE_KNOWN != 0 {
            let to_all = is_group(IpAddr::V4(destination)) || is_broadcast(IpAddr::V4(destination));
            let local = if to_all { Ipv4Addr::LOCALHOST } else { destination };
            let interface = if to_all { super::LOOPBACK } else { own::interface_of(s.fd, IpAddr::V4(destination)) };
            info[..4].copy_from_slice(&interface.to_ne_bytes());
            info[4..8].copy_from_slice(&local.octets());
        }
        info[8..].copy_from_slice(&destination.octets());
        out.put(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
    }
    if opts::flag(slot, opts::IP_RECVTTL) {
        out.put_int(libc::IPPROTO_IP, libc::IP_TTL, record.ttl as i32);
    }
    if opts::flag(slot, opts::IP_RECVTOS) {
        out.put(libc::IPPROTO_IP, libc::IP_TOS, &[record.tos]);
    }
    if opts::flag(slot, opts::IP_RECVORIGDSTADDR) {
        let (bytes, length) = encoded(&name_of(record.destination, record.port, libc::AF_INET));
        out.put(libc::IPPROTO_IP, libc::IP_ORIGDSTADDR, &bytes[..length]);
    }
}

fn tell_v6(s: &Sock, record: &Record, out: &mut Builder) {
    let slot = s.slot;
    if opts::flag(slot, opts::IPV6_RECVHOPLIMIT) {
        out.put_int(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, record.ttl as i32);
    }
    if opts::flag(slot, opts::IPV6_RECVTCLASS) {
        out.put_int(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, record.tos as i32);
    }
    if opts::flag(slot, opts::IPV6_FLOWINFO) {
        // The label that the kernel makes up for a flow: the same for the same names.
        let mixed = (record.source_port as u32).wrapping_mul(0x9e37_79b1) ^ record.port as u32;
        let info = (record.tos as u32) << 20 | (mixed & 0xf_ffff) | 1;
        out.put(libc::IPPROTO_IPV6, 11, &info.to_be_bytes());
    }
    if opts::flag(slot, opts::IPV6_2292PKTINFO) {
        out.put(libc::IPPROTO_IPV6, libc::IPV6_2292PKTINFO, &told_info6(s, record));
    }
    if opts::flag(slot, opts::IPV6_2292HOPLIMIT) {
        out.put_int(libc::IPPROTO_IPV6, libc::IPV6_2292HOPLIMIT, record.ttl as i32);
    }
    if opts::flag(slot, opts::IPV6_RECVORIGDSTADDR) {
        let (bytes, length) = encoded(&name_of(record.destination, record.port, libc::AF_INET6));
        out.put(libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR, &bytes[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_cuts_as_put_cmsg_does() {
        for (room, kept, cut) in [
            (0, 0, true),
            (15, 0, true),
            (16, 16, true),
            (19, 19, true),
            (20, 20, false),
            (23, 23, false),
            (24, 24, false),
        ] {
            let mut out = Builder::new(room);
            out.put_int(0, 2, 9);
            assert_eq!((out.bytes.len(), out.cut), (kept, cut), "{room}");
        }
        let mut out = Builder::new(100);
        out.put(1, 29, &[0; 16]);
        out.put(0, 8, &[0; 12]);
        out.put_int(0, 2, 64);
        out.put(0, 1, &[0]);
        assert_eq!((out.bytes.len(), out.cut), (88, true));
    }
}
