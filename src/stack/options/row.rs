//! A socket option is a row: its name, the sockets that have it, where its value lies, what it is before it was set, how
//! it is read and how it is set.

use core::sync::atomic::Ordering::*;

use super::places::{BITS, FIRST_BIT_WORD, NOWHERE};
use super::system::{self, System};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// Kinds of sockets, for [`Row::on`].
pub const TCP4: u8 = 1;
/// TCP over IPv6.
pub const TCP6: u8 = 2;
/// UDP over IPv4.
pub const UDP4: u8 = 4;
/// UDP over IPv6.
pub const UDP6: u8 = 8;
/// TCP over either.
pub const TCP: u8 = TCP4 | TCP6;
/// UDP over either.
pub const UDP: u8 = UDP4 | UDP6;
/// Every socket.
pub const ALL: u8 = TCP | UDP;

/// The kind of a socket.
pub fn kind(s: &Sock) -> u8 {
    match (s.kind() == libc::SOCK_STREAM, s.family() == libc::AF_INET6) {
        (true, false) => TCP4,
        (true, true) => TCP6,
        (false, false) => UDP4,
        (false, true) => UDP6,
    }
}

/// What an option is before it was set.
#[derive(Clone, Copy)]
pub enum Default {
    /// This. The word holds the difference to it.
    Is(i32),
    /// This on IPv4 sockets and that on IPv6 ones; the word holds the difference.
    Families(i32, i32),
    /// This, for which the word holds 0.
    Unset(i32),
    /// What the system says, for which the word holds 0.
    From(System),
}

/// How an option is read.
#[derive(Clone, Copy)]
pub enum Get {
    /// As the int that lies in its place.
    Int,
    /// As an int that is found out.
    Find(fn(&Sock) -> Result<i32>),
    /// In its own way.
    Own(fn(&Sock, &Room) -> Result<()>),
    /// Not at all.
    Refuse(Errno),
}

/// How an option is set. The value is an int that was read, except for `Own` and `First`.
#[derive(Clone, Copy)]
pub enum Set {
    /// Anything but 0 is 1.
    Bool,
    /// From the first to the second, else EINVAL.
    Range(i32, i32),
    /// Any int.
    Any,
    /// What the function makes of it.
    Map(fn(&Sock, i32) -> Result<i32>),
    /// What the kernel lets the anchor have: where capabilities decide, it is asked (SOL_SOCKET only). "Bool" afterwards.
    Asked(bool),
    /// By the function, which stores what there is to store.
    Do(fn(&Sock, i32) -> Result<()>),
    /// From the program's memory, by the function, after an int could be read there.
    Own(fn(&Sock, UserPtr, usize) -> Result<()>),
    /// As `Own`, before anything is read.
    First(fn(&Sock, UserPtr, usize) -> Result<()>),
    /// Taken, without effect.
    Ignore,
    /// Not at all.
    Refuse(Errno),
    /// Not at all, and the value is not looked at either.
    RefuseFirst(Errno),
}

/// An option.
#[derive(Clone, Copy)]
pub struct Row {
    /// The option's name.
    pub name: i32,
    /// Which kinds of sockets have it.
    pub on: u8,
    /// Where its value lies.
    pub place: usize,
    /// What it is before it was set.
    pub default: Default,
    /// How it is read.
    pub get: Get,
    /// How it is set.
    pub set: Set,
    /// The least length with which it may be set, where the level itself asks for none.
    pub least: usize,
}

impl Row {
    /// An option that takes less than its level usually asks for, or more.
    pub const fn least(self, least: usize) -> Row {
        Row { least, ..self }
    }
}

/// A row for an int that is stored.
pub const fn int(name: i32, on: u8, place: usize, default: Default, set: Set) -> Row {
    Row { name, on, place, default, get: Get::Int, set, least: 0 }
}

/// A row for an on-off option, off at first.
pub const fn flag(name: i32, on: u8, place: usize) -> Row {
    int(name, on, place, Default::Is(0), Set::Bool)
}

/// A row for what is not stored in a word of its own.
pub const fn own(name: i32, on: u8, get: Get, set: Set) -> Row {
    Row { name, on, place: NOWHERE, default: Default::Is(0), get, set, least: 0 }
}

/// A row for what can be read but not set.
pub const fn told(name: i32, on: u8, find: fn(&Sock) -> Result<i32>) -> Row {
    own(name, on, Get::Find(find), Set::Refuse(Errno::ENOPROTOOPT))
}

