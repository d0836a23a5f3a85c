//! Points at which a test can have this process killed, before and after what other processes see: SOCKHOP__STOP=name:count
//! kills it when it comes to the point of that name for the count-th time (`scripts/crash-soak.sh`). Where no test asks,
//! a point costs one load.

use core::sync::atomic::{AtomicU32, Ordering::*};

use crate::kernel;

macro_rules! points {
    ($($(#[doc = $doc:literal])* $point:ident = $name:literal),* $(,)?) => {
        /// The points.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Point {
            /// Nowhere.
            None,
            $($(#[doc = $doc])* $point,)*
        }

        /// Their names.
        pub const NAMES: &[(&str, Point)] = &[$(($name, Point::$point)),*];
    };
}

points! {
    /// A lock in shared memory was taken.
    LockTaken = "lock-taken",
    /// Bytes are in the ring, nobody sees them yet.
    Produced = "produced",
    /// The reader can see them.
    Published = "published",
    /// The producer has a new chunk, which is linked to nothing.
    ChunkTaken = "chunk-taken",
    /// The old chunk names its successor.
    ChunkLinked = "chunk-linked",
    /// Bytes were copied out, the writer does not know.
    Consumed = "consumed",
    /// The writer can see the room.
    Freed = "freed",
    /// The consumer has entered the next chunk and not given back the old one.
    ChunkLeft = "chunk-left",
    /// A slot's number was taken.
    SlotTaken = "slot-taken",
    /// The slot is in use.
    SlotFilled = "slot-filled",
    /// The slot is about to be given back.
    SlotGiving = "slot-giving",
    /// It is free, but on no chain.
    SlotFreed = "slot-freed",
    /// A name's links are set, its bucket does not know it.
    NameLinked = "name-linked",
    /// The name is in the table.
    NameInserted = "name-inserted",
    /// A name is out of its chain, but marked as bound.
    NameUnlinked = "name-unlinked",
    /// The name is out.
    NameRemoved = "name-removed",
    /// The anchor is bound to its path.
    Called = "called",
    /// A connection has its shared state, and nobody who refers to it.
    ConnOpened = "conn-opened",
    /// The anchor is connected, the socket's state does not say so.
    Connected = "connected",
    /// The kernel gave a connection that has no slot yet.
    Accepted = "accepted",
    /// The accepted connection has a slot, the connector does not know.
    AcceptEntered = "accept-entered",
    /// The end of the stream is sent, the end is not marked as closed.
    FinSent = "fin-sent",
    /// The end is closed, its bells have not rung.
    Closed = "closed",
    /// A datagram is in the queue, nobody sees it yet.
    Queued = "queued",
    /// An entry of a shared epoll instance is written, its version is not.
    BoardWritten = "board-written",
    /// The network is marked as gone, its file is still there.
    NetworkDead = "network-dead",
}

/// The point that a test asked for.
static ASKED: AtomicU32 = AtomicU32::new(0);
static LEFT: AtomicU32 = AtomicU32::new(0);

/// At start: reads what a test asks for.
pub fn start() {
    let Some(text) = crate::config::var(c"SOCKHOP__STOP") else { return };
    let asked = text.split_once(':').and_then(|(name, count)| {
        let (_, point) = NAMES.iter().find(|(n, _)| *n == name)?;
        Some((*point, count.parse::<u32>().ok()?))
    });
    if let Some((point, count)) = asked {
        LEFT.store(count, Relaxed);
        ASKED.store(point as u32, Relaxed);
    }
}

/// This thread has come to a point.
#[inline(always)]
pub fn here(point: Point) {
    if ASKED.load(Relaxed) == point as u32 {
        come_to();
    }
}

#[cold]
#[inline(never)]
fn come_to() {
    if LEFT.fetch_sub(1, Relaxed) == 1 {
        kernel::die();
    }
}
