//! The short ways of calls that move one message, by protocol; none where it is not open now, and the whole way of the call
//! ([`crate::calls`], [`crate::messages`]) is to be gone. They never panic.

use core::sync::atomic::Ordering::*;

use crate::calls;
use crate::family::inet::dgram::quick::{self, To};
use crate::shm::views::UserPtr;
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
        calls::send_quickly(s, buffer, length, flags)
    }
}

/// recv(2), read(2).
#[inline]
pub fn recv(s: &Sock, buffer: usize, length: usize, flags: i32) -> Option<usize> {
    if is_udp(s) {
        quick::recv(s, buffer, length, flags)
    } else {
        calls::receive_quickly(s, buffer, length, flags)
    }
}

/// sendto(2).
#[inline]
pub fn sendto(s: &Sock, buffer: usize, length: usize, flags: i32, at: UserPtr, to_length: i32) -> Option<usize> {
    if is_udp(s) {
        quick::send(s, buffer, length, flags, To(at, to_length))
    } else if at.is_null() {
        calls::send_quickly(s, buffer, length, flags)
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
        calls::receive_quickly(s, buffer, length, flags)
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
