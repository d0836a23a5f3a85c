//! The short way of datagrams: one buffer, a destination that was looked up before, and nothing set or under way that the
//! whole way ([`super::send`], [`super::receive`]) would have to heed. Whatever is not so is left to it, before anything
//! was done that could be seen.

use core::sync::atomic::Ordering::*;

use super::deliver::{self, Target};
use super::lookup::name_of;
use super::mailbox::{self, Delivered};
use super::place::{CORK, READING, SPECIAL};
use super::send::PLAIN_FLAGS;
use super::{cache, kernel_side, opts, poll, receive, SPECIAL_SLOW};
use crate::shm::views::UserPtr;
use crate::shm::{Slot, SlotFlags, Span, Told};
use crate::socket::Sock;

/// Where a send goes: an address in the program's memory and its length; null for the peer.
#[derive(Clone, Copy)]
pub struct To(pub UserPtr, pub i32);

impl To {
    /// The socket's peer.
    pub const PEER: To = To(UserPtr(0), 0);
}

/// sendto(2) of one buffer. None: not done.
#[inline]
pub fn send(s: &Sock, buffer: usize, length: usize, flags: i32, to: To) -> Option<usize> {
    if flags & !PLAIN_FLAGS != 0 {
        return None;
    }
    let key = if to.0.is_null() { [0; 4] } else { cache::key_at(to.0, to.1).filter(|key| key[3] != 0)? };
    let entry = cache::find(s, &key)?;
    let (number, generation) = (entry.hit().target, entry.hit().generation);
    let (slot, receiver) = (s.slot, s.arena.slot(number)?);
    let word = |slot: &Slot, at: usize| slot.extra[at].load(Relaxed);
    let held_back = slot.error.load(Relaxed) as u32 | slot.flags.load(Relaxed) & SlotFlags::SHUT_WR;
    let special = word(slot, CORK) | word(slot, SPECIAL) & SPECIAL_SLOW | word(receiver, SPECIAL) & !SPECIAL_SLOW;
    if held_back as u64 | special != 0 || length > entry.hit().longest as usize {
        return None;
    }
    let target = Target { number, slot: receiver, generation, by_program: false };
    if entry.doubtful() && !deliver::lives(s, &target) {
        return None;
    }
    let name = receiver.queue.load(Acquire);
    let valid = || receiver.queue.load(Acquire) == name && receiver.generation.load(Acquire) == generation;
    let one_chunk = word(receiver, READING) as u32 == name.wrapping_add(1);
    let queue = entry.queue(s, name).filter(|_| one_chunk)?;
    let record = || entry.hit().record.with_length(length);
    match queue.push_straight(length, opts::budget(receiver), valid, record, |span| span.take_at(buffer)) {
        Some(true) => poll::alert(s, &target).then_some(length),
        // Of what could not be read nothing is there: the whole way finds that again, and says so.
        Some(false) => None,
        None => send_winding(s, &target, entry, buffer, length),
    }
}

/// The same where the queue wants more than one attempt: it is full, or in two pieces, or others are at it.
#[inline(never)]
fn send_winding(s: &Sock, target: &Target, entry: &cache::Entry, buffer: usize, length: usize) -> Option<usize> {
    let mut from = buffer;
    let fill = |span: Span| {
        let taken = span.take_at(from);
        from = from.wrapping_add(taken);
        taken
    };
    let (record, budget) = (entry.hit().record.with_length(length), opts::budget(target.slot));
    match mailbox::put(s.arena, target.slot, target.generation, budget, &record, fill) {
        Delivered::Done => poll::alert(s, target).then_some(length),
        Delivered::Full => {
            deliver::dropped(s, target);
            Some(length)
        }
        Delivered::Gone | Delivered::Fault => None,
    }
}

