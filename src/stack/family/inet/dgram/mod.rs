//! UDP (udp(7), RFC 768): datagrams through a queue in shared memory that belongs to the receiver.
//!
//! A bound socket owns a queue (`shm::queue`) that any sender of the network finds by name and puts into. All that the
//! processes share of a socket lies in its slot; [`place`] says where.

pub(super) mod bpf;
mod cache;
mod cmsg;
mod cork;
mod deliver;
mod errors;
mod filter;
mod full_filter;
pub(super) mod kernel_side;
mod limits;
pub(super) mod lookup;
mod mailbox;
mod membership;
pub(crate) mod multicast;
mod naming;
mod opts;
mod poll;
pub mod quick;
mod receive;
mod send;
mod source;
pub(super) mod store;
pub(super) mod tell;

use core::sync::atomic::Ordering::*;

use super::{address, reuseport, state};
use crate::abi::{Errno, Name, Result};
use crate::family::ops::{forward, Incoming, Outgoing, SocketOps};
use crate::kernel::LOOPBACK;
use crate::names::{ports, Kind, Names};
use crate::shm::views::UserPtr;
use crate::shm::{Arena, Slot, SlotFlags};
use crate::socket::Sock;
use crate::wait::{Deadline, Interest};

pub(crate) use tell::Builder;

/// Indices into `Slot::extra` (the first line of it is the options').
pub(crate) mod place {
    // Read by every sender.
    /// Who wants to be woken: [`super::poll`].
    pub const ARMED: usize = 8;
    /// The chunk that consumers read + 1; the slot's `queue` is the one that producers write.
    pub const READING: usize = 9;
    /// Grows with every change of the socket's names and of what senders must know of it.
    pub const CHANGES: usize = 10;
    /// What senders have to do besides: the `SPECIAL_` bits.
    pub const SPECIAL: usize = 11;
    /// Chunks + 1 of what is stored beside: the filter, group memberships.
    pub const FILTER: usize = 12;
    pub const MEMBERS: usize = 13;
    /// Order among the sockets that are connected to one peer.
    pub const CONNECTED: usize = 14;
    // Written now and then.
    /// The path MTU that waits to be told (IPV6_RECVPATHMTU); 0 for none.
    pub const PATH_MTU: usize = 15;
    /// Datagrams dropped because the queue was full.
    pub const DROPS: usize = 16;
    /// The error queue's chunk + 1.
    pub const ERRORS: usize = 17;
    /// The last datagram's time: 0 none yet, 1 unknown, else nanoseconds.
    pub const STAMP: usize = 18;
    /// The chunk + 1 of what a cork holds back.
    pub const CORK: usize = 19;
    /// Threads that sleep in a receive call.
    pub const SLEEPERS: usize = 20;
    /// Errors and other news that are not datagrams.
    pub const NEWS: usize = 21;
    /// IP_MULTICAST_IF: the interface's index in the upper half, the address in the lower.
    pub const MULTICAST_IF: usize = 22;
    /// The number of the next time stamp of a sent datagram (SOF_TIMESTAMPING_OPT_ID).
    pub const STAMP_ID: usize = 23;
    /// Whom the socket sent to last: the slot's number + 1, and its life in the upper half.
    pub const TARGET: usize = 24;
    /// Sends with MSG_ZEROCOPY: how many, and in the upper half how many were told of.
    pub const ZEROCOPY: usize = 25;
}

/// In [`place::SPECIAL`]: the time of delivery is wanted.
const SPECIAL_STAMP: u64 = 1;
/// In [`place::SPECIAL`]: IP_PKTINFO is wanted.
const SPECIAL_INFO: u64 = 2;
/// In [`place::SPECIAL`]: a filter is attached.
const SPECIAL_FILTER: u64 = 4;
/// In [`place::SPECIAL`]: segments may come in one piece (UDP_GRO).
const SPECIAL_GRO: u64 = 8;

/// In [`place::SPECIAL`]: the number of dropped datagrams is wanted (SO_RXQ_OVFL).
const SPECIAL_DROPS: u64 = 32;
/// In the sender's own [`place::SPECIAL`]: sending is not plain (a cork, segments, time stamps).
const SPECIAL_SLOW: u64 = 16;

