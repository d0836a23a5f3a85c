//! What a TCP port remembers of those that were bound to it (struct inet_bind_bucket: fastreuse, fastreuseport): whoever fits
//! that is let in without asking the holders, whose options may have changed since.
//!
//! The header has one entry for all ports of a bucket of names: the last one's. A port whose entry was taken by another is as
//! one that remembers nothing, and its holders are asked.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU64, Ordering::*};

use super::conflict::{overlap, Claim};
use crate::abi::Name;
use crate::shm::{Arena, BUCKETS};

/// Did all of them have SO_REUSEPORT?
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReusePort {
    No = 0,
    /// All.
    Any = 1,
    /// The last one and those since, which were let in by asking: only the same address fits.
    Strict = 2,
}

#[derive(Clone, Copy)]
struct Memory {
    /// All had SO_REUSEADDR and none listened.
    reuse: bool,
    port: ReusePort,
    /// Whose name, IPV6_V6ONLY and uid `port` is about.
    of: Claim,
}

fn entry(arena: &'static Arena, port: u16) -> &'static [AtomicU64; 3] {
    &arena.header().port_memory[port as usize % BUCKETS]
}

fn load(arena: &'static Arena, port: u16) -> Option<Memory> {
    let words = entry(arena, port).each_ref().map(|w| w.load(Relaxed));
    if words[0] as u16 != port {
        return None;
    }
    let bit = |at: u32| words[0] >> at & 1 != 0;
    let address = if bit(20) {
        IpAddr::V6(Ipv6Addr::from_bits((words[1] as u128) << 64 | words[2] as u128))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(words[2] as u32))
    };
    let of = Claim {
        name: Name::new(address, port),
        v6_only: bit(19),
        reuse_address: false,
        reuse_port: true,
        listening: false,
        time_wait: false,
        uid: (words[0] >> 32) as u32,
        device: 0,
    };
    let port = match (bit(17), bit(18)) {
        (true, _) => ReusePort::Any,
        (_, true) => ReusePort::Strict,
        _ => ReusePort::No,
    };
    Some(Memory { reuse: bit(16), port, of })
}

fn store(arena: &'static Arena, port: u16, m: &Memory) {
    let (six, high, low) = match m.of.name.canonical() {
        IpAddr::V4(v4) => (0, 0, v4.to_bits() as u64),
        IpAddr::V6(v6) => (1, (v6.to_bits() >> 64) as u64, v6.to_bits() as u64),
    };
    let flags = m.reuse as u64 | (m.port as u64) << 1 | (m.of.v6_only as u64) << 3 | six << 4;
    let words = [port as u64 | flags << 16 | (m.of.uid as u64) << 32, high, low];
    entry(arena, port).iter().zip(words).for_each(|(entry, word)| entry.store(word, Relaxed));
}

/// sk_reuseport_match
fn fits(m: &Memory, new: &Claim) -> bool {
    let same = || match m.of.name.is_any() {
        true => overlap(&m.of, new),
        false => m.of.name.canonical() == new.name.canonical(),
    };
    m.port != ReusePort::No && new.reuse_port && m.of.uid == new.uid && (m.port == ReusePort::Any || same())
}

/// Is the newcomer let in by what the port, which has holders, remembers? The names' lock is held.
pub fn admits(arena: &'static Arena, new: &Claim) -> bool {
    load(arena, new.name.port).is_some_and(|m| m.reuse && new.reuse_address && !new.listening || fits(&m, new))
}

/// The newcomer was let in (inet_csk_update_fastreuse); `first`: nobody held the port. The names' lock is held.
pub fn note(arena: &'static Arena, new: &Claim, first: bool) {
    let reuse = new.reuse_address && !new.listening;
    let known = if first { None } else { load(arena, new.name.port) };
    let m = match known {
        None if first => Memory { reuse, port: if new.reuse_port { ReusePort::Any } else { ReusePort::No }, of: *new },
        None => Memory { reuse: false, port: if new.reuse_port { ReusePort::Strict } else { ReusePort::No }, of: *new },
        Some(m) if !new.reuse_port => Memory { reuse: m.reuse && reuse, port: ReusePort::No, of: m.of },
        Some(m) if fits(&m, new) => Memory { reuse: m.reuse && reuse, ..m },
        Some(m) => Memory { reuse: m.reuse && reuse, port: ReusePort::Strict, of: *new },
    };
    store(arena, new.name.port, &m);
}
