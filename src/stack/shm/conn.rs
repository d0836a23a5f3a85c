//! A connection: what its two ends share.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use super::arena::Arena;
use super::chunk::{Chunk, NO_CHUNK};
use super::lock::ShmLock;
use crate::abi::{Name, NAME_WORDS};

/// One direction of a connection. The lines are grouped by who writes them, one cache line each, so that the producer's
/// stores do not take the line that the consumer works on (figures: false sharing costs a factor of 4).
#[repr(C, align(64))]
pub struct Direction {
    /// Stream position up to which bytes are there. Only the producer's side writes this line.
    pub(super) tail: AtomicU64,
    pub(super) producer: ShmLock,
    pub(super) producer_chunk: AtomicU32,
    pub(super) producer_base: AtomicU64,
    pub(super) head_seen: AtomicU64,
    /// The end of the stream was sent (FIN).
    pub fin: AtomicU32,
    /// Ring the consumer's bell: it sleeps or is watched. Set by the consumer, cleared by whoever rings.
    pub reader_armed: AtomicU32,
    /// Milliseconds of the monotonic clock at the last write.
    pub written_ms: AtomicU64,
    /// How often the producer found no room.
    full: AtomicU32,
    _pad0: [AtomicU32; 3],

    /// Stream position up to which bytes were taken. Only the consumer's side writes this line.
    pub(super) head: AtomicU64,
    pub(super) consumer: ShmLock,
    pub(super) consumer_chunk: AtomicU32,
    pub(super) consumer_base: AtomicU64,
    pub(super) tail_seen: AtomicU64,
    /// The receiver was told of the end of the stream.
    pub fin_read: AtomicU32,
    /// Ring the producer's bell: it sleeps or is watched.
    pub writer_armed: AtomicU32,
    /// Milliseconds of the monotonic clock at the last read.
    pub read_ms: AtomicU64,
    _pad1: [AtomicU32; 4],

    /// Position + 1 of the urgent byte (RFC 6093); 0 for none.
    pub urgent: AtomicU64,
    /// The urgent byte was taken with MSG_OOB.
    pub urgent_taken: AtomicU32,
    /// Bytes that TCP_CORK or MSG_MORE hold back: the consumer sees the stream up to `tail - corked`.
    pub corked: AtomicU32,
    /// How many bytes may wait in this direction: SO_SNDBUF of the one end and SO_RCVBUF of the other.
    pub capacity: AtomicU64,
    /// How long a write took to be read, smoothed, in nanoseconds.
    pub rtt_ns: AtomicU64,
    /// send calls, for TCP_INFO.
    pub segments: AtomicU64,
    /// When bytes were first held back, in milliseconds of the monotonic clock.
    pub corked_ms: AtomicU64,
    _pad2: [AtomicU64; 2],
}

/// In [`EndState::closed`]: the last descriptor of the end was closed.
pub const CLOSED: u32 = 1;
/// In [`EndState::closed`]: both directions were shut down, so that bytes that still come are answered by a reset.
pub const DEAF: u32 = 2;

/// One end's part of the state.
#[repr(C, align(64))]
pub struct EndState {
    /// [`CLOSED`] and [`DEAF`]: what makes bytes that are sent to this end pointless.
    pub closed: AtomicU32,
    /// This end was reset by the other one: the errno that waits, 0 for none.
    pub reset: AtomicI32,
    /// The end was reset (stays, where `reset` is taken by the call that reports it).
    pub was_reset: AtomicU32,
    /// Number of this end's slot + 1, 0 while it has none.
    pub slot: AtomicU32,
    /// SO_REUSEADDR (1), SO_REUSEPORT (2), IPV6_V6ONLY (4) when the end was closed: TIME_WAIT keeps them.
    pub reuse: AtomicU32,
    _pad: [AtomicU32; 11],
}

/// In [`Conn::mode`]: bytes go through the anchors instead of rings.
pub const PLAIN: u32 = 1;
/// In [`Conn::mode`]: the socket is connected to itself, so what it sends is what it receives.
pub const SELF: u32 = 2;

/// A connection.
#[repr(C, align(64))]
pub struct Conn {
    /// Chain of free ones.
    pub(super) link: AtomicU32,
    /// Grows with each life, so that a stale reference is told apart.
    pub generation: AtomicU32,
    /// Ends that still refer to it.
    pub(super) refs: AtomicU32,
    /// [`PLAIN`] and [`SELF`].
    pub mode: AtomicU32,
    _pad: [AtomicU32; 12],
    /// The connector's name, then the one that it connected to.
    names: [[AtomicU32; NAME_WORDS]; 2],
    /// State of the connector (0) and the acceptor (1).
    pub ends: [EndState; 2],
    /// The way from the connector to the acceptor (0) and back (1).
    pub ways: [Direction; 2],
}

const _: () = assert!(core::mem::size_of::<Direction>() == 192);
const _: () = assert!(core::mem::size_of::<Conn>() == 64 + 64 + 128 + 384);

/// One side of a connection, with everything that this side uses.
#[derive(Clone, Copy)]
pub struct End {
    /// The connection.
    pub conn: &'static Conn,
    /// 0 for the connector, 1 for the acceptor.
    pub side: usize,
    /// [`Conn::mode`] as it was when the end was looked up.
    pub mode: u32,
}

