//! IPPROTO_IPV6 (ipv6(7), RFC 3493, RFC 3542; net/ipv6/ipv6_sockglue.c).
//!
//! Memberships and IPV6_MULTICAST_IF of datagram sockets are answered before the tables are asked.

use super::places::*;
use super::row::{self, Default::*, Get, Row, Set, TCP6, UDP6};
use super::special as sp;
use crate::abi::{Errno, Result};
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// Names that the `libc` crate does not have.
mod name {
    pub const IPV6_FLOWINFO: i32 = 11;
    pub const IPV6_MULTICAST_ALL: i32 = 29;
    pub const IPV6_ROUTER_ALERT_ISOLATE: i32 = 30;
    pub const IPV6_RECVERR_RFC4884: i32 = 31;
    pub const IPV6_FLOWLABEL_MGR: i32 = 32;
    pub const IPV6_FLOWINFO_SEND: i32 = 33;
    pub const IPV6_RECVFRAGSIZE: i32 = 77;
    pub const IPV6_FREEBIND: i32 = 78;
}

const NO: Errno = Errno::ENOPROTOOPT;
const INVALID: Errno = Errno::EINVAL;
const BOTH: u8 = TCP6 | UDP6;

/// Most options want four bytes.
const fn int(name: i32, on: u8, place: usize, default: row::Default, set: Set) -> Row {
    row::int(name, on, place, default, set).least(4)
}

const fn flag(name: i32, place: usize) -> Row {
    int(name, BOTH, place, Is(0), Set::Bool)
}

/// One whose length does not matter.
const fn any_length(name: i32, place: usize) -> Row {
    flag(name, place).least(0)
}

/// What a stream has no use for, which the kernel says in its own way: a datagram socket answers before.
const fn group(name: i32, set: fn(&Sock, UserPtr, usize) -> Result<()>) -> Row {
    own(name, TCP6, Get::Refuse(NO), Set::Own(set))
}

/// An extension header. They are not carried: what can be set is that there is none.
const fn header(name: i32, set: fn(&Sock, UserPtr, usize) -> Result<()>) -> Row {
    own(name, BOTH, Get::Own(nothing), Set::Own(set))
}

