//! Ears: how a sleeper hears of a socket that others may take the bell of.
//!
//! The byte on an anchor goes to whoever wakes first, and what one process keeps for its threads another cannot reach. So
//! who sleeps on a socket that another process holds too enters an *ear* beside its slot: a datagram socket of its own, whose
//! name is made from a number. Whoever rings the socket sends each ear a message; nobody but its owner takes that away.
//!
//! An ear is entered before the sleeper asks to be rung and looks for the last time, and is read after what it is rung for
//! was stored, with a full fence on each side (see [`crate::bell`]). One whose process was killed refuses the message and
//! is taken out by whoever finds that.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::network::called;
use crate::readiness::internal;
use crate::shm::{Arena, SlotFlags};
use crate::socket::Sock;

/// Messages that an ear holds at least (net.unix.max_dgram_qlen is 10 or more): with as many some may have been refused.
const FULL: usize = 8;
/// Sleepers of this process that have an ear at a time; more look for themselves.
const POOL: usize = 64;

/// Where this process speaks to ears from; -1 before the first time. It has no name, so that a child may use it as well.
static MOUTH: AtomicI32 = AtomicI32::new(-1);

/// An ear that threads use in turn.
struct Pooled {
    busy: AtomicU32,
    fd: AtomicI32,
    number: AtomicU32,
    /// The arena's, which the name is made from.
    network: AtomicU64,
}

static POOLED: [Pooled; POOL] = [const {
    Pooled { busy: AtomicU32::new(0), fd: AtomicI32::new(-1), number: AtomicU32::new(0), network: AtomicU64::new(0) }
}; POOL];

fn datagram_socket() -> Result<i32> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    kernel::make_own(|| kernel::socket(libc::AF_UNIX, kind, 0)).and_then(internal::keep)
}

/// A new ear: its descriptor and its number.
pub fn open(arena: &'static Arena) -> Result<(i32, u32)> {
    let fd = datagram_socket()?;
    loop {
        let number = (arena.header().next_order() as u32).max(1);
        match kernel::bind(fd, &called::of_ear(arena, number)) {
            Ok(()) => return Ok((fd, number)),
            // The numbers have come round.
            Err(Errno::EADDRINUSE) => {}
            Err(e) => {
                internal::drop(fd);
                return Err(e);
            }
        }
    }
}

/// Takes the messages that are in an ear: the numbers of slots. True: there may have been more.
pub fn hear(fd: i32, mut each: impl FnMut(u32)) -> bool {
    let mut count = 0;
    let mut message = [0u8; 4];
    while kernel::recv(fd, &mut message, libc::MSG_DONTWAIT) == Ok(message.len()) {
        each(u32::from_ne_bytes(message));
        count += 1;
    }
    count >= FULL
}

