//! Time stamps and times to send: SO_TIMESTAMP and its kin, SO_TXTIME, SO_MAX_PACING_RATE
//! (Documentation/networking/timestamping).

use core::sync::atomic::Ordering::*;

use super::super::places::*;
use super::super::row::{load, store, Room};
use super::super::sock;
use super::{may_administrate, tcp_state};
use crate::abi::{Errno, Result};
use crate::family::inet::state;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// SOF_TIMESTAMPING_ flags (linux/net_tstamp.h).
const OPT_ID: i32 = 1 << 7;
const OPT_TSONLY: i32 = 1 << 11;
const OPT_STATS: i32 = 1 << 12;
const BIND_PHC: i32 = 1 << 15;
const OPT_ID_TCP: i32 = 1 << 16;
/// All that there are, up to TX_COMPLETION.
const KNOWN: i32 = (1 << 19) - 1;
/// SOF_TXTIME_FLAGS_MASK.
const TXTIME_KNOWN: u32 = 3;

/// One of the four options for a stamp on each message: is it the one that is on? `kind` is its STAMP_ bits.
pub fn stamp(s: &Sock, kind: i32) -> Result<i32> {
    Ok(stamp_is(load(s.slot, TIMESTAMP) as i32, kind) as i32)
}

fn stamp_is(kept: i32, kind: i32) -> bool {
    // SO_TIMESTAMP_NEW does not look whether it is nanoseconds.
    let looked_at = if kind == STAMP_NEW { STAMP_NEW } else { STAMP_NS | STAMP_NEW };
    kept & STAMP_ON != 0 && kept & looked_at == kind
}

/// Switches one of the four on, and with it the others off; or all of them off.
pub fn set_stamp(s: &Sock, v: i32, kind: i32) -> Result<()> {
    let kept = load(s.slot, TIMESTAMP) as i32;
    store(s.slot, TIMESTAMP, stamp_set(kept, v != 0, kind) as u32);
    Ok(())
}

fn stamp_set(kept: i32, on: bool, kind: i32) -> i32 {
    if on {
        STAMP_ON | kind
    } else {
        // Which style it was concerns SO_TIMESTAMPING too.
        kept & STAMP_NEW
    }
}

/// The option that asks for such stamps.
pub fn stamp_name(kept: i32) -> Option<i32> {
    [
        (0, libc::SO_TIMESTAMP),
        (STAMP_NS, libc::SO_TIMESTAMPNS),
        (STAMP_NS | STAMP_NEW, sock::SO_TIMESTAMPNS_NEW),
        (STAMP_NEW, sock::SO_TIMESTAMP_NEW),
    ]
    .into_iter()
    .find_map(|(kind, name)| stamp_is(kept, kind).then_some(name))
}

fn put_stamping(room: &Room, flags: u32) -> Result<()> {
    // struct so_timestamping: flags and a clock, of which there is none.
    let mut bytes = [0u8; 8];
    bytes[..4].copy_from_slice(&flags.to_ne_bytes());
    room.put(&bytes)
}

/// SO_TIMESTAMPING.
pub fn stamping(s: &Sock, room: &Room) -> Result<()> {
    put_stamping(room, load(s.slot, TIMESTAMPING))
}

/// SO_TIMESTAMPING_NEW: 0 when it was set by the old name.
pub fn stamping_new(s: &Sock, room: &Room) -> Result<()> {
    let new = load(s.slot, TIMESTAMP) as i32 & STAMP_NEW != 0;
    put_stamping(room, if new { load(s.slot, TIMESTAMPING) } else { 0 })
}

/// SO_TIMESTAMPING.
pub fn set_stamping(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    change_stamping(s, at, length, 0)
}

/// SO_TIMESTAMPING_NEW.
pub fn set_stamping_new(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    change_stamping(s, at, length, STAMP_NEW)
}

fn change_stamping(s: &Sock, at: UserPtr, length: usize, style: i32) -> Result<()> {
    let flags = at.read_u32()? as i32;
    if length == 8 {
        at.plus(4).read_u32()?;
    }
    let unconnected = s.kind() == libc::SOCK_STREAM && matches!(tcp_state(s), state::CLOSE | state::LISTEN);
    check_stamping(flags, load(s.slot, TIMESTAMPING) as i32, unconnected)?;
    store(s.slot, TIMESTAMPING, flags as u32);
    let kept = load(s.slot, TIMESTAMP) as i32;
    store(s.slot, TIMESTAMP, (kept & !STAMP_NEW | style) as u32);
    Ok(())
}

