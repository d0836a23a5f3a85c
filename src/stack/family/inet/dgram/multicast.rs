//! The options about groups: IP_ADD_MEMBERSHIP and its kind, IP_MULTICAST_IF (ip(7), ipv6(7), RFC 3678).
//!
//! Groups on the loopback interface are the network's. Those on other interfaces are the kernel's, and joined by the
//! socket of the kernel that stands beside this one.

use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering::*;

use super::lookup::{bits, is_v4, v4_of};
use super::place::{CHANGES, MULTICAST_IF};
use super::{full_filter, kernel_side, membership, LOOPBACK};
use crate::abi::{family_of, Errno, Result};
use crate::config;
use crate::options::{machine, row::Room};
use crate::shm::views::UserPtr;
use crate::socket::Sock;

pub(super) const MOST: usize = 16 << 10;
/// The index that stands for an interface of the kernel's whose number is not known.
const ELSEWHERE: u32 = u32::MAX;

/// The value of an option, copied in.
pub(super) struct Value(pub(super) Vec<u8>);

impl Value {
    pub(super) fn read(at: UserPtr, length: i32, least: usize) -> Result<Value> {
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
        if length < least || length > MOST {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; length];
        at.read(&mut bytes)?;
        Ok(Value(bytes))
    }

    pub(super) fn word(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
    }

    fn v4(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(self.word(at).to_ne_bytes())
    }

    /// The address in a struct sockaddr_storage.
    pub(super) fn address(&self, at: usize, family: i32) -> Option<u128> {
        let bytes = self.0.get(at..at + 28)?;
        if family_of(bytes) != Some(family) {
            return None;
        }
        Some(match family {
            libc::AF_INET => bits(IpAddr::V4(self.v4(at + 4))),
            _ => u128::from_be_bytes(bytes[8..24].try_into().ok()?),
        })
    }
}

/// What an option does to a membership.
#[derive(Clone, Copy)]
enum Act {
    Join,
    Leave,
    Source { exclude: bool, add: bool },
}

fn act_of(name: i32) -> Option<Act> {
    Some(match name {
        libc::IP_ADD_MEMBERSHIP | libc::MCAST_JOIN_GROUP => Act::Join,
        libc::IP_DROP_MEMBERSHIP | libc::MCAST_LEAVE_GROUP => Act::Leave,
        libc::IP_BLOCK_SOURCE | libc::MCAST_BLOCK_SOURCE => Act::Source { exclude: true, add: true },
        libc::IP_UNBLOCK_SOURCE | libc::MCAST_UNBLOCK_SOURCE => Act::Source { exclude: true, add: false },
        libc::IP_ADD_SOURCE_MEMBERSHIP | libc::MCAST_JOIN_SOURCE_GROUP => Act::Source { exclude: false, add: true },
        libc::IP_DROP_SOURCE_MEMBERSHIP | libc::MCAST_LEAVE_SOURCE_GROUP => Act::Source { exclude: false, add: false },
        _ => return None,
    })
}

/// setsockopt(2) of what concerns groups.
pub fn set_option(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
    let six = s.family() == libc::AF_INET6;
    // The first int is read before it is asked what for (do_ipv6_setsockopt).
    if level == libc::IPPROTO_IPV6 && six && length >= 4 && !value.is_null() && value.read_u32().is_err() {
        return Some(Err(Errno::EFAULT));
    }
    match (level, name) {
        (libc::IPPROTO_IP, libc::IP_MULTICAST_IF) => Some(set_interface(s, value, length)),
        (libc::IPPROTO_IP, libc::IP_MSFILTER) => Some(set_filter(s, value, length)),
        (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP | libc::IP_DROP_MEMBERSHIP) => Some(of_ip(s, name, value, length)),
        (libc::IPPROTO_IP, libc::IP_UNBLOCK_SOURCE..=libc::IP_DROP_SOURCE_MEMBERSHIP) => {
            Some(source_of_ip(s, name, value, length))
        }
        (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP | libc::IPV6_DROP_MEMBERSHIP) if six => {
            Some(of_ipv6(s, name, value, length))
        }
        (libc::IPPROTO_IP, libc::MCAST_MSFILTER) => Some(full_filter::set(s, level, value, length, libc::AF_INET)),
        (libc::IPPROTO_IPV6, libc::MCAST_MSFILTER) if six => {
            Some(full_filter::set(s, level, value, length, libc::AF_INET6))
        }
        (libc::IPPROTO_IP, libc::MCAST_JOIN_GROUP..=libc::MCAST_LEAVE_SOURCE_GROUP) => {
            Some(of_either(s, level, name, value, length, libc::AF_INET))
        }
        (libc::IPPROTO_IPV6, libc::MCAST_JOIN_GROUP..=libc::MCAST_LEAVE_SOURCE_GROUP) if six => {
            Some(of_either(s, level, name, value, length, libc::AF_INET6))
        }
        _ => None,
    }
}

