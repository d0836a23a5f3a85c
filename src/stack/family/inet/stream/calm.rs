//! A connection as those look at it who look often: a few loads tell what an established connection through rings has,
//! as long as nothing out of the ordinary happened to it.

use core::sync::atomic::Ordering::*;

use super::poll::{IN, OUT};
use super::{low_water, state};
use crate::shm::{Arena, Conn, Direction, End, EndState, Slot, SlotFlags};
use crate::socket::Sock;

/// The word of `Slot::extra` that names the socket which an epoll set told after this one: its number + 1 and the word of its
/// connection; 0 for none.
const TOLD_NEXT: usize = 27;

/// A socket that an epoll set watches is being read: the one that was told after it comes next.
#[inline]
pub fn expect_next(s: &Sock, end: &End) {
    let told = s.slot.extra[TOLD_NEXT].load(Relaxed);
    let next = s.arena.slot(((told >> 32) as u32).wrapping_sub(1));
    match next.zip(End::named(s.arena, told as u32)) {
        Some((slot, end)) => {
            slot.expect_use();
            end.expect_use();
        }
        None => end.tx().expect_write(),
    }
}

/// What can be kept of a connection from one look to the next. Each look finds out whether it still is the socket's.
#[derive(Clone, Copy)]
pub struct Calm {
    number: u32,
    slot: &'static Slot,
    conn: &'static Conn,
    own: &'static EndState,
    far: &'static EndState,
    rx: &'static Direction,
    tx: &'static Direction,
    arena: &'static Arena,
    generation: u32,
    conn_word: u32,
}

impl Calm {
    /// None: the socket is not connected through rings.
    #[inline]
    pub fn of(s: &Sock) -> Option<Calm> {
        let slot = s.slot;
        let (generation, conn_word) = (slot.generation.load(Relaxed), slot.conn_word());
        let end = s.end().filter(|end| end.mode == 0)?;
        let (own, far, rx, tx) = (end.own(), end.far(), end.rx(), end.tx());
        Some(Calm { number: s.number, slot, conn: end.conn, own, far, rx, tx, arena: s.arena, generation, conn_word })
    }

    /// Is it the same connection, and did nothing happen to it that a reader has to know of beside what arrives? Not 0 if
    /// not so.
    #[inline(always)]
    fn disturbed(&self) -> u64 {
        let slot = self.slot;
        let other = (slot.generation.load(Relaxed) ^ self.generation) | (slot.conn_word() ^ self.conn_word);
        let shut = slot.flags.load(Relaxed) & (SlotFlags::SHUT_RD | SlotFlags::SHUT_WR | SlotFlags::SLOW);
        let state = slot.state.load(Acquire) ^ state::ESTABLISHED;
        let error = slot.error.load(Acquire) as u32 | self.own.was_reset.load(Acquire);
        let over = self.own.reset.load(Acquire) as u32 | self.rx.sent.fin.load(Acquire);
        let alone = (self.far.slot.load(Relaxed) == 0) as u32;
        let special = self.own.zerocopy.load(Relaxed) | self.rx.shared.urgent.load(Relaxed);
        let beside = self.own.gated.load(Relaxed) | self.own.stamps.load(Relaxed);
        (other | shut | state | error | over | alone | beside | self.conn.mode.load(Relaxed)) as u64 | special
    }

    /// Is the connection established, with both directions open, no error, nothing urgent, nothing held back?
    #[inline(always)]
    fn holds(&self) -> bool {
        self.disturbed() | (self.tx.sent.fin.load(Acquire) | self.rx.shared.corked.load(Relaxed)) as u64 == 0
    }

    /// Would a look for `wanted` certainly find nothing, because nothing waits? What is held back waits, too.
    #[inline(always)]
    pub fn is_silent(&self, wanted: u32) -> bool {
        self.disturbed() | (wanted & OUT) as u64 | self.rx.stirs() as u64 == 0
    }

    /// Is what edges are told by certainly what it was?
    #[inline(always)]
    pub fn is_even(&self, seen: (u64, u64)) -> bool {
        let apart = self.told_by() ^ seen.0 | self.tx.full_count() ^ seen.1;
        apart == 0 && self.holds()
    }

    /// The number that changes with what arrives, of a connection that is calm.
    #[inline(always)]
    fn told_by(&self) -> u64 {
        let rx = self.rx;
        rx.written().min(rx.consumed().saturating_add(rx.window())) << 8 | 1
    }

    /// As [`crate::family::SocketOps::ready_for`]. None: something happened that only the whole look knows of. A reader
    /// is told by what the far side writes alone: the line by which it tells of room is left in peace.
    #[inline]
    pub fn ready_for(&self, wanted: u32) -> Option<u32> {
        if !self.holds() {
            return None;
        }
        let (rx, mut events) = (self.rx, 0);
        if rx.stirs() && rx.buffered() >= low_water(self.slot) as u64 {
            rx.expect_read(self.arena);
            events = IN;
        }
        if wanted & OUT != 0 {
            let tx = self.tx;
            let roomy = tx.room() >= tx.shared.capacity.load(Relaxed) / 3;
            events |= if roomy || self.far.closed.load(Acquire) != 0 { OUT } else { 0 };
        }
        Some(events)
    }

    /// As [`crate::family::SocketOps::edges`]; None as for [`Calm::ready_for`].
    #[inline]
    pub fn edges(&self) -> Option<(u64, u64)> {
        let told_by = self.told_by();
        self.holds().then(|| (told_by, self.tx.full_count()))
    }

    /// As [`crate::family::SocketOps::waits_since`].
    #[inline(always)]
    pub fn waits_since(&self, seen: u64) -> u64 {
        self.rx.waits_since(seen >> 8)
    }

    /// The socket that is told next after this one: most likely it is used next, too.
    #[inline]
    pub fn is_followed_by(&self, next: Option<&Calm>) {
        let told = next.map_or(0, |next| (next.number as u64 + 1) << 32 | next.conn_word as u64);
        self.slot.extra[TOLD_NEXT].store(told, Relaxed);
    }

    /// The next look comes soon: has the line that the far side writes fetched meanwhile.
    #[inline(always)]
    pub fn expect_look(&self) {
        self.rx.expect_look();
    }
}
