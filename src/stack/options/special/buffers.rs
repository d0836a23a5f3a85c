//! Sizes of buffers: SO_SNDBUF and its kin, SO_RCVLOWAT, SO_MEMINFO (socket(7)).

use core::sync::atomic::Ordering::*;

use super::super::places::*;
use super::super::row::{load, store, Room};
use super::super::sock;
use super::super::system::{self, System};
use super::may_administrate;
use crate::abi::{Errno, Result};
use crate::socket::Sock;

/// SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of a 64-bit kernel.
const SEND_LEAST: i32 = 4608;
const RECEIVE_LEAST: i32 = 2304;
/// How much of a receive buffer is payload before a connection knows better, in 256ths (TCP_DEFAULT_SCALING_RATIO).
const PAYLOAD_SHARE: i64 = 128;

fn is_tcp(s: &Sock) -> bool {
    s.kind() == libc::SOCK_STREAM
}

/// What was set, or what a connection grew to by itself, or what the system starts with. `used` says how much of what the
/// connection may grow to it has had a use for.
fn size(s: &Sock, place: usize, used: impl Fn(&crate::shm::End) -> u64, default: System) -> i32 {
    let set = load(s.slot, place);
    if set != 0 {
        return set as i32;
    }
    let grown = s.end().map_or(0, |e| used(&e));
    system::get(default).max(grown.min(i32::MAX as u64) as i32)
}

/// SO_SNDBUF.
pub fn send_buffer(s: &Sock) -> Result<i32> {
    // It has room for the first window as soon as there is a connection (tcp_sndbuf_expand).
    Ok(size(
        s,
        SEND_BUFFER,
        |e| e.tx().shared.capacity.load(Relaxed).saturating_sub(e.tx().window()),
        sock::send_default(is_tcp(s)),
    ))
}

/// SO_RCVBUF.
pub fn receive_buffer(s: &Sock) -> Result<i32> {
    // It grows with what is received (tcp_rcv_space_adjust).
    Ok(size(s, RECEIVE_BUFFER, |e| e.rx().window().min(e.rx().consumed()), sock::receive_default(is_tcp(s))))
}

/// A size is doubled to make room for the kernel's own bookkeeping, and never too small.
fn doubled(given: i32, least: i32) -> i32 {
    (given.min(i32::MAX / 2) * 2).max(least)
}

/// At most `max`, negative sizes being very large ones.
fn capped(given: i32, max: i32) -> i32 {
    (given as u32).min(max as u32) as i32
}

fn set(s: &Sock, place: usize, lock: i32, size: i32) {
    store(s.slot, place, size as u32);
    store(s.slot, BUFFER_LOCK, load(s.slot, BUFFER_LOCK) | lock as u32);
}

/// SO_SNDBUF.
pub fn set_send_buffer(s: &Sock, v: i32) -> Result<()> {
    set(s, SEND_BUFFER, LOCK_SEND, doubled(capped(v, system::get(System::SendBufferMax)), SEND_LEAST));
    Ok(())
}

/// SO_RCVBUF.
pub fn set_receive_buffer(s: &Sock, v: i32) -> Result<()> {
    set(s, RECEIVE_BUFFER, LOCK_RECEIVE, doubled(capped(v, system::get(System::ReceiveBufferMax)), RECEIVE_LEAST));
    Ok(())
}

/// SO_SNDBUFFORCE: beyond the maximum, for who may.
pub fn force_send_buffer(s: &Sock, v: i32) -> Result<()> {
    if !may_administrate(s) {
        return Err(Errno::EPERM);
    }
    set(s, SEND_BUFFER, LOCK_SEND, doubled(v.max(0), SEND_LEAST));
    Ok(())
}

/// SO_RCVBUFFORCE.
pub fn force_receive_buffer(s: &Sock, v: i32) -> Result<()> {
    if !may_administrate(s) {
        return Err(Errno::EPERM);
    }
    set(s, RECEIVE_BUFFER, LOCK_RECEIVE, doubled(v.max(0), RECEIVE_LEAST));
    Ok(())
}

/// SO_RCVLOWAT. A stream must be able to hold that much: it takes no more than half of the largest buffer, and its own
/// grows with it (tcp_set_rcvlowat).
pub fn low_water(s: &Sock, v: i32) -> Result<i32> {
    let wanted = if v < 0 { i32::MAX } else { v };
    if !is_tcp(s) {
        return Ok(wanted.max(1));
    }
    let locked = load(s.slot, BUFFER_LOCK) as i32 & LOCK_RECEIVE != 0;
    let most = if locked { receive_buffer(s)? } else { system::get(System::TcpReceiveBufferMax) };
    let value = wanted.min(most / 2);
    let space = needed(value);
    if !locked && space > receive_buffer(s)? {
        store(s.slot, RECEIVE_BUFFER, space as u32);
        s.ops().option_changed(s, libc::SOL_SOCKET, libc::SO_RCVBUF)?;
    }
    Ok(value.max(1))
}

/// The buffer that holds `payload` bytes (tcp_space_from_win).
fn needed(payload: i32) -> i32 {
    ((payload as i64) * 256 / PAYLOAD_SHARE).min(i32::MAX as i64) as i32
}

/// SO_MEMINFO: nine words (enum SK_MEMINFO_VARS). Memory that the kernel would set aside or queue elsewhere is 0 here.
pub fn memory(s: &Sock, room: &Room) -> Result<()> {
    let (mut received, mut unsent) = (0, 0);
    if let Some(end) = s.end() {
        received = end.rx().buffered().min(u32::MAX as u64) as u32;
        unsent = end.tx().shared.corked.load(Acquire);
    }
    let words = [received, receive_buffer(s)? as u32, 0, send_buffer(s)? as u32, 0, unsent, 0, 0, 0];
    let mut bytes = [0u8; 36];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    room.put(&bytes)
}

/// SO_RESERVE_MEM needs a memory control group that counts sockets.
pub fn reserve_memory(_s: &Sock, v: i32) -> Result<()> {
    Err(if v < 0 { Errno::EINVAL } else { Errno::EOPNOTSUPP })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_doubled_within_their_bounds() {
        assert_eq!(doubled(0, SEND_LEAST), 4608);
        assert_eq!(doubled(2304, SEND_LEAST), 4608);
        assert_eq!(doubled(65535, RECEIVE_LEAST), 131_070);
        assert_eq!(doubled(i32::MAX, SEND_LEAST), i32::MAX - 1);
        assert_eq!(doubled(-7, RECEIVE_LEAST), RECEIVE_LEAST);
        assert_eq!((capped(-1, 4096), capped(i32::MIN, 4096), capped(5, 4096)), (4096, 4096, 5));
    }

    #[test]
    fn a_buffer_holds_more_than_its_payload() {
        assert_eq!(needed(70_000), 140_000);
        assert_eq!(needed(i32::MAX), i32::MAX);
    }
}
