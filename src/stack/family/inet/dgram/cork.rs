//! UDP_CORK and MSG_MORE: pieces that go out as one datagram, to where the first of them was sent (udp(7)).

use super::place::CORK;
use super::source::{Path, Reach};
use super::{deliver, limits, lookup, send, store};
use crate::abi::{Errno, Result};
use crate::shm::views::{Buffers, List};
use crate::shm::{Record, SlotFlags};
use crate::socket::Sock;

/// In a piece's flags: the destination is the socket's peer.
const CONNECTED: u16 = 1;
/// In a piece's flags: the destination is a group or everybody.
const TO_ALL: u16 = 2;

/// Is anything held back?
pub fn pending(s: &Sock) -> bool {
    store::any(s.slot, CORK)
}

/// How many bytes are held back, with what the kernel charges for a piece.
pub fn held(s: &Sock) -> usize {
    let mut total = 0;
    if pending(s) {
        store::each(s.arena, s.slot, CORK, |_, payload| total += payload.len().max(1));
    }
    total
}

/// Adds a piece, the first one with its way; without `more` all go. An error throws away what was held back.
pub fn add(s: &Sock, path: Option<&Path>, more: bool, data: &mut Buffers<'_>) -> Result<usize> {
    let length = data.left();
    // With the first piece memory is asked for, and with it comes what is to be told.
    let told = || path.map_or(Ok(()), |_| send::told(s));
    let added = add_piece(s, path, data, told).and_then(|()| if more { Ok(()) } else { pull(s) });
    if added.is_err() {
        store::drop_all(s.arena, s.slot, CORK);
    }
    added.map(|()| length)
}

/// `told` says what is to be told before the piece is kept.
fn add_piece(s: &Sock, path: Option<&Path>, data: &mut Buffers<'_>, told: impl FnOnce() -> Result<()>) -> Result<()> {
    let length = data.left();
    let mut record = Record { length: length as u32, ..Record::default() };
    if let Some(path) = path {
        record = deliver::record(path, length);
        record.flags = if path.connected { CONNECTED } else { 0 } | if path.reach == Reach::All { TO_ALL } else { 0 };
    }
    let (mut total, mut v4) = (length, lookup::is_v4(record.destination));
    let mut first = true;
    if path.is_none() {
        store::each(s.arena, s.slot, CORK, |piece, payload| {
            total += payload.len();
            if core::mem::take(&mut first) {
                v4 = lookup::is_v4(piece.destination);
            }
        });
    }
    if total > limits::longest_of(s.slot, v4) {
        return Err(Errno::EMSGSIZE);
    }
    told()?;
    store::add(s.arena, s.slot, CORK, &record, |span| span.take(data))
}

/// All that is held back, and the way of its first piece.
fn collect(s: &Sock) -> Option<(Path, Vec<u8>)> {
    let mut path = None;
    let mut bytes = Vec::new();
    store::each(s.arena, s.slot, CORK, |piece, payload| {
        path.get_or_insert(Path {
            packet: lookup::Packet {
                source: piece.source,
                source_port: piece.source_port,
                destination: piece.destination,
                port: piece.port,
                interface: super::LOOPBACK,
            },
            reach: if piece.flags & TO_ALL != 0 { Reach::All } else { Reach::One },
            connected: piece.flags & CONNECTED != 0,
            tos: piece.tos,
            ttl: piece.ttl,
        });
        let start = bytes.len();
        bytes.resize(start + payload.len(), 0);
        payload.copy(0, &mut bytes[start..]);
    });
    store::drop_all(s.arena, s.slot, CORK);
    Some((path?, bytes))
}

/// Sends what is held back.
pub fn pull(s: &Sock) -> Result<()> {
    let Some((path, bytes)) = collect(s) else { return Ok(()) };
    let list = List::one(bytes.as_ptr() as usize, bytes.len());
    send::put(s, &path, bytes.len(), 0, &mut Buffers::new(&list), |_| {})
}

/// The socket was connected over IPv4: what it holds back goes to the new peer (the kernel keeps the way in one place).
pub fn redirect(s: &Sock) -> Result<()> {
    if !pending(s) || !s.slot.has(SlotFlags::PEER) {
        return Ok(());
    }
    let Some((mut path, bytes)) = collect(s) else { return Ok(()) };
    let peer = s.slot.peer();
    (path.packet.destination, path.packet.port) = (lookup::bits(peer.ip), peer.port);
    let list = List::one(bytes.as_ptr() as usize, bytes.len());
    add_piece(s, Some(&path), &mut Buffers::new(&list), || Ok(()))
}
