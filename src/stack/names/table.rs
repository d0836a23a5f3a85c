//! The tables of bound names: chains of slots through the arena, by port, under one lock.

use core::sync::atomic::{AtomicU32, Ordering::*};

use super::conflict::Claim;
use crate::options;
use crate::shm::{Arena, Locked, Slot, SlotFlags, BUCKETS};
use crate::stop::{self, Point};

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP sockets that were bound, by bind, listen or connect.
    Tcp = 0,
    /// UDP sockets.
    Udp = 1,
    /// Accepted TCP connections: they hold their port, but nobody connects to them.
    Accepted = 2,
}

/// The tables, with their lock held. Lock order: a slot's lock first, then this one.
pub struct Names {
    arena: &'static Arena,
    _held: Locked<'static>,
}

impl Names {
    /// Takes the lock. A table whose keeper died in the middle is built anew from the slots.
    pub fn lock(arena: &'static Arena) -> Names {
        let held = arena.header().names.lock();
        let broken = held.taken_over;
        let names = Names { arena, _held: held };
        if broken {
            names.rebuild();
        }
        names
    }

    /// The network's arena.
    pub fn arena(&self) -> &'static Arena {
        self.arena
    }

    fn head(&self, place: u32) -> &'static AtomicU32 {
        &self.arena.header().heads[(place >> 16) as usize % 3][place as usize % BUCKETS]
    }

    /// Enters a slot under its local port.
    pub fn insert(&self, number: u32, kind: Kind) {
        let Some(slot) = self.arena.slot(number) else { return };
        let place = (kind as u32) << 16 | bucket(slot.local().port);
        let head = self.head(place);
        let first = head.load(Relaxed);
        slot.bucket.store(place, Relaxed);
        slot.prev_bound.store(0, Relaxed);
        slot.next_bound.store(first, Relaxed);
        slot.bound_order.store(self.arena.header().next_order(), Relaxed);
        if let Some(next) = self.arena.slot(first.wrapping_sub(1)) {
            next.prev_bound.store(number + 1, Relaxed);
        }
        slot.set(SlotFlags::BOUND);
        stop::here(Point::NameLinked);
        head.store(number + 1, Release);
        stop::here(Point::NameInserted);
        self.arena.header().name_changed(slot.local().port);
    }

    /// Takes a slot out.
    pub fn remove(&self, number: u32) {
        let Some(slot) = self.arena.slot(number) else { return };
        if !slot.has(SlotFlags::BOUND) {
            return;
        }
        let (next, prev) = (slot.next_bound.load(Relaxed), slot.prev_bound.load(Relaxed));
        match self.arena.slot(prev.wrapping_sub(1)) {
            Some(before) => before.next_bound.store(next, Relaxed),
            None => self.head(slot.bucket.load(Relaxed)).store(next, Relaxed),
        }
        if let Some(after) = self.arena.slot(next.wrapping_sub(1)) {
            after.prev_bound.store(prev, Relaxed);
        }
        stop::here(Point::NameUnlinked);
        slot.clear(SlotFlags::BOUND);
        stop::here(Point::NameRemoved);
        self.arena.header().name_changed(slot.local().port);
    }

    /// The slots that hold a port, the latest first.
    pub fn holders(&self, kind: Kind, port: u16) -> impl Iterator<Item = (u32, &'static Slot)> {
        let arena = self.arena;
        let mut at = self.head((kind as u32) << 16 | bucket(port)).load(Acquire);
        // A chain that a peer spoilt may be a circle. Whatever is compared with an entry of it that stands still, and moved
        // on at each power of two, is met again within three turns (Brent).
        let (mut seen, mut step, mut mark) = (0u32, 0u32, 1u32);
        core::iter::from_fn(move || {
            let number = at.checked_sub(1)?;
            let slot = arena.slot(number)?;
            if at == seen {
                return None;
            }
            step += 1;
            if step == mark {
                (seen, mark) = (at, mark.saturating_mul(2));
            }
            at = slot.next_bound.load(Relaxed);
            Some((number, slot))
        })
        .filter(move |(_, slot)| slot.in_use() && slot.local().port == port)
    }

    fn rebuild(&self) {
        for table in &self.arena.header().heads {
            table.iter().for_each(|head| head.store(0, Relaxed));
        }
        for number in 0..self.arena.slots_used() {
            let Some(slot) = self.arena.slot(number) else { continue };
            if slot.in_use() && slot.has(SlotFlags::BOUND) {
                let kind = match slot.bucket.load(Relaxed) >> 16 {
                    0 => Kind::Tcp,
                    1 => Kind::Udp,
                    _ => Kind::Accepted,
                };
                self.insert(number, kind);
            }
        }
    }
}

fn bucket(port: u16) -> u32 {
    port as u32 % BUCKETS as u32
}

/// What the conflict rules look at in a slot.
pub fn claim_of(slot: &Slot) -> Claim {
    Claim {
        name: slot.local(),
        v6_only: options::settled_v6_only(slot),
        reuse_address: options::flag(slot, options::REUSE_ADDRESS),
        reuse_port: options::flag(slot, options::REUSE_PORT),
        listening: slot.kind.load(Relaxed) == libc::SOCK_STREAM as u32
            && slot.state.load(Relaxed) == crate::family::inet::state::LISTEN,
        time_wait: false,
        uid: slot.uid.load(Relaxed),
        device: options::word(slot, options::DEVICE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Name;
    use crate::kernel::Status;

    #[test]
    fn a_chain_that_is_a_circle_has_an_end() {
        let path = format!("/dev/shm/sockhop-test-{}-{}", crate::kernel::pid(), crate::kernel::random_u64());
        let path = std::ffi::CString::new(path).unwrap();
        let arena = Arena::open(&path).unwrap();
        crate::kernel::unlink(&path).unwrap();
        let names = Names::lock(arena);
        let numbers: Vec<u32> = (0..7)
            .map(|i| {
                let anchor = Status { inode: i + 1, ..Status::default() };
                Slot::take(arena, &anchor, 2, 1, 6).unwrap()
            })
            .collect();
        for number in &numbers {
            arena.slot(*number).unwrap().set_local(Name::new("127.0.0.1".parse().unwrap(), 80));
            names.insert(*number, Kind::Tcp);
        }
        assert_eq!(names.holders(Kind::Tcp, 80).count(), 7);
        for back in &numbers {
            arena.slot(numbers[0]).unwrap().next_bound.store(back + 1, Relaxed);
            let met = names.holders(Kind::Tcp, 80).take(1000).count();
            assert!((7..30).contains(&met), "{back}: {met}");
        }
    }
}
