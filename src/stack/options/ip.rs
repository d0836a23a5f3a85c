//! IPPROTO_IP, which IPv6 sockets have as well (ip(7); net/ipv4/ip_sockglue.c).
//!
//! Group memberships and IP_MULTICAST_IF of datagram sockets are answered before the tables are asked.

use super::places::*;
use super::row::{flag, int, own, store, Default::*, Get, Row, Set, ALL, TCP, UDP};
use super::special as sp;
use super::system::System;
use crate::abi::{Errno, Result};
use crate::family::inet::dgram::multicast;
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// Names that the `libc` crate does not have.
mod name {
    pub const IP_RECVERR_RFC4884: i32 = 26;
    pub const IP_LOCAL_PORT_RANGE: i32 = 51;
    pub const IP_PROTOCOL: i32 = 52;
}
const NO: Errno = Errno::ENOPROTOOPT;
const INVALID: Errno = Errno::EINVAL;

/// What is refused without a look at the value.
const fn refused(name: i32, on: u8, get: Get, error: Errno) -> Row {
    own(name, on, get, Set::RefuseFirst(error))
}

/// The rows.
pub const ROWS: &[Row] = &[
    int(libc::IP_TOS, ALL, IP_TOS, Is(0), Set::Do(set_tos)),
    int(libc::IP_TTL, ALL, IP_TTL, From(System::Ttl), Set::Map(|_, v| ttl(v))).least(1),
    int(libc::IP_MINTTL, ALL, IP_MINTTL, Is(0), Set::Range(0, 255)).least(1),
    int(libc::IP_MTU_DISCOVER, ALL, IP_MTU_DISCOVER, Is(1), Set::Range(0, 5)),
    refused(libc::IP_MTU, ALL, Get::Find(sp::mtu), NO),
    flag(libc::IP_PKTINFO, ALL, IP_PKTINFO),
    flag(libc::IP_RECVTTL, ALL, IP_RECVTTL),
    flag(libc::IP_RECVTOS, ALL, IP_RECVTOS),
    flag(libc::IP_RECVOPTS, ALL, IP_RECVOPTS),
    flag(libc::IP_RETOPTS, ALL, IP_RETOPTS),
    flag(libc::IP_RECVERR, ALL, IP_RECVERR),
    int(name::IP_RECVERR_RFC4884, ALL, IP_RECVERR_RFC4884, Is(0), Set::Range(0, 1)),
    flag(libc::IP_ORIGDSTADDR, ALL, IP_RECVORIGDSTADDR),
    flag(libc::IP_PASSSEC, ALL, IP_PASSSEC),
    // What follows from a checksum of the whole packet is not computed for a stream.
    flag(libc::IP_CHECKSUM, ALL, IP_CHECKSUM),
    int(libc::IP_RECVFRAGSIZE, TCP, IP_RECVFRAGSIZE, Is(0), Set::Refuse(INVALID)),
    flag(libc::IP_RECVFRAGSIZE, UDP, IP_RECVFRAGSIZE),
    flag(libc::IP_BIND_ADDRESS_NO_PORT, ALL, IP_BIND_ADDRESS_NO_PORT),
    flag(libc::IP_FREEBIND, ALL, IP_FREEBIND).least(1),
    int(libc::IP_TRANSPARENT, ALL, IP_TRANSPARENT, Is(0), Set::Map(sp::transparent)).least(1),
    Row {
        get: Get::Find(sp::multicast_ttl),
        ..int(libc::IP_MULTICAST_TTL, TCP, IP_MULTICAST_TTL, Is(1), Set::Refuse(INVALID))
    },
    int(libc::IP_MULTICAST_TTL, UDP, IP_MULTICAST_TTL, Is(1), Set::Map(|_, v| multicast_ttl(v))).least(1),
    int(libc::IP_MULTICAST_LOOP, ALL, IP_MULTICAST_LOOP, Is(1), Set::Bool).least(1),
    int(libc::IP_MULTICAST_ALL, ALL, IP_MULTICAST_ALL, Families(1, 0), Set::Range(0, 1)).least(1),
    own(libc::IP_MULTICAST_IF, TCP, Get::Own(|_, room| room.put_int(0)), Set::RefuseFirst(INVALID)),
    int(libc::IP_UNICAST_IF, ALL, IP_UNICAST_IF, Is(0), Set::First(sp::set_unicast_interface)),
    own(libc::IP_IPSEC_POLICY, ALL, Get::Refuse(NO), Set::First(sp::machine::ipsec)),
    own(libc::IP_XFRM_POLICY, ALL, Get::Refuse(NO), Set::First(sp::machine::xfrm)),
    refused(libc::IP_ADD_MEMBERSHIP, TCP, Get::Refuse(NO), Errno::EPROTO),
    refused(libc::IP_DROP_MEMBERSHIP, TCP, Get::Refuse(NO), Errno::EPROTO),
    refused(libc::IP_BLOCK_SOURCE, TCP, Get::Refuse(NO), INVALID),
    refused(libc::IP_UNBLOCK_SOURCE, TCP, Get::Refuse(NO), INVALID),
    refused(libc::IP_ADD_SOURCE_MEMBERSHIP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::IP_DROP_SOURCE_MEMBERSHIP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::IP_MSFILTER, TCP, Get::Own(multicast::no_filter), INVALID),
    refused(libc::MCAST_JOIN_GROUP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_LEAVE_GROUP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_BLOCK_SOURCE, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_UNBLOCK_SOURCE, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_JOIN_SOURCE_GROUP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_LEAVE_SOURCE_GROUP, TCP, Get::Refuse(NO), INVALID),
    refused(libc::MCAST_MSFILTER, TCP, Get::Refuse(INVALID), INVALID),
    own(libc::IP_OPTIONS, ALL, Get::Own(sp::ip_options), Set::First(sp::set_ip_options)),
    int(name::IP_LOCAL_PORT_RANGE, ALL, IP_LOCAL_PORT_RANGE, Is(0), Set::Own(set_port_range)),
    // The number that a raw socket has its protocol in is the port of others.
    refused(name::IP_PROTOCOL, ALL, Get::Find(|s| Ok(s.slot.local().port as i32)), NO),
    own(libc::IP_HDRINCL, ALL, Get::Find(|_| Ok(0)), Set::Refuse(NO)),
    own(libc::IP_NODEFRAG, ALL, Get::Find(|_| Ok(0)), Set::Refuse(NO)),
    own(libc::IP_ROUTER_ALERT, ALL, Get::Find(|_| Ok(0)), Set::Refuse(INVALID)),
    refused(libc::IP_PKTOPTIONS, TCP, Get::Own(sp::packet_options), NO),
];

