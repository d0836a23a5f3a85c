//! A connection: what its two ends share.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use super::arena::Arena;
use super::chunk::{Chunk, NO_CHUNK};
use super::lock::ShmLock;
use super::straight::Straight;
use crate::abi::{Name, NAME_WORDS};
use crate::kernel;

/// One direction of a connection. Fields are grouped into cache lines by who writes them and who looks at them: what the
/// far side polls stands alone, so that this side's lock and notes never wait for a line that is being polled (figures:
/// false sharing costs a factor of 4).
#[repr(C)]
pub struct Direction {
    /// The producer's word to the consumer.
    pub sent: Sent,
    /// The consumer's word to the producer.
    pub taken: Taken,
    pub(super) producer: Producer,
    pub(super) consumer: Consumer,
    /// What both change now and then.
    pub shared: Shared,
}

/// The line that the consumer polls.
#[repr(C, align(64))]
pub struct Sent {
    /// Stream position up to which bytes are there.
    pub(super) tail: AtomicU64,
    /// The end of the stream was sent (FIN).
    pub fin: AtomicU32,
    /// Position + 1 of a byte that reading passes over: an urgent one that the next took the place of while the reader stood
    /// before it. 0 for none.
    pub pass_over: AtomicU64,
    /// When the last write came, by the processor's counter, and at which position; see `super::turn`.
    pub(super) came: AtomicU64,
    pub(super) came_at: AtomicU64,
    /// When the one before it came.
    pub(super) came_before: AtomicU64,
}

/// The line that the producer polls when the ring is full. The consumer writes it with every read, so what it looks at
/// with every read stands here, too, and not beside what the producer writes all the time.
#[repr(C, align(64))]
pub struct Taken {
    /// Stream position up to which bytes were taken.
    pub(super) head: AtomicU64,
    /// A position whose way is being timed, and when it was written; 0 when none is. See `super::pace`.
    pub(super) probe: AtomicU64,
    pub(super) probe_ns: AtomicU64,
    /// How many bytes were on their way when it was written.
    pub(super) probe_bytes: AtomicU64,
}

/// The producer's own notes.
#[repr(C, align(64))]
pub(super) struct Producer {
    pub lock: ShmLock,
    pub chunk: AtomicU32,
    pub base: AtomicU64,
    pub head_seen: AtomicU64,
    /// Segments, for TCP_INFO and to choose which are timed.
    pub segments: AtomicU64,
    /// When the last one was written, by the processor's counter.
    pub stamp: AtomicU64,
    pub straight: Straight,
}

/// The consumer's own notes.
#[repr(C, align(64))]
pub(super) struct Consumer {
    pub lock: ShmLock,
    pub chunk: AtomicU32,
    pub base: AtomicU64,
    pub tail_seen: AtomicU64,
    pub straight: Straight,
    /// Looks in a row that found little or nothing, without a write of this end in between.
    pub lean: AtomicU32,
    /// The shortest time that a timed write took to be read, in nanoseconds; 0 before the first.
    pub least_rtt_ns: AtomicU32,
    /// Bytes per second, as the last timed write was read.
    pub rate: AtomicU64,
}

/// What both sides look at and rarely change.
#[repr(C, align(64))]
pub struct Shared {
    /// Ring the consumer's bell: it sleeps or is watched. Set by the consumer, cleared by whoever rings.
    pub reader_armed: AtomicU32,
    /// The consumer has O_ASYNC set: ring for each write.
    pub reader_async: AtomicU32,
    /// Ring the producer's bell: it sleeps or is watched.
    pub writer_armed: AtomicU32,
    /// How many of the bytes that wait are the consumer's: its SO_RCVBUF. The rest is the producer's still.
    window: AtomicU32,
    /// Position + 1 of the urgent byte (RFC 6093); 0 for none.
    pub urgent: AtomicU64,
    /// The urgent byte was taken with MSG_OOB.
    pub urgent_taken: AtomicU32,
    /// Bytes that TCP_CORK or MSG_MORE hold back: the consumer sees the stream up to `tail - corked`.
    pub corked: AtomicU32,
    /// When bytes were first held back, in milliseconds of the monotonic clock.
    pub corked_ms: AtomicU64,
    /// How many bytes may wait in this direction: SO_SNDBUF of the one end and SO_RCVBUF of the other.
    pub capacity: AtomicU64,
    /// How often the producer found no room.
    full: AtomicU32,
    /// The receiver was told of the end of the stream.
    pub fin_read: AtomicU32,
    /// How long a timed write takes to be read, and how much that varies (RFC 6298), in nanoseconds.
    pub(super) rtt_ns: AtomicU32,
    pub(super) rtt_var_ns: AtomicU32,
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
    /// The entry of `names::timewait` that the end, which is gone, left behind; 0 for none.
    pub time_wait: AtomicU32,
    /// The end sent its end of stream before the other one's came.
    pub first: AtomicU32,
    /// Sends with MSG_ZEROCOPY: how many, and in the upper half how many were told of.
    pub zerocopy: AtomicU64,
    /// The stream position up to which the end's filter lets through what came; see `stream::filter`. While it connects, the
    /// time since when, in nanoseconds.
    pub gate: AtomicU64,
    /// When what the filter dropped comes again, in nanoseconds of the monotonic clock; 0 when nothing was dropped.
    pub gate_next: AtomicU64,
    /// How often it came in vain.
    pub gate_tries: AtomicU32,
    /// The end has a filter.
    pub gated: AtomicU32,
    /// How many time stamps of sent bytes were queued.
    pub stamps: AtomicU32,
    /// TCP_SAVE_SYN as it was when the connection was accepted, until TCP_SAVED_SYN was read.
    pub syn: AtomicU32,
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
    /// Until when the listener does not see the connection without data (TCP_DEFER_ACCEPT), 0 when it does.
    pub deferred_ns: AtomicU64,
    /// The slot + 1 of the listener that it is or was kept from, 0 for none.
    pub deferred_to: AtomicU32,
    _pad: [AtomicU32; 9],
    /// The connector's name, then the one that it connected to.
    names: [[AtomicU32; NAME_WORDS]; 2],
    /// State of the connector (0) and the acceptor (1).
    pub ends: [EndState; 2],
    /// The way from the connector to the acceptor (0) and back (1).
    pub ways: [Direction; 2],
}

