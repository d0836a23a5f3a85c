//! How long a datagram may be (ip_append_data, ip6_append_data): what the headers count to, or, for a socket that does not
//! let its datagrams be fragmented, the interface's MTU (IP_MTU_DISCOVER in ip(7), IPV6_MTU_DISCOVER and IPV6_DONTFRAG in
//! ipv6(7) and RFC 3542).

use core::sync::atomic::Ordering::*;

use super::lookup::is_v4;
use super::place::PATH_MTU;
use super::source::{Path, Reach};
use super::tell::Builder;
use super::{errors, opts};
use crate::abi::{Errno, Name, Result};
use crate::family::ops::Incoming;
use crate::shm::Slot;
use crate::socket::Sock;

/// 65535 less the headers of IPv4 and UDP (RFC 768).
const LONGEST_V4: usize = 65507;
/// 65535 less UDP's header; IPv6 does not count its own (RFC 8200).
const LONGEST_V6: usize = 65527;
/// The loopback interface's MTU, and the headers of IPv6 and UDP.
const MTU: u32 = 65536;
const HEADERS6: usize = 40 + 8;
/// IPV6_PMTUDISC_DO to IPV6_PMTUDISC_INTERFACE: nothing is fragmented beyond the MTU.
const WHOLE: core::ops::RangeInclusive<i32> = 2..=4;

/// The longest datagram to an address of a family.
pub fn longest(v4: bool) -> usize {
    if v4 {
        LONGEST_V4
    } else {
        LONGEST_V6
    }
}

/// The largest packet that the socket sends over IPv6.
fn mtu6(slot: &Slot) -> u32 {
    match opts::word(slot, opts::IPV6_MTU) {
        0 => MTU,
        asked => asked.min(MTU),
    }
}

/// The longest datagram that the socket sends within the network.
pub fn longest_of(slot: &Slot, v4: bool) -> usize {
    if !v4 && WHOLE.contains(&opts::value(slot, opts::IPV6_MTU_DISCOVER)) {
        return (mtu6(slot) as usize - HEADERS6).min(LONGEST_V6);
    }
    longest(v4)
}

/// Is a datagram of `length` bytes short enough for its way? `whole` is what came with it of IPV6_DONTFRAG.
///
/// Errors: EMSGSIZE.
pub fn check(s: &Sock, path: &Path, length: usize, whole: Option<bool>) -> Result<()> {
    let v4 = is_v4(path.packet.destination);
    let limit = if path.reach == Reach::Kernel { longest(v4) } else { longest_of(s.slot, v4) };
    let kept_whole = !v4 && path.reach != Reach::Kernel && whole.unwrap_or(opts::flag(s.slot, opts::IPV6_DONTFRAG));
    if kept_whole && length > mtu6(s.slot) as usize - HEADERS6 {
        if opts::flag(s.slot, opts::IPV6_RECVPATHMTU) {
            s.slot.extra[PATH_MTU].store(mtu6(s.slot) as u64, Release);
        }
    } else if length <= limit {
        return Ok(());
    }
    errors::too_long(s, path, if v4 { MTU - 1 } else { mtu6(s.slot) });
    Err(Errno::EMSGSIZE)
}

/// IPV6_RECVPATHMTU: tells the path MTU that a datagram was too long for, as a message without bytes
/// (ipv6_recv_rxpmtu).
#[cold]
pub fn tell_path_mtu(s: &Sock, m: &mut Incoming<'_>) -> bool {
    let mtu = s.slot.extra[PATH_MTU].swap(0, AcqRel) as u32;
    if mtu == 0 {
        return false;
    }
    let name = Name { port: 0, flow: 0, ..s.slot.peer() };
    let (address, length) = name.encode();
    // struct ip6_mtuinfo
    let mut told = [0u8; 32];
    told[..length].copy_from_slice(&address[..length]);
    told[28..].copy_from_slice(&mtu.to_ne_bytes());
    let mut out = Builder::new(m.control_room);
    out.put(libc::IPPROTO_IPV6, libc::IPV6_PATHMTU, &told);
    m.out_flags |= if out.cut { libc::MSG_CTRUNC } else { 0 };
    m.control = out.into_bytes();
    m.from = Some(name);
    true
}
