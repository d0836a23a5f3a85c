//! A slot: everything about one socket that its processes share.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use super::arena::Arena;
use super::lock::ShmLock;
use crate::abi::{Errno, Name, Result, NAME_WORDS};
use crate::kernel::Status;
use crate::stop::{self, Point};

/// Words for the values of socket options.
pub const OPTION_WORDS: usize = 128;

/// Bits of [`Slot::flags`].
#[allow(non_snake_case)]
pub mod SlotFlags {
    /// O_NONBLOCK is set on the open file description.
    pub const NONBLOCK: u32 = 1;
    /// shutdown(SHUT_RD) was called.
    pub const SHUT_RD: u32 = 2;
    /// shutdown(SHUT_WR) was called.
    pub const SHUT_WR: u32 = 4;
    /// The slot stands in the table of names.
    pub const BOUND: u32 = 8;
    /// bind(2) chose the address (SOCK_BINDADDR_LOCK).
    pub const ADDRESS_LOCKED: u32 = 16;
    /// bind(2) chose the port (SOCK_BINDPORT_LOCK).
    pub const PORT_LOCKED: u32 = 32;
    /// The anchor carries the name of a connection.
    pub const NAMED: u32 = 64;
    /// The anchor carries the name that others reach it by; see `network::called`.
    pub const CALLED: u32 = 128;
    /// O_ASYNC is set.
    pub const ASYNC: u32 = 256;
    /// The first success of a non-blocking connect was not told yet by connect(2).
    pub const CONNECT_UNTOLD: u32 = 512;
    /// Another process may hold the socket as well.
    pub const SHARED: u32 = 1024;
    /// TCP_CORK's and UDP_CORK's state is on.
    pub const CORKED: u32 = 2048;
    /// An epoll set watches the socket, or did.
    pub const WATCHED: u32 = 8192;
    /// Sending or receiving has more to do than to move bytes; see `stream::slow`.
    pub const SLOW: u32 = 65536;
    /// The time stamps of sent bytes are numbered (SOF_TIMESTAMPING_OPT_ID).
    pub const STAMPS_COUNT: u32 = 32768;
    /// A peer was named by connect(2).
    pub const PEER: u32 = 4096;
    /// Ears were entered beside the slot; see `stack::ears`.
    pub const HEARD: u32 = 16384;
}

/// One socket. All fields are atomics; multi-word ones are read and written under `lock`.
#[repr(C, align(64))]
pub struct Slot {
    /// Chain of free slots.
    pub(super) link: AtomicU32,
    /// Odd while the slot is in use; grows with each life.
    pub generation: AtomicU32,
    /// Descriptors and messages in flight that hold the socket: an upper bound, since a kill leaves its count behind.
    pub refs: AtomicU32,
    /// See [`SlotFlags`].
    pub flags: AtomicU32,
    /// The anchor's inode number: how a process finds its sockets again, and how the kernel is asked whether it lives.
    pub inode: AtomicU64,
    /// The TCP state or 0; see `family::inet::state`.
    pub state: AtomicU32,
    /// The connection's number + 1, 0 for none; the top bit is the side.
    conn: AtomicU32,
    /// SO_ERROR: an errno that waits, 0 for none.
    pub error: AtomicI32,
    /// AF_INET or AF_INET6.
    pub family: AtomicU32,
    /// SOCK_STREAM or SOCK_DGRAM.
    pub kind: AtomicU32,
    /// IPPROTO_TCP or IPPROTO_UDP.
    pub protocol: AtomicU32,
    /// Guards names and transitions.
    pub lock: ShmLock,
    /// Next in the bucket of names: number + 1.
    pub next_bound: AtomicU32,
    /// The one before it: number + 1, 0 when the bucket's head points here.
    pub prev_bound: AtomicU32,
    /// Which table and bucket, valid while BOUND.
    pub bucket: AtomicU32,
    /// The receive queue's chunk (datagrams), or NO_CHUNK.
    pub queue: AtomicU32,
    local: [AtomicU32; NAME_WORDS],
    peer: [AtomicU32; NAME_WORDS],
    /// Options by index of the table in `options`.
    pub options: [AtomicU32; OPTION_WORDS],
    /// Which options the program set: what a hand-over to the kernel repeats.
    pub options_set: [AtomicU64; 2],
    /// The uid that made the socket (SO_REUSEPORT compares it).
    pub uid: AtomicU32,
    /// The process that made it, for `sockhop ls`.
    pub pid: AtomicU32,
    /// Order of binding, for those lookups in which the last one wins.
    pub bound_order: AtomicU64,
    /// How many threads sleep on this socket among others (poll and its kin), everywhere.
    pub sleepers: AtomicU32,
    /// What all sleepers but the first sleep on; see [`crate::bell::Seats`]. Datagram receivers all sleep here.
    pub wake: AtomicU32,
    /// F_SETOWN's value.
    pub owner: AtomicI32,
    /// What `owner` is; see `stack::owner`.
    pub owner_kind: AtomicU32,
    /// F_SETSIG's value, 0 for SIGIO.
    pub owner_signal: AtomicU32,
    /// When the kernel was last asked whether the peer lives (`wait::ask_now_and_then`).
    pub asked: AtomicU32,
    /// The thread that sleeps on the anchor; see [`crate::bell::Seats`].
    pub first_sleeper: AtomicU32,
    /// Not 0: others may sleep on `wake`.
    pub other_sleepers: AtomicU32,
    /// The network namespace that the anchor was made in; see `kernel::network_namespace`.
    pub network_namespace: AtomicU32,
    /// For the protocol's own use.
    pub extra: [AtomicU64; 32],
}

