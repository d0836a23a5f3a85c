//! Addresses at bind and connect: what may be said, and what is chosen when it is not.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::abi::{family_of, Errno, Name, Result};
use crate::options;
use crate::socket::Sock;

/// Reads bind(2)'s address (inet_bind, inet6_bind).
pub fn for_bind(s: &Sock, address: &[u8]) -> Result<Name> {
    let family = s.family();
    let shortest = if family == libc::AF_INET { 16 } else { 24 };
    if address.len() < shortest {
        return Err(Errno::EINVAL);
    }
    let given = family_of(address);
    if family == libc::AF_INET && given == Some(libc::AF_UNSPEC) {
        // An old habit: AF_UNSPEC is AF_INET if the address is the wildcard.
        let mut fixed = [0u8; 16];
        fixed.copy_from_slice(&address[..16]);
        fixed[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        let name = Name::parse(&fixed, family)?;
        return if name.is_any() { Ok(name) } else { Err(Errno::EAFNOSUPPORT) };
    }
    let mut name = Name::parse(address, family)?;
    (name.flow, name.scope) = (0, scope_of(&name));
    if family == libc::AF_INET6 && matches!(name.canonical(), IpAddr::V4(_)) && options::flag(s.slot, options::V6_ONLY)
    {
        return Err(Errno::EINVAL);
    }
    Ok(name)
}

/// Reads a destination for connect(2) or sendto(2). The wildcard means loopback.
pub fn destination(s: &Sock, address: &[u8]) -> Result<Name> {
    let mut name = Name::parse(address, s.family())?;
    if name.is_any() {
        name.ip = match name.ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            // A v6 socket that is bound to IPv4 stays there.
            IpAddr::V6(_) if matches!(s.slot.local().canonical(), IpAddr::V4(_)) => {
                IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())
            }
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
    }
    if s.family() == libc::AF_INET6
        && matches!(name.canonical(), IpAddr::V4(_))
        && options::flag(s.slot, options::V6_ONLY)
    {
        return Err(Errno::ENETUNREACH);
    }
    (name.flow, name.scope) = (label_of(s, &name), scope_of(&name));
    Ok(name)
}

/// The flow label and class (RFC 6437) that a destination says, for a socket that was asked to send them
/// (IPV6_FLOWINFO_SEND).
pub fn label_of(s: &Sock, name: &Name) -> u32 {
    let sends = matches!(name.ip, IpAddr::V6(_)) && options::flag(s.slot, options::IPV6_FLOWINFO_SEND);
    // IPV6_FLOWINFO_MASK
    if sends {
        name.flow & 0x0fff_ffffu32.to_be()
    } else {
        0
    }
}

/// Is the address one of this link only, or of this interface, so that it says nothing without an interface (RFC 4007)?
pub fn needs_scope(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V6(v6) => v6.is_unicast_link_local() || matches!(v6.segments()[0] & 0xff0f, 0xff01 | 0xff02),
        IpAddr::V4(_) => false,
    }
}

/// The interface that a name tells, where it means something.
pub fn scope_of(name: &Name) -> u32 {
    if needs_scope(name.ip) {
        name.scope
    } else {
        0
    }
}

/// Is the address no single host's: multicast, or the broadcast of everything or of 127/8?
pub fn is_for_many(name: &Name) -> bool {
    match name.canonical() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast() || ip == Ipv4Addr::new(127, 255, 255, 255),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

/// The address that a socket without one sends from to reach `to` (the route's preferred source): the first of loopback's,
/// or, to another address of this machine, that one.
pub fn route_source(to: &Name) -> IpAddr {
    if !to.is_loopback() && !to.is_any() && !is_for_many(to) {
        return to.ip;
    }
    match (to.ip, to.canonical()) {
        (IpAddr::V4(_), _) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (IpAddr::V6(_), IpAddr::V4(_)) => IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
        _ => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}