/// getsockopt(2) of what concerns groups.
pub fn get_option(s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
    match (level, name) {
        (libc::IPPROTO_IP, libc::IP_MULTICAST_IF) => Some(get_interface(s, at, length_at)),
        (libc::IPPROTO_IP, libc::IP_MSFILTER) => Some(get_filter(s, at, length_at)),
        (libc::IPPROTO_IP, libc::MCAST_MSFILTER) => Some(full_filter::get(s, at, length_at, libc::AF_INET)),
        (libc::IPPROTO_IPV6, libc::MCAST_MSFILTER) if s.family() == libc::AF_INET6 => {
            Some(full_filter::get(s, at, length_at, libc::AF_INET6))
        }
        _ => None,
    }
}

/// The same of a stream, which may be in groups by all but the oldest options (do_ip_setsockopt, do_ipv6_setsockopt). It never
/// hears them, so that the socket of the kernel that stands beside it is the member, also on the loopback interface.
pub fn set_option_of_stream(s: &Sock, level: i32, name: i32, at: UserPtr, length: i32) -> Option<Result<()>> {
    let ours = match (level, name) {
        (_, libc::MCAST_JOIN_GROUP..=libc::MCAST_LEAVE_SOURCE_GROUP | libc::MCAST_MSFILTER) => {
            level == libc::IPPROTO_IP || level == libc::IPPROTO_IPV6 && s.family() == libc::AF_INET6
        }
        (libc::IPPROTO_IP, libc::IP_UNBLOCK_SOURCE..=libc::IP_DROP_SOURCE_MEMBERSHIP | libc::IP_MSFILTER) => true,
        _ => false,
    };
    let join = || kernel_side::set_option(s, level, name, &Value::read(at, length, 0)?.0);
    ours.then(join)
}

/// The interface, if it is the network's: named by its number or by its address, or not at all.
pub(super) fn here(index: u32, address: Ipv4Addr) -> bool {
    index == LOOPBACK || index == 0 && (address.is_loopback() || address.is_unspecified() && config::get().isolated)
}

fn act(s: &Sock, act: Act, group: u128, source: Option<u128>) -> Result<()> {
    match (act, source) {
        (Act::Join, _) => membership::join(s, group, LOOPBACK, true),
        (Act::Leave, _) => membership::leave(s, group, LOOPBACK),
        (Act::Source { exclude, add }, Some(source)) => membership::source(s, group, LOOPBACK, source, exclude, add),
        _ => Err(Errno::EINVAL),
    }
}

fn of_ip(s: &Sock, name: i32, at: UserPtr, length: i32) -> Result<()> {
    let value = Value::read(at, length, 8)?;
    let (group, address) = (value.v4(0), value.v4(4));
    let index = if value.0.len() >= 12 { value.word(8) } else { 0 };
    let leaves = name == libc::IP_DROP_MEMBERSHIP;
    if !group.is_multicast() {
        // What is none was never joined.
        return Err(if leaves { Errno::EADDRNOTAVAIL } else { Errno::EINVAL });
    }
    if !here(index, address) {
        return kernel_side::set_option(s, libc::IPPROTO_IP, name, &value.0);
    }
    act(s, act_of(name).ok_or(Errno::EINVAL)?, bits(IpAddr::V4(group)), None)
}

fn source_of_ip(s: &Sock, name: i32, at: UserPtr, length: i32) -> Result<()> {
    let value = Value::read(at, length, 12)?;
    if value.0.len() != 12 || !value.v4(0).is_multicast() {
        return Err(Errno::EINVAL);
    }
    if !here(0, value.v4(4)) {
        return kernel_side::set_option(s, libc::IPPROTO_IP, name, &value.0);
    }
    let source = bits(IpAddr::V4(value.v4(8)));
    act(s, act_of(name).ok_or(Errno::EINVAL)?, bits(IpAddr::V4(value.v4(0))), Some(source))
}

fn of_ipv6(s: &Sock, name: i32, at: UserPtr, length: i32) -> Result<()> {
    let value = Value::read(at, length, 20)?;
    let mut group = [0; 16];
    group.copy_from_slice(&value.0[..16]);
    let group = u128::from_be_bytes(group);
    if group >> 120 != 0xff {
        return Err(Errno::EINVAL);
    }
    if value.word(16) != LOOPBACK {
        return kernel_side::set_option(s, libc::IPPROTO_IPV6, name, &value.0);
    }
    let join = name == libc::IPV6_ADD_MEMBERSHIP;
    act(s, if join { Act::Join } else { Act::Leave }, group, None)
}

/// Is it a group's address?
pub(super) fn is_multicast(address: u128) -> bool {
    if is_v4(address) {
        v4_of(address).is_multicast()
    } else {
        address >> 120 == 0xff
    }
}

