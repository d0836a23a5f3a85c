//! Addresses, routes and headers: what IPPROTO_IP and IPPROTO_IPV6 say beyond ints.

use super::super::places::*;
use super::super::row::{load, store, Room};
use super::{may_mark, tcp_state};
use crate::abi::{Errno, Result};
use crate::family::inet::state;
use crate::shm::views::UserPtr;
use crate::shm::{Slot, SlotFlags};
use crate::socket::Sock;

/// The largest packet on loopback, which IPv4 (IP_MAX_MTU) and IPv6 count differently.
const MTU4: i32 = 65535;
const MTU6: i32 = 65536;
/// MAX_IPOPTLEN.
const OPTIONS: usize = 40;
const IPOPT_END: u8 = 0;
const IPOPT_NOOP: u8 = 1;

/// Has the socket a route: is it connected?
fn routed(s: &Sock) -> bool {
    if s.kind() == libc::SOCK_STREAM {
        !matches!(s.slot.state.load(core::sync::atomic::Ordering::Acquire), state::CLOSE | state::LISTEN)
    } else {
        s.slot.has(SlotFlags::PEER)
    }
}

/// IP_MTU.
pub fn mtu(s: &Sock) -> Result<i32> {
    match s.slot.peer().canonical() {
        _ if !routed(s) => Err(Errno::ENOTCONN),
        core::net::IpAddr::V4(_) => Ok(MTU4),
        core::net::IpAddr::V6(_) => Ok(MTU6),
    }
}

/// IPV6_MTU.
pub fn mtu6(s: &Sock) -> Result<i32> {
    mtu(s)
}

/// IPV6_PATHMTU: struct ip6_mtuinfo, whose address stays empty.
pub fn path_mtu(s: &Sock, room: &Room) -> Result<()> {
    if room.given < 32 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0u8; 32];
    bytes[28..].copy_from_slice(&mtu(s)?.to_ne_bytes());
    room.put(&bytes)
}

/// IP_TRANSPARENT and IPV6_TRANSPARENT.
pub fn transparent(s: &Sock, v: i32) -> Result<i32> {
    if v != 0 && !may_mark(s) {
        return Err(Errno::EPERM);
    }
    Ok((v != 0) as i32)
}

/// IPV6_V6ONLY, which binding to an address that is neither the wildcard nor IPv4's switches on (__inet6_bind). That is
/// noticed when somebody asks.
pub fn settled_v6_only(slot: &Slot) -> bool {
    if load(slot, V6_ONLY) != 0 {
        return true;
    }
    let bound = slot.has(SlotFlags::BOUND | SlotFlags::ADDRESS_LOCKED);
    let only = bound && !slot.local().is_any() && !slot.local().canonical().is_ipv4();
    if only {
        store(slot, V6_ONLY, 1);
    }
    only
}

/// What IP_OPTIONS are when they are nothing but padding: their length and how many IPOPT_NOPs begin them. Others have
/// no packet here that could carry them.
fn padding(given: &[u8]) -> Option<(usize, usize)> {
    let noops = given.iter().take_while(|&&b| b == IPOPT_NOOP).count();
    // Whatever follows the end is cleared, not read.
    let ends = given.get(noops).is_none_or(|&b| b == IPOPT_END);
    ends.then_some((given.len().next_multiple_of(4), noops))
}

/// IP_OPTIONS as they are kept, and their length.
pub fn ip_options_bytes(slot: &Slot) -> ([u8; OPTIONS], usize) {
    let word = load(slot, IP_OPTIONS) as usize;
    let (length, noops) = ((word & 0xffff).min(OPTIONS), (word >> 16).min(OPTIONS));
    let mut bytes = [IPOPT_END; OPTIONS];
    bytes[..noops].fill(IPOPT_NOOP);
    (bytes, length)
}

/// IP_OPTIONS.
pub fn ip_options(s: &Sock, room: &Room) -> Result<()> {
    let (bytes, length) = ip_options_bytes(s.slot);
    room.put(&bytes[..length])
}

/// IP_OPTIONS.
pub fn set_ip_options(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length > OPTIONS {
        return Err(Errno::EINVAL);
    }
    let mut given = [0u8; OPTIONS];
    if length > 0 {
        at.read(&mut given[..length])?;
    }
    let (length, noops) = padding(&given[..length]).ok_or(Errno::EINVAL)?;
    store(s.slot, IP_OPTIONS, (length | noops << 16) as u32);
    Ok(())
}

fn connected(s: &Sock) -> bool {
    if s.kind() == libc::SOCK_STREAM {
        tcp_state(s) == state::ESTABLISHED
    } else {
        s.slot.has(SlotFlags::PEER)
    }
}

/// IPV6_ADDRFORM.
pub fn address_form(s: &Sock) -> Result<i32> {
    if connected(s) {
        Ok(s.family())
    } else {
        Err(Errno::ENOTCONN)
    }
}

/// IPV6_ADDRFORM: makes an IPv6 socket that is connected to an IPv4 address an IPv4 one (RFC 2133, 6.1).
pub fn set_address_form(s: &Sock, v: i32) -> Result<()> {
    if v != libc::AF_INET {
        return Err(Errno::EINVAL);
    }
    if !connected(s) {
        return Err(Errno::ENOTCONN);
    }
    if load(s.slot, V6_ONLY) != 0 || !s.slot.peer().canonical().is_ipv4() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let _held = s.slot.lock.lock();
    s.slot.set_local(s.slot.local().seen_by(libc::AF_INET));
    s.slot.set_peer(s.slot.peer().seen_by(libc::AF_INET));
    s.slot.family.store(libc::AF_INET as u32, core::sync::atomic::Ordering::Release);
    Ok(())
}

/// struct in6_pktinfo that IPV6_PKTINFO set.
pub fn sticky_source_bytes(slot: &Slot) -> [u8; 20] {
    let mut bytes = [0u8; 20];
    for (i, to) in bytes.chunks_exact_mut(4).enumerate() {
        to.copy_from_slice(&load(slot, IPV6_PKTINFO + i).to_ne_bytes());
    }
    bytes
}

/// IPV6_PKTINFO: where datagrams come from when they do not say themselves.
pub fn set_sticky_source(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length < 20 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0u8; 20];
    at.read(&mut bytes)?;
    let index = u32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
    let device = load(s.slot, DEVICE);
    if device != 0 && index != 0 && index != device {
        return Err(Errno::EINVAL);
    }
    for (i, from) in bytes.chunks_exact(4).enumerate() {
        store(s.slot, IPV6_PKTINFO + i, u32::from_ne_bytes([from[0], from[1], from[2], from[3]]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_told_from_options() {
        assert_eq!(padding(&[]), Some((0, 0)));
        assert_eq!(padding(&[1]), Some((4, 1)));
        assert_eq!(padding(&[1, 1, 0, 9, 9]), Some((8, 2)));
        assert_eq!(padding(&[0; 40]), Some((40, 0)));
        // A record of the route.
        assert_eq!(padding(&[1, 7, 7, 4, 0, 0, 0, 0]), None);
        assert_eq!(padding(&[2]), None);
    }
}
