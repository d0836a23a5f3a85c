//! The socket of the kernel that stands beside one of ours, once that sends to somebody outside of the network: a resolver
//! library asks the machine's name server and its own host through one socket.
//!
//! It is bound to the same port where that is free. Receive calls and poll look at it as well. Which socket has one is
//! known per process; a child of a fork inherits both.
#![allow(unsafe_code)]

use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering::*};

use crate::abi::{Errno, Name, Result};
use crate::family::ops::{Incoming, Outgoing};
use crate::kernel;
use crate::options;
use crate::socket::Sock;

const MOST: usize = 256;

/// Slot number + 1 in the upper half, the descriptor in the lower; 0 for none.
static COMPANIONS: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];
/// How many places of [`COMPANIONS`] were ever used.
static USED: AtomicU64 = AtomicU64::new(0);

fn places() -> &'static [AtomicU64] {
    &COMPANIONS[..(USED.load(Acquire) as usize).min(MOST)]
}

/// The socket's companion.
#[inline]
pub fn descriptor(s: &Sock) -> Option<i32> {
    if USED.load(Relaxed) == 0 {
        return None;
    }
    let mine = s.number as u64 + 1;
    places().iter().map(|p| p.load(Acquire)).find(|word| word >> 32 == mine).map(|word| word as u32 as i32)
}

/// The companion goes with its socket.
pub fn drop_companion(number: u32) {
    let mine = number as u64 + 1;
    for place in places() {
        let word = place.load(Acquire);
        if word >> 32 == mine && place.compare_exchange(word, 0, AcqRel, Relaxed).is_ok() {
            let _ = kernel::close(word as u32 as i32);
        }
    }
}

fn make(s: &Sock) -> Result<i32> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let fd = kernel::move_up(kernel::socket(s.family(), kind, 0)?)?;
    options::repeat(s.slot, fd);
    let local = s.slot.local();
    // A stream's is there for its groups alone.
    if local.port != 0 && s.kind() == libc::SOCK_DGRAM {
        let bind = |port| {
            let (name, length) = Name { port, flow: 0, ..local }.encode();
            kernel::bind(fd, &name[..length])
        };
        // Somebody outside may have the port: then any will do.
        let _ = bind(local.port).or_else(|_| bind(0));
    }
    Ok(fd)
}

fn keep(s: &Sock, fd: i32) -> Result<i32> {
    let word = (s.number as u64 + 1) << 32 | fd as u32 as u64;
    for (i, place) in COMPANIONS.iter().enumerate() {
        if place.compare_exchange(0, word, AcqRel, Relaxed).is_ok() {
            USED.fetch_max(i as u64 + 1, AcqRel);
            // Those who sleep on this socket shall look at its companion too.
            crate::readiness::anchor_changed(s);
            return Ok(fd);
        }
    }
    let _ = kernel::close(fd);
    Err(Errno::EMFILE)
}

fn have(s: &Sock) -> Result<i32> {
    descriptor(s).map_or_else(|| make(s).and_then(|fd| keep(s, fd)), Ok)
}

/// Sends a datagram to somebody outside of the network.
pub fn send(s: &Sock, m: &mut Outgoing<'_>, to: &Name) -> Result<usize> {
    let fd = have(s)?;
    let mut bytes = vec![0; m.data.left()];
    if m.data.take_slice(&mut bytes) < bytes.len() {
        return Err(Errno::EFAULT);
    }
    let (mut address, length) = to.encode();
    let mut control = m.control.to_vec();
    let mut list = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid header.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    (header.msg_name, header.msg_namelen) = (address.as_mut_ptr().cast(), length as u32);
    (header.msg_iov, header.msg_iovlen) = (&raw mut list, 1);
    if !control.is_empty() {
        (header.msg_control, header.msg_controllen) = (control.as_mut_ptr().cast(), control.len());
    }
    // SAFETY: the header and all that it points to is ours.
    unsafe { kernel::sendmsg(fd, &header, m.flags & !libc::MSG_MORE | libc::MSG_NOSIGNAL) }
}

