//! The receive queue of a socket: a chain of chunks, usually of one, that grows as it is needed.

use core::sync::atomic::Ordering::*;

use super::place::READING;
use crate::abi::{Errno, Result};
use crate::shm::{Arena, Chunk, Found, Packed, Payload, Push, Queue, Slot, Span, CLASS_SIZES, NO_CHUNK};
use crate::socket::Sock;

/// No chain is followed further than this, whatever a peer wrote into it.
const LONGEST_CHAIN: usize = 64;
/// About five microseconds, within which a sender without rest fills a quarter of a queue.
const GATHER_PAUSES: u32 = 100;

/// Makes sure that the socket has a queue.
pub fn open(s: &Sock) -> Result<()> {
    if s.slot.queue.load(Acquire) != NO_CHUNK {
        return Ok(());
    }
    let queue = Queue::make(s.arena, 0).ok_or(Errno::ENOBUFS)?;
    s.slot.extra[READING].store(queue.name() as u64 + 1, Release);
    s.slot.queue.store(queue.name(), Release);
    Ok(())
}

/// The chunk that consumers read.
#[inline]
pub fn reading(arena: &'static Arena, slot: &Slot) -> Option<Queue> {
    Queue::open(arena, (slot.extra[READING].load(Acquire) as u32).wrapping_sub(1))
}

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// It is in the queue.
    Done,
    /// The queue is full, or there is no memory.
    Full,
    /// The socket is not there any more.
    Gone,
    /// The payload could not be read.
    Fault,
}

/// Puts a datagram into a socket's queue. `generation` is the life of the slot that is meant.
#[inline]
pub fn put(
    arena: &'static Arena,
    slot: &Slot,
    generation: u32,
    budget: u64,
    record: &Packed,
    mut fill: impl FnMut(Span) -> usize,
) -> Delivered {
    for _ in 0..1000 {
        let name = slot.queue.load(Acquire);
        let Some(queue) = Queue::open(arena, name) else { return Delivered::Gone };
        let valid = || slot.queue.load(Acquire) == name && slot.generation.load(Acquire) == generation;
        let left = if slot.extra[READING].load(Relaxed) as u32 == name.wrapping_add(1) {
            budget
        } else {
            budget.saturating_sub(earlier(arena, slot, name))
        };
        match queue.push(record, left, valid, &mut fill) {
            Push::Done => return Delivered::Done,
            Push::Fault => return Delivered::Fault,
            Push::Full => return Delivered::Full,
            Push::NoRoom => {
                if !grow(arena, slot, &queue, record.length()) {
                    return Delivered::Full;
                }
                true
            }
            Push::Moved(NO_CHUNK) => return Delivered::Gone,
            Push::Moved(next) => {
                let _ = slot.queue.compare_exchange(name, next, AcqRel, Relaxed);
                true
            }
            Push::Stale if slot.generation.load(Acquire) != generation => return Delivered::Gone,
            Push::Stale => true,
        };
    }
    Delivered::Full
}

/// A queue is full because somebody stopped in the middle of a datagram, and all else was read: it goes on elsewhere.
pub fn pass_by(arena: &'static Arena, slot: &Slot) {
    if let Some(queue) = Queue::open(arena, slot.queue.load(Acquire)).filter(Queue::stuck) {
        grow(arena, slot, &queue, 0);
    }
}

/// What waits in the chunks before the one of this name is charged for.
#[cold]
fn earlier(arena: &'static Arena, slot: &Slot, name: u32) -> u64 {
    let mut total = 0;
    let mut at = reading(arena, slot);
    for _ in 0..LONGEST_CHAIN {
        let Some(queue) = at.filter(|q| q.name() != name) else { break };
        total += queue.charged();
        at = queue.next().and_then(|next| Queue::open(arena, next));
    }
    total
}

/// Has the queue go on in a larger chunk, in which a datagram of `length` bytes fits.
#[cold]
fn grow(arena: &'static Arena, slot: &Slot, from: &Queue, length: usize) -> bool {
    let largest = CLASS_SIZES.len() - 1;
    let class = (from.class() + 1..largest).find(|&c| Queue::fits(c, length)).unwrap_or(largest);
    let Some(new) = Queue::make(arena, class) else { return false };
    let stands = from.end(new.name());
    if stands != new.name() {
        new.give();
    }
    let _ = slot.queue.compare_exchange(from.name(), stands, AcqRel, Relaxed);
    true
}

