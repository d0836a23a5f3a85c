//! Where this thread's last datagrams went: a lookup takes the network's lock, a look here does not.
//!
//! An entry counts as long as neither the sender changed, nor anything on the port that it sends to; both are counted in
//! shared memory.

use core::cell::Cell;
use core::sync::atomic::Ordering::*;

use super::lookup::Packet;
use super::place::CHANGES;
use super::source::{Path, Reach};
use crate::socket::Sock;

const ENTRIES: usize = 4;

/// A destination, and who is there.
#[derive(Clone, Copy)]
pub struct Entry {
    sender: u32,
    sender_generation: u32,
    sender_changes: u64,
    to: [u8; 28],
    to_length: u8,
    port_changes: u32,
    /// The receiver's slot.
    pub target: u32,
    /// Its life.
    pub generation: u32,
    /// The way there.
    pub path: Path,
}

const NOWHERE: Path = Path {
    packet: Packet { source: 0, source_port: 0, destination: 0, port: 0, interface: 0 },
    reach: Reach::One,
    connected: false,
    tos: 0,
    ttl: 0,
};

const EMPTY: Entry = Entry {
    sender: u32::MAX,
    sender_generation: 0,
    sender_changes: 0,
    to: [0; 28],
    to_length: 0,
    port_changes: 0,
    target: u32::MAX,
    generation: 0,
    path: NOWHERE,
};

thread_local! {
    static ENTRY: [Cell<Entry>; ENTRIES] = const { [const { Cell::new(EMPTY) }; ENTRIES] };
}

#[inline]
fn place(s: &Sock, to: &[u8]) -> usize {
    let spread = match to {
        [_, _, _, port, ..] => *port as usize ^ to.get(7).map_or(0, |b| *b as usize),
        _ => 0,
    };
    (s.number as usize ^ spread) % ENTRIES
}

/// How often anything changed on a port: what a lookup that begins now must remember.
pub fn port_changes(s: &Sock, port: u16) -> u32 {
    s.arena.header().name_changes(port)
}

/// The destination `to`, encoded, of a datagram that `s` sends; empty for its peer.
#[inline]
pub fn find(s: &Sock, to: &[u8]) -> Option<Entry> {
    let entry = ENTRY.try_with(|e| e[place(s, to)].get()).ok()?;
    let counts = entry.sender == s.number
        && entry.to_length as usize == to.len()
        && entry.to[..to.len().min(28)] == *to
        && entry.sender_changes == s.slot.extra[CHANGES].load(Acquire)
        && entry.sender_generation == s.slot.generation.load(Relaxed)
        && entry.port_changes == s.arena.header().name_changes(entry.path.packet.port);
    counts.then_some(entry)
}

/// Remembers where a destination led. `port_changes` was read before it was looked up.
pub fn keep(s: &Sock, to: &[u8], changes: u64, port_changes: u32, target: u32, generation: u32, path: Path) {
    if to.len() > 28 {
        return;
    }
    let mut bytes = [0; 28];
    bytes[..to.len()].copy_from_slice(to);
    let entry = Entry {
        sender: s.number,
        sender_generation: s.slot.generation.load(Relaxed),
        sender_changes: changes,
        to: bytes,
        to_length: to.len() as u8,
        port_changes,
        target,
        generation,
        path,
    };
    let _ = ENTRY.try_with(|e| e[place(s, to)].set(entry));
}