/// connect(2) to somebody outside of the network, whom the companion hears alone from then on. None: to nobody outside.
///
/// Errors: the kernel's, for a way that it does not know.
pub fn connect(s: &Sock, to: Option<&Name>) -> Result<()> {
    match (to, descriptor(s)) {
        (Some(to), _) => {
            let fd = have(s)?;
            let (address, length) = to.encode();
            kernel::connect(fd, &address[..length])
        }
        // AF_UNSPEC
        (None, Some(fd)) => kernel::connect(fd, &[0; 16]),
        (None, None) => Ok(()),
    }
}

/// Does the companion send from this address? That of a socket connected inside of the network has none.
pub fn is_at(s: &Sock, name: &Name) -> bool {
    address(s).is_some_and(|ip| ip.to_canonical() == name.canonical())
}

/// The companion's own address: a connected one's is that of the interface which its peer is reached through.
pub fn address(s: &Sock) -> Option<IpAddr> {
    let (bytes, length) = kernel::getsockname(descriptor(s)?).ok()?;
    Name::parse_any(bytes.get(..length)?).ok().map(|name| name.ip)
}

/// poll(2)'s events of the companion: something to read, an error.
#[inline]
pub fn ready(s: &Sock) -> u32 {
    descriptor(s).map_or(0, |fd| {
        let mut fds = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
        let _ = kernel::ppoll(&mut fds, Some(0), None);
        (fds[0].revents & (libc::POLLIN | libc::POLLERR)) as u32
    })
}

/// SO_ERROR of the companion.
pub fn take_error(s: &Sock) -> Option<Errno> {
    let error = kernel::getsockopt_int(descriptor(s)?, libc::SOL_SOCKET, libc::SO_ERROR).ok()?;
    (error != 0).then(|| Errno::from_raw(error))
}

/// The length of the companion's next datagram, if one waits.
pub fn waiting(s: &Sock) -> Option<u32> {
    let n = kernel::recv(descriptor(s)?, &mut [], libc::MSG_DONTWAIT | libc::MSG_PEEK | libc::MSG_TRUNC).ok()?;
    Some(n as u32)
}

/// Receives from the companion, if there is one.
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Option<Result<usize>> {
    let fd = descriptor(s)?;
    let mut name = [0u8; 128];
    let mut control = vec![0u8; m.control_room.min(4096)];
    let mut bytes = vec![0u8; m.data.left().min(1 << 16)];
    let mut list = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid header.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    (header.msg_name, header.msg_namelen) = (name.as_mut_ptr().cast(), name.len() as u32);
    (header.msg_iov, header.msg_iovlen) = (&raw mut list, 1);
    (header.msg_control, header.msg_controllen) = (control.as_mut_ptr().cast(), control.len());
    // SAFETY: the header and all that it points to is ours.
    let n = match unsafe { kernel::recvmsg(fd, &mut header, m.flags | libc::MSG_DONTWAIT) } {
        Err(Errno::EAGAIN) => return None,
        Err(e) => return Some(Err(e)),
        Ok(n) => n,
    };
    let copied = n.min(bytes.len());
    if m.data.put_slice(&bytes[..copied]) < copied {
        return Some(Err(Errno::EFAULT));
    }
    m.from = Name::parse_any(&name[..(header.msg_namelen as usize).min(name.len())]).ok();
    control.truncate(header.msg_controllen);
    m.control = control;
    m.out_flags |= header.msg_flags;
    Some(Ok(n))
}

/// Sets an option that concerns an interface outside of the network. What the kernel refuses leaves no companion behind.
pub fn set_option(s: &Sock, level: i32, name: i32, value: &[u8]) -> Result<()> {
    if let Some(fd) = descriptor(s) {
        return kernel::setsockopt(fd, level, name, value);
    }
    let fd = make(s)?;
    if let Err(e) = kernel::setsockopt(fd, level, name, value) {
        let _ = kernel::close(fd);
        return Err(e);
    }
    keep(s, fd).map(drop)
}