/// Asks whether there is most likely a datagram to take: looks at nothing that senders use besides, and may be asked often.
/// None: there is no queue.
#[inline]
pub fn watcher(s: &Sock) -> Option<impl Fn() -> bool> {
    let (slot, queue) = (s.slot, reading(s.arena, s.slot)?);
    Some(move || queue.stirs() || slot.queue.load(Acquire) != queue.name())
}

/// Lets datagrams gather for a moment, at the end of a one-way stream. False: none is there.
#[inline]
pub fn gathered(queue: &Queue) -> bool {
    queue.gathered(|| (0..GATHER_PAUSES).for_each(|_| core::hint::spin_loop()))
}

/// Hands the first datagram to `make` and takes it out. False: there is none.
#[inline]
pub fn take(s: &Sock, mut make: impl FnMut(&Packed, &Payload)) -> bool {
    let Some(queue) = reading(s.arena, s.slot) else { return false };
    match queue.take(&mut make) {
        Found::Got(()) => true,
        Found::Nothing if s.slot.queue.load(Acquire) == queue.name() => false,
        _ => follow(s, false, |_| true, make),
    }
}

/// Hands the first datagram that `choose` wants to `make`, which only looks at it. False: there is none.
#[inline(never)]
pub fn look(s: &Sock, choose: impl FnMut(&Packed) -> bool, make: impl FnMut(&Packed, &Payload)) -> bool {
    follow(s, true, choose, make)
}

/// Along the chain of chunks.
fn follow(
    s: &Sock,
    peek: bool,
    mut choose: impl FnMut(&Packed) -> bool,
    mut make: impl FnMut(&Packed, &Payload),
) -> bool {
    let mut at = reading(s.arena, s.slot);
    for _ in 0..LONGEST_CHAIN {
        let Some(queue) = at else { return false };
        match queue.pop(peek, &mut choose, &mut make) {
            Found::Got(()) => return true,
            Found::Nothing => return false,
            Found::Moved { next, empty } => {
                if empty {
                    leave(s.arena, s.slot, &queue, next);
                }
                at = Queue::open(s.arena, next);
            }
        }
    }
    false
}

/// The consumers are through with a chunk.
#[cold]
fn leave(arena: &'static Arena, slot: &Slot, queue: &Queue, next: u32) {
    let word = |name: u32| name.wrapping_add(1) as u64;
    if next == NO_CHUNK || Chunk::from_name(next).is_none() {
        return;
    }
    let here = &slot.extra[READING];
    if here.compare_exchange(word(queue.name()), word(next), AcqRel, Relaxed).is_ok() {
        // A producer that ended the chunk and died may not have told the others where it goes on.
        let _ = slot.queue.compare_exchange(queue.name(), next, AcqRel, Relaxed);
        if queue.clear() {
            queue.give();
        }
        let _ = arena;
    }
}

/// Is there a datagram to take?
#[inline]
pub fn readable(s: &Sock) -> bool {
    let Some(queue) = reading(s.arena, s.slot) else { return false };
    queue.readable() || s.slot.queue.load(Acquire) != queue.name() && readable_beyond(s, queue)
}

#[cold]
fn readable_beyond(s: &Sock, first: Queue) -> bool {
    let mut at = Some(first);
    for _ in 0..LONGEST_CHAIN {
        let Some(queue) = at else { return false };
        if queue.readable() {
            return true;
        }
        at = queue.moved().and_then(|next| Queue::open(s.arena, next));
    }
    false
}

/// Marks the first datagrams, as long as `which` says yes.
pub fn mark(s: &Sock, flag: u16, which: impl FnMut(&Packed) -> bool) {
    if let Some(queue) = reading(s.arena, s.slot) {
        queue.mark(flag, which);
    }
}

/// Gives up the claims of threads that died in the middle.
pub fn heal(s: &Sock) {
    if let Some(queue) = reading(s.arena, s.slot) {
        queue.heal();
    }
}

/// A number that changes with every datagram that comes.
pub fn arrivals(s: &Sock) -> u64 {
    Queue::open(s.arena, s.slot.queue.load(Acquire)).map_or(0, |q| q.tail())
}

/// Ends the queue and gives its memory back.
pub fn close(arena: &'static Arena, slot: &Slot) {
    let mut at = reading(arena, slot);
    slot.queue.store(NO_CHUNK, Release);
    slot.extra[READING].store(0, Release);
    for _ in 0..LONGEST_CHAIN {
        let Some(queue) = at else { break };
        let next = queue.end(NO_CHUNK);
        // Somebody may be stopped in the middle of a datagram: then this memory is lost until the network is gone.
        if queue.clear() {
            queue.give();
        }
        at = Queue::open(arena, next);
    }
}
