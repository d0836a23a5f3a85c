//! MCAST_MSFILTER: the whole list of a membership, in either family (RFC 3678, struct group_filter).

use core::net::Ipv4Addr;

use super::lookup::name_of;
use super::multicast::{here, is_multicast, Value, MOST};
use super::{kernel_side, membership, LOOPBACK};
use crate::abi::{Errno, Result};
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// Where the fields are, and how long a struct sockaddr_storage is.
const GROUP_AT: usize = 8;
const MODE_AT: usize = 136;
const COUNT_AT: usize = 140;
const LIST_AT: usize = 144;
const STORAGE: usize = 128;

/// setsockopt(2).
pub fn set(s: &Sock, level: i32, at: UserPtr, length: i32, family: i32) -> Result<()> {
    let value = Value::read(at, length, LIST_AT)?;
    let (mode, count) = (value.word(MODE_AT), value.word(COUNT_AT) as usize);
    if count > membership::most_sources(family == libc::AF_INET) {
        return Err(Errno::ENOBUFS);
    }
    if LIST_AT + count * STORAGE > value.0.len() {
        return Err(Errno::EINVAL);
    }
    let address = |at| value.address(at, family).ok_or(Errno::EADDRNOTAVAIL);
    let group = address(GROUP_AT)?;
    let sources = (0..count).map(|i| address(LIST_AT + i * STORAGE)).collect::<Result<Vec<_>>>()?;
    if !is_multicast(group) || mode > 1 {
        return Err(Errno::EINVAL);
    }
    if !here(value.word(0), Ipv4Addr::UNSPECIFIED) {
        return kernel_side::set_option(s, level, libc::MCAST_MSFILTER, &value.0);
    }
    membership::replace(s, group, LOOPBACK, mode == 0, sources)
}

/// getsockopt(2): as many sources as there is room for, and how many there are.
pub fn get(s: &Sock, at: UserPtr, length_at: UserPtr, family: i32) -> Result<()> {
    let room = length_at.read_u32()? as usize;
    let value = Value::read(at, room.min(MOST) as i32, LIST_AT)?;
    let group = value.address(GROUP_AT, family).filter(|g| is_multicast(*g)).ok_or(Errno::EINVAL)?;
    let member = membership::get(s, group, LOOPBACK)?;
    let told = member.sources.len().min(value.word(COUNT_AT) as usize).min((room - LIST_AT) / STORAGE);
    for (i, source) in member.sources[..told].iter().enumerate() {
        let (bytes, length) = name_of(*source, 0, family).encode();
        let mut storage = [0u8; STORAGE];
        storage[..length].copy_from_slice(&bytes[..length]);
        at.plus(LIST_AT + i * STORAGE).write(&storage)?;
    }
    at.plus(MODE_AT).write_u32(!member.exclude as u32)?;
    at.plus(COUNT_AT).write_u32(member.sources.len() as u32)?;
    length_at.write_u32((LIST_AT + told * STORAGE) as u32)
}
