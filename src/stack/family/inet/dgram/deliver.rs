//! The last step of sending: into the receiver's queue, past its filter, and a knock at its door.

use core::net::IpAddr;
use core::sync::atomic::Ordering::*;

use super::lookup::{is_v4, v4_of, Packet};
use super::mailbox::{self, Delivered};
use super::place::{DROPS, SPECIAL};
use super::source::Path;
use super::{filter, lookup, membership, opts, poll};
use super::{INTERFACE_KNOWN, SPECIAL_DROPS, SPECIAL_FILTER, SPECIAL_INFO, SPECIAL_SLOW, SPECIAL_STAMP};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::names::Names;
use crate::shm::views::Buffers;
use crate::shm::{Packed, Record, Slot};
use crate::socket::Sock;

/// A receiver that lookup found.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its slot's number.
    pub number: u32,
    /// Its slot.
    pub slot: &'static Slot,
    /// The life of the slot that is meant.
    pub generation: u32,
    /// The next datagram may go to another one: a program chose by the payload.
    pub by_program: bool,
}

impl Target {
    fn of((number, slot): (u32, &'static Slot)) -> Target {
        Target { number, slot, generation: slot.generation.load(Acquire), by_program: false }
    }
}

/// Who gets a datagram, the next `length` bytes of `data`; none: nobody is there.
pub fn find(s: &Sock, packet: &Packet, data: &Buffers<'_>, length: usize) -> Option<Target> {
    let look = |names: &Names| {
        let (found, by_program) = lookup::find(names, packet, || {
            let (mut copy, mut bytes) = (*data, vec![0; length]);
            let n = copy.take_slice(&mut bytes);
            bytes.truncate(n);
            bytes
        })?;
        Some(Target { by_program, ..Target::of(found) })
    };
    let found = look(&Names::lock(s.arena))?;
    if poll::lives(found.slot) {
        return Some(found);
    }
    // Whoever made that socket is gone; perhaps somebody else holds it. The kernel knows.
    let names = Names::lock(s.arena);
    crate::network::sweep(&names);
    look(&names)
}

/// Does a receiver live that was found a while ago? If not, it is swept away, and others like it.
#[cold]
pub fn lives(s: &Sock, to: &Target) -> bool {
    if poll::lives(to.slot) {
        return true;
    }
    crate::network::sweep(&Names::lock(s.arena));
    to.slot.generation.load(Acquire) == to.generation
}

/// What is told with a datagram of `length` bytes.
#[inline]
pub fn record(path: &Path, length: usize) -> Record {
    Record {
        source: path.packet.source,
        destination: path.packet.destination,
        source_port: path.packet.source_port,
        port: path.packet.port,
        tos: path.tos,
        ttl: path.ttl,
        length: length as u32,
        ..Record::default()
    }
}

/// Puts one datagram, which is the next `record.length()` bytes of `data`, into a receiver's queue. False: the receiver is
/// gone. Whatever else becomes of the datagram, `data` has moved past it.
///
/// Errors: EFAULT.
#[inline]
pub fn put(s: &Sock, to: &Target, record: &Packed, data: &mut Buffers<'_>) -> Result<bool> {
    let special = to.slot.extra[SPECIAL].load(Relaxed) & !SPECIAL_SLOW;
    if special == 0 {
        put_as_it_is(s, to, record, data)
    } else {
        put_specially(s, to, special, record, data)
    }
}

/// The receiver wants more than the datagram.
#[inline(never)]
fn put_specially(s: &Sock, to: &Target, special: u64, record: &Packed, data: &mut Buffers<'_>) -> Result<bool> {
    let mut told = record.unpack();
    if special & SPECIAL_STAMP != 0 {
        told.time_ns = kernel::clock_ns(libc::CLOCK_REALTIME);
    }
    if special & SPECIAL_INFO != 0 {
        told.flags |= INTERFACE_KNOWN;
    }
    if special & SPECIAL_DROPS != 0 {
        told.drops = to.slot.extra[DROPS].load(Relaxed) as u32;
    }
    let length = record.length();
    if special & SPECIAL_FILTER != 0 {
        match filter::admit(s, to.slot, &told, data)? {
            Some(kept) => told.length = kept as u32,
            None => {
                data.advance(length);
                to.slot.extra[DROPS].fetch_add(1, Relaxed);
                return Ok(true);
            }
        }
    }
    let there = put_as_it_is(s, to, &told.pack(), data)?;
    if there {
        data.advance(length - told.length as usize);
    }
    Ok(there)
}

#[inline]
fn put_as_it_is(s: &Sock, to: &Target, record: &Packed, data: &mut Buffers<'_>) -> Result<bool> {
    match mailbox::put(s.arena, to.slot, to.generation, opts::budget(to.slot), record, |span| span.take(data)) {
        Delivered::Done => Ok(poll::alert(s, to)),
        Delivered::Gone => Ok(false),
        Delivered::Fault => Err(Errno::EFAULT),
        Delivered::Full => {
            dropped(s, to);
            data.advance(record.length());
            Ok(true)
        }
    }
}

#[cold]
pub fn dropped(s: &Sock, to: &Target) {
    let before = to.slot.extra[DROPS].fetch_add(1, Relaxed);
    if before & 15 == 0 {
        // The receiver may be waiting for this very core.
        kernel::yield_now();
    }
    if before & 63 != 0 {
        return;
    }
    // Nobody may be there to make room, or somebody stands in the way.
    if poll::lives(to.slot) {
        mailbox::pass_by(s.arena, to.slot);
    } else {
        crate::network::sweep(&Names::lock(s.arena));
    }
}

/// Gives everybody who listens a copy.
pub fn put_all(s: &Sock, path: &Path, length: usize, data: &mut Buffers<'_>) -> Result<()> {
    let targets = {
        let names = Names::lock(s.arena);
        let mut all = lookup::find_all(&names, &path.packet);
        if is_v4(path.packet.destination) && v4_of(path.packet.destination).is_multicast() {
            let group = IpAddr::V4(v4_of(path.packet.destination));
            if membership::has_member(s.arena, group, path.packet.source) {
                all.retain(|(_, slot)| membership::admits(s.arena, slot, group, path.packet.source));
            } else {
                all.clear();
            }
        }
        all
    };
    let start = *data;
    let record = record(path, length).pack();
    for found in targets {
        let mut copy = start;
        put(s, &Target::of(found), &record, &mut copy)?;
    }
    data.advance(length);
    Ok(())
}
