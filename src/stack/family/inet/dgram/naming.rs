//! How a socket comes by its names: bind, connect, the automatic port, and giving them up again.

use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering::*;

use super::address::needs_scope;
use super::place::{CHANGES, CONNECTED, MULTICAST_IF};
use super::source::Reach;
use super::{address, changed, cork, kernel_side, opts, source, state, take_name, LOOPBACK};
use crate::abi::{family_of, Errno, Name, Result};
use crate::names::{Kind, Names};
use crate::shm::{Slot, SlotFlags};
use crate::socket::Sock;

/// Is it a group, or everybody on this link?
pub fn is_group(ip: IpAddr) -> bool {
    ip.to_canonical().is_multicast()
}

/// 127.255.255.255, or everybody on this link.
pub fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip.to_canonical(), IpAddr::V4(v4) if v4.is_broadcast() || v4 == Ipv4Addr::new(127, 255, 255, 255))
}

/// Addresses outside of the network that an owned socket may be bound or connected to all the same.
pub fn keeps(s: &Sock, name: &Name) -> bool {
    match name.canonical() {
        IpAddr::V4(v4) if v4.is_multicast() => !s.slot.has(SlotFlags::BOUND) || goes_out_here(s, 0),
        IpAddr::V4(v4) if v4.is_broadcast() => !opts::flag(s.slot, opts::BROADCAST) || broadcasts_here(s, 0),
        IpAddr::V6(v6) => v6.is_multicast(),
        _ => false,
    }
}

/// Do datagrams to a group leave through the loopback interface? `asked` is an interface that was named with one.
pub fn goes_out_here(s: &Sock, asked: u32) -> bool {
    through_here(s, [asked, opts::word(s.slot, opts::DEVICE), (s.slot.extra[MULTICAST_IF].load(Acquire) >> 32) as u32])
}

/// Does what is sent to 255.255.255.255 leave through the loopback interface?
pub fn broadcasts_here(s: &Sock, asked: u32) -> bool {
    through_here(s, [asked, opts::word(s.slot, opts::DEVICE), u32::from_be(opts::word(s.slot, opts::IP_UNICAST_IF))])
}

/// Is the first interface that is named the loopback one? If none is, the socket's own address says (ip_route_output_key).
fn through_here(s: &Sock, named: [u32; 3]) -> bool {
    match named.into_iter().find(|index| *index != 0) {
        Some(index) => index == LOOPBACK,
        None => s.slot.local().is_loopback() || crate::config::get().isolated,
    }
}

/// bind(2) (__inet_bind, __inet6_bind).
pub fn bind(s: &Sock, given: &[u8]) -> Result<()> {
    let mut name = address::for_bind(s, given)?;
    let _held = s.slot.lock.lock();
    if s.family() == libc::AF_INET6 && s.slot.has(SlotFlags::BOUND) {
        return Err(Errno::EINVAL);
    }
    if needs_scope(name.ip) {
        // The socket is bound to the interface as well, also when it is not to the address in the end.
        if name.scope != 0 {
            s.slot.options[opts::DEVICE].store(name.scope, Relaxed);
        }
        name.scope = opts::word(s.slot, opts::DEVICE);
        if name.scope == 0 {
            return Err(Errno::EINVAL);
        }
        if !source::interface_exists(s, name.scope) {
            return Err(Errno::ENODEV);
        }
    }
    let ours = name.is_any() || name.is_loopback() || is_group(name.ip) || is_broadcast(name.ip);
    if !ours && !opts::flag(s.slot, opts::IP_FREEBIND) {
        return Err(Errno::EADDRNOTAVAIL);
    }
    if s.slot.has(SlotFlags::BOUND) {
        return Err(Errno::EINVAL);
    }
    if name.port == 0 && opts::flag(s.slot, opts::IP_BIND_ADDRESS_NO_PORT) {
        s.slot.set_local(name);
    } else {
        take_name(s, name)?;
    }
    let locked = if name.is_any() { 0 } else { SlotFlags::ADDRESS_LOCKED };
    s.slot.set(locked | if name.port != 0 { SlotFlags::PORT_LOCKED } else { 0 });
    Ok(())
}

/// Gives a socket without a port an automatic one (inet_autobind).
#[inline]
pub fn automatic(s: &Sock) -> Result<()> {
    if s.slot.has(SlotFlags::BOUND) {
        return Ok(());
    }
    take_automatic(s)
}

#[cold]
fn take_automatic(s: &Sock) -> Result<()> {
    let _held = s.slot.lock.lock();
    if s.slot.has(SlotFlags::BOUND) {
        return Ok(());
    }
    take_name(s, Name { port: 0, ..s.slot.local() }).map_err(|e| if e == Errno::EADDRINUSE { Errno::EAGAIN } else { e })
}

