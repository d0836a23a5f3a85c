//! Who a socket is, and who is at its other end.

use core::sync::atomic::Ordering::*;

use super::super::places::*;
use super::super::row::{load, Room};
use super::super::sock;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// SO_PROTOCOL.
pub fn protocol(s: &Sock) -> Result<i32> {
    Ok(s.slot.protocol.load(Relaxed) as i32)
}

/// SO_PEERCRED: struct ucred of nobody, as for every socket that is not AF_UNIX.
pub fn peer_credentials(_s: &Sock, room: &Room) -> Result<()> {
    let mut bytes = [0xff; 12];
    bytes[..4].fill(0);
    room.put(&bytes)
}

/// SO_PEERNAME: as getpeername(2), but with no more room than the address needs.
pub fn peer_name(s: &Sock, room: &Room) -> Result<()> {
    let name = s.ops().getname(s, true).map_err(|_| Errno::ENOTCONN)?;
    let (bytes, length) = name.encode();
    if room.given > length {
        return Err(Errno::EINVAL);
    }
    room.put(&bytes[..length])
}

/// SO_COOKIE: the anchor's. It stays when another anchor takes its place; the kernel never gives a number twice.
pub fn cookie(s: &Sock, room: &Room) -> Result<()> {
    if room.given < 8 {
        return Err(Errno::EINVAL);
    }
    let kept = &s.slot.extra[EXTRA_COOKIE];
    if kept.load(Acquire) == 0 {
        let mut bytes = [0u8; 8];
        kernel::getsockopt(s.fd, libc::SOL_SOCKET, sock::SO_COOKIE, &mut bytes)?;
        let _ = kept.compare_exchange(0, u64::from_ne_bytes(bytes), AcqRel, Acquire);
    }
    room.put(&kept.load(Acquire).to_ne_bytes())
}

/// SO_NETNS_COOKIE: the anchor's network namespace is this process's.
pub fn network_cookie(s: &Sock, room: &Room) -> Result<()> {
    if room.given != 8 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0u8; 8];
    kernel::getsockopt(s.fd, libc::SOL_SOCKET, sock::SO_NETNS_COOKIE, &mut bytes)?;
    room.put(&bytes)
}

/// SO_INCOMING_CPU: on loopback a packet is handled where its reader runs, or as near as the scheduler can; before there
/// is a connection it is what the program said.
pub fn incoming_cpu(s: &Sock) -> Result<i32> {
    if super::tcp_state(s) == crate::family::inet::state::ESTABLISHED {
        return Ok(kernel::processor());
    }
    Ok(super::super::value(s.slot, INCOMING_CPU))
}

/// SO_DEVMEM_DONTNEED: struct dmabuf_token, of which there may be 128, name memory of a device that the socket received
/// into. What was never received is passed over.
pub fn device_memory(_s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    const TOKEN: usize = 8;
    const MOST: usize = 128;
    if !length.is_multiple_of(TOKEN) || length > TOKEN * MOST {
        return Err(Errno::EINVAL);
    }
    at.read(&mut [0u8; TOKEN * MOST][..length])
}

/// SO_LOCK_FILTER: there is no way back.
pub fn lock_filter(s: &Sock, v: i32) -> Result<i32> {
    if v == 0 && load(s.slot, LOCK_FILTER) != 0 {
        return Err(Errno::EPERM);
    }
    Ok((v != 0) as i32)
}

/// A BPF program by descriptor: none can run here.
pub fn no_program(_s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length != 4 {
        return Err(Errno::EINVAL);
    }
    kernel::fcntl(at.read_u32()? as i32, libc::F_GETFD, 0)?;
    Err(Errno::EINVAL)
}
