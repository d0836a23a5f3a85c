//! TIME_WAIT: the side that closed first keeps its name for a minute (RFC 9293, 3.3.2), and bind(2) minds it.
//!
//! Only the names are kept, in a ring of the arena's header: enough for the bind rules, with no timer to run. When more
//! connections end within the minute than the ring holds, the oldest are forgotten first, as the kernel does beyond
//! tcp_max_tw_buckets.

use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, Ordering::*};

use super::conflict::Claim;
use crate::abi::Name;
use crate::kernel;
use crate::shm::{Arena, BUCKETS};

/// TCP_TIMEWAIT_LEN.
const LASTS_MS: u64 = 60_000;

fn now_ms() -> u64 {
    kernel::clock_ns(libc::CLOCK_BOOTTIME) / 1_000_000
}

/// Remembers that `claim` closed a connection first.
pub fn enter(arena: &'static Arena, claim: &Claim) {
    let ring = &arena.header().time_wait;
    let count = arena.header().time_wait_next.fetch_add(1, Relaxed);
    let at = count as usize % ring.len();
    let (high, low) = match claim.name.canonical() {
        IpAddr::V4(v4) => (0, v4.to_ipv6_mapped().to_bits() as u64),
        IpAddr::V6(v6) => ((v6.to_bits() >> 64) as u64, v6.to_bits() as u64),
    };
    let flags = (claim.reuse_address as u64) | (claim.reuse_port as u64) << 1 | (claim.v6_only as u64) << 2;
    let entry = &ring[at];
    entry[0].store(0, Relaxed);
    entry[1].store(high, Relaxed);
    entry[2].store(low, Relaxed);
    entry[3].store((claim.name.port as u64) << 8 | flags, Relaxed);
    entry[0].store(now_ms() + LASTS_MS, Release);
    last(arena, claim.name.port).store(count.wrapping_add(1), Release);
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
        if until <= now || until > now + LASTS_MS || (word >> 8) as u16 != port {
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
        })
    })
}
