//! TCP_SAVE_SYN: the headers of the segment that asked for a connection, kept for who accepts it (tcp(7); RFC 9293).

use core::sync::atomic::Ordering::*;

use super::stamps;
use crate::abi::{Errno, Result};
use crate::options::row::Room;
use crate::options::{self, tcp_info};
use crate::shm::{End, Slot};
use crate::socket::Sock;

/// In TCP_SAVE_SYN: with the link's header as well.
const WITH_LINK: u32 = 2;

/// A connection was accepted: its listener may have asked for the segment.
pub fn keep(slot: &Slot, end: &End) {
    end.own().syn.store(options::word(slot, options::SAVE_SYN), Relaxed);
}

/// TCP_SAVED_SYN: told once. Errors: EINVAL when there is not enough room, with the length that it takes.
pub fn saved(s: &Sock, room: &Room) -> Result<()> {
    let kept = s.end().map(|end| (end, end.own().syn.load(Acquire)));
    let Some((end, kind)) = kept.filter(|(_, kind)| *kind != 0) else { return room.length_at.write_u32(0) };
    let packet = stamps::packet(s.slot, &s.slot.peer(), &s.slot.local());
    let mut bytes = Vec::new();
    if kind == WITH_LINK {
        bytes.extend(packet.ethernet());
    }
    bytes.extend(packet.syn(tcp_info::window_scale()));
    if room.given < bytes.len() {
        room.length_at.write_u32(bytes.len() as u32)?;
        return Err(Errno::EINVAL);
    }
    room.put(&bytes)?;
    end.own().syn.store(0, Release);
    Ok(())
}