/// Reads connect(2)'s address (ip4_datagram_connect, ip6_datagram_connect).
fn peer_of(s: &Sock, given: &[u8]) -> Result<Name> {
    let six = s.family() == libc::AF_INET6;
    if six && family_of(given) == Some(libc::AF_INET) {
        if source::speaks_v4(s).is_err() {
            return Err(Errno::EAFNOSUPPORT);
        }
        return Ok(Name::parse(given, libc::AF_INET)?.seen_by(libc::AF_INET6));
    }
    let short = if six { 24 } else { 16 };
    if given.len() < short {
        return Err(Errno::EINVAL);
    }
    let name = Name::parse(given, s.family())?;
    Ok(Name { flow: address::label_of(s, &name), ..name })
}

/// A peer of one link only binds the socket to the interface, also when it is not connected in the end.
///
/// Errors: EINVAL for no interface, or another one than the socket is bound to.
fn bind_to_scope(s: &Sock, to: &Name) -> Result<()> {
    if !needs_scope(to.ip) {
        return Ok(());
    }
    let device = &s.slot.options[opts::DEVICE];
    let bound = device.load(Relaxed);
    let asked = match to.scope {
        0 if bound == 0 && is_group(to.ip) => opts::word(s.slot, opts::IPV6_MULTICAST_IF),
        0 => bound,
        scope if bound == 0 || bound == scope => scope,
        _ => return Err(Errno::EINVAL),
    };
    if asked == 0 {
        return Err(Errno::EINVAL);
    }
    device.store(asked, Relaxed);
    changed(s.arena, s.slot);
    Ok(())
}

/// connect(2).
pub fn connect(s: &Sock, given: &[u8]) -> Result<()> {
    match family_of(given) {
        None => return Err(Errno::EINVAL),
        Some(libc::AF_UNSPEC) => {
            disconnect(s);
            return Ok(());
        }
        _ => {}
    }
    automatic(s)?;
    let mut to = peer_of(s, given)?;
    to.scope = address::scope_of(&to);
    to.ip = source::not_any(s, to.ip);
    bind_to_scope(s, &to)?;
    let outside = source::reachable(s, &to, false)? == Reach::Kernel;
    kernel_side::connect(s, outside.then_some(&to))?;
    let _held = s.slot.lock.lock();
    let local = s.slot.local();
    let old = (local.ip, s.slot.has(SlotFlags::PEER).then(|| s.slot.peer()));
    if local.is_any() {
        let seen = if outside { kernel_side::address(s) } else { None };
        let ip = seen.filter(|ip| !ip.to_canonical().is_unspecified()).unwrap_or_else(|| address::route_source(&to));
        rename(s, Name { ip, ..local });
    }
    s.slot.set_peer(to);
    s.slot.set(SlotFlags::PEER);
    s.slot.state.store(state::ESTABLISHED, Release);
    if old != (s.slot.local().ip, Some(to)) {
        s.slot.extra[CONNECTED].store(s.arena.header().next_order() + 1, Release);
    }
    changed(s.arena, s.slot);
    if to.canonical().is_ipv4() {
        cork::redirect(s)?;
    }
    Ok(())
}

/// Changes the local address. The socket is then the latest among those on its port, as after udp_lib_rehash.
fn rename(s: &Sock, name: Name) {
    let names = Names::lock(s.arena);
    names.remove(s.number);
    s.slot.set_local(name);
    names.insert(s.number, Kind::Udp);
}

/// connect(2) with AF_UNSPEC: what bind(2) chose stays, the rest goes (__udp_disconnect).
fn disconnect(s: &Sock) {
    if s.slot.local().is_any() || s.slot.has(SlotFlags::ADDRESS_LOCKED) {
        let _ = kernel_side::connect(s, None);
    } else {
        // It is bound to the address that this socket gives up now.
        kernel_side::drop_companion(s.number);
    }
    let _held = s.slot.lock.lock();
    let slot: &Slot = s.slot;
    slot.clear(SlotFlags::PEER);
    slot.set_peer(Name::any(s.family()));
    slot.state.store(state::CLOSE, Release);
    slot.options[opts::DEVICE].store(0, Relaxed);
    changed(s.arena, slot);
    let bound = slot.has(SlotFlags::BOUND);
    let mut name = slot.local();
    if !slot.has(SlotFlags::ADDRESS_LOCKED) {
        name.ip = Name::any(s.family()).ip;
        if bound && slot.has(SlotFlags::PORT_LOCKED) {
            rename(s, name);
        }
    }
    if !slot.has(SlotFlags::PORT_LOCKED) {
        if bound {
            Names::lock(s.arena).remove(s.number);
        }
        name.port = 0;
        slot.set_local(name);
    }
    slot.extra[CHANGES].fetch_add(1, Release);
}