const fn own(name: i32, on: u8, get: Get, set: Set) -> Row {
    row::own(name, on, get, set)
}

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        get: Get::Find(|s| Ok(sp::settled_v6_only(s.slot) as i32)),
        ..int(libc::IPV6_V6ONLY, BOTH, V6_ONLY, Is(0), Set::Map(v6_only))
    },
    int(libc::IPV6_UNICAST_HOPS, BOTH, IPV6_UNICAST_HOPS, Is(64), Set::Map(|_, v| or_default(v, 64))),
    int(libc::IPV6_MULTICAST_HOPS, UDP6, IPV6_MULTICAST_HOPS, Is(1), Set::Map(|_, v| or_default(v, 1))),
    Row {
        get: Get::Find(sp::multicast_hops),
        ..int(libc::IPV6_MULTICAST_HOPS, TCP6, IPV6_MULTICAST_HOPS, Is(1), Set::Refuse(NO)).least(0)
    },
    int(libc::IPV6_MULTICAST_LOOP, BOTH, IPV6_MULTICAST_LOOP, Is(1), Set::Range(0, 1)),
    int(name::IPV6_MULTICAST_ALL, BOTH, IPV6_MULTICAST_ALL, Is(1), Set::Bool),
    int(libc::IPV6_MULTICAST_IF, UDP6, IPV6_MULTICAST_IF, Is(0), Set::Map(sp::multicast_interface)),
    Row {
        get: Get::Find(sp::stream_interface),
        ..int(libc::IPV6_MULTICAST_IF, TCP6, IPV6_MULTICAST_IF, Is(0), Set::Refuse(NO)).least(0)
    },
    int(libc::IPV6_UNICAST_IF, BOTH, IPV6_UNICAST_IF, Is(0), Set::Own(sp::set_unicast_interface6)),
    int(libc::IPV6_MINHOPCOUNT, BOTH, IPV6_MINHOPCOUNT, Is(0), Set::Range(0, 255)),
    int(libc::IPV6_TCLASS, BOTH, IPV6_TCLASS, Is(0), Set::Map(|s, v| class(s.kind() == libc::SOCK_STREAM, v))),
    int(libc::IPV6_MTU_DISCOVER, BOTH, IPV6_MTU_DISCOVER, Is(1), Set::Range(0, 5)),
    Row { get: Get::Find(sp::mtu6), ..int(libc::IPV6_MTU, BOTH, IPV6_MTU, Is(0), Set::Map(|_, v| fragment(v))) },
    any_length(libc::IPV6_DONTFRAG, IPV6_DONTFRAG),
    int(libc::IPV6_AUTOFLOWLABEL, BOTH, IPV6_AUTOFLOWLABEL, Is(1), Set::Bool).least(0),
    any_length(name::IPV6_RECVFRAGSIZE, IPV6_RECVFRAGSIZE),
    flag(libc::IPV6_RECVPKTINFO, IPV6_RECVPKTINFO),
    flag(libc::IPV6_RECVHOPLIMIT, IPV6_RECVHOPLIMIT),
    flag(libc::IPV6_RECVTCLASS, IPV6_RECVTCLASS),
    flag(libc::IPV6_RECVRTHDR, IPV6_RECVRTHDR),
    flag(libc::IPV6_RECVHOPOPTS, IPV6_RECVHOPOPTS),
    flag(libc::IPV6_RECVDSTOPTS, IPV6_RECVDSTOPTS),
    flag(libc::IPV6_RECVPATHMTU, IPV6_RECVPATHMTU),
    flag(libc::IPV6_RECVERR, IPV6_RECVERR),
    int(name::IPV6_RECVERR_RFC4884, BOTH, IPV6_RECVERR_RFC4884, Is(0), Set::Range(0, 1)),
    flag(libc::IPV6_ORIGDSTADDR, IPV6_RECVORIGDSTADDR),
    flag(libc::IPV6_2292PKTINFO, IPV6_2292PKTINFO),
    flag(libc::IPV6_2292HOPLIMIT, IPV6_2292HOPLIMIT),
    flag(libc::IPV6_2292RTHDR, IPV6_2292RTHDR),
    flag(libc::IPV6_2292HOPOPTS, IPV6_2292HOPOPTS),
    flag(libc::IPV6_2292DSTOPTS, IPV6_2292DSTOPTS),
    flag(name::IPV6_FLOWINFO, IPV6_FLOWINFO),
    flag(name::IPV6_FLOWINFO_SEND, IPV6_FLOWINFO_SEND),
    flag(name::IPV6_FREEBIND, IP_FREEBIND),
    flag(name::IPV6_ROUTER_ALERT_ISOLATE, IPV6_ROUTER_ALERT_ISOLATE),
    int(libc::IPV6_TRANSPARENT, BOTH, IP_TRANSPARENT, Is(0), Set::Map(sp::transparent)),
    Row {
        get: Get::Find(|s| Ok(preferences_read(super::word(s.slot, IPV6_ADDR_PREFERENCES) as i32))),
        ..int(
            libc::IPV6_ADDR_PREFERENCES,
            BOTH,
            IPV6_ADDR_PREFERENCES,
            Is(0),
            Set::Map(|s, v| preferences(super::word(s.slot, IPV6_ADDR_PREFERENCES) as i32, v)),
        )
    },
    own(libc::IPV6_ADDRFORM, BOTH, Get::Find(sp::address_form), Set::Do(sp::set_address_form)).least(4),
    group(libc::IPV6_ADD_MEMBERSHIP, no_membership),
    group(libc::IPV6_DROP_MEMBERSHIP, no_membership),
    own(libc::IPV6_IPSEC_POLICY, BOTH, Get::Refuse(NO), Set::Own(sp::machine::ipsec6)),
    own(libc::IPV6_XFRM_POLICY, BOTH, Get::Refuse(NO), Set::Own(sp::machine::xfrm6)),
    own(libc::IPV6_JOIN_ANYCAST, BOTH, Get::Refuse(NO), Set::Own(join_anycast)),
    own(libc::IPV6_LEAVE_ANYCAST, BOTH, Get::Refuse(NO), Set::Own(|_, _, n| Err(short(n, 20, Errno::ENOENT)))),
    group(libc::MCAST_JOIN_GROUP, no_group),
    group(libc::MCAST_LEAVE_GROUP, no_group),
    group(libc::MCAST_BLOCK_SOURCE, no_source),
    group(libc::MCAST_UNBLOCK_SOURCE, no_source),
    group(libc::MCAST_JOIN_SOURCE_GROUP, no_source),
    group(libc::MCAST_LEAVE_SOURCE_GROUP, no_source),
    own(
        libc::MCAST_MSFILTER,
        TCP6,
        Get::Own(|_, r| Err(short(r.given, 144, Errno::EADDRNOTAVAIL))),
        Set::Refuse(INVALID),
    ),
    own(libc::IPV6_PKTINFO, BOTH, Get::Refuse(NO), Set::Own(sp::set_sticky_source)),
    header(libc::IPV6_HOPOPTS, no_option),
    header(libc::IPV6_RTHDRDSTOPTS, no_option),
    header(libc::IPV6_DSTOPTS, no_option),
    header(libc::IPV6_RTHDR, no_route),
    own(libc::IPV6_2292PKTOPTIONS, TCP6, Get::Own(sp::packet_options6), Set::Own(no_packet_options)),
    own(libc::IPV6_2292PKTOPTIONS, UDP6, Get::Refuse(NO), Set::Own(no_packet_options)),
    own(libc::IPV6_PATHMTU, BOTH, Get::Own(sp::path_mtu), Set::Refuse(NO)),
    own(libc::IPV6_ROUTER_ALERT, BOTH, Get::Find(|_| Ok(0)), Set::Refuse(NO)).least(4),
    own(name::IPV6_FLOWLABEL_MGR, BOTH, Get::Refuse(INVALID), Set::Refuse(INVALID)),
];

