//! TCP_ZEROCOPY_RECEIVE (tcp_zerocopy_receive): bytes whose pages cannot be mapped go to a second buffer of the program's, or
//! are left to recv(2).
//!
//! The kernel maps a page only if it is a whole one that nobody else has (can_map_frag), which nothing that comes over
//! loopback lies in; so all of it takes these two ways there, and here. What the program has mapped stays without a page.

use super::{current_state, data, filter, urgent};
use crate::abi::{Errno, Result};
use crate::family::inet::state;
use crate::family::ops::Incoming;
use crate::kernel;
use crate::shm::views::{Buffers, List, UserPtr};
use crate::socket::Sock;

const PAGE: u64 = 4096;
/// TCP_CMSG_TS, the only flag that may come with a request.
const WITH_STAMPS: u32 = 2;

/// struct tcp_zerocopy_receive.
#[derive(Default)]
struct Request {
    address: u64,
    length: u32,
    /// How many bytes recv(2) has to take first.
    skip: u32,
    waiting: u32,
    error: i32,
    copy_address: u64,
    copy_length: i32,
    flags: u32,
    control: u64,
    control_length: u64,
    message_flags: u32,
    reserved: u32,
}

/// Where its fields end, as far as the length that a program gives tells which of them it knows.
mod end {
    pub const LENGTH: usize = 12;
    pub const WAITING: usize = 20;
    pub const ERROR: usize = 24;
    /// Of the later ones.
    pub const LATER: [usize; 5] = [32, 36, 40, 48, 56];
    pub const MESSAGE_FLAGS: usize = 60;
    pub const WHOLE: usize = 64;
}

impl Request {
    fn from_bytes(b: &[u8; end::WHOLE]) -> Request {
        let small = |at: usize| u32::from_ne_bytes(core::array::from_fn(|i| b[at + i]));
        let large = |at: usize| u64::from_ne_bytes(core::array::from_fn(|i| b[at + i]));
        Request {
            address: large(0),
            length: small(8),
            skip: small(12),
            waiting: small(16),
            error: small(20) as i32,
            copy_address: large(24),
            copy_length: small(32) as i32,
            flags: small(36),
            control: large(40),
            control_length: large(48),
            message_flags: small(56),
            reserved: small(60),
        }
    }

    fn to_bytes(&self) -> [u8; end::WHOLE] {
        let mut b = [0; end::WHOLE];
        b[..8].copy_from_slice(&self.address.to_ne_bytes());
        let low = [self.length, self.skip, self.waiting, self.error as u32];
        b[8..24].iter_mut().zip(low.iter().flat_map(|w| w.to_ne_bytes())).for_each(|(to, from)| *to = from);
        b[24..32].copy_from_slice(&self.copy_address.to_ne_bytes());
        b[32..36].copy_from_slice(&self.copy_length.to_ne_bytes());
        b[36..40].copy_from_slice(&self.flags.to_ne_bytes());
        b[40..48].copy_from_slice(&self.control.to_ne_bytes());
        b[48..56].copy_from_slice(&self.control_length.to_ne_bytes());
        b[56..60].copy_from_slice(&self.message_flags.to_ne_bytes());
        b[60..].copy_from_slice(&self.reserved.to_ne_bytes());
        b
    }

    /// Copies up to `length` bytes to the program's second buffer.
    fn copy(&mut self, s: &Sock, length: usize) -> Result<usize> {
        let list = List::one(self.copy_address as usize, length);
        let mut m = Incoming {
            data: Buffers::new(&list),
            flags: libc::MSG_DONTWAIT,
            from: None,
            out_flags: 0,
            control: Vec::new(),
            control_room: self.control_length.min(u16::MAX as u64) as usize,
        };
        let got = s.ops().receive(s, &mut m)?;
        // Times are told this way, the rest is not.
        let times = socket_level(&m.control);
        if times > 0 && UserPtr(self.control as usize).write(&m.control[..times]).is_ok() {
            self.control = self.control.wrapping_add(times as u64);
            self.control_length -= times as u64;
            self.message_flags = (m.out_flags & libc::MSG_CTRUNC) as u32;
        }
        Ok(got)
    }

