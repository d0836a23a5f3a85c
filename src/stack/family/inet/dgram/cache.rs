//! Where this thread's last datagrams went: a lookup takes the network's lock, a look here does not.
//!
//! An entry counts as long as neither the sender changed, nor anything on the port that it sends to; both are counted in
//! shared memory.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::sync::atomic::Ordering::*;

use super::place::CHANGES;
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::{Packed, Queue};
use crate::signal;
use crate::socket::Sock;

const ENTRIES: usize = 4;

/// A destination as words: an address as long as there are, with its length in the last. All 0: the peer.
pub type Key = [u64; 4];

/// A destination, and who is there.
pub struct Entry {
    sender: Cell<u64>,
    changes: Cell<u64>,
    to: [Cell<u64>; 4],
    port: Cell<u16>,
    port_changes: Cell<u32>,
    hit: Cell<Hit>,
    /// The receiver's queue when it was last used, by its name.
    queue: Cell<Option<Queue>>,
    /// When the receiver's life was last asked about, and how many more datagrams go without a look at the clock.
    asked_ms: Cell<u32>,
    unasked: Cell<u32>,
}

/// Who gets a datagram, and what is told with it.
#[derive(Clone, Copy)]
pub struct Hit {
    /// The receiver's slot.
    pub target: u32,
    /// Its life.
    pub generation: u32,
    /// The longest datagram.
    pub longest: u32,
    /// The record, but for the length.
    pub record: Packed,
}

const NOBODY: Hit = Hit { target: u32::MAX, generation: 0, longest: 0, record: Packed::EMPTY };

/// How long a receiver's life is taken for granted.
const TRUST_MS: u32 = 10;
/// The clock is not looked at for so many datagrams after one that came within the same tick.
const UNASKED: u32 = 4;

impl Entry {
    /// Who gets the datagram.
    #[inline(always)]
    pub fn hit(&self) -> Hit {
        self.hit.get()
    }

    /// The queue of a name: what it leads to is always the same.
    #[inline]
    pub fn queue(&self, s: &Sock, name: u32) -> Option<Queue> {
        match self.queue.get() {
            Some(queue) if queue.name() == name => Some(queue),
            _ => {
                let found = Queue::open(s.arena, name);
                self.queue.set(found);
                found
            }
        }
    }

    /// Is it time to ask whether the receiver lives? A queue takes datagrams whether or not anybody will read them.
    #[inline]
    pub fn doubtful(&self) -> bool {
        let unasked = self.unasked.get();
        if unasked > 0 {
            self.unasked.set(unasked - 1);
            return false;
        }
        let now = kernel::coarse_ms();
        let since = now.wrapping_sub(self.asked_ms.get());
        if since < TRUST_MS {
            self.unasked.set(UNASKED);
            return false;
        }
        self.asked_ms.set(now);
        true
    }
}

/// What a thread remembers.
struct Memory {
    /// Waits for a datagram since the last one was sent.
    waits: Cell<u32>,
    entries: [Entry; ENTRIES],
}

thread_local! {
    static MEMORY: Memory = const {
        Memory {
            waits: Cell::new(0),
            entries: [const {
                Entry {
                    sender: Cell::new(u64::MAX),
                    changes: Cell::new(0),
                    to: [const { Cell::new(0) }; 4],
                    port: Cell::new(0),
                    port_changes: Cell::new(0),
                    hit: Cell::new(NOBODY),
                    queue: Cell::new(None),
                    asked_ms: Cell::new(0),
                    unasked: Cell::new(0),
                }
            }; ENTRIES],
        }
    };
}

/// A thread that waited this often without sending is at the end of a one-way stream.
const ONE_WAY: u32 = 16;

/// This thread's memory. None where the thread is about to end.
#[inline]
fn memory<'a>() -> Option<&'a Memory> {
    let known = signal::destinations();
    let at = if known != 0 { known } else { find_memory()? };
    // SAFETY: the thread's own, which has no destructor and so is there as long as the thread runs; made of cells. No
    // reference leaves a call of this thread.
    Some(unsafe { &*(at as *const Memory) })
}

#[cold]
fn find_memory() -> Option<usize> {
    let at = MEMORY.try_with(|m| core::ptr::from_ref(m) as usize).ok()?;
    signal::set_destinations(at);
    Some(at)
}

/// Is this thread at the end of a one-way stream of datagrams?
#[inline]
pub fn one_way() -> bool {
    memory().is_some_and(|m| m.waits.get() > ONE_WAY)
}

/// This thread waits for a datagram.
pub fn waits() {
    if let Some(m) = memory() {
        m.waits.set(m.waits.get().saturating_add(1));
    }
}

/// The key of an address. None: one of an odd length, which is not remembered.
#[inline]
pub fn key(to: &[u8]) -> Option<Key> {
    let word = |at: usize| -> u64 { to.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes) };
    match to.len() {
        0 => Some([0; 4]),
        16 => Some([word(0), word(8), 0, 16]),
        28 => Some([word(0), word(8), word(16), 28 | (word(20) >> 32) << 32]),
        _ => None,
    }
}

/// The key of an address of `length` bytes in the program's memory. None: as above, or one that cannot be read.
#[inline]
pub fn key_at(at: UserPtr, length: i32) -> Option<Key> {
    if length == 16 {
        let mut bytes = [0; 16];
        at.read(&mut bytes).ok()?;
        return key(&bytes);
    }
    let mut bytes = [0; 28];
    let bytes = bytes.get_mut(..length as usize)?;
    at.read(bytes).ok()?;
    key(bytes)
}

#[inline]
fn place(s: &Sock, key: &Key) -> usize {
    // A port and the last byte of an address lie in the upper half of the first word.
    (s.number as usize ^ (key[0] >> 24) as usize ^ (key[0] >> 56) as usize) % ENTRIES
}

#[inline]
fn life(s: &Sock) -> u64 {
    s.number as u64 | (s.slot.generation.load(Relaxed) as u64) << 32
}

/// How often anything changed on a port: what a lookup that begins now must remember.
pub fn port_changes(s: &Sock, port: u16) -> u32 {
    s.arena.header().name_changes(port)
}

/// What is remembered of where `s` sends to `key`, if it still counts.
#[inline]
pub fn find<'a>(s: &Sock, key: &Key) -> Option<&'a Entry> {
    let memory: &'a Memory = memory()?;
    memory.waits.set(0);
    let entry = &memory.entries[place(s, key)];
    let counts = entry.sender.get() == life(s)
        && entry.to.iter().zip(key).all(|(mine, given)| mine.get() == *given)
        && entry.changes.get() == s.slot.extra[CHANGES].load(Acquire)
        && entry.port_changes.get() == s.arena.header().name_changes(entry.port.get());
    counts.then_some(entry)
}

/// Remembers where a destination led. The numbers of changes were read before it was looked up.
pub fn keep(s: &Sock, to: &[u8], changes: u64, port: u16, port_changes: u32, hit: Hit) {
    let Some(key) = key(to) else { return };
    let Some(memory) = memory() else { return };
    let entry = &memory.entries[place(s, &key)];
    entry.sender.set(life(s));
    entry.changes.set(changes);
    entry.to.iter().zip(key).for_each(|(mine, given)| mine.set(given));
    entry.port.set(port);
    entry.port_changes.set(port_changes);
    entry.hit.set(hit);
    entry.asked_ms.set(kernel::coarse_ms());
}