/// Only before the socket has a port.
fn v6_only(s: &Sock, v: i32) -> Result<i32> {
    if s.slot.local().port != 0 {
        return Err(INVALID);
    }
    Ok((v != 0) as i32)
}

/// From 0 to 255; -1 is the default.
fn or_default(v: i32, default: i32) -> Result<i32> {
    match v {
        -1 => Ok(default),
        0..=255 => Ok(v),
        _ => Err(INVALID),
    }
}

/// A TCP socket keeps the two bits of congestion notification to itself (RFC 3168).
fn class(tcp: bool, v: i32) -> Result<i32> {
    Ok(or_default(v, 0)? & if tcp { 0xfc } else { 0xff })
}

fn fragment(v: i32) -> Result<i32> {
    if v != 0 && v < 1280 {
        return Err(INVALID);
    }
    Ok(v)
}

/// RFC 5014: what `old` becomes by `asked`, of each pair one, both or none being asked for.
fn preferences(old: i32, asked: i32) -> Result<i32> {
    use libc::{
        IPV6_PREFER_SRC_CGA as CGA, IPV6_PREFER_SRC_COA as COA, IPV6_PREFER_SRC_HOME as HOME,
        IPV6_PREFER_SRC_NONCGA as NONCGA, IPV6_PREFER_SRC_PUBLIC as PUBLIC, IPV6_PREFER_SRC_PUBTMP_DEFAULT as EITHER,
        IPV6_PREFER_SRC_TMP as TMP,
    };
    let mut new = old;
    match asked & (PUBLIC | TMP | EITHER) {
        0 => {}
        one @ (PUBLIC | TMP | EITHER) => new = new & !(PUBLIC | TMP) | one & (PUBLIC | TMP),
        _ => return Err(INVALID),
    }
    match asked & (HOME | COA) {
        0 => {}
        one @ (HOME | COA) => new = new & !COA | one & COA,
        _ => return Err(INVALID),
    }
    if asked & (CGA | NONCGA) == CGA | NONCGA {
        return Err(INVALID);
    }
    Ok(new)
}