impl End {
    /// A side of a connection.
    #[inline]
    pub fn new(conn: &'static Conn, side: usize) -> End {
        End { conn, side, mode: conn.mode.load(Acquire) }
    }

    fn other(&self) -> usize {
        if self.mode & SELF != 0 {
            self.side
        } else {
            1 - self.side
        }
    }

    /// What this end sends.
    #[inline]
    pub fn tx(&self) -> &'static Direction {
        &self.conn.ways[self.side]
    }

    /// What this end receives.
    #[inline]
    pub fn rx(&self) -> &'static Direction {
        &self.conn.ways[self.other()]
    }

    /// This end's own state.
    #[inline]
    pub fn own(&self) -> &'static EndState {
        &self.conn.ends[self.side]
    }

    /// The other end's state.
    #[inline]
    pub fn far(&self) -> &'static EndState {
        &self.conn.ends[self.other()]
    }

    /// The same connection seen from the other end.
    pub fn opposite(&self) -> End {
        End { side: self.other(), ..*self }
    }
}

impl Conn {
    /// A new connection for two ends, with a small chunk for each way unless the bytes go through the anchors.
    pub fn open(arena: &'static Arena, plain: bool) -> Option<u32> {
        let number = arena.take_conn()?;
        let conn = arena.conn(number)?;
        conn.generation.fetch_add(1, Relaxed);
        conn.refs.store(2, Relaxed);
        for end in &conn.ends {
            end.closed.store(0, Relaxed);
            end.reset.store(0, Relaxed);
            end.was_reset.store(0, Relaxed);
            end.slot.store(0, Relaxed);
            end.reuse.store(0, Relaxed);
        }
        let mut ringed = !plain;
        for way in &conn.ways {
            let chunk = if ringed { Chunk::take(arena, 0) } else { None };
            ringed &= chunk.is_some();
            way.start(chunk.map_or(NO_CHUNK, Chunk::name));
        }
        // With no memory for a ring the bytes go through the anchors: plain is the net below (design, invariant 3).
        conn.mode.store(if ringed { 0 } else { PLAIN }, Release);
        Some(number)
    }

    /// Writes down both names: the connector's and the one that it connects to.
    pub fn set_names(&self, from: Name, to: Name) {
        for (words, name) in self.names.iter().zip([from, to]) {
            words.iter().zip(name.to_words()).for_each(|(w, p)| w.store(p, Relaxed));
        }
    }

    /// The names of [`Conn::set_names`].
    pub fn names(&self) -> (Name, Name) {
        let read = |words: &[AtomicU32; NAME_WORDS]| Name::from_words(core::array::from_fn(|i| words[i].load(Relaxed)));
        (read(&self.names[0]), read(&self.names[1]))
    }

    /// One end lets go; the last one gives the memory back.
    pub fn release(&'static self, arena: &'static Arena, number: u32) {
        if self.refs.fetch_update(AcqRel, Acquire, |n| n.checked_sub(1)) == Ok(1) {
            self.generation.fetch_add(1, Relaxed);
            for way in &self.ways {
                way.free(arena);
            }
            arena.give_conn(number, &self.link);
        }
    }
}

impl Direction {
    /// The producer found no room: whoever watches for room has an edge coming.
    pub fn count_full(&self) {
        self.full.fetch_add(1, AcqRel);
    }

    /// How often the producer found no room.
    pub fn full_count(&self) -> u64 {
        self.full.load(Acquire) as u64
    }

    /// Counts bytes that went through the anchors instead of the ring, so that both ways share their arithmetic.
    pub fn count_written(&self, n: usize) {
        self.tail.fetch_add(n as u64, AcqRel);
    }

    /// Counts bytes that were read from the anchor.
    pub fn count_read(&self, n: usize) {
        self.head.fetch_add(n as u64, AcqRel);
    }

    fn start(&self, chunk: u32) {
        for counter in [&self.tail, &self.producer_base, &self.head_seen, &self.head, &self.consumer_base, &self.tail_seen] {
            counter.store(0, Relaxed);
        }
        for word in [&self.fin, &self.reader_armed, &self.fin_read, &self.writer_armed, &self.urgent_taken, &self.corked] {
            word.store(0, Relaxed);
        }
        for wide in [&self.written_ms, &self.read_ms, &self.urgent, &self.rtt_ns, &self.segments, &self.corked_ms] {
            wide.store(0, Relaxed);
        }
        self.capacity.store(0, Relaxed);
        self.producer.reset();
        self.consumer.reset();
        self.producer_chunk.store(chunk, Relaxed);
        self.consumer_chunk.store(chunk, Relaxed);
    }

    /// Gives back the chunks from the one being read to the one being written.
    fn free(&self, arena: &'static Arena) {
        let mut name = self.consumer_chunk.swap(NO_CHUNK, AcqRel);
        // Bounded: a spoilt chain must not keep us here.
        for _ in 0..64 {
            let Some(chunk) = Chunk::from_name(name) else { break };
            let meta = chunk.meta(arena);
            name = if meta.end.load(Acquire) == u64::MAX { NO_CHUNK } else { meta.next.load(Acquire) };
            chunk.give(arena);
        }
        self.producer_chunk.store(NO_CHUNK, Release);
    }
}