/// In a record's flags: MSG_PEEK saw it, although there was nothing to see.
const PEEKED: u16 = 1;
/// In a record's flags: the interface is told, since somebody wanted to know it when the datagram came.
const INTERFACE_KNOWN: u16 = 2;

/// The ops of SOCK_DGRAM / IPPROTO_UDP.
pub static OPS: Dgram = Dgram;

/// See [`OPS`].
pub struct Dgram;

impl SocketOps for Dgram {
    fn name(&self) -> &'static str {
        "udp"
    }

    forward! {
        shutdown = poll::shutdown;
        send = send::send;
        receive = receive::receive;
        wait = poll::wait;
        ready = poll::ready;
        arm = poll::arm;
        answer_bell = poll::answer_bell;
        edges = poll::edges;
        companion = kernel_side::descriptor;
        ioctl = receive::ioctl;
        option_changed = opts::changed;
    }

    fn open(&self, s: &Sock) -> Result<()> {
        s.slot.state.store(state::CLOSE, Release);
        Ok(())
    }

    fn bind(&self, s: &Sock, address: &[u8]) -> Result<()> {
        naming::bind(s, address)
    }

    fn connect(&self, s: &Sock, address: &[u8], _nonblocking: bool) -> Result<()> {
        naming::connect(s, address)
    }

    fn getname(&self, s: &Sock, peer: bool) -> Result<Name> {
        let name = if peer { s.slot.peer() } else { s.slot.local() };
        if peer && !(s.slot.has(SlotFlags::PEER) && name.port != 0) {
            return Err(Errno::ENOTCONN);
        }
        // An address of one link only is told with the interface that the socket is bound to by now (inet6_getname).
        let scope = if address::needs_scope(name.ip) { opts::word(s.slot, opts::DEVICE) } else { 0 };
        Ok(Name { scope, ..name })
    }

    fn has_bell(&self, s: &Sock) -> bool {
        s.slot.has(SlotFlags::CALLED)
    }

    fn take_error(&self, s: &Sock) -> i32 {
        errors::take(s.slot).or_else(|| kernel_side::take_error(s)).map_or(0, Errno::raw)
    }

    fn set_option(&self, s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
        filter::set_option(s, level, name, value, length)
            .or_else(|| multicast::set_option(s, level, name, value, length))
    }

    fn get_option(&self, s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
        filter::get_option(s, level, name, at, length_at)
            .or_else(|| multicast::get_option(s, level, name, at, length_at))
    }

    fn release(&self, s: &Sock) {
        kernel_side::drop_companion(s.number);
        reuseport::let_go(s.arena, s.slot);
        let_go(s.arena, s.slot);
    }
}

/// Does an address that the network does not carry stay with an owned socket all the same, at bind and connect?
pub fn keeps(s: &Sock, name: &Name) -> bool {
    s.kind() == libc::SOCK_DGRAM && naming::keeps(s, name)
}

/// Gives back what a slot refers to.
fn let_go(arena: &'static Arena, slot: &'static Slot) {
    mailbox::close(arena, slot);
    for at in [place::FILTER, place::MEMBERS, place::ERRORS, place::CORK] {
        store::drop_all(arena, slot, at);
    }
}

/// Lets go of what a slot refers to, after its anchor is gone.
pub fn bury(arena: &'static Arena, slot: &'static Slot) {
    if slot.kind.load(Relaxed) == libc::SOCK_DGRAM as u32 {
        let_go(arena, slot);
    }
}

/// The socket's names changed, or what others look at when they choose a receiver.
fn changed(arena: &'static Arena, slot: &Slot) {
    slot.extra[place::CHANGES].fetch_add(1, Release);
    arena.header().name_changed(slot.local().port);
}

/// Takes a name in the table, with an automatic port for port 0. The slot's lock is held.
fn take_name(s: &Sock, name: Name) -> Result<()> {
    mailbox::open(s)?;
    ports::bind(&Names::lock(s.arena), Kind::Udp, s.number, s.slot, name)?;
    changed(s.arena, s.slot);
    Ok(())
}