    fn receive(&mut self, s: &Sock) -> Result<()> {
        let room = self.copy_length;
        (self.copy_length, self.message_flags) = (0, 0);
        if !self.address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if current_state(s) == state::LISTEN {
            return Err(Errno::ENOTCONN);
        }
        let waiting = s.end().map_or(0, |e| urgent::readable_now(s, &e).min(e.rx().window()));
        let is_over = || s.end().is_some_and(|e| filter::end_came(s, &e));
        let asked = core::mem::take(&mut self.length);
        if waiting != 0 && waiting as i64 <= room as i64 {
            self.skip = 0;
            self.copy_length = self.copy(s, waiting as usize)? as i32;
            return Ok(());
        }
        if waiting < PAGE {
            self.skip = waiting as u32;
            return if waiting == 0 && is_over() { Err(Errno::EIO) } else { Ok(()) };
        }
        let end = kernel::socket_mapping_end(self.address).ok_or(Errno::EINVAL)?;
        let within = (asked as u64).min(end - self.address).min(waiting);
        // From a page on, what does not lie in pages is told of up to its end; less is told of as far as it was asked for.
        self.skip = if within >= PAGE { waiting } else { within } as u32;
        // A negative length is a large one.
        let copied = self.skip.min(room as u32);
        if copied > 0 {
            self.copy_length = match self.copy(s, copied as usize) {
                Ok(got) => {
                    self.skip -= got as u32;
                    got as i32
                }
                Err(e) => -e.raw(),
            };
        } else if self.skip == 0 && is_over() {
            return Err(Errno::EIO);
        }
        Ok(())
    }
}

/// How much of ancillary data is the socket level's, which comes first.
fn socket_level(control: &[u8]) -> usize {
    let word = |at: usize| control.get(at..at + 8).map(|b| u64::from_ne_bytes(b.try_into().unwrap_or_default()));
    let mut at = 0;
    while let Some(length) = word(at).filter(|n| *n >= 16) {
        if word(at + 8).is_none_or(|w| w as u32 as i32 != libc::SOL_SOCKET) {
            break;
        }
        at = (at + (length as usize).next_multiple_of(8)).min(control.len());
    }
    at
}

/// getsockopt(2).
pub fn get(s: &Sock, at: UserPtr, length_at: UserPtr) -> Result<()> {
    let given = length_at.read_u32()?;
    if (given as i32) < end::LENGTH as i32 {
        return Err(Errno::EINVAL);
    }
    let length = (given as usize).min(end::WHOLE);
    // What is longer than we know has to be zeros.
    let mut rest = [0u8; 256];
    for from in (end::WHOLE..given as usize).step_by(rest.len()) {
        let n = rest.len().min(given as usize - from);
        at.plus(from).read(&mut rest[..n])?;
        if rest[..n].iter().any(|b| *b != 0) {
            return Err(Errno::EINVAL);
        }
    }
    if given as usize > length {
        length_at.write_u32(length as u32)?;
    }
    let mut bytes = [0u8; end::WHOLE];
    at.read(&mut bytes[..length])?;
    let mut request = Request::from_bytes(&bytes);
    if request.reserved != 0 || request.message_flags & !WITH_STAMPS != 0 {
        return Err(Errno::EINVAL);
    }
    request.receive(s)?;
    let whole = length >= end::MESSAGE_FLAGS;
    if whole || length == end::ERROR || end::LATER.contains(&length) {
        request.error = -s.ops().take_error(s);
    }
    if whole || length == end::WAITING || length == end::ERROR || end::LATER.contains(&length) {
        request.waiting = s.end().map_or(0, |e| data::left(s, &e)) as u32;
    }
    at.write(&request.to_bytes()[..length])
}