/// recv(2) of what waits, or comes within a spin. `told` hands on who sent it, and whether it was cut, before it is taken
/// out for good, and says whether it could; it may be asked, and yet None be the answer: not done.
#[inline(always)]
fn take(s: &Sock, buffer: usize, room: usize, flags: i32, told: impl FnOnce(&Told<'_>, bool) -> bool) -> Option<usize> {
    let slot = s.slot;
    let set = slot.error.load(Relaxed) as u32 | slot.flags.load(Relaxed) & SlotFlags::ASYNC;
    let asked = opts::word(slot, opts::PEEK_OFFSET) != 0 || opts::tells_anything(slot);
    if flags & !libc::MSG_DONTWAIT != 0 || set != 0 || asked || room > isize::MAX as usize {
        return None;
    }
    let mut queue = mailbox::reading(s.arena, slot)?;
    let gathers = cache::one_way() && !at_once(s, flags);
    if !(if gathers { mailbox::gathered(&queue) } else { queue.stirs() }) {
        if at_once(s, flags) || !soon(s) {
            return None;
        }
        queue = mailbox::reading(s.arena, slot)?;
    }
    let mut copied = 0;
    let taken = queue.take_straight(gathers, |record, payload| {
        let (length, whole) = (record.length(), payload.len().min(room));
        copied = payload.first(whole).put_at(buffer);
        if copied < whole || !told(record, length > room) {
            return false;
        }
        receive::note_time(s, record.time_ns());
        true
    });
    taken.then_some(copied)
}

/// Does the call not wait, or not for the queue alone?
#[inline]
fn at_once(s: &Sock, flags: i32) -> bool {
    flags != 0 || s.nonblocking() || kernel_side::descriptor(s).is_some()
}

#[inline(never)]
fn soon(s: &Sock) -> bool {
    poll::comes_soon(s)
}

/// recv(2) into one buffer. None: not done.
#[inline]
pub fn recv(s: &Sock, buffer: usize, room: usize, flags: i32) -> Option<usize> {
    take(s, buffer, room, flags, |_, _| true)
}

/// Writes the sender's name, cut to the room there is; gives its length. None: it cannot be written.
#[inline]
fn name_out(s: &Sock, record: &Told<'_>, at: UserPtr, room: u32) -> Option<u32> {
    let (address, port) = record.source();
    let (bytes, length) = name_of(address, port, s.family()).encode();
    at.write(&bytes[..length.min(room as usize)]).ok()?;
    Some(length as u32)
}

/// recvfrom(2) with room for an address, or none. None: not done.
#[inline]
pub fn recvfrom(s: &Sock, buffer: usize, room: usize, flags: i32, at: UserPtr, length_at: UserPtr) -> Option<usize> {
    if at.is_null() {
        return recv(s, buffer, room, flags);
    }
    let name_room = length_at.read_u32().ok().filter(|room| *room as i32 >= 0)?;
    let mut written = false;
    let taken = take(s, buffer, room, flags, |record, _| {
        written = true;
        name_out(s, record, at, name_room).is_some_and(|length| length_at.write_u32(length).is_ok())
    });
    if taken.is_none() && written {
        // The whole way reads it again.
        let _ = length_at.write_u32(name_room);
    }
    taken
}

/// struct msghdr as words, by their numbers.
mod header {
    pub const WORDS: usize = 7;
    pub const NAME: usize = 0;
    pub const NAME_LENGTH: usize = 1;
    pub const LIST: usize = 2;
    pub const COUNT: usize = 3;
    pub const CONTROL_LENGTH: usize = 5;
    pub const FLAGS: usize = 6;
}
use header::*;

/// A struct msghdr with one buffer: its words, and where the buffer is and how long. None: it is another one.
#[inline]
fn message(at: UserPtr) -> Option<([u64; WORDS], usize, usize)> {
    let mut bytes = [0; WORDS * 8];
    at.read(&mut bytes).ok()?;
    let word = |i: usize| bytes[i * 8..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
    let words = core::array::from_fn(word);
    if words[COUNT] != 1 || (words[NAME_LENGTH] as i32) < 0 {
        return None;
    }
    let mut buffer = [0; 16];
    UserPtr(words[LIST] as usize).read(&mut buffer).ok()?;
    let [base, length] = [0, 8].map(|i| buffer[i..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b)) as usize);
    (length <= isize::MAX as usize).then_some((words, base, length))
}

/// sendmsg(2) of one buffer without ancillary data. None: not done.
#[inline]
pub fn sendmsg(s: &Sock, at: UserPtr, flags: i32) -> Option<usize> {
    let (words, buffer, length) = message(at)?;
    let (name, name_length) = (UserPtr(words[NAME] as usize), words[NAME_LENGTH] as i32);
    if words[CONTROL_LENGTH] != 0 {
        return None;
    }
    let to = if name.is_null() || name_length == 0 { To::PEER } else { To(name, name_length) };
    send(s, buffer, length, flags, to)
}

/// recvmsg(2) into one buffer, where nobody asked for ancillary data. None: not done.
#[inline]
pub fn recvmsg(s: &Sock, at: UserPtr, flags: i32) -> Option<usize> {
    let (words, buffer, room) = message(at)?;
    let (name, name_room) = (UserPtr(words[NAME] as usize), words[NAME_LENGTH] as u32);
    let put = |name_length: u32, control_length: u64, out_flags: u32| {
        let mut tail = [0; 12];
        tail[..8].copy_from_slice(&control_length.to_ne_bytes());
        tail[8..].copy_from_slice(&out_flags.to_ne_bytes());
        let named = name.is_null() || at.plus(NAME_LENGTH * 8).write_u32(name_length).is_ok();
        named && at.plus(CONTROL_LENGTH * 8).write(&tail).is_ok()
    };
    let mut written = false;
    let taken = take(s, buffer, room, flags, |record, cut| {
        let length = if name.is_null() { Some(0) } else { name_out(s, record, name, name_room) };
        written = true;
        length.is_some_and(|length| put(length, 0, if cut { libc::MSG_TRUNC as u32 } else { 0 }))
    });
    if taken.is_none() && written {
        // The whole way reads it again.
        put(name_room, words[CONTROL_LENGTH], words[FLAGS] as u32);
    }
    taken
}
