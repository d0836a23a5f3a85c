//! Socket options as UDP reads them. A word holds the value less its default, so that a fresh slot's zeroes are defaults.

use core::sync::atomic::Ordering::*;

use super::place::SPECIAL;
use super::{SPECIAL_DROPS, SPECIAL_GRO, SPECIAL_INFO, SPECIAL_SLOW, SPECIAL_STAMP};
use crate::abi::Result;
use crate::options as at;
use crate::shm::Slot;
use crate::socket::Sock;

pub use crate::options::*;

/// net.core.rmem_default.
const RECEIVE_BUFFER_DEFAULT: u64 = 212_992;
const HOPS: u32 = 64;

/// An option's word; 0 or 1 for those that are a bit.
#[inline]
pub fn word(slot: &Slot, index: usize) -> u32 {
    if index < at::BITS {
        return slot.options[index].load(Relaxed);
    }
    let bit = index - at::BITS;
    slot.options[at::FIRST_BIT_WORD + bit / 32].load(Relaxed) >> (bit % 32) & 1
}

/// Is it on?
#[inline]
pub fn flag(slot: &Slot, index: usize) -> bool {
    word(slot, index) != 0
}

/// SO_RCVBUF, as what a queue may be charged.
#[inline]
pub fn budget(slot: &Slot) -> u64 {
    match word(slot, at::RECEIVE_BUFFER) {
        0 => RECEIVE_BUFFER_DEFAULT,
        n => n as u64,
    }
}

/// IP_TOS or IPV6_TCLASS.
#[inline]
pub fn tos(slot: &Slot, v4: bool) -> u8 {
    word(slot, if v4 { at::IP_TOS } else { at::IPV6_TCLASS }) as u8
}

/// IP_TTL or IPV6_UNICAST_HOPS.
#[inline]
pub fn ttl(slot: &Slot, v4: bool) -> u8 {
    if v4 {
        match word(slot, at::IP_TTL) {
            0 => HOPS as u8,
            n => n as u8,
        }
    } else {
        word(slot, at::IPV6_UNICAST_HOPS).wrapping_add(HOPS) as u8
    }
}

/// IP_MULTICAST_TTL.
pub fn multicast_ttl(slot: &Slot) -> u8 {
    word(slot, at::IP_MULTICAST_TTL).wrapping_add(1) as u8
}

/// IP_MULTICAST_ALL.
pub fn multicast_all(slot: &Slot) -> bool {
    let default = (slot.family.load(Relaxed) == libc::AF_INET as u32) as u32;
    word(slot, at::IP_MULTICAST_ALL).wrapping_add(default) != 0
}

/// Does any option ask for ancillary data?
#[inline]
pub fn tells_anything(slot: &Slot) -> bool {
    let load = |i: usize| slot.options[i].load(Relaxed);
    load(at::FIRST_BIT_WORD) | load(at::FIRST_BIT_WORD + 1) | load(at::TIMESTAMP) | load(at::TIMESTAMPING) != 0
}

/// Acts on an option's new value.
pub fn changed(s: &Sock, level: i32, name: i32) -> Result<()> {
    let slot = s.slot;
    let mut special = 0;
    if word(slot, at::TIMESTAMP) & at::STAMP_ON as u32 != 0
        || word(slot, at::TIMESTAMPING) & libc::SOF_TIMESTAMPING_RX_SOFTWARE != 0
        || slot.extra[super::place::STAMP].load(Relaxed) & super::receive::STAMPS_ASKED != 0
    {
        special |= SPECIAL_STAMP;
    }
    if flag(slot, at::IP_PKTINFO) || flag(slot, at::IPV6_RECVPKTINFO) || flag(slot, at::IPV6_2292PKTINFO) {
        special |= SPECIAL_INFO;
    }
    if flag(slot, at::RXQ_OVFL) {
        special |= SPECIAL_DROPS;
    }
    if flag(slot, at::UDP_GRO) {
        special |= SPECIAL_GRO;
    }
    let stamps_out = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SCHED;
    if flag(slot, at::UDP_CORK) || flag(slot, at::UDP_SEGMENT) || word(slot, at::TIMESTAMPING) & stamps_out != 0 {
        special |= SPECIAL_SLOW;
    }
    let mine = SPECIAL_STAMP | SPECIAL_INFO | SPECIAL_DROPS | SPECIAL_GRO | SPECIAL_SLOW;
    let _ = slot.extra[SPECIAL].fetch_update(AcqRel, Acquire, |old| Some(old & !mine | special));
    // What goes with each datagram (type of service, hop count) is remembered with its destination.
    slot.extra[super::place::CHANGES].fetch_add(1, Release);
    if let Some(fd) = super::kernel_side::descriptor(s) {
        crate::options::repeat_one(slot, fd, level, name);
    }
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_BINDTODEVICE | libc::SO_REUSEPORT | libc::SO_BROADCAST | 62) => {
            super::changed(s.arena, slot);
        }
        (libc::IPPROTO_UDP, libc::UDP_CORK) if !flag(slot, at::UDP_CORK) => super::cork::pull(s)?,
        (libc::IPPROTO_IP, libc::IP_RECVERR) if !flag(slot, at::IP_RECVERR) => super::errors::purge(s),
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) if !flag(slot, at::IPV6_RECVERR) => super::errors::purge(s),
        _ => {}
    }
    Ok(())
}
