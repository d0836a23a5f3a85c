//! Socket options: where each one's value lies in a slot.

use core::sync::atomic::Ordering::*;

use crate::shm::Slot;

macro_rules! places {
    ($($name:ident = $index:literal),* $(,)?) => {
        $(#[allow(missing_docs)] pub const $name: usize = $index;)*
    };
}

// Indices into `Slot::options`. Values are stored so that 0 is the default: with a bias where the default is another.
places!(
    REUSE_ADDRESS = 0, REUSE_PORT = 1, V6_ONLY = 2, KEEP_ALIVE = 3, BROADCAST = 4, OOB_INLINE = 5, DONT_ROUTE = 6,
    LINGER_ON = 7, LINGER_SECONDS = 8, SEND_BUFFER = 9, RECEIVE_BUFFER = 10, RECEIVE_LOW_WATER = 11,
    // Microseconds in two words each; both 0: for ever.
    RECEIVE_TIMEOUT_LOW = 12, RECEIVE_TIMEOUT_HIGH = 13, SEND_TIMEOUT_LOW = 14, SEND_TIMEOUT_HIGH = 15,
    NO_DELAY = 16, CORK = 17, DEFER_ACCEPT = 18, LINGER2 = 19, QUICK_ACK = 20, USER_TIMEOUT = 21, INQ = 22,
    DEVICE = 23, UDP_CORK = 24,
);

/// Is a boolean option on?
#[inline]
pub fn flag(slot: &Slot, index: usize) -> bool {
    slot.options[index].load(Relaxed) != 0
}

/// An option's word.
#[inline]
pub fn word(slot: &Slot, index: usize) -> u32 {
    slot.options[index].load(Relaxed)
}

/// SO_RCVTIMEO in nanoseconds, none for ever.
#[inline]
pub fn receive_timeout(slot: &Slot) -> Option<u64> {
    timeout(slot, RECEIVE_TIMEOUT_LOW)
}

/// SO_SNDTIMEO in nanoseconds, none for ever.
#[inline]
pub fn send_timeout(slot: &Slot) -> Option<u64> {
    timeout(slot, SEND_TIMEOUT_LOW)
}

#[inline]
fn timeout(slot: &Slot, low: usize) -> Option<u64> {
    let us = word(slot, low) as u64 | (word(slot, low + 1) as u64) << 32;
    (us != 0).then_some(us.saturating_mul(1000))
}

/// Sets on a kernel socket what the program set on ours.
pub fn repeat(_slot: &Slot, _fd: i32) {}
use crate::abi::{Errno, Result};
use crate::shm::views::UserPtr;
use crate::socket::Sock;
/// getsockopt(2).
pub fn get(s: &Sock, level: i32, name: i32, value: UserPtr, length_at: UserPtr) -> Result<()> {
    if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR) { value.write_u32(s.ops().take_error(s) as u32)?; return length_at.write_u32(4); }
    Err(Errno::ENOPROTOOPT)
}
/// setsockopt(2).
pub fn set(s: &Sock, level: i32, name: i32, value: UserPtr, _length: i32) -> Result<()> {
    let index = match (level, name) { (libc::SOL_SOCKET, libc::SO_REUSEADDR) => REUSE_ADDRESS, (libc::SOL_SOCKET, libc::SO_REUSEPORT) => REUSE_PORT, (libc::IPPROTO_TCP, libc::TCP_NODELAY) => NO_DELAY, _ => return Err(Errno::ENOPROTOOPT) };
    s.slot.options[index].store((value.read_u32()? != 0) as u32, Relaxed);
    Ok(())
}