/// A TCP socket keeps the two bits of congestion notification to itself. A new value changes SO_PRIORITY too.
fn set_tos(s: &Sock, v: i32) -> Result<()> {
    let new = tos(s.kind() == libc::SOCK_STREAM, v);
    let old = super::word(s.slot, IP_TOS) as i32;
    store(s.slot, IP_TOS, new as u32);
    if new != old {
        store(s.slot, PRIORITY, priority(new));
    }
    Ok(())
}

fn tos(tcp: bool, v: i32) -> i32 {
    v & if tcp { 0xfc } else { 0xff }
}

/// rt_tos2priority: best effort, bulk, interactive bulk or interactive.
fn priority(tos: i32) -> u32 {
    [0, 2, 6, 4][(tos >> 3 & 3) as usize]
}

/// 0 in the word stands for the system's.
fn ttl(v: i32) -> Result<i32> {
    match v {
        -1 => Ok(0),
        1..=255 => Ok(v),
        _ => Err(INVALID),
    }
}

fn multicast_ttl(v: i32) -> Result<i32> {
    match v {
        -1 => Ok(1),
        0..=255 => Ok(v),
        _ => Err(INVALID),
    }
}

fn set_port_range(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length != 4 {
        return Err(INVALID);
    }
    store(s.slot, IP_LOCAL_PORT_RANGE, port_range(at.read_u32()? as i32)? as u32);
    Ok(())
}

/// The lower bound in the lower half, the upper one in the other; 0 leaves one open.
fn port_range(v: i32) -> Result<i32> {
    let (low, high) = (v as u32 & 0xffff, v as u32 >> 16);
    if low != 0 && high != 0 && low > high {
        return Err(INVALID);
    }
    Ok(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_service_decides_the_priority() {
        for (tos, want) in
            [(0, 0), (2, 0), (4, 0), (8, 2), (0x10, 6), (0x18, 4), (0x1c, 4), (0x20, 0), (0xb8, 4), (0xe0, 0)]
        {
            assert_eq!(priority(tos), want, "{tos:#x}");
        }
        assert_eq!((tos(true, 0x1ff), tos(false, 0x1ff), tos(true, 3)), (0xfc, 0xff, 0));
    }

    #[test]
    fn hop_counts_have_bounds() {
        assert_eq!([-1, 1, 255].map(|v| ttl(v).unwrap()), [0, 1, 255]);
        assert!([-2, 0, 256].into_iter().all(|v| ttl(v).is_err()));
        assert_eq!([-1, 0, 255].map(|v| multicast_ttl(v).unwrap()), [1, 0, 255]);
        assert!([-2, 256].into_iter().all(|v| multicast_ttl(v).is_err()));
    }

    #[test]
    fn a_port_range_must_not_be_upside_down() {
        assert!(port_range(0).is_ok() && port_range(40000).is_ok() && port_range(40000 << 16).is_ok());
        assert!(port_range((50000u32 << 16 | 40000) as i32).is_ok());
        assert!(port_range((40000u32 << 16 | 50000) as i32).is_err());
    }
}
