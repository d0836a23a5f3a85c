//! The last step of sending: into the receiver's queue, past its filter, and a knock at its door.

use core::net::IpAddr;
use core::sync::atomic::Ordering::*;

use super::lookup::{is_v4, v4_of, Packet};
use super::mailbox::{self, Delivered};
use super::place::{DROPS, SPECIAL};
use super::source::Path;
use super::{filter, lookup, membership, opts, poll};
use super::{INTERFACE_KNOWN, SPECIAL_DROPS, SPECIAL_FILTER, SPECIAL_INFO, SPECIAL_STAMP};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::names::Names;
use crate::shm::views::Buffers;
use crate::shm::{Record, Slot};
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
}

impl Target {
    fn of((number, slot): (u32, &'static Slot)) -> Target {
        Target { number, slot, generation: slot.generation.load(Acquire) }
    }
}

/// Who gets a datagram; none: nobody is there.
pub fn find(s: &Sock, packet: &Packet) -> Option<Target> {
    let found = lookup::find(&Names::lock(s.arena), packet).map(Target::of)?;
    if poll::lives(found.slot) {
        return Some(found);
    }
    // Whoever made that socket is gone; perhaps somebody else holds it. The kernel knows.
    let names = Names::lock(s.arena);
    crate::network::sweep(&names);
    lookup::find(&names, packet).map(Target::of)
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

/// Puts one datagram, which is the next `record.length` bytes of `data`, into a receiver's queue. False: the receiver is
/// gone. Whatever becomes of the datagram, `data` has moved past it.
///
/// Errors: EFAULT.
#[inline]
pub fn put(s: &Sock, to: &Target, record: &mut Record, data: &mut Buffers<'_>) -> Result<bool> {
    let special = to.slot.extra[SPECIAL].load(Relaxed);
    let length = record.length as usize;
    if special != 0 {
        if special & SPECIAL_STAMP != 0 {
            record.time_ns = kernel::clock_ns(libc::CLOCK_REALTIME);
        }
        record.flags = if special & SPECIAL_INFO != 0 { INTERFACE_KNOWN } else { 0 };
        record.drops = if special & SPECIAL_DROPS != 0 { to.slot.extra[DROPS].load(Relaxed) as u32 } else { 0 };
        if special & SPECIAL_FILTER != 0 {
            match filter::admit(s, to.slot, record, data)? {
                Some(kept) => record.length = kept as u32,
                None => {
                    data.advance(length);
                    to.slot.extra[DROPS].fetch_add(1, Relaxed);
                    record.length = length as u32;
                    return Ok(true);
                }
            }
        }
    }
    let kept = record.length as usize;
    let outcome = mailbox::put(s.arena, to.slot, to.generation, opts::budget(to.slot), record, |span| span.take(data));
    record.length = length as u32;
    match outcome {
        Delivered::Done => {
            data.advance(length - kept);
            poll::alert(s, to)
        }
        Delivered::Full => {
            data.advance(length);
            let dropped = to.slot.extra[DROPS].fetch_add(1, Relaxed);
            // Nobody may be there to make room.
            if dropped % 64 == 0 && !poll::lives(to.slot) {
                crate::network::sweep(&Names::lock(s.arena));
            }
            Ok(true)
        }
        Delivered::Gone => Ok(false),
        Delivered::Fault => Err(Errno::EFAULT),
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
    let mut record = record(path, length);
    for found in targets {
        let mut copy = start;
        put(s, &Target::of(found), &mut record, &mut copy)?;
    }
    data.advance(length);
    Ok(())
}
