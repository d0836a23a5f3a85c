//! SO_ATTACH_FILTER: a program that says of each datagram whether and how much of it is taken (socket(7)). The sender runs
//! it, on the UDP header and the payload, as the kernel does in the sender's context too.

use core::sync::atomic::Ordering::*;

use super::place::{FILTER, SPECIAL};
use super::{bpf, changed, opts, store, SPECIAL_FILTER};
use crate::abi::{Errno, Result};
use crate::shm::views::{Buffers, UserPtr};
use crate::shm::{Record, Slot};
use crate::socket::Sock;

/// A UDP header's length.
const HEADER: usize = 8;
/// sizeof(struct sock_fprog).
const PROGRAM: i32 = 16;
const SO_GET_FILTER: i32 = libc::SO_ATTACH_FILTER;

/// setsockopt(2) of what concerns filters.
pub fn set_option(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) => Some(attach(s, value, length)),
        (libc::SOL_SOCKET, libc::SO_DETACH_FILTER) => Some(detach(s, value, length)),
        _ => None,
    }
}

/// getsockopt(2) of the program: the length counts instructions.
pub fn get_option(s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
    if (level, name) != (libc::SOL_SOCKET, SO_GET_FILTER) {
        return None;
    }
    Some(length_at.read_u32().and_then(|room| {
        let bytes = store::bytes(s.arena, s.slot, FILTER).unwrap_or_default();
        let count = bytes.len() / bpf::SIZE;
        if room != 0 {
            if (room as usize) < count {
                return Err(Errno::EINVAL);
            }
            at.write(&bytes)?;
        }
        length_at.write_u32(count as u32)
    }))
}

/// Reads a struct sock_fprog and the program that it points to.
///
/// Errors: EPERM when the socket's filters are locked, EINVAL for a program that is not sound, EFAULT.
pub fn read_program(s: &Sock, value: UserPtr) -> Result<Vec<u8>> {
    let count = value.read_u32()? as u16 as usize;
    let from = UserPtr(value.plus(8).read_u64()? as usize);
    if opts::flag(s.slot, opts::LOCK_FILTER) {
        return Err(Errno::EPERM);
    }
    if count == 0 || count > bpf::LONGEST {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; count * bpf::SIZE];
    from.read(&mut bytes)?;
    if !bpf::is_sound(&bpf::read(&bytes)) {
        return Err(Errno::EINVAL);
    }
    Ok(bytes)
}

fn attach(s: &Sock, value: UserPtr, length: i32) -> Result<()> {
    if length < 4 {
        return Err(Errno::EINVAL);
    }
    value.read_u32()?;
    if length != PROGRAM {
        return Err(Errno::EINVAL);
    }
    let bytes = read_program(s, value)?;
    let _held = s.slot.lock.lock();
    store::replace(s.arena, s.slot, FILTER, &bytes)?;
    s.slot.extra[SPECIAL].fetch_or(SPECIAL_FILTER, AcqRel);
    changed(s.arena, s.slot);
    Ok(())
}

fn detach(s: &Sock, value: UserPtr, length: i32) -> Result<()> {
    if length < 4 {
        return Err(Errno::EINVAL);
    }
    value.read_u32()?;
    if opts::flag(s.slot, opts::LOCK_FILTER) {
        return Err(Errno::EPERM);
    }
    let _held = s.slot.lock.lock();
    if !store::any(s.slot, FILTER) {
        return Err(Errno::ENOENT);
    }
    s.slot.extra[SPECIAL].fetch_and(!SPECIAL_FILTER, AcqRel);
    store::drop_all(s.arena, s.slot, FILTER);
    changed(s.arena, s.slot);
    Ok(())
}

/// How many bytes of a datagram, the next `record.length` of `data`, the receiver's filter takes. None: it is dropped.
///
/// Errors: EFAULT.
pub fn admit(s: &Sock, to: &Slot, record: &Record, data: &Buffers<'_>) -> Result<Option<usize>> {
    let Some(program) = store::bytes(s.arena, to, FILTER) else { return Ok(Some(record.length as usize)) };
    let length = record.length as usize;
    let mut packet = vec![0; HEADER + length];
    packet[..2].copy_from_slice(&record.source_port.to_be_bytes());
    packet[2..4].copy_from_slice(&record.port.to_be_bytes());
    packet[4..6].copy_from_slice(&((HEADER + length) as u16).to_be_bytes());
    let mut copy = *data;
    if copy.take_slice(&mut packet[HEADER..]) < length {
        return Err(Errno::EFAULT);
    }
    let kept = bpf::run(&bpf::read(&program), &packet) as usize;
    Ok((kept != 0).then(|| kept.saturating_sub(HEADER).min(length)))
}
