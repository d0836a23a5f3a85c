//! The facade: what each call of the program does to a socket that is ours.
//!
//! Here the arguments are checked in the kernel's order, and here it is decided when a call waits and when it is done.

use core::sync::atomic::Ordering::*;

use crate::abi::{family_of, Errno, Name, Result};
use crate::anchor;
use crate::config;
use crate::family::inet;
use crate::family::ops::{Incoming, Outgoing};
use crate::kernel;
use crate::network;
use crate::options;
use crate::owner;
use crate::shm::views::{buffer_in_program, Buffers, List, UserPtr};
use crate::shm::SlotFlags;
use crate::short;
use crate::sleepers::Kept;
use crate::socket::{self, Sock};
use crate::wait::{self, Interest};

/// Flags in socket(2)'s type.
const TYPE_FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
const TYPE_MASK: i32 = 0xf;

/// socket(2), for the families that are ours. None: the kernel's.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Option<Result<i32>> {
    let families = inet::families();
    if !families.has(family) || kind & !(TYPE_MASK | TYPE_FLAGS) != 0 {
        return None;
    }
    match kind & TYPE_MASK {
        libc::SOCK_STREAM | libc::SOCK_DGRAM => {}
        // Raw, packet and the rest stay the kernel's.
        _ => return None,
    }
    match families.find(family, kind & TYPE_MASK, protocol) {
        Ok((row, protocol)) => Some(socket::create(family, row.kind, protocol, kind & TYPE_FLAGS)),
        // A protocol that has no row here may have one in the kernel (SCTP, MPTCP, ping sockets), which also knows the errno.
        Err(_) => None,
    }
}

/// Copies an address in (move_addr_to_kernel).
pub fn address_in(at: UserPtr, length: i32, space: &mut [u8; 128]) -> Result<&[u8]> {
    if !(0..=128).contains(&length) {
        return Err(Errno::EINVAL);
    }
    let bytes = &mut space[..length as usize];
    if length > 0 {
        at.read(bytes)?;
    }
    Ok(bytes)
}

/// Copies an address out, cut to the room there is, and its real length (move_addr_to_user).
pub fn address_out(name: &Name, at: UserPtr, length_at: UserPtr) -> Result<()> {
    let room = length_at.read_u32()? as i32;
    if room < 0 {
        return Err(Errno::EINVAL);
    }
    let (bytes, length) = name.encode();
    let n = length.min(room as usize);
    if n > 0 {
        at.write(&bytes[..n])?;
    }
    length_at.write_u32(length as u32)
}

/// bind(2).
pub fn bind(s: &Sock, at: UserPtr, length: i32) -> Result<()> {
    let mut space = [0; 128];
    let address = address_in(at, length, &mut space)?;
    if let Ok(name) = Name::parse(address, s.family()) {
        if !network::carries(&name) && !config::get().isolated && leaves(s) && !inet::dgram::keeps(s, &name) {
            if s.slot.has(SlotFlags::BOUND) {
                return Err(bound_already(s, &name));
            }
            return hand_over(s).and_then(|fd| kernel::bind(fd, address));
        }
    }
    s.ops().bind(s, address)
}

/// Why a socket that has a name is not bound to an address of the machine: IPv4 looks at the address first (__inet_bind).
fn bound_already(s: &Sock, name: &Name) -> Errno {
    if s.family() == libc::AF_INET && !options::flag(s.slot, options::IP_FREEBIND) {
        let (bytes, length) = Name { port: 0, ..*name }.encode();
        let tried = kernel::socket(s.family(), s.kind() | libc::SOCK_CLOEXEC, 0).map(|fd| {
            let done = kernel::bind(fd, &bytes[..length]);
            let _ = kernel::close(fd);
            done
        });
        if let Ok(Err(Errno::EADDRNOTAVAIL)) = tried {
            return Errno::EADDRNOTAVAIL;
        }
    }
    Errno::EINVAL
}

/// A socket without a past may still become a kernel socket.
fn leaves(s: &Sock) -> bool {
    !s.slot.has(SlotFlags::PEER) && s.end().is_none() && s.slot.state.load(Acquire) != inet::state::LISTEN
}