const _: () = assert!(core::mem::size_of::<Slot>() == 1024);

impl Slot {
    /// A slot for the new socket that `anchor` is, with the lock free, every option 0, one reference.
    ///
    /// Errors: ENOBUFS when the arena is full.
    pub fn take(arena: &'static Arena, anchor: &Status, family: i32, kind: i32, protocol: i32) -> Result<u32> {
        let number = arena.take_slot().ok_or(Errno::ENOBUFS)?;
        let slot = arena.slot(number).ok_or(Errno::ENOBUFS)?;
        stop::here(Point::SlotTaken);
        slot.lock.reset();
        slot.refs.store(1, Relaxed);
        for word in [&slot.flags, &slot.state, &slot.conn, &slot.next_bound, &slot.prev_bound, &slot.bucket] {
            word.store(0, Relaxed);
        }
        for word in [&slot.sleepers, &slot.wake, &slot.asked, &slot.first_sleeper, &slot.other_sleepers] {
            word.store(0, Relaxed);
        }
        slot.queue.store(super::NO_CHUNK, Relaxed);
        slot.error.store(0, Relaxed);
        slot.owner.store(0, Relaxed);
        slot.owner_kind.store(0, Relaxed);
        slot.owner_signal.store(0, Relaxed);
        slot.family.store(family as u32, Relaxed);
        slot.kind.store(kind as u32, Relaxed);
        slot.protocol.store(protocol as u32, Relaxed);
        slot.options.iter().for_each(|o| o.store(0, Relaxed));
        slot.options_set.iter().for_each(|o| o.store(0, Relaxed));
        slot.extra.iter().for_each(|o| o.store(0, Relaxed));
        slot.pid.store(crate::process::pid(), Relaxed);
        slot.uid.store(anchor.uid, Relaxed);
        slot.network_namespace.store(crate::kernel::network_namespace(), Relaxed);
        slot.set_local(Name::any(family));
        slot.set_peer(Name::any(family));
        slot.inode.store(anchor.inode, Relaxed);
        // Counted first and let go of last: a process that is killed in between leaves the count too high, never too low.
        arena.header().live.fetch_add(1, SeqCst);
        slot.generation.fetch_add(1, Release);
        stop::here(Point::SlotFilled);
        Ok(number)
    }

    /// Gives the slot back. Its last user calls this, after everything that it refers to was let go.
    pub fn give(&'static self, arena: &'static Arena, number: u32) {
        stop::here(Point::SlotGiving);
        self.inode.store(0, Relaxed);
        self.generation.fetch_add(1, Release);
        let _ = arena.header().live.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
        stop::here(Point::SlotFreed);
        arena.give_slot(number, &self.link);
    }

    /// Is the slot in use?
    pub fn in_use(&self) -> bool {
        self.generation.load(Acquire) & 1 == 1
    }

    /// Is it in use, in this life?
    pub fn is_life(&self, generation: u32) -> bool {
        generation & 1 == 1 && self.generation.load(Acquire) == generation
    }

    /// Are all of these flags set?
    #[inline]
    pub fn has(&self, flags: u32) -> bool {
        self.flags.load(Relaxed) & flags == flags
    }

    /// Sets flags.
    pub fn set(&self, flags: u32) {
        self.flags.fetch_or(flags, AcqRel);
    }

    /// Clears flags.
    pub fn clear(&self, flags: u32) {
        self.flags.fetch_and(!flags, AcqRel);
    }

    /// The local name, as the socket's family writes it.
    pub fn local(&self) -> Name {
        load(&self.local)
    }

    /// The peer's name.
    pub fn peer(&self) -> Name {
        load(&self.peer)
    }

    /// Sets the local name.
    pub fn set_local(&self, name: Name) {
        store(&self.local, name);
    }

    /// Sets the peer's name.
    pub fn set_peer(&self, name: Name) {
        store(&self.peer, name);
    }

    /// The connection's number and this end's side.
    #[inline]
    pub fn conn(&self) -> Option<(u32, usize)> {
        let word = self.conn.load(Acquire);
        (word != 0).then(|| ((word & 0x7fff_ffff) - 1, (word >> 31) as usize))
    }

    /// The connection and the side as one word that changes with them.
    #[inline]
    pub fn conn_word(&self) -> u32 {
        self.conn.load(Acquire)
    }

    /// Ties the socket to a side of a connection, or to none.
    pub fn set_conn(&self, conn: Option<(u32, usize)>) {
        self.conn.store(conn.map_or(0, |(n, side)| (n + 1) | (side as u32) << 31), Release);
    }

    /// Takes the waiting error.
    pub fn take_error(&self) -> Option<Errno> {
        if self.error.load(Relaxed) == 0 {
            return None;
        }
        match self.error.swap(0, AcqRel) {
            0 => None,
            e => Some(Errno::from_shared(e)),
        }
    }
}

fn load(words: &[AtomicU32; NAME_WORDS]) -> Name {
    let mut plain = [0; NAME_WORDS];
    plain.iter_mut().zip(words).for_each(|(p, w)| *p = w.load(Relaxed));
    Name::from_words(plain)
}

fn store(words: &[AtomicU32; NAME_WORDS], name: Name) {
    words.iter().zip(name.to_words()).for_each(|(w, p)| w.store(p, Relaxed));
}
