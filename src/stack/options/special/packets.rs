//! IP_PKTOPTIONS and IPV6_2292PKTOPTIONS of a stream: what its control messages would say if it had any, of the segment that
//! asked for the connection (do_ip_getsockopt, do_ipv6_getsockopt; RFC 2292).

use core::sync::atomic::Ordering::*;

use super::super::places::*;
use super::super::row::{load, Room};
use super::super::value;
use super::sticky_source_bytes;
use crate::abi::Result;
use crate::family::inet::dgram::Builder;
use crate::kernel::LOOPBACK;
use crate::shm::Slot;
use crate::socket::Sock;

const IPV6_FLOWINFO_NAME: i32 = 11;

/// The connector's slot, on a socket that was accepted: such a one knows what came.
fn connector(s: &Sock) -> Option<&'static Slot> {
    let end = s.end().filter(|end| end.side == 1)?;
    s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1))
}

/// IP_MULTICAST_TTL of a stream: an accepted IPv4 one keeps the hops there that the connector's segment had.
pub fn multicast_ttl(s: &Sock) -> Result<i32> {
    let from = connector(s).filter(|_| s.family() == libc::AF_INET);
    Ok(value(from.unwrap_or(s.slot), hops(from, IP_TTL, IP_MULTICAST_TTL)))
}

/// IPV6_MULTICAST_HOPS of a stream, as [`multicast_ttl`].
pub fn multicast_hops(s: &Sock) -> Result<i32> {
    let from = connector(s);
    Ok(value(from.unwrap_or(s.slot), hops(from, IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS)))
}

/// IPV6_MULTICAST_IF of a stream: an accepted one keeps the interface there by which the connector's segment came.
pub fn stream_interface(s: &Sock) -> Result<i32> {
    Ok(if connector(s).is_some() { LOOPBACK as i32 } else { 0 })
}

/// IP_PKTOPTIONS.
pub fn packet_options(s: &Sock, room: &Room) -> Result<()> {
    let (from, on) = (connector(s), |place| load(s.slot, place) != 0);
    let mut out = Builder::new(room.given);
    if on(IP_PKTINFO) {
        let address = match s.slot.local().canonical() {
            core::net::IpAddr::V4(v4) => v4.octets(),
            core::net::IpAddr::V6(_) => [0; 4],
        };
        let index = if from.is_some() { LOOPBACK } else { 0 };
        out.put(libc::IPPROTO_IP, libc::IP_PKTINFO, &[index.to_ne_bytes(), address, address].concat());
    }
    if on(IP_RECVTTL) {
        out.put_int(
            libc::IPPROTO_IP,
            libc::IP_TTL,
            value(from.unwrap_or(s.slot), hops(from, IP_TTL, IP_MULTICAST_TTL)),
        );
    }
    if on(IP_RECVTOS) {
        out.put_int(libc::IPPROTO_IP, libc::IP_TOS, from.map_or(0, |slot| value(slot, IP_TOS)));
    }
    room.put(&out.into_bytes())
}

/// What came has the sender's hops; before, the place holds those of multicast.
fn hops(from: Option<&Slot>, came: usize, otherwise: usize) -> usize {
    if from.is_some() {
        came
    } else {
        otherwise
    }
}

/// IPV6_2292PKTOPTIONS.
pub fn packet_options6(s: &Sock, room: &Room) -> Result<()> {
    let (from, on) = (connector(s), |place| load(s.slot, place) != 0);
    let mut out = Builder::new(room.given);
    let mut info = sticky_source_bytes(s.slot);
    if from.is_some() {
        if let core::net::IpAddr::V6(v6) = s.slot.peer().ip {
            info[..16].copy_from_slice(&v6.octets());
        }
        info[16..].copy_from_slice(&LOOPBACK.to_ne_bytes());
    }
    let limit = value(from.unwrap_or(s.slot), hops(from, IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS));
    let class = from.map_or(0, |slot| value(slot, IPV6_TCLASS));
    let level = libc::IPPROTO_IPV6;
    if on(IPV6_RECVPKTINFO) {
        out.put(level, libc::IPV6_PKTINFO, &info);
    }
    if on(IPV6_RECVHOPLIMIT) {
        out.put_int(level, libc::IPV6_HOPLIMIT, limit);
    }
    if on(IPV6_RECVTCLASS) {
        out.put_int(level, libc::IPV6_TCLASS, class);
    }
    if on(IPV6_2292PKTINFO) {
        out.put(level, libc::IPV6_2292PKTINFO, &info);
    }
    if on(IPV6_2292HOPLIMIT) {
        out.put_int(level, libc::IPV6_2292HOPLIMIT, limit);
    }
    if on(IPV6_FLOWINFO) {
        // The label that the kernel makes up for a flow: the same for the same names.
        let (ours, theirs) = (s.slot.local().port as u32, s.slot.peer().port as u32);
        let label = from.map_or(0, |_| theirs.wrapping_mul(0x9e37_79b1) & 0xf_ffff ^ ours | 1);
        out.put(level, IPV6_FLOWINFO_NAME, &((class as u32) << 20 | label).to_be_bytes());
    }
    room.put(&out.into_bytes())
}
