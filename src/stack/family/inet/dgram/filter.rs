//! SO_ATTACH_FILTER: a program that says of each datagram whether and how much of it is taken (socket(7)). The sender runs
//! it, on the UDP header and the payload, as the kernel does in the sender's context too.

use core::sync::atomic::Ordering::*;

use super::super::program;
use super::place::{FILTER, SPECIAL};
use super::{bpf, changed, store, SPECIAL_FILTER};
use crate::abi::{Errno, Result};
use crate::shm::views::{Buffers, UserPtr};
use crate::shm::{Record, Slot};
use crate::socket::Sock;

/// A UDP header's length.
const HEADER: usize = 8;

/// setsockopt(2) of what concerns filters.
pub fn set_option(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) => Some(attach(s, value, length)),
        (libc::SOL_SOCKET, libc::SO_DETACH_FILTER) => Some(detach(s, value, length)),
        _ => None,
    }
}

/// getsockopt(2) of the program.
pub fn get_option(s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
    ((level, name) == (libc::SOL_SOCKET, libc::SO_GET_FILTER)).then(|| program::get(s, at, length_at, FILTER))
}

fn attach(s: &Sock, value: UserPtr, length: i32) -> Result<()> {
    program::attach(s, value, length, FILTER, || Ok(()))?;
    s.slot.extra[SPECIAL].fetch_or(SPECIAL_FILTER, AcqRel);
    changed(s.arena, s.slot);
    Ok(())
}

fn detach(s: &Sock, value: UserPtr, length: i32) -> Result<()> {
    program::detach(s, value, length, FILTER)?;
    s.slot.extra[SPECIAL].fetch_and(!SPECIAL_FILTER, AcqRel);
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
