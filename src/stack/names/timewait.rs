//! FIN_WAIT2 and TIME_WAIT: the side that closed first keeps its name until the other one closes, a minute or TCP_LINGER2 at
//! most, and for a minute from then on (RFC 9293, 3.3.2; tcp(7)). bind(2) minds it, and a new connection with the same names
//! takes its place.
//!
//! Only the names are kept, in a ring of the arena's header: enough for the bind rules, with no timer to run. When more
//! connections end within the minute than the ring holds, the oldest are forgotten first, as the kernel does beyond
//! tcp_max_tw_buckets.

use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use super::conflict::Claim;
use crate::abi::Name;
use crate::kernel;
use crate::shm::{Arena, BUCKETS};

/// TCP_TIMEWAIT_LEN.
const LASTS_MS: u64 = 60_000;

fn now_ms() -> u64 {
    kernel::clock_ns(libc::CLOCK_BOOTTIME) / 1_000_000
}

/// The longest TCP_LINGER2 (TCP_FIN_TIMEOUT_MAX).
const LONGEST_MS: u64 = 120_000;

/// Remembers for `lasts_ms` that `claim` closed a connection with `peer` first, for a minute if not given. What is returned
/// finds the entry again and is never 0.
pub fn enter(arena: &'static Arena, claim: &Claim, peer: &Name, lasts_ms: Option<u64>) -> u32 {
    let ring = &arena.header().time_wait;
    let count = arena.header().time_wait_next.fetch_add(1, Relaxed);
    let at = count as usize % ring.len();
    let (high, low) = halves(&claim.name);
    let flags = (claim.reuse_address as u64) | (claim.reuse_port as u64) << 1 | (claim.v6_only as u64) << 2;
    let entry = &ring[at];
    entry[0].store(0, Relaxed);
    entry[1].store(high, Relaxed);
    entry[2].store(low, Relaxed);
    entry[3].store(mark(peer) << 24 | (claim.name.port as u64) << 8 | flags, Relaxed);
    entry[0].store(now_ms() + lasts_ms.unwrap_or(LASTS_MS), Release);
    last(arena, claim.name.port).store(count.wrapping_add(1), Release);
    at as u32 + 1
}

/// The other side closed, too: what waited for that waits a minute from now on. One whose time is over stays forgotten.
pub fn extend(arena: &'static Arena, number: u32, name: &Name, peer: &Name) {
    let Some(entry) = entry_of(arena, number, name, peer) else { return };
    let (until, now) = (entry[0].load(Acquire), now_ms());
    if until > now {
        let _ = entry[0].compare_exchange(until, now + LASTS_MS, AcqRel, Relaxed);
    }
}

/// A reset ended what waited.
pub fn forget(arena: &'static Arena, number: u32, name: &Name, peer: &Name) {
    if let Some(entry) = entry_of(arena, number, name, peer) {
        entry[0].store(0, Release);
    }
}

/// A new connection between `from` and `to` takes the place of one that waits, on either side (tcp_twsk_unique,
/// tcp_timewait_state_process).
pub fn give_way(arena: &'static Arena, from: &Name, to: &Name) {
    for (name, peer) in [(from, to), (to, from)] {
        if possible(arena, name.port) {
            (1..=arena.header().time_wait.len() as u32).for_each(|number| forget(arena, number, name, peer));
        }
    }
}

/// The entry with that number if it still is about the two names.
fn entry_of(arena: &'static Arena, number: u32, name: &Name, peer: &Name) -> Option<&'static [AtomicU64; 4]> {
    let entry = arena.header().time_wait.get(number.checked_sub(1)? as usize)?;
    let words = [entry[1].load(Relaxed), entry[2].load(Relaxed), entry[3].load(Relaxed) >> 8];
    let (high, low) = halves(name);
    (words == [high, low, mark(peer) << 16 | name.port as u64]).then_some(entry)
}

fn halves(name: &Name) -> (u64, u64) {
    let bits = match name.canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    ((bits >> 64) as u64, bits as u64)
}

/// Forty bits that tell peers apart.
fn mark(peer: &Name) -> u64 {
    let (high, low) = halves(peer);
    (high ^ low.rotate_left(17) ^ (peer.port as u64) << 24).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

fn last(arena: &'static Arena, port: u16) -> &'static AtomicU32 {
    &arena.header().time_wait_last[port as usize % BUCKETS]
}

/// Can there be an entry for the port? Most ports have none, and then the ring is not walked through.
fn possible(arena: &'static Arena, port: u16) -> bool {
    let header = arena.header();
    let last = last(arena, port).load(Acquire);
    last != 0 && header.time_wait_next.load(Relaxed).wrapping_sub(last) < header.time_wait.len() as u32
}

/// The names in TIME_WAIT on a port.
pub fn claims(arena: &'static Arena, port: u16) -> impl Iterator<Item = Claim> {
    let (entries, now) = match possible(arena, port) {
        true => (&arena.header().time_wait[..], now_ms()),
        false => (&[][..], 0),
    };
    entries.iter().filter_map(move |entry| {
        let (until, word) = (entry[0].load(Acquire), entry[3].load(Relaxed));
        if until <= now || until > now + LONGEST_MS || (word >> 8) as u16 != port {
            return None;
        }
        let bits = (entry[1].load(Relaxed) as u128) << 64 | entry[2].load(Relaxed) as u128;
        Some(Claim {
            name: Name::new(IpAddr::V6(bits.into()), port),
            v6_only: word & 4 != 0,
            reuse_address: word & 1 != 0,
            reuse_port: word & 2 != 0,
            listening: false,
            time_wait: true,
            uid: 0,
            device: 0,
        })
    })
}