fn preferences_read(kept: i32) -> i32 {
    let address = match kept & (libc::IPV6_PREFER_SRC_TMP | libc::IPV6_PREFER_SRC_PUBLIC) {
        0 => libc::IPV6_PREFER_SRC_PUBTMP_DEFAULT,
        one => one,
    };
    let home = match kept & libc::IPV6_PREFER_SRC_COA {
        0 => libc::IPV6_PREFER_SRC_HOME,
        one => one,
    };
    address | home
}

fn short(length: usize, least: usize, otherwise: Errno) -> Errno {
    if length < least {
        INVALID
    } else {
        otherwise
    }
}

fn no_membership(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    Err(short(length, 20, Errno::EPROTO))
}

/// An anycast address belongs to routers: who may join one (CAP_NET_ADMIN) needs an interface on whose link it is, which no
/// address of this network is (__ipv6_sock_ac_join).
fn join_anycast(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length < 20 {
        return Err(INVALID);
    }
    let mut address = [0u8; 16];
    at.read(&mut address)?;
    let index = at.plus(16).read_u32()?;
    if !sp::may_administrate(s) {
        return Err(Errno::EPERM);
    }
    if address[0] == 0xff || core::net::Ipv6Addr::from(address).is_loopback() {
        return Err(INVALID);
    }
    if index != 0 && crate::kernel::interface_name(s.fd, index).is_err() {
        return Err(Errno::ENODEV);
    }
    Err(Errno::EADDRNOTAVAIL)
}

fn no_group(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    Err(short(length, 136, Errno::EADDRNOTAVAIL))
}

fn no_source(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    Err(short(length, 264, Errno::EADDRNOTAVAIL))
}

fn nothing(_s: &Sock, room: &row::Room) -> Result<()> {
    room.length_at.write_u32(0)
}

/// Who has CAP_NET_RAW may say that there is none; the rest is told what one without it is told.
fn no_option(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    if !sp::may_send_raw() {
        return Err(Errno::EPERM);
    }
    no_header(length, Errno::EPERM)
}

fn no_route(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    no_header(length, INVALID)
}

fn no_header(length: usize, otherwise: Errno) -> Result<()> {
    if length == 0 {
        Ok(())
    } else {
        Err(otherwise)
    }
}

/// A list of control messages: an empty one is what there is to set.
fn no_packet_options(_s: &Sock, _at: UserPtr, length: usize) -> Result<()> {
    if length < 16 {
        Ok(())
    } else {
        Err(INVALID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_is_the_default() {
        assert_eq!([-1, 0, 255].map(|v| or_default(v, 64).unwrap()), [64, 0, 255]);
        assert!([-2, 256].into_iter().all(|v| or_default(v, 64).is_err()));
        assert_eq!((class(true, 255), class(false, 255), class(true, -1)), (Ok(252), Ok(255), Ok(0)));
        assert!(class(false, 256).is_err());
    }

    #[test]
    fn a_fragment_is_as_large_as_ipv6_asks_for() {
        assert_eq!([0, 1280, i32::MAX].map(|v| fragment(v).unwrap()), [0, 1280, i32::MAX]);
        assert!(fragment(1279).is_err() && fragment(-1).is_err());
    }

    #[test]
    fn preferences_exclude_one_another() {
        let read = |asked| preferences(0, asked).map(preferences_read);
        assert_eq!([0, 1, 2, 4, 5].map(|v| read(v).unwrap()), [1280, 1025, 1026, 260, 5]);
        assert!([3, 0x404, 0x808, 0x101].into_iter().all(|v| read(v).is_err()));
        // The pair that is not asked about stays.
        assert_eq!(preferences(1, 4), Ok(5));
        assert_eq!(preferences(5, 0x100), Ok(4));
    }
}
