//! SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO (socket(7); sock_set_timeout, sock_get_timeout).

use super::super::places::*;
use super::super::row::{load, store, Room};
use super::super::system;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// Ticks that stand for "do not wait".
pub const AT_ONCE: u64 = u64::MAX;
/// MAX_SCHEDULE_TIMEOUT: for ever.
const MAX_TICKS: i64 = i64::MAX;

/// struct linger as it reads.
pub fn linger_bytes(slot: &Slot) -> [u8; 8] {
    let seconds = match load(slot, LINGER_SECONDS) {
        // The kernel's longest time in seconds, cut to an int.
        u32::MAX => (MAX_TICKS / system::ticks_per_second() as i64) as i32,
        n => n as i32,
    };
    let mut bytes = [0u8; 8];
    bytes[..4].copy_from_slice(&load(slot, LINGER_ON).to_ne_bytes());
    bytes[4..].copy_from_slice(&seconds.to_ne_bytes());
    bytes
}

/// SO_LINGER.
pub fn linger(s: &Sock, room: &Room) -> Result<()> {
    room.put(&linger_bytes(s.slot))
}

/// SO_LINGER. Switching it off leaves the time as it was.
pub fn set_linger(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length < 8 {
        return Err(Errno::EINVAL);
    }
    let (on, seconds) = (at.read_u32()?, at.plus(4).read_u32()? as i32);
    if on != 0 {
        store(s.slot, LINGER_SECONDS, if seconds < 0 { u32::MAX } else { seconds as u32 });
    }
    store(s.slot, LINGER_ON, (on != 0) as u32);
    Ok(())
}

/// What struct timeval says, in ticks; 0 is for ever.
fn ticks(seconds: i64, us: i64, hz: u32) -> Result<u64> {
    let hz = hz as i64;
    if !(0..1_000_000).contains(&us) {
        return Err(Errno::EDOM);
    }
    if seconds < 0 {
        return Ok(AT_ONCE);
    }
    if seconds >= MAX_TICKS / hz - 1 {
        return Ok(0);
    }
    let tick_us = 1_000_000 / hz;
    Ok((seconds * hz + (us + tick_us - 1) / tick_us) as u64)
}

/// What ticks read as.
fn time(ticks: u64, hz: u32) -> (i64, i64) {
    let hz = hz as u64;
    match ticks {
        0 | AT_ONCE => (0, 0),
        n => ((n / hz) as i64, (n % hz * 1_000_000 / hz) as i64),
    }
}

fn kept(slot: &Slot, low: usize) -> u64 {
    load(slot, low) as u64 | (load(slot, low + 1) as u64) << 32
}

/// A timeout in nanoseconds; none is for ever, 0 at once.
#[cold]
pub fn nanoseconds(ticks: u64) -> Option<u64> {
    match ticks {
        0 => None,
        AT_ONCE => Some(0),
        n => {
            let (seconds, us) = time(n, system::ticks_per_second());
            Some((seconds as u64).saturating_mul(1_000_000_000).saturating_add(us as u64 * 1000))
        }
    }
}

/// struct timeval that sets a socket's timeout to what this one's is.
pub fn timeout_bytes(slot: &Slot, low: usize) -> [u8; 16] {
    let (seconds, us) = match kept(slot, low) {
        AT_ONCE => (-1, 0),
        n => time(n, system::ticks_per_second()),
    };
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..].copy_from_slice(&us.to_ne_bytes());
    bytes
}

fn get(s: &Sock, room: &Room, low: usize) -> Result<()> {
    let mut bytes = timeout_bytes(s.slot, low);
    if kept(s.slot, low) == AT_ONCE {
        bytes = [0; 16];
    }
    room.put(&bytes)
}

fn set(s: &Sock, at: UserPtr, length: usize, low: usize, name: i32) -> Result<()> {
    if length < 16 {
        return Err(Errno::EINVAL);
    }
    let (seconds, us) = (at.read_u64()? as i64, at.plus(8).read_u64()? as i64);
    let new = ticks(seconds, us, system::ticks_per_second())?;
    // The half that is 0 as a rule comes first, so that a thread that reads meanwhile finds an old or a new time.
    store(s.slot, low + 1, (new >> 32) as u32);
    store(s.slot, low, new as u32);
    // accept(2) and connect(2) sleep in the kernel, on the anchor.
    kernel::setsockopt(s.fd, libc::SOL_SOCKET, name, &timeout_bytes(s.slot, low))
}

/// SO_RCVTIMEO.
pub fn receive_timeout(s: &Sock, room: &Room) -> Result<()> {
    get(s, room, RECEIVE_TIMEOUT_LOW)
}

/// SO_RCVTIMEO.
pub fn set_receive_timeout(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    set(s, at, length, RECEIVE_TIMEOUT_LOW, libc::SO_RCVTIMEO)
}

/// SO_SNDTIMEO.
pub fn send_timeout(s: &Sock, room: &Room) -> Result<()> {
    get(s, room, SEND_TIMEOUT_LOW)
}

/// SO_SNDTIMEO.
pub fn set_send_timeout(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    set(s, at, length, SEND_TIMEOUT_LOW, libc::SO_SNDTIMEO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_ticks() {
        for (given, want) in
            [((0, 0), 0), ((0, 1), 1), ((0, 4000), 1), ((0, 4001), 2), ((1, 999_999), 500), ((3600, 250_000), 900_063)]
        {
            assert_eq!(ticks(given.0, given.1, 250), Ok(want), "{given:?}");
        }
        assert_eq!(time(1, 250), (0, 4000));
        assert_eq!(time(500, 250), (2, 0));
        assert_eq!(time(1, 300), (0, 3333));
    }

    #[test]
    fn odd_times_have_a_meaning() {
        assert_eq!(ticks(-1, 0, 250), Ok(AT_ONCE));
        assert_eq!(ticks(i64::MAX, 0, 250), Ok(0));
        assert_eq!(ticks(i64::MAX / 1000, 999_999, 250).map(|t| t > 1 << 40), Ok(true));
        for us in [-1, 1_000_000, i64::MIN] {
            assert_eq!(ticks(1, us, 250), Err(Errno::EDOM));
            assert_eq!(ticks(-1, us, 250), Err(Errno::EDOM));
        }
        assert_eq!((time(AT_ONCE, 250), time(0, 250)), ((0, 0), (0, 0)));
        assert_eq!((nanoseconds(0), nanoseconds(AT_ONCE)), (None, Some(0)));
    }
}
