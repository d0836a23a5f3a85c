//! Registrations that other processes have too: those of an instance that was inherited. See [`crate::shm::Board`].
//!
//! The items stay each process' own, with bells of its own; what changes goes to the board, and what others wrote there is
//! taken over before anything is looked at. A socket that this process does not hold is looked at in the arena alone: its
//! registration lasts as long as the kernel knows the socket, whoever holds it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::{key, Items, Record, Target};
use crate::ears;
use crate::kernel;
use crate::network;
use crate::shm::{Board, Stamp, Words, Writing};

/// What an ear is told of a board: no slot's number.
const NEWS: u32 = u32::MAX;

/// How often the kernel is asked whether those who share an instance live, in milliseconds.
const ASK_MS: u32 = 250;

/// An instance that other processes may have as well.
pub struct Shared {
    board: Board,
    /// What the items here know of it.
    known: Stamp,
    /// The process whose items these are.
    pid: u32,
    /// The board has a place for the child that is about to be made.
    expects: bool,
    /// The process is marked as leaving.
    leaves: bool,
    /// When the kernel was last asked whether the other processes live.
    asked_ms: u32,
    /// Numbers of entries by key.
    places: BTreeMap<(i32, u32), usize>,
}

impl Items {
    /// May other processes have the instance?
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// This process is about to be forked, and its child will have the instance.
    pub fn expect_child(&mut self) {
        if self.shared.is_none() {
            let board = network::opened().and_then(Board::make);
            // The set may have its ear from when the instance was shared before.
            if let Some((board, ear)) = board.as_ref().zip(self.hearing.number()) {
                board.set_ear(ear);
            }
            let pid = kernel::pid();
            let shared = |board| Shared {
                board,
                known: Stamp::default(),
                pid,
                expects: false,
                leaves: false,
                asked_ms: kernel::coarse_ms(),
                places: BTreeMap::new(),
            };
            self.shared = board.map(shared);
        }
        if let Some(shared) = &mut self.shared {
            shared.expects = shared.board.expect();
        }
    }

    /// There is no child after all.
    pub fn expect_none(&mut self) {
        if let Some(shared) = self.shared.as_mut().filter(|shared| shared.expects) {
            shared.board.unexpect();
        }
    }

    /// In the child. Where there is no place for it, its registrations are its own from here on.
    pub fn join(&mut self) {
        if let Some(mut shared) = self.shared.take() {
            if shared.expects && shared.board.join(shared.pid) {
                shared.pid = kernel::pid();
                self.shared = Some(shared);
            } else {
                // Kept: another thread of the parent may have been in the middle of malloc.
                self.left = Some(shared);
            }
        }
    }

    /// The program becomes another one, which will not have the instance (`leaves`), or stays after all.
    pub fn leaving(&mut self, leaves: bool) {
        if let Some(shared) = self.shared.as_mut().filter(|shared| shared.leaves != leaves) {
            shared.leaves = leaves;
            if !shared.board.leaving(leaves) && !leaves {
                // The board went with its last member.
                self.shared = None;
            }
        }
    }

