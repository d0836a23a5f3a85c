//! What keeps a connection off the short way of small messages ([`super::quick`]) for as long as it is set: filters, time
//! stamps, TCP_NOTSENT_LOWAT. One bit among the slot's flags stands for all of it.

use core::sync::atomic::Ordering::*;

use super::{data, filter};
use crate::options;
use crate::shm::{End, Slot, SlotFlags, PLAIN};
use crate::socket::Sock;

/// Sets or clears the bit by what is set on a socket and its end.
pub fn settle(slot: &Slot, end: Option<&End>) {
    let set = [options::TIMESTAMP, options::TIMESTAMPING, options::NOTSENT_LOW_WATER];
    if end.is_some_and(filter::is_on) || set.iter().any(|place| options::word(slot, *place) != 0) {
        slot.set(SlotFlags::SLOW);
    } else {
        slot.clear(SlotFlags::SLOW);
    }
}

/// Does TCP_NOTSENT_LOWAT hold up what the anchor would take? Nobody rings when it no longer does.
pub fn holds_up(s: &Sock, end: &End) -> bool {
    end.mode & PLAIN != 0
        && s.slot.has(SlotFlags::SLOW)
        && may_send(s, end) == 0
        && end.far().closed.load(Acquire) == 0
        && end.tx().sent.fin.load(Acquire) == 0
}

/// How many bytes may be sent on before more than TCP_NOTSENT_LOWAT would wait in the socket (tcp_stream_memory_free): what
/// the far end's buffer takes is sent.
pub fn may_send(s: &Sock, end: &End) -> u64 {
    let limit = options::word(s.slot, options::NOTSENT_LOW_WATER) as u64;
    if limit == 0 {
        return u64::MAX;
    }
    let tx = end.tx();
    if data::unacknowledged(end) >= limit {
        return 0;
    }
    (tx.window() + limit).saturating_sub(tx.buffered()).max(1)
}