/// connect(2).
pub fn connect(s: &Sock, at: UserPtr, length: i32) -> Result<()> {
    let mut space = [0; 128];
    let address = address_in(at, length, &mut space)?;
    if family_of(address) == Some(s.family()) {
        if let Ok(name) = Name::parse(address, s.family()) {
            if is_kernels(&name) && leaves(s) && !inet::dgram::keeps(s, &name) && !inet::own::reaches(s, &name) {
                if config::get().isolated && !network::is_resolver(&name) {
                    return Err(Errno::ENETUNREACH);
                }
                hand_over(s)?;
                // The kernel's by now: the call is made again, by its number, and is the kernel's too.
                return Err(Errno::RESTART);
            }
        }
    }
    let done = s.ops().connect(s, address, s.nonblocking());
    if Kept::any() {
        // The number went away while it slept; the socket goes with the call.
        drop(Kept::take(s));
    }
    done
}

/// Is the address the kernel's to reach?
pub fn is_kernels(name: &Name) -> bool {
    !network::carries(name) || network::is_resolver(name)
}

/// Makes the descriptor a kernel socket with the same options, flags and name.
pub fn hand_over(s: &Sock) -> Result<i32> {
    let new = kernel::socket(s.family(), s.kind() | libc::SOCK_CLOEXEC, s.slot.protocol.load(Relaxed) as i32)?;
    options::repeat(s.slot, new);
    if s.kind() == libc::SOCK_STREAM {
        inet::stream::repeat(s, new);
    }
    if s.slot.has(SlotFlags::BOUND) {
        if let Err(e) = bind_there(s, new) {
            let _ = kernel::close(new);
            return Err(e);
        }
    }
    let fd = s.fd;
    anchor::hand_over(s, new)?;
    Ok(fd)
}

/// Gives a kernel socket the name that a socket has here. A port that nobody asked for may be taken there, by a program outside:
/// then another one does as well.
fn bind_there(s: &Sock, new: i32) -> Result<()> {
    let mut name = s.slot.local();
    let bind = |name: &Name| {
        let (bytes, length) = name.encode();
        kernel::bind(new, &bytes[..length])
    };
    match bind(&name) {
        Err(Errno::EADDRINUSE) if !s.slot.has(SlotFlags::PORT_LOCKED) => {
            name.port = 0;
            bind(&name)
        }
        done => done,
    }
}

/// listen(2).
pub fn listen(s: &Sock, backlog: i32) -> Result<()> {
    s.ops().listen(s, backlog)
}

/// accept4(2).
pub fn accept(s: &Sock, at: UserPtr, length_at: UserPtr, flags: i32) -> Result<i32> {
    if flags & !TYPE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let new = s.ops().accept(s, flags)?;
    if !at.is_null() {
        if let Err(e) = address_out(&new.slot.peer(), at, length_at) {
            let _ = socket::close(&new);
            return Err(e);
        }
    }
    Ok(new.fd)
}

/// getsockname(2) and getpeername(2).
pub fn getname(s: &Sock, peer: bool, at: UserPtr, length_at: UserPtr) -> Result<()> {
    let name = s.ops().getname(s, peer)?;
    address_out(&name, at, length_at)
}

/// shutdown(2).
pub fn shutdown(s: &Sock, how: i32) -> Result<()> {
    if !(0..=2).contains(&how) {
        return Err(Errno::EINVAL);
    }
    s.ops().shutdown(s, how)
}

/// How often in a row a socket seemed ready and nothing could be moved. A few times others were quicker; a peer that
/// spoils the shared words can have it seem so for ever, and then it is looked at by the clock.
struct Vain(u32);

impl Vain {
    fn again(&mut self, s: &Sock, until: wait::Deadline) -> Result<()> {
        const OFTEN: u32 = 1000;
        self.0 += 1;
        if self.0 < OFTEN {
            return Ok(());
        }
        wait::more(s, until)
    }
}