    /// This process has done with the instance.
    pub fn unshare(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.board.leave();
        }
    }

    /// As [`Items::unshare`], at the end of the process, which may come in the middle of malloc.
    pub fn leave_board(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.board.leave();
            self.left = Some(shared);
        }
    }

    /// What a new program needs to go on: the board's name + 1 and what the items know; zeros if there is none.
    pub fn share_words(&self) -> [u64; 3] {
        self.shared.as_ref().map_or([0; 3], |s| [s.board.name() as u64 + 1, s.known.0, s.known.1])
    }

    /// In the new program. The board still has this process among its members.
    pub fn share_again(&mut self, words: [u64; 3]) {
        let board = network::opened().zip((words[0] as u32).checked_sub(1)).and_then(|(a, name)| Board::open(a, name));
        let Some(board) = board.filter(|board| board.has_me()) else { return };
        board.set_ear(0);
        let (known, pid) = (Stamp(words[1], words[2]), kernel::pid());
        self.shared = Some(Shared {
            board,
            known,
            pid,
            expects: false,
            leaves: false,
            asked_ms: kernel::coarse_ms(),
            places: BTreeMap::new(),
        });
    }

    /// Others tell of changes by the set's ear from here on.
    pub fn share_ear(&self, ear: u32) {
        if let Some(shared) = &self.shared {
            shared.board.set_ear(ear);
        }
    }

    /// Takes over what others wrote. One comparison where there is nothing new.
    pub fn catch_up(&mut self, bells: i32) {
        let Some(shared) = &self.shared else { return };
        if shared.board.stamp() != shared.known {
            let held = shared.board.lock();
            self.apply(&held, bells);
        }
    }

    /// Takes the board for a change, up to date. None where nobody else has the instance.
    pub fn hold(&mut self, bells: i32) -> Option<Writing> {
        let shared = self.shared.as_mut()?;
        // Who was killed did not say so; the kernel is asked now and then.
        let now = kernel::coarse_ms();
        let asks = now.wrapping_sub(shared.asked_ms) >= ASK_MS;
        if asks {
            shared.asked_ms = now;
        }
        if shared.board.is_only_mine() || asks && shared.board.is_left_to_me() {
            // What others wrote before they went stays.
            self.catch_up(bells);
            self.unshare();
            return None;
        }
        let held = shared.board.lock();
        if held.stamp() != shared.known {
            self.apply(&held, bells);
        }
        Some(held)
    }

    fn apply(&mut self, held: &Writing, bells: i32) {
        let Some(shared) = &mut self.shared else { return };
        let stamp = held.stamp();
        let whole = stamp.0 != shared.known.0;
        let since = if whole { 0 } else { shared.known.1 };
        let (mut places, mut told) = (core::mem::take(&mut shared.places), BTreeSet::new());
        shared.known = stamp;
        if whole {
            places.clear();
        }
        for (at, words) in held.since(since) {
            let record = Record::from_words(&words);
            places.insert(record.key(), at);
            told.insert(record.key());
            self.apply_one(&record, bells);
        }
        if let Some(shared) = &mut self.shared {
            shared.places = places;
        }
        if whole {
            let untold = |(id, item): (u32, &Option<super::Item>)| {
                let item = item.as_ref().filter(|i| i.target != Target::Nested && !i.gone)?;
                (!told.contains(&key(item.fd, item.target))).then_some(id)
            };
            let untold: Vec<u32> = (0..).zip(&self.slots).filter_map(untold).collect();
            untold.into_iter().for_each(|id| self.retire(id));
        }
    }

    fn apply_one(&mut self, record: &Record, bells: i32) {
        let Target::Socket(number, generation) = record.target else { return };
        let found = self.find(record.fd, record.target);
        let lives = network::opened().and_then(|a| a.slot(number)).is_some_and(|s| s.is_life(generation));
        if record.gone || !lives {
            found.into_iter().for_each(|id| self.retire(id));
            return;
        }
        let id = self.restore(record);
        if found.is_none() {
            if let Some(s) = self.socket(id).filter(|s| s.fd >= 0) {
                let _ = self.watch(bells, id, &s);
            }
        }
        self.wake(id);
    }

    /// An item was added, changed or told: writes that down.
    pub fn publish(&mut self, held: &Writing, id: u32) {
        if let Some(record) = self.record(id) {
            self.write(held, &record);
        }
    }

    /// An item is about to go: writes that down.
    pub fn publish_end(&mut self, held: &Writing, id: u32) {
        if let Some(record) = self.record(id) {
            self.write(held, &record.ended());
        }
    }

    /// Items were told whose state that changed.
    pub fn publish_told(&mut self, held: &Writing) {
        for id in core::mem::take(&mut self.told) {
            self.publish(held, id);
        }
    }

    fn write(&mut self, held: &Writing, record: &Record) {
        let Some(shared) = self.shared.as_mut().filter(|_| record.target != Target::Nested) else { return };
        let same = |words: &Words| Record::from_words(words).key() == record.key();
        let at = shared.places.get(&record.key()).copied();
        if let Ok(at) = held.put(at, &record.to_words(), same) {
            shared.places.insert(record.key(), at);
            shared.known = held.stamp();
            return;
        }
        if shared.board.is_left_to_me() {
            // Who had the instance too was killed. Put away when the board is let go of.
            shared.known = Stamp(u64::MAX, u64::MAX);
            self.lonely = true;
            return;
        }
        let all = self
            .records()
            .into_iter()
            .filter(|r| r.target != Target::Nested && (r.key() != record.key() || !record.gone));
        let all: Vec<_> = all.map(|r| r.to_words()).collect();
        let renewed = held.renew(&all).is_ok();
        let Some(shared) = &mut self.shared else { return };
        shared.places.clear();
        shared.known = held.stamp();
        if !renewed {
            log::warn!("no memory for an epoll instance that several processes share: each goes on by itself");
            self.lonely = true;
        }
    }

    /// Lets go of what [`Items::hold`] gave.
    pub fn end_of_change(&mut self, held: Option<Writing>) {
        drop(held);
        if core::mem::take(&mut self.lonely) {
            self.unshare();
        }
    }

    /// Tells the others that there is something new.
    pub fn tell_others(&self) {
        if let Some(shared) = &self.shared {
            shared.board.other_ears().for_each(|ear| {
                ears::speak(shared.board.arena(), ear, NEWS);
            });
        }
    }
}
