//! What anchors are called: names in the abstract namespace that only who can read the arena can tell beforehand.
//!
//! A path would need rights in the directory at the time of each connection. A server that gave up root, or went to another
//! root directory, after it had opened the network has none (nginx, haproxy), and connects all the same: as with TCP, its
//! sockets are what it needs. An abstract name lets everybody connect, so it is not what keeps strangers out: a listener
//! looks whether the name of who comes is one that the arena's secret gives, and nobody who does not know the secret can be
//! called by it first.
#![allow(deprecated)] // SipHasher: the only keyed hash in the library that is the same in every process.

use core::hash::{Hasher, SipHasher};
use core::sync::atomic::Ordering::*;

use crate::abi::Result;
use crate::kernel;
use crate::shm::{Arena, Conn, Slot, SlotFlags};
use crate::stop::{self, Point};

/// The bytes of a name, as a sockaddr_un.
pub type Address = [u8; LENGTH];
const LENGTH: usize = 2 + 1 + 8 + 8 + 4 + 8;
const PREFIX: &[u8; 8] = b"sockhop.";
/// Where the number of the connection or the slot stands.
const NUMBER_AT: usize = 19;

/// The word of `Slot::extra` that counts the anchors of a slot that were given a name (the options use the others of its
/// first line).
const CALLS: usize = 2;

/// Connections, slots and ears are called differently.
const CONN: u32 = 1;
const SLOT: u32 = 2;
const EAR: u32 = 3;

fn address(arena: &'static Arena, number: u32, words: [u32; 3]) -> Address {
    let header = arena.header();
    let mut hash = SipHasher::new_with_keys(header.secret[0].load(Relaxed), header.secret[1].load(Relaxed));
    hash.write_u32(number);
    words.iter().for_each(|word| hash.write_u32(*word));
    let mut name = [0u8; LENGTH];
    name[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
    name[3..11].copy_from_slice(PREFIX);
    name[11..NUMBER_AT].copy_from_slice(&header.id.load(Relaxed).to_ne_bytes());
    name[NUMBER_AT..NUMBER_AT + 4].copy_from_slice(&number.to_ne_bytes());
    name[NUMBER_AT + 4..].copy_from_slice(&hash.finish().to_ne_bytes());
    name
}

/// What a connector's anchor is called.
pub fn of_conn(arena: &'static Arena, number: u32, conn: &Conn) -> Address {
    address(arena, number, [CONN, conn.generation.load(Relaxed), 0])
}

/// The connection that a connector's anchor of this name belongs to. None: it is not one of this network's connectors.
pub fn conn_of(arena: &'static Arena, name: &[u8]) -> Option<(u32, &'static Conn)> {
    let number = u32::from_ne_bytes(name.get(NUMBER_AT..NUMBER_AT + 4)?.try_into().ok()?);
    let conn = arena.conn(number)?;
    (name == of_conn(arena, number, conn)).then_some((number, conn))
}

/// Where others reach the anchor of a listener, or ring that of a datagram socket.
pub fn of_slot(arena: &'static Arena, number: u32, slot: &Slot) -> Address {
    address(arena, number, [SLOT, slot.generation.load(Relaxed), slot.extra[CALLS].load(Relaxed) as u32])
}

/// What an ear is called; see `stack::ears`.
pub fn of_ear(arena: &'static Arena, number: u32) -> Address {
    address(arena, number, [EAR, 0, 0])
}

/// Gives an anchor the name that others reach it by. A socket's earlier anchor may live on under the earlier name in
/// another process, so each has a new one.
pub fn call(arena: &'static Arena, fd: i32, number: u32, slot: &Slot) -> Result<()> {
    slot.extra[CALLS].fetch_add(1, Relaxed);
    kernel::bind(fd, &of_slot(arena, number, slot))?;
    stop::here(Point::Called);
    slot.set(SlotFlags::CALLED);
    Ok(())
}
