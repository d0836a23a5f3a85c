//! The calls that take their message, or several, as a struct msghdr: sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2).

use core::sync::atomic::Ordering::*;

use crate::abi::{Errno, Result};
use crate::calls::{address_in, receive_list, send, send_list};
use crate::family::ops::{Incoming, Outgoing};
use crate::kernel;
use crate::shm::views::{read_list, Buffers, List, UserPtr};
use crate::short;
use crate::socket::Sock;
use crate::wait;

/// struct msghdr as the program wrote it.
struct Header {
    name: UserPtr,
    name_length: u32,
    list: UserPtr,
    count: usize,
    control: UserPtr,
    control_length: usize,
}

/// What is the kernel's own among the flags: of a program that is 32-bit.
const MSG_CMSG_COMPAT: i32 = i32::MIN;
const MSGHDR: usize = 56;
const NAME_LENGTH_AT: usize = 8;
const CONTROL_LENGTH_AT: usize = 40;
const FLAGS_AT: usize = 48;

/// Reads the header, which has to be there whole. Errors: EINVAL for flags that no program may say, EFAULT.
fn header(at: UserPtr, flags: i32) -> Result<Header> {
    if flags & MSG_CMSG_COMPAT != 0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; MSGHDR];
    at.read(&mut bytes)?;
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b)) as usize;
    Ok(Header {
        name: UserPtr(word(0)),
        name_length: word(NAME_LENGTH_AT) as u32,
        list: UserPtr(word(16)),
        count: word(24),
        control: UserPtr(word(32)),
        control_length: word(CONTROL_LENGTH_AT),
    })
}

/// sendmsg(2).
pub fn sendmsg(s: &Sock, at: UserPtr, flags: i32) -> Result<usize> {
    let h = header(at, flags)?;
    let mut space = [0; 128];
    let mut to: &[u8] = &[];
    if !h.name.is_null() && h.name_length != 0 {
        if (h.name_length as i32) < 0 {
            return Err(Errno::EINVAL);
        }
        to = address_in(h.name, h.name_length.min(128) as i32, &mut space)?;
    }
    let mut list = List::new();
    read_list(h.list, h.count, Errno::EMSGSIZE, &mut list)?;
    if to.is_empty() && h.control_length == 0 {
        return send_list(s, Buffers::new(list.as_slice()), flags);
    }
    let mut control = Vec::new();
    if h.control_length > 0 {
        if h.control_length > 1 << 20 {
            return Err(Errno::ENOBUFS);
        }
        control.resize(h.control_length, 0);
        h.control.read(&mut control)?;
    }
    send(s, &mut Outgoing { data: Buffers::new(list.as_slice()), to, control: &control, flags })
}

/// recvmsg(2).
pub fn recvmsg(s: &Sock, at: UserPtr, flags: i32) -> Result<usize> {
    let h = header(at, flags)?;
    if (h.name_length as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let mut list = List::new();
    read_list(h.list, h.count, Errno::EMSGSIZE, &mut list)?;
    let mut m = Incoming {
        data: Buffers::new(list.as_slice()),
        flags,
        from: None,
        out_flags: 0,
        control: Vec::new(),
        control_room: if h.control.is_null() { 0 } else { h.control_length },
    };
    let n = receive_list(s, &mut m)?;
    if !h.name.is_null() {
        match m.from {
            Some(name) => {
                let (bytes, length) = name.encode();
                h.name.write(&bytes[..length.min(h.name_length as usize)])?;
                at.plus(NAME_LENGTH_AT).write_u32(length as u32)?;
            }
            None => at.plus(NAME_LENGTH_AT).write_u32(0)?,
        }
    }
    let mut out_flags = m.out_flags | flags & libc::MSG_CMSG_CLOEXEC;
    let told = m.control.len().min(m.control_room);
    if m.control.len() > m.control_room {
        out_flags |= libc::MSG_CTRUNC;
    }
    if told > 0 {
        h.control.write(&m.control[..told])?;
    }
    at.plus(CONTROL_LENGTH_AT).write(&(told as u64).to_ne_bytes())?;
    at.plus(FLAGS_AT).write_u32(out_flags as u32)?;
    Ok(n)
}

const MMSGHDR: usize = 64;

/// sendmmsg(2).
pub fn sendmmsg(s: &Sock, at: UserPtr, count: u32, flags: i32) -> Result<usize> {
    let count = count.min(1024) as usize;
    for i in 0..count {
        let message = at.plus(i * MMSGHDR);
        let sent = short::sendmsg(s, message, flags).map_or_else(|| sendmsg(s, message, flags), Ok);
        let sent = sent.and_then(|n| message.plus(56).write_u32(n as u32));
        match sent {
            Ok(()) => {}
            Err(_) if i > 0 => return Ok(i),
            Err(e) => return Err(e),
        }
    }
    Ok(count)
}

/// recvmmsg(2). An error after the first message waits for the next call.
pub fn recvmmsg(s: &Sock, at: UserPtr, count: u32, flags: i32, timeout_at: UserPtr) -> Result<usize> {
    let mut timeout_ns = None;
    if !timeout_at.is_null() {
        let (sec, ns) = (timeout_at.read_u64()? as i64, timeout_at.plus(8).read_u64()? as i64);
        if sec < 0 || !(0..1_000_000_000).contains(&ns) {
            return Err(Errno::EINVAL);
        }
        timeout_ns = Some((sec as u64).saturating_mul(1_000_000_000).saturating_add(ns as u64));
    }
    let deadline = wait::deadline(timeout_ns);
    let tell_left = || -> Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        let left = kernel::timespec(deadline.saturating_sub(kernel::now_ns()));
        timeout_at.write(&left.tv_sec.to_ne_bytes())?;
        timeout_at.plus(8).write(&left.tv_nsec.to_ne_bytes())
    };
    let error = s.ops().take_error(s);
    if error != 0 {
        return Err(Errno::from_shared(error));
    }
    let mut flags = flags;
    let mut done = 0;
    for i in 0..count.min(1024) as usize {
        let message = at.plus(i * MMSGHDR);
        let plain = flags & !libc::MSG_WAITFORONE;
        let got = short::recvmsg(s, message, plain).map_or_else(|| recvmsg(s, message, plain), Ok);
        let got = got.and_then(|n| message.plus(56).write_u32(n as u32));
        if let Err(e) = got {
            if done == 0 {
                return Err(e);
            }
            if e != Errno::EAGAIN {
                s.slot.error.store(e.raw(), Release);
            }
            break;
        }
        done += 1;
        if flags & libc::MSG_WAITFORONE != 0 {
            flags |= libc::MSG_DONTWAIT;
        }
        if deadline.is_some_and(|d| d <= kernel::now_ns()) {
            break;
        }
    }
    tell_left()?;
    Ok(done)
}