/// Where an option's value is to go: the program's buffer and the place of its length.
pub struct Room {
    /// The buffer.
    pub value: UserPtr,
    /// The length, in and out.
    pub length_at: UserPtr,
    /// The length that came in.
    pub given: usize,
}

impl Room {
    /// Gives bytes, cut to the room there is.
    pub fn put(&self, bytes: &[u8]) -> Result<()> {
        let n = bytes.len().min(self.given);
        if n > 0 {
            self.value.write(&bytes[..n])?;
        }
        self.length_at.write_u32(n as u32)
    }

    /// The same where the length is told before the bytes, and so also when they cannot be (all levels but SOL_SOCKET).
    pub fn put_length_first(&self, bytes: &[u8]) -> Result<()> {
        let n = bytes.len().min(self.given);
        self.length_at.write_u32(n as u32)?;
        self.put(bytes)
    }

    /// Gives an int.
    pub fn put_int(&self, value: i32) -> Result<()> {
        self.put(&value.to_ne_bytes())
    }
}

/// The word at a place; 0 or 1 for a bit.
#[inline]
pub fn load(slot: &Slot, place: usize) -> u32 {
    if place < BITS {
        return slot.options[place].load(Relaxed);
    }
    let bit = place - BITS;
    slot.options[FIRST_BIT_WORD + bit / 32].load(Relaxed) >> (bit % 32) & 1
}

/// Stores a word, and that the program set it.
pub fn store(slot: &Slot, place: usize, word: u32) {
    if place < BITS {
        slot.options[place].store(word, Relaxed);
        slot.options_set[place / 64].fetch_or(1 << (place % 64), Relaxed);
        return;
    }
    let bit = place - BITS;
    let at = &slot.options[FIRST_BIT_WORD + bit / 32];
    match word {
        0 => at.fetch_and(!(1 << (bit % 32)), Relaxed),
        _ => at.fetch_or(1 << (bit % 32), Relaxed),
    };
}

/// Did the program set what lies at this place? For a bit: is it on?
pub fn was_set(slot: &Slot, place: usize) -> bool {
    if place < BITS {
        slot.options_set[place / 64].load(Relaxed) >> (place % 64) & 1 != 0
    } else {
        load(slot, place) != 0
    }
}

impl Default {
    fn of(self, slot: &Slot) -> i32 {
        match self {
            Default::Is(v) | Default::Unset(v) => v,
            Default::Families(four, six) => {
                if slot.family.load(Relaxed) == libc::AF_INET6 as u32 {
                    six
                } else {
                    four
                }
            }
            Default::From(which) => system::get(which),
        }
    }

    /// The value that a word stands for.
    pub fn decode(self, slot: &Slot, word: u32) -> i32 {
        match self {
            Default::Is(_) | Default::Families(..) => (word as i32).wrapping_add(self.of(slot)),
            _ if word == 0 => self.of(slot),
            _ => word as i32,
        }
    }

    /// The word that stands for a value.
    pub fn encode(self, slot: &Slot, value: i32) -> u32 {
        match self {
            Default::Is(_) | Default::Families(..) => value.wrapping_sub(self.of(slot)) as u32,
            _ => value as u32,
        }
    }
}

/// An option's value.
pub fn value(slot: &Slot, row: &Row) -> i32 {
    row.default.decode(slot, load(slot, row.place))
}

impl Row {
    /// Sets the option to an int that was read from the program; `at` and `length` are where it came from.
    pub fn apply(&self, s: &Sock, given: i32, at: UserPtr, length: usize) -> Result<()> {
        let new = match self.set {
            Set::Bool => (given != 0) as i32,
            Set::Range(low, high) if (low..=high).contains(&given) => given,
            Set::Range(..) => return Err(Errno::EINVAL),
            Set::Any => given,
            Set::Map(map) => map(s, given)?,
            Set::Asked(bool) => {
                kernel::setsockopt(s.fd, libc::SOL_SOCKET, self.name, &given.to_ne_bytes())?;
                if bool {
                    (given != 0) as i32
                } else {
                    given
                }
            }
            Set::Do(set) => return set(s, given),
            Set::Own(set) | Set::First(set) => return set(s, at, length),
            Set::Ignore => return Ok(()),
            Set::Refuse(e) | Set::RefuseFirst(e) => return Err(e),
        };
        if self.place != NOWHERE {
            store(s.slot, self.place, self.default.encode(s.slot, new));
        }
        Ok(())
    }
}
