//! Where a datagram goes and where it says that it comes from: udp_sendmsg and udpv6_sendmsg up to the route.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::Ordering::*;

use super::super::own;
use super::cmsg::Control;
use super::lookup::{bits, is_v4, Packet};
use super::naming::{broadcasts_here, goes_out_here, is_broadcast, is_group};
use super::place::MULTICAST_IF;
use super::{address, kernel_side, opts, LOOPBACK};
use crate::abi::{family_of, Errno, Name, Result};
use crate::config;
use crate::network;
use crate::shm::SlotFlags;
use crate::socket::Sock;

/// Who is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// One socket of the network.
    One,
    /// All sockets of the network that match.
    All,
    /// Somebody outside: the kernel's.
    Kernel,
}

/// The way of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// The names.
    pub packet: Packet,
    /// Who is meant.
    pub reach: Reach,
    /// The destination is the socket's peer.
    pub connected: bool,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
}

/// The wildcard as a destination: the socket's own address, or loopback.
pub fn not_any(s: &Sock, ip: IpAddr) -> IpAddr {
    if !ip.to_canonical().is_unspecified() {
        return ip;
    }
    let own = s.slot.local();
    let own_v4 = match own.canonical() {
        IpAddr::V4(v4) if !v4.is_unspecified() && !is_group(own.ip) && !is_broadcast(own.ip) => Some(v4),
        _ => None,
    };
    match ip {
        IpAddr::V4(_) => IpAddr::V4(own_v4.unwrap_or(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            IpAddr::V6(own_v4.unwrap_or(Ipv4Addr::LOCALHOST).to_ipv6_mapped())
        }
        // A socket with an address of IPv4, be it the wildcard, stays there.
        IpAddr::V6(_) if is_v4(bits(own.ip)) => IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// May the socket send there, and who is it? `asked` is the interface that came with the datagram.
pub fn reachable(s: &Sock, to: &Name, connected: bool) -> Result<Reach> {
    reachable_through(s, to, connected, 0)
}

/// May the socket send to IPv4? One that is IPv6's alone, or bound to an address of IPv6, may not.
///
/// Errors: ENETUNREACH.
pub fn speaks_v4(s: &Sock) -> Result<()> {
    let own = s.slot.local();
    let bound_to_v6 = !is_v4(bits(own.ip)) && !own.is_any() && s.slot.has(SlotFlags::ADDRESS_LOCKED);
    if s.family() == libc::AF_INET6 && (opts::flag(s.slot, opts::V6_ONLY) || bound_to_v6) {
        return Err(Errno::ENETUNREACH);
    }
    Ok(())
}

fn reachable_through(s: &Sock, to: &Name, connected: bool, asked: u32) -> Result<Reach> {
    let own = s.slot.local();
    let six = s.family() == libc::AF_INET6;
    let own_v4 = is_v4(bits(own.ip));
    let reach = match to.canonical() {
        IpAddr::V4(v4) => {
            speaks_v4(s)?;
            if is_broadcast(to.ip) {
                // An IPv6 socket looks for the way each time.
                if (six || !connected) && !opts::flag(s.slot, opts::BROADCAST) {
                    return Err(Errno::EACCES);
                }
                if v4.is_loopback() || broadcasts_here(s, asked) {
                    Reach::All
                } else {
                    Reach::Kernel
                }
            } else if v4.is_multicast() {
                if goes_out_here(s, asked) {
                    Reach::All
                } else {
                    Reach::Kernel
                }
            } else if is_here(s, to, connected) {
                Reach::One
            } else {
                Reach::Kernel
            }
        }
        IpAddr::V6(v6) => {
            // The loopback interface has no route to IPv6 groups. The socket's own address says nothing of the way.
            let named =
                [asked, to.scope, opts::word(s.slot, opts::DEVICE), opts::word(s.slot, opts::IPV6_MULTICAST_IF)];
            let nowhere = v6.is_multicast()
                && match named.into_iter().find(|index| *index != 0) {
                    Some(index) => index == LOOPBACK,
                    None => config::get().isolated,
                };
            // ::ffff:0.0.0.0 counts as well.
            if six && own_v4 && !nowhere {
                return Err(Errno::EAFNOSUPPORT);
            }
            if is_here(s, to, connected) {
                Reach::One
            } else if nowhere {
                return Err(Errno::ENETUNREACH);
            } else {
                Reach::Kernel
            }
        }
    };
    if reach == Reach::Kernel && config::get().isolated && !network::is_resolver(to) {
        return Err(Errno::ENETUNREACH);
    }
    Ok(reach)
}

/// Does this network carry what is sent to a single address? A connected socket stays with what its connect(2) found.
fn is_here(s: &Sock, to: &Name, connected: bool) -> bool {
    match to {
        _ if network::is_resolver(to) => false,
        _ if to.is_loopback() => true,
        _ if connected => s.slot.local().canonical() == to.canonical() && !kernel_side::is_at(s, to),
        _ => own::reaches(s, to),
    }
}

/// The destination as it was given; none when it is the peer.
fn given(s: &Sock, to: &[u8]) -> Result<Option<Name>> {
    let six = s.family() == libc::AF_INET6;
    let name = match family_of(to) {
        None if to.is_empty() => return Ok(None),
        None => return Err(Errno::EINVAL),
        Some(libc::AF_UNSPEC) if six => return Ok(None),
        Some(libc::AF_INET) if six => {
            speaks_v4(s)?;
            Name::parse(to, libc::AF_INET)?.seen_by(libc::AF_INET6)
        }
        Some(libc::AF_INET6) if six => Name::parse(to, libc::AF_INET6)?,
        Some(_) if six => return Err(Errno::EINVAL),
        Some(_) if to.len() < 16 => return Err(Errno::EINVAL),
        Some(libc::AF_UNSPEC) => {
            let mut fixed = [0u8; 16];
            fixed.copy_from_slice(&to[..16]);
            fixed[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            Name::parse(&fixed, libc::AF_INET)?
        }
        Some(_) => Name::parse(to, libc::AF_INET)?,
    };
    Ok(Some(name))
}

/// The destination of a datagram, before its port and its ancillary data are looked at, and whether it is the peer.
pub fn destination(s: &Sock, to: &[u8]) -> Result<(Name, bool)> {
    match given(s, to)? {
        Some(name) => Ok((Name { ip: not_any(s, name.ip), ..name }, false)),
        None if s.slot.has(SlotFlags::PEER) => Ok((s.slot.peer(), true)),
        None => Err(Errno::EDESTADDRREQ),
    }
}

/// The whole way of a datagram to `to`.
pub fn path(s: &Sock, to: &Name, connected: bool, control: &Control) -> Result<Path> {
    let destination = bits(to.ip);
    let v4 = is_v4(destination);
    if control.interface > LOOPBACK && !interface_exists(s, control.interface) {
        return Err(Errno::ENODEV);
    }
    let reach = reachable_through(s, to, connected, control.interface)?;
    let own = s.slot.local();
    let usable = !own.is_any() && !is_group(own.ip) && !is_broadcast(own.ip) && is_v4(bits(own.ip)) == v4;
    let default = || {
        let chosen = s.slot.extra[MULTICAST_IF].load(Acquire) as u32;
        match (v4, is_group(to.ip) && chosen != 0) {
            (true, true) => bits(IpAddr::V4(Ipv4Addr::from_bits(chosen))),
            _ if reach == Reach::One => bits(address::route_source(to)),
            (true, false) => bits(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            _ => bits(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        }
    };
    let source = match control.source {
        Some(source) => check_source(source, v4)?,
        // Ancillary data that names no address means any: the bound one is not used.
        None if control.any_source && v4 => default(),
        None if usable => bits(own.ip),
        None => default(),
    };
    let multicast = is_group(to.ip);
    Ok(Path {
        packet: Packet {
            source,
            source_port: own.port,
            destination,
            port: to.port,
            interface: match reach {
                Reach::Kernel => 0,
                Reach::All => LOOPBACK,
                Reach::One => own::interface_of(s.fd, to.ip),
            },
        },
        reach,
        connected,
        tos: control.tos.unwrap_or_else(|| opts::tos(s.slot, v4)),
        ttl: match control.ttl {
            Some(ttl) => ttl,
            None if multicast && v4 => opts::multicast_ttl(s.slot),
            None => opts::ttl(s.slot, v4),
        },
    })
}

/// A source address that came with the datagram.
fn check_source(source: u128, v4: bool) -> Result<u128> {
    let ip =
        if is_v4(source) { IpAddr::V4(super::lookup::v4_of(source)) } else { IpAddr::V6(Ipv6Addr::from_bits(source)) };
    match ip {
        _ if is_v4(source) != v4 => Err(Errno::EINVAL),
        IpAddr::V4(ip) if ip.is_multicast() || is_broadcast(IpAddr::V4(ip)) => Err(Errno::EINVAL),
        ip if ip.is_loopback() || own::is_own(ip) => Ok(source),
        IpAddr::V4(_) => Err(Errno::ENETUNREACH),
        IpAddr::V6(_) => Err(Errno::EINVAL),
    }
}

/// Is there an interface of this number? The machine is asked.
pub fn interface_exists(s: &Sock, index: u32) -> bool {
    index == LOOPBACK || crate::kernel::interface_name(s.fd, index).is_ok()
}