/// MCAST_JOIN_GROUP and its kind: the same for both families.
fn of_either(s: &Sock, level: i32, name: i32, at: UserPtr, length: i32, family: i32) -> Result<()> {
    const GROUP_AT: usize = 8;
    const SOURCE_AT: usize = GROUP_AT + 128;
    let with_source = !matches!(name, libc::MCAST_JOIN_GROUP | libc::MCAST_LEAVE_GROUP);
    let value = Value::read(at, length, if with_source { SOURCE_AT + 128 } else { SOURCE_AT })?;
    let foreign = if family == libc::AF_INET && !with_source { Errno::EINVAL } else { Errno::EADDRNOTAVAIL };
    let group = value.address(GROUP_AT, family).ok_or(foreign)?;
    let source = match with_source {
        true => Some(value.address(SOURCE_AT, family).ok_or(foreign)?),
        false => None,
    };
    if !is_multicast(group) {
        return Err(Errno::EINVAL);
    }
    if !here(value.word(0), Ipv4Addr::UNSPECIFIED) {
        return kernel_side::set_option(s, level, name, &value.0);
    }
    act(s, act_of(name).ok_or(Errno::EINVAL)?, group, source)
}

/// IP_MULTICAST_IF: an address, or an address and a number.
fn set_interface(s: &Sock, at: UserPtr, length: i32) -> Result<()> {
    let value = Value::read(at, length, 4)?;
    let (address, index) = match value.0.len() {
        12.. => (value.v4(4), value.word(8)),
        8.. => (value.v4(4), 0),
        _ => (value.v4(0), 0),
    };
    let chosen = if index == LOOPBACK || index == 0 && address.is_loopback() {
        LOOPBACK
    } else if index == 0 && address.is_unspecified() {
        0
    } else {
        kernel_side::set_option(s, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &value.0)?;
        if index != 0 {
            index
        } else {
            ELSEWHERE
        }
    };
    let word = (chosen as u64) << 32 | address.to_bits() as u64;
    s.slot.extra[MULTICAST_IF].store(word, Release);
    s.slot.extra[CHANGES].fetch_add(1, Release);
    Ok(())
}

fn get_interface(s: &Sock, at: UserPtr, length_at: UserPtr) -> Result<()> {
    let room = length_at.read_u32()?;
    if (room as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let address = Ipv4Addr::from_bits(s.slot.extra[MULTICAST_IF].load(Acquire) as u32).octets();
    let n = (room as usize).min(4);
    at.write(&address[..n])?;
    length_at.write_u32(n as u32)
}

/// IP_MSFILTER: the whole list of a membership.
fn set_filter(s: &Sock, at: UserPtr, length: i32) -> Result<()> {
    let value = Value::read(at, length, 16)?;
    let (group, mode, count) = (value.v4(0), value.word(8), value.word(12) as usize);
    if count > membership::most_sources(true) {
        return Err(Errno::ENOBUFS);
    }
    if 16 + 4 * count > value.0.len() || !group.is_multicast() || mode > 1 {
        return Err(Errno::EINVAL);
    }
    if !here(0, value.v4(4)) {
        return kernel_side::set_option(s, libc::IPPROTO_IP, libc::IP_MSFILTER, &value.0);
    }
    let sources = (0..count).map(|i| bits(IpAddr::V4(value.v4(16 + 4 * i)))).collect();
    membership::replace(s, bits(IpAddr::V4(group)), LOOPBACK, mode == 0, sources)
}

/// IP_MSFILTER of a socket that is in no group.
pub fn no_filter(s: &Sock, room: &Room) -> Result<()> {
    match asked_filter(room.given, room.value)? {
        Some(_) => Err(Errno::EADDRNOTAVAIL),
        None => machine::get(s, libc::IPPROTO_IP, libc::IP_MSFILTER, room.value, room.length_at),
    }
}

/// What IP_MSFILTER asks about. None: a group on an interface that is the kernel's.
fn asked_filter(room: usize, at: UserPtr) -> Result<Option<Value>> {
    let value = Value::read(at, room.min(MOST) as i32, 16)?;
    let (group, interface) = (value.v4(0), value.v4(4));
    if !group.is_multicast() {
        return Err(Errno::EINVAL);
    }
    Ok((interface.is_unspecified() || interface.is_loopback()).then_some(value))
}

fn get_filter(s: &Sock, at: UserPtr, length_at: UserPtr) -> Result<()> {
    let room = length_at.read_u32()? as usize;
    let Some(value) = asked_filter(room, at)? else {
        return machine::get(s, libc::IPPROTO_IP, libc::IP_MSFILTER, at, length_at);
    };
    let group = value.v4(0);
    let member = membership::get(s, bits(IpAddr::V4(group)), LOOPBACK)?;
    let told = member.sources.len().min(value.word(12) as usize).min((room - 16) / 4);
    at.plus(8).write_u32(!member.exclude as u32)?;
    at.plus(12).write_u32(member.sources.len() as u32)?;
    for (i, source) in member.sources[..told].iter().enumerate() {
        at.plus(16 + 4 * i).write(&v4_of(*source).octets())?;
    }
    length_at.write_u32(16 + 4 * told as u32)
}