/// MSG_FASTOPEN to an address of the kernel's: the socket becomes one of its own, which connects and sends. None: it is
/// no such send.
#[cold]
fn fast_open_outside(s: &Sock, m: &mut Outgoing<'_>) -> Option<Result<usize>> {
    let stays = s.kind() != libc::SOCK_STREAM || s.slot.state.load(Acquire) != inet::state::CLOSE || !leaves(s);
    let outside = |name: &Name| is_kernels(name) && !stays && !inet::own::reaches(s, name);
    let name = Name::parse(m.to, s.family()).ok().filter(outside)?;
    if config::get().isolated && !network::is_resolver(&name) {
        return Some(Err(Errno::ENETUNREACH));
    }
    let mut bytes = vec![0; m.data.left()];
    if m.data.take_slice(&mut bytes) < bytes.len() {
        return Some(Err(Errno::EFAULT));
    }
    Some(hand_over(s).and_then(|fd| kernel::sendto(fd, &bytes, m.flags, m.to)))
}

/// Everything that sends ends here.
pub fn send(s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> {
    if m.flags & libc::MSG_FASTOPEN != 0 {
        if let Some(answer) = fast_open_outside(s, m) {
            return answer;
        }
    }
    let nonblocking = m.flags & libc::MSG_DONTWAIT != 0 || s.nonblocking();
    let ops = s.ops();
    let (mut s, mut kept) = (*s, None);
    let mut total = 0;
    let mut deadline = None;
    let mut vain = Vain(0);
    loop {
        let error = match ops.send(&s, m) {
            Ok(n) => {
                total += n;
                vain = Vain(0);
                if m.data.left() == 0 {
                    return Ok(total);
                }
                continue;
            }
            Err(Errno::EAGAIN) if !nonblocking => {
                let until = *deadline.get_or_insert_with(|| wait::deadline(options::send_timeout(s.slot)));
                match ops.wait(&s, Interest::Write, until).and_then(|()| vain.again(&s, until)) {
                    Ok(()) => continue,
                    Err(Errno::MOVED) => {
                        s = kept.insert(Kept::take(&s)).sock;
                        continue;
                    }
                    Err(e) => e,
                }
            }
            Err(e) => e,
        };
        if total > 0 {
            keep_error(&s, error);
            return Ok(total);
        }
        if error == Errno::EPIPE && m.flags & libc::MSG_NOSIGNAL == 0 && s.kind() == libc::SOCK_STREAM {
            kernel::raise(libc::SIGPIPE);
        }
        return Err(error);
    }
}

/// A call that has moved bytes tells their number; the connection's error is the next call's to tell.
fn keep_error(s: &Sock, error: Errno) {
    // EPIPE without a reset is the shutdown of this side, which is no pending error.
    let reset = || s.end().is_some_and(|end| end.own().was_reset.load(Relaxed) != 0);
    if error == Errno::ECONNRESET || error == Errno::ETIMEDOUT || error == Errno::EPIPE && reset() {
        let _ = s.slot.error.compare_exchange(0, error.raw(), AcqRel, Relaxed);
    }
}

/// Everything that receives ends here.
pub fn receive(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    let outcome = receive_all(s, m);
    if let (Ok(n), true) = (outcome, m.flags & libc::MSG_PEEK != 0) {
        options::move_peek_offset(s.slot, n as i32);
    }
    outcome
}

fn receive_all(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    let nonblocking = m.flags & (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) != 0 || s.nonblocking();
    if s.slot.has(SlotFlags::ASYNC) {
        owner::take_bells(s);
    }
    let ops = s.ops();
    let (mut s, mut kept) = (*s, None);
    let wanted = m.data.left();
    let start = m.data;
    let peek = m.flags & libc::MSG_PEEK != 0;
    let mut total = 0;
    let mut deadline = None;
    let mut vain = Vain(0);
    loop {
        let (n, error) = match ops.receive(&s, m) {
            Ok(n) => (n, None),
            Err(e) => (0, Some(e)),
        };
        total = if peek && error.is_none() { n } else { total + n };
        if n > 0 {
            vain = Vain(0);
        }
        match error {
            None if n == 0 || ops.enough(&s, m.flags, total, wanted) => return Ok(total),
            None | Some(Errno::EAGAIN) if nonblocking => {
                return if total > 0 { Ok(total) } else { Err(Errno::EAGAIN) };
            }
            None | Some(Errno::EAGAIN) => {}
            Some(e) if total > 0 => {
                keep_error(&s, e);
                return Ok(total);
            }
            Some(e) => return Err(e),
        }
        let until = *deadline.get_or_insert_with(|| wait::deadline(options::receive_timeout(s.slot)));
        if peek && total > 0 {
            // Bytes that were looked at keep the socket readable: wait for more of them by the clock.
            match wait::more(&s, until) {
                Ok(()) => {}
                Err(Errno::MOVED) => s = kept.insert(Kept::take(&s)).sock,
                Err(_) => return Ok(total),
            }
            m.data = start;
            continue;
        }
        match ops.wait(&s, Interest::Read, until).and_then(|()| vain.again(&s, until)) {
            Ok(()) => {}
            Err(Errno::MOVED) => s = kept.insert(Kept::take(&s)).sock,
            Err(_) if total > 0 => return Ok(total),
            Err(e) => return Err(e),
        }
    }
}

/// sendmsg(2) of buffers alone: by the short way if that is open.
pub fn send_list(s: &Sock, data: Buffers<'_>, flags: i32) -> Result<usize> {
    if let Some(sent) = short::send_list(s, data, flags) {
        return Ok(sent);
    }
    send(s, &mut Outgoing { data, to: &[], control: &[], flags })
}

/// As [`receive`], where nothing has come along yet: by the short way if that is open.
pub fn receive_list(s: &Sock, m: &mut Incoming<'_>) -> Result<usize> {
    match short::receive_list(s, m.data, m.flags) {
        Some(n) => Ok(n),
        None => receive(s, m),
    }
}

/// send(2), sendto(2), write(2): one buffer.
#[inline]
pub fn send_one(s: &Sock, buffer: usize, length: usize, flags: i32, to: &[u8]) -> Result<usize> {
    if length > isize::MAX as usize && s.kind() == libc::SOCK_DGRAM {
        return Err(Errno::EMSGSIZE);
    }
    buffer_in_program(buffer, length)?;
    let list = List::one(buffer, length);
    send(s, &mut Outgoing { data: Buffers::new(&list), to, control: &[], flags })
}

/// sendto(2) with an address of the program.
pub fn sendto(s: &Sock, buffer: usize, length: usize, flags: i32, at: UserPtr, to_length: i32) -> Result<usize> {
    if at.is_null() {
        return send_one(s, buffer, length, flags, &[]);
    }
    let mut space = [0; 128];
    let mut to = address_in(at, to_length, &mut space)?;
    if to.is_empty() && s.kind() == libc::SOCK_DGRAM {
        // It is an address all the same, and too short.
        to = &[0];
    }
    // A connection asks for no more than an address that can be read.
    if let Some(sent) = short::stream_send(s, buffer, length, flags) {
        return Ok(sent);
    }
    send_one(s, buffer, length, flags, to)
}

/// recv(2), recvfrom(2), read(2): one buffer. Gives the sender's name too.
#[inline]
pub fn receive_one(s: &Sock, buffer: usize, length: usize, flags: i32) -> Result<(usize, Option<Name>)> {
    buffer_in_program(buffer, length)?;
    let list = List::one(buffer, length);
    let mut m =
        Incoming { data: Buffers::new(&list), flags, from: None, out_flags: 0, control: Vec::new(), control_room: 0 };
    let n = receive(s, &mut m)?;
    Ok((n, m.from))
}

/// recvfrom(2) with room for an address.
pub fn recvfrom(s: &Sock, buffer: usize, length: usize, flags: i32, at: UserPtr, length_at: UserPtr) -> Result<usize> {
    if at.is_null() {
        // The short way was tried already, with its looks for what comes.
        return receive_one(s, buffer, length, flags).map(|(n, _)| n);
    }
    let (n, from) = match short::stream_recv(s, buffer, length, flags) {
        Some(n) => (n, None),
        None => receive_one(s, buffer, length, flags)?,
    };
    match from {
        Some(name) => address_out(&name, at, length_at)?,
        None => {
            if (length_at.read_u32()? as i32) < 0 {
                return Err(Errno::EINVAL);
            }
            length_at.write_u32(0)?;
        }
    }
    Ok(n)
}