/// `unconnected` is a stream that has no bytes to count yet.
fn check_stamping(flags: i32, old: i32, unconnected: bool) -> Result<()> {
    let invalid = flags & !KNOWN != 0
        || flags & OPT_ID_TCP != 0 && flags & OPT_ID == 0
        || flags & OPT_ID != 0 && old & OPT_ID == 0 && unconnected
        || flags & OPT_STATS != 0 && flags & OPT_TSONLY == 0;
    if invalid {
        return Err(Errno::EINVAL);
    }
    if flags & BIND_PHC != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

/// struct sock_txtime.
pub fn txtime_bytes(slot: &Slot) -> [u8; 8] {
    let mut bytes = [0u8; 8];
    bytes[..4].copy_from_slice(&load(slot, TXTIME_CLOCK).to_ne_bytes());
    bytes[4..].copy_from_slice(&load(slot, TXTIME_FLAGS).to_ne_bytes());
    bytes
}

/// SO_TXTIME.
pub fn txtime(s: &Sock, room: &Room) -> Result<()> {
    room.put(&txtime_bytes(s.slot))
}

/// SO_TXTIME.
pub fn set_txtime(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length != 8 {
        return Err(Errno::EINVAL);
    }
    let (clock, flags) = (at.read_u32()?, at.plus(4).read_u32()?);
    if flags & !TXTIME_KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if clock as i32 != libc::CLOCK_MONOTONIC && !may_administrate(s) {
        return Err(Errno::EPERM);
    }
    if ![libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC, libc::CLOCK_TAI].contains(&(clock as i32)) {
        return Err(Errno::EINVAL);
    }
    store(s.slot, TXTIME_CLOCK, clock);
    store(s.slot, TXTIME_FLAGS, flags);
    Ok(())
}

/// SO_MAX_PACING_RATE: 8 bytes where there is room for them, else 4, which say no more than 2^32 - 1.
pub fn pacing(s: &Sock, room: &Room) -> Result<()> {
    let rate = !s.slot.extra[EXTRA_PACING].load(Relaxed);
    if room.given >= 8 {
        room.put(&rate.to_ne_bytes())
    } else {
        room.put(&(rate.min(u32::MAX as u64) as u32).to_ne_bytes())
    }
}

/// SO_MAX_PACING_RATE.
pub fn set_pacing(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    let rate = if length >= 8 {
        at.read_u64()?
    } else {
        match at.read_u32()? {
            u32::MAX => u64::MAX,
            rate => rate as u64,
        }
    };
    s.slot.extra[EXTRA_PACING].store(!rate, Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_style_of_stamps_at_a_time() {
        let kinds = [0, STAMP_NS, STAMP_NEW, STAMP_NS | STAMP_NEW];
        assert_eq!(stamp_name(stamp_set(0, true, STAMP_NS | STAMP_NEW)), Some(sock::SO_TIMESTAMPNS_NEW));
        for on in kinds {
            let kept = stamp_set(0, true, on);
            let reads = kinds.map(|k| stamp_is(kept, k));
            assert_eq!(reads, kinds.map(|k| k == on || k == STAMP_NEW && on & STAMP_NEW != 0));
            assert!(stamp_name(kept).is_some());
            let off = stamp_set(kept, false, STAMP_NS);
            assert!(kinds.into_iter().all(|k| !stamp_is(off, k)));
            assert_eq!(stamp_name(off), None);
        }
    }

    #[test]
    fn stamping_refuses_what_does_not_go_together() {
        assert_eq!(check_stamping(127, 0, true), Ok(()));
        assert_eq!(check_stamping(128, 0, true), Err(Errno::EINVAL));
        assert_eq!(check_stamping(128, 128, true), Ok(()));
        assert_eq!(check_stamping(128, 0, false), Ok(()));
        assert_eq!(check_stamping(OPT_ID_TCP, 0, false), Err(Errno::EINVAL));
        assert_eq!(check_stamping(OPT_STATS, 0, false), Err(Errno::EINVAL));
        assert_eq!(check_stamping(OPT_STATS | OPT_TSONLY, 0, false), Ok(()));
        assert_eq!(check_stamping(BIND_PHC, 0, false), Err(Errno::EOPNOTSUPP));
        assert_eq!(check_stamping(1 << 20, 0, false), Err(Errno::EINVAL));
        assert_eq!(check_stamping(-1, 0, false), Err(Errno::EINVAL));
    }
}