/// Says a word to an ear. False if there is none of this number.
pub fn speak(arena: &'static Arena, ear: u32, word: u32) -> bool {
    let mut mouth = MOUTH.load(Acquire);
    if mouth < 0 {
        let Ok(made) = datagram_socket() else { return true };
        mouth = made;
        if let Err(other) = MOUTH.compare_exchange(-1, made, AcqRel, Acquire) {
            internal::drop(made);
            mouth = other;
        }
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // An ear that is full has its owner look at everything.
    kernel::sendto(mouth, &word.to_ne_bytes(), flags, &called::of_ear(arena, ear)) != Err(Errno::ECONNREFUSED)
}

/// Enters an ear beside a socket. False where there is no place, or where it would not be heard: then its owner has to
/// look now and then.
pub fn enter(s: &Sock, ear: u32) -> bool {
    let slot = s.slot;
    // Names are those of a network namespace.
    if slot.network_namespace.load(Relaxed) != kernel::network_namespace() {
        return false;
    }
    let Some(line) = s.arena.ears(s.number) else { return false };
    if !slot.has(SlotFlags::HEARD) {
        // Never waits: the caller holds the lock of an epoll set, which whoever has this one may want.
        let Some(_held) = slot.lock.try_lock() else { return false };
        if !slot.has(SlotFlags::HEARD) {
            if !s.arena.back_ears(s.number) {
                return false;
            }
            line.iter().for_each(|place| place.store(0, Relaxed));
            slot.set(SlotFlags::HEARD);
        }
    }
    line.iter().any(|place| place.load(Relaxed) == ear)
        || line.iter().any(|place| place.compare_exchange(0, ear, AcqRel, Relaxed).is_ok())
}

/// Takes an ear out.
pub fn leave(s: &Sock, ear: u32) {
    if !s.slot.has(SlotFlags::HEARD) {
        return;
    }
    for place in s.arena.ears(s.number).into_iter().flatten() {
        let _ = place.compare_exchange(ear, 0, AcqRel, Relaxed);
    }
}

/// Is any ear entered beside the socket?
pub fn any(s: &Sock) -> bool {
    s.slot.has(SlotFlags::HEARD) && s.arena.ears(s.number).is_some_and(|line| line.iter().any(|e| e.load(Relaxed) != 0))
}

/// Tells all ears beside a slot. One load where there never were any.
#[inline]
pub fn tell(arena: &'static Arena, number: u32) {
    if arena.slot(number).is_some_and(|slot| slot.has(SlotFlags::HEARD)) {
        tell_each(arena, number);
    }
}

#[cold]
fn tell_each(arena: &'static Arena, number: u32) {
    let (Some(slot), Some(line)) = (arena.slot(number), arena.ears(number)) else { return };
    for place in line {
        let ear = place.load(Acquire);
        if ear == 0 || speak(arena, ear, number) {
            continue;
        }
        if slot.network_namespace.load(Relaxed) == kernel::network_namespace() {
            let _ = place.compare_exchange(ear, 0, AcqRel, Relaxed);
        }
    }
}

/// What a thread hears with while it sleeps on one socket or on many.
pub struct Listening {
    ear: Option<&'static Pooled>,
    /// Where it is entered. For one socket nothing is allocated: a handler may have interrupted malloc.
    first: Option<Sock>,
    others: Vec<Sock>,
}

impl Listening {
    /// Not yet.
    pub const fn idle() -> Listening {
        Listening { ear: None, first: None, others: Vec::new() }
    }

    /// Listens for a socket as well. False: it cannot be heard of.
    pub fn to(&mut self, s: &Sock) -> bool {
        self.ear = self.ear.or_else(|| borrow(s.arena));
        let entered = self.ear.is_some_and(|ear| enter(s, ear.number.load(Relaxed)));
        match self.first {
            _ if !entered => {}
            None => self.first = Some(*s),
            Some(_) => self.others.push(*s),
        }
        entered
    }

    /// What to look at beside other descriptors; -1 for nothing.
    pub fn fd(&self) -> i32 {
        self.ear.map_or(-1, |ear| ear.fd.load(Acquire))
    }

    /// Takes what was heard.
    pub fn take(&self) {
        hear(self.fd(), |_| ());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(ear) = self.ear else { return };
        self.first.iter().chain(&self.others).for_each(|s| leave(s, ear.number.load(Relaxed)));
        ear.busy.store(0, Release);
    }
}

fn borrow(arena: &'static Arena) -> Option<&'static Pooled> {
    let ear = POOLED.iter().find(|p| p.busy.compare_exchange(0, 1, Acquire, Relaxed).is_ok())?;
    let network = arena.header().id.load(Relaxed);
    if ear.fd.load(Acquire) < 0 || ear.network.load(Relaxed) != network {
        let Ok((fd, number)) = open(arena) else {
            ear.busy.store(0, Release);
            return None;
        };
        ear.number.store(number, Relaxed);
        ear.network.store(network, Relaxed);
        let before = ear.fd.swap(fd, AcqRel);
        if before >= 0 {
            internal::drop(before);
        }
    }
    Some(ear)
}

/// The child of a fork has its parent's ears, and would take what is told to them.
pub fn after_fork_child() {
    for ear in &POOLED {
        let fd = ear.fd.swap(-1, AcqRel);
        if fd >= 0 {
            internal::drop(fd);
        }
        ear.busy.store(0, Release);
    }
}

/// Moves an ear or the mouth to another number if the program wants this one.
pub fn make_way(fd: i32) -> Result<()> {
    for own in POOLED.iter().map(|ear| &ear.fd).chain([&MOUTH]) {
        if own.load(Acquire) == fd {
            own.store(internal::renumber(fd)?, Release);
        }
    }
    Ok(())
}
