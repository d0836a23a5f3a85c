//! Small things that a slot keeps in a chunk of its own: a filter program, memberships, errors, what a cork holds back.
//!
//! They are kept as datagrams in a queue, which is safe against everybody else as it is.

use core::sync::atomic::Ordering::*;

use crate::abi::{Errno, Result};
use crate::shm::{Arena, Found, Payload, Push, Queue, Record, Slot, Span, CLASS_SIZES, NO_CHUNK};

fn open(arena: &'static Arena, slot: &Slot, at: usize) -> Option<Queue> {
    Queue::open(arena, (slot.extra[at].load(Acquire) as u32).wrapping_sub(1))
}

/// Is anything stored?
#[inline]
pub fn any(slot: &Slot, at: usize) -> bool {
    slot.extra[at].load(Acquire) != 0
}

/// Adds a piece, in a chunk that is made and made larger as needed.
///
/// Errors: ENOBUFS, EFAULT.
pub fn add(
    arena: &'static Arena,
    slot: &Slot,
    at: usize,
    record: &Record,
    mut fill: impl FnMut(Span) -> usize,
) -> Result<()> {
    for class in 0..CLASS_SIZES.len() {
        let queue = match open(arena, slot, at) {
            Some(queue) => queue,
            None if !Queue::fits(class, record.length as usize) => continue,
            None => {
                let queue = Queue::make(arena, class).ok_or(Errno::ENOBUFS)?;
                slot.extra[at].store(queue.name() as u64 + 1, Release);
                queue
            }
        };
        match queue.push(&record.pack(), u64::MAX, || true, &mut fill) {
            Push::Done => return Ok(()),
            Push::Fault => return Err(Errno::EFAULT),
            Push::NoRoom if class > queue.class() => move_to(arena, slot, at, &queue, class)?,
            Push::NoRoom => {}
            _ => return Err(Errno::ENOBUFS),
        }
    }
    Err(Errno::ENOBUFS)
}

/// Moves all pieces into a larger chunk.
fn move_to(arena: &'static Arena, slot: &Slot, at: usize, from: &Queue, class: usize) -> Result<()> {
    let to = Queue::make(arena, class).ok_or(Errno::ENOBUFS)?;
    let mut fits = true;
    while fits
        && Found::Got(())
            == from.pop(
                false,
                |_| true,
                |record, payload| {
                    let mut done = 0;
                    let outcome = to.push(
                        record,
                        u64::MAX,
                        || true,
                        |into| {
                            let copied = into.copy(payload, done);
                            done += copied;
                            copied
                        },
                    );
                    fits = outcome == Push::Done;
                },
            )
    {}
    slot.extra[at].store(to.name() as u64 + 1, Release);
    from.end(NO_CHUNK);
    if from.clear() {
        from.give();
    }
    Ok(())
}

/// Takes the first piece out, or only looks at it.
pub fn first<R>(
    arena: &'static Arena,
    slot: &Slot,
    at: usize,
    peek: bool,
    mut make: impl FnMut(&Record, &Payload) -> R,
) -> Option<R> {
    let mut made = None;
    open(arena, slot, at)?.pop(peek, |_| true, |record, payload| made = Some(make(&record.unpack(), payload)));
    made
}

/// Is there a piece?
pub fn holds(arena: &'static Arena, slot: &Slot, at: usize) -> bool {
    any(slot, at) && open(arena, slot, at).is_some_and(|q| q.readable())
}

/// Looks at every piece, the first ones first.
pub fn each(arena: &'static Arena, slot: &Slot, at: usize, mut look: impl FnMut(&Record, &Payload)) {
    if let Some(queue) = open(arena, slot, at) {
        queue.each(|record, payload| look(&record.unpack(), payload));
    }
}

/// The only piece's bytes.
pub fn bytes(arena: &'static Arena, slot: &Slot, at: usize) -> Option<Vec<u8>> {
    first(arena, slot, at, true, |_, payload| {
        let mut bytes = vec![0; payload.len()];
        payload.copy(0, &mut bytes);
        bytes
    })
}

/// Stores bytes as the only piece.
pub fn replace(arena: &'static Arena, slot: &Slot, at: usize, bytes: &[u8]) -> Result<()> {
    let old = slot.extra[at].swap(0, AcqRel);
    let record = Record { length: bytes.len() as u32, ..Record::default() };
    let mut done = 0;
    let added = add(arena, slot, at, &record, |into| {
        let copied = into.write(&bytes[done..]);
        done += copied;
        copied
    });
    if added.is_err() {
        drop_all(arena, slot, at);
        slot.extra[at].store(old, Release);
        return added;
    }
    give(arena, old);
    Ok(())
}

/// Drops everything that is stored at a place.
pub fn drop_all(arena: &'static Arena, slot: &Slot, at: usize) {
    give(arena, slot.extra[at].swap(0, AcqRel));
}

fn give(arena: &'static Arena, word: u64) {
    if let Some(queue) = Queue::open(arena, (word as u32).wrapping_sub(1)) {
        queue.end(NO_CHUNK);
        if queue.clear() {
            queue.give();
        }
    }
}
