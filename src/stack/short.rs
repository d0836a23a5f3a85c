//! The short ways of calls that move one message, by protocol; none where it is not open now, and the whole way of the call
//! ([`crate::calls`], [`crate::messages`]) is to be gone. They never panic.

use core::sync::atomic::Ordering::*;

use crate::family::inet::dgram::quick::{self, To};
use crate::family::inet::stream::quick as stream;
use crate::shm::views::{Buffers, UserPtr};
use crate::socket::Sock;

#[inline(always)]
fn is_udp(s: &Sock) -> bool {
    s.slot.protocol.load(Relaxed) == libc::IPPROTO_UDP as u32
}

/// send(2), write(2).
#[inline]
pub fn send(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    if is_udp(s) {
        quick::send(s, buffer, length, flags, To::PEER)
    } else {
        stream::send(s, buffer, length, flags)
    }
}

/// recv(2), read(2).
#[inline]
pub fn recv(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    if is_udp(s) {
        quick::recv(s, buffer, length, flags)
    } else {
        stream::receive(s, buffer, length, flags)
    }
}

/// sendto(2).
#[inline]
pub fn sendto(s: &Sock, buffer: usize, length: usize, flags: i32, at: UserPtr, to_length: i32) -> Option<usize> {
    if is_udp(s) {
        quick::send(s, buffer, length, flags, To(at, to_length))
    } else if at.is_null() {
        stream::send(s, buffer, length, flags)
    } else {
        None
    }
}

/// recvfrom(2).
#[inline]
pub fn recvfrom(s: &Sock, buffer: usize, length: usize, flags: i32, at: UserPtr, length_at: UserPtr) -> Option<usize> {
    if is_udp(s) {
        quick::recvfrom(s, buffer, length, flags, at, length_at)
    } else if at.is_null() {
        stream::receive(s, buffer, length, flags)
    } else {
        None
    }
}

/// sendmsg(2).
#[inline]
pub fn sendmsg(s: &Sock, at: UserPtr, flags: i32) -> Option<usize> {
    if is_udp(s) {
        quick::sendmsg(s, at, flags)
    } else {
        None
    }
}

/// recvmsg(2).
#[inline]
pub fn recvmsg(s: &Sock, at: UserPtr, flags: i32) -> Option<usize> {
    if is_udp(s) {
        quick::recvmsg(s, at, flags)
    } else {
        None
    }
}

/// One buffer to a stream, by whatever call.
#[inline]
pub fn stream_send(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    (!is_udp(s)).then(|| stream::send(s, buffer, length, flags))?
}

/// What comes on a stream, into one buffer, by whatever call.
#[inline]
pub fn stream_recv(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    (!is_udp(s)).then(|| stream::receive(s, buffer, length, flags))?
}

/// Several buffers to a stream.
pub fn send_list(s: &Sock, data: Buffers<'_>, flags: i32) -> Option<usize> {
    (!is_udp(s)).then(|| stream::send_list(s, data, flags))?
}

/// What comes on a stream, into several buffers.
pub fn receive_list(s: &Sock, data: Buffers<'_>, flags: i32) -> Option<usize> {
    (!is_udp(s)).then(|| stream::receive_list(s, data, flags))?
}
