//! The machine's own addresses beside loopback, such as that of its network card. What is sent to one of them never leaves
//! the machine, and a socket that is bound to the wildcard is reached by each of them: in the network, too. Where nobody
//! of the network takes it, such an address is the kernel's like all that are not loopback.

use core::net::IpAddr;
use core::sync::atomic::Ordering::*;

use super::state;
use crate::abi::Name;
use crate::kernel::{self, LOOPBACK};
use crate::names::{Kind, Names};
use crate::options;
use crate::shm::Slot;
use crate::socket::Sock;

/// Is `to` an address of this machine by which somebody of this network is reached? False for loopback, which is the
/// network's in any case.
pub fn reaches(s: &Sock, to: &Name) -> bool {
    // Asking the machine costs three system calls, so it comes last.
    is_taken(s, to) && is_own(to.ip)
}

fn is_taken(s: &Sock, to: &Name) -> bool {
    let kind = if s.kind() == libc::SOCK_STREAM { Kind::Tcp } else { Kind::Udp };
    let v4 = to.canonical().is_ipv4();
    let takes = |slot: &Slot| {
        let six = slot.family.load(Relaxed) == libc::AF_INET6 as u32;
        let name = slot.local();
        let family = if v4 { !six || !options::flag(slot, options::V6_ONLY) } else { six };
        let wildcard = if v4 { name.is_any() } else { name.ip.is_unspecified() };
        let open = kind == Kind::Udp || slot.state.load(Acquire) == state::LISTEN;
        family && open && (wildcard || name.canonical() == to.canonical())
    };
    Names::lock(s.arena).holders(kind, to.port).any(|(_, slot)| takes(slot))
}

/// Is it an address of this machine beside loopback? The kernel's routes know: to an own address they leave from itself.
pub fn is_own(ip: IpAddr) -> bool {
    const DISCARD: u16 = 9;
    let name = Name::new(ip.to_canonical(), DISCARD);
    if name.is_loopback() || name.is_any() || name.ip.is_multicast() {
        return false;
    }
    let family = if name.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let Ok(fd) = kernel::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) else { return false };
    // Connecting a UDP socket sends nothing.
    let (bytes, length) = name.encode();
    let source = kernel::connect(fd, &bytes[..length]).and_then(|()| kernel::getsockname(fd));
    let _ = kernel::close(fd);
    source.is_ok_and(|(bytes, length)| Name::parse_any(&bytes[..length]).is_ok_and(|found| found.ip == name.ip))
}

/// The index of the interface that something sent to `ip` comes through: loopback, or the one that has the address
/// (inet_iif: although such a datagram goes through loopback, the kernel shows the interface of the address).
pub fn interface_of(fd: i32, ip: IpAddr) -> u32 {
    match ip.to_canonical() {
        ip if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() => LOOPBACK,
        ip => kernel::interface_of(fd, ip).unwrap_or(LOOPBACK),
    }
}