const _: () = assert!(core::mem::size_of::<Direction>() == 320);
const _: () = assert!(core::mem::size_of::<Conn>() == 64 + 64 + 128 + 640);

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

    /// The end that the word of a slot names; see [`super::Slot::conn_word`].
    #[inline]
    pub fn named(arena: &'static Arena, word: u32) -> Option<End> {
        arena.conn((word & !(1 << 31)).wrapping_sub(1)).map(|conn| End::new(conn, (word >> 31) as usize))
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
        conn.deferred_ns.store(0, Relaxed);
        conn.deferred_to.store(0, Relaxed);
        for end in &conn.ends {
            end.closed.store(0, Relaxed);
            end.reset.store(0, Relaxed);
            end.was_reset.store(0, Relaxed);
            end.slot.store(0, Relaxed);
            end.time_wait.store(0, Relaxed);
            end.first.store(0, Relaxed);
            end.zerocopy.store(0, Relaxed);
            end.gate.store(0, Relaxed);
            end.gate_next.store(0, Relaxed);
            [&end.gate_tries, &end.gated, &end.stamps, &end.syn].into_iter().for_each(|w| w.store(0, Relaxed));
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
    /// The consumer will look soon: has the line that the producer writes fetched meanwhile.
    #[inline]
    pub fn expect_look(&self) {
        super::ahead::prefetch(&self.sent);
    }

    /// Bytes that wait and that the consumer's buffer has no room for.
    #[inline]
    pub fn beyond(&self) -> u64 {
        self.buffered().saturating_sub(self.window())
    }

    /// How many bytes the consumer's buffer holds.
    #[inline]
    pub fn window(&self) -> u64 {
        self.shared.window.load(Relaxed) as u64
    }

    /// The buffers of both ends hold so much.
    pub fn set_capacity(&self, producer: u64, consumer: u64) {
        self.shared.window.store(consumer.min(u32::MAX as u64) as u32, Release);
        self.shared.capacity.store(producer + consumer, Release);
    }

    /// The producer found no room: whoever watches for room has an edge coming.
    pub fn count_full(&self) {
        self.shared.full.fetch_add(1, AcqRel);
    }

    /// How often the producer found no room.
    pub fn full_count(&self) -> u64 {
        self.shared.full.load(Acquire) as u64
    }

    /// Counts bytes that went through the anchors instead of the ring, so that both ways share their arithmetic.
    pub fn count_written(&self, n: usize) {
        let ticks = kernel::ticks();
        self.comes(self.sent.tail.load(Relaxed), ticks);
        let tail = self.sent.tail.fetch_add(n as u64, AcqRel) + n as u64;
        self.probe(tail, n as u64, ticks);
    }

    /// Counts bytes that were read from the anchor.
    pub fn count_read(&self, n: usize) {
        let head = self.taken.head.fetch_add(n as u64, AcqRel) + n as u64;
        self.probed(head);
    }

    fn start(&self, chunk: u32) {
        self.words().iter().for_each(|word| word.store(0, Relaxed));
        self.producer.chunk.store(chunk, Relaxed);
        self.consumer.chunk.store(chunk, Relaxed);
    }

    /// All of it as plain words, of which a new life needs every one to be 0.
    #[allow(unsafe_code)]
    fn words(&self) -> &[AtomicU64; size_of::<Direction>() / 8] {
        // SAFETY: a Direction consists of atomics and of padding, which nobody reads, and is aligned for larger words.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// Gives back the chunks from the one being read to the one being written.
    fn free(&self, arena: &'static Arena) {
        let mut name = self.consumer.chunk.swap(NO_CHUNK, AcqRel);
        // Bounded: a spoilt chain must not keep us here.
        for _ in 0..super::ring::LONGEST_CHAIN {
            let Some(chunk) = Chunk::from_name(name) else { break };
            let meta = chunk.meta(arena);
            name = if meta.end.load(Acquire) == u64::MAX { NO_CHUNK } else { meta.next.load(Acquire) };
            chunk.give(arena);
        }
        self.producer.chunk.store(NO_CHUNK, Release);
    }
}
