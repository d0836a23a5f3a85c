//! Which items are looked at: the active ones, each in its turn; the others are left to their bells.

use core::sync::atomic::{fence, Ordering::*};

use super::{Bedding, Item, Items, Target, ALWAYS};
use crate::network;
use crate::readiness::{epoll, is_shared, next_look};
use crate::shm::Bed;
use crate::socket::Sock;

/// How many looks that find nothing make an item quiet, where there are many.
const PATIENCE: u8 = 8;
/// So many where there are few items: a bell costs its ringer and us as much as a hundred looks.
const LONG_PATIENCE: u8 = 100;
/// These are few.
const FEW: usize = 256;
/// So many idle items among the active ones are worth a pass over all of them.
pub(super) const CROWD: usize = 32;
pub(super) const IN: u32 = (libc::EPOLLIN | libc::EPOLLRDNORM) as u32;
const OUT: u32 = (libc::EPOLLOUT | libc::EPOLLWRNORM) as u32;

impl Item {
    /// A listener that has nothing: its bell rings for each connection, and to look at it costs a system call. And what
    /// nobody has any more.
    pub(super) fn left_to_bell(&self) -> bool {
        self.over.get() || self.socket().is_some_and(|s| s.ops().asks_kernel(&s) && s.ops().next_look(&s).is_none())
    }

    /// What its socket has to ring for. An edge for room to write comes only after a write that found none, which asks by
    /// itself.
    fn asks(&self, s: &Sock) -> u32 {
        let told = self.events & libc::EPOLLET as u32 != 0 && !self.fresh;
        let no_room = || s.ops().edges(s).1 != self.seen.1;
        match self.events & OUT != 0 && told && !no_room() {
            true => self.events & !OUT | ALWAYS,
            false => self.events | ALWAYS,
        }
    }
}

impl Items {
    /// An item is worth a look again. True if it was quiet.
    pub fn wake(&mut self, id: u32) -> bool {
        let Some(item) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else { return false };
        item.idle = 0;
        if item.calm.is_none() && !item.gone {
            item.settle_down();
        }
        if item.gone || core::mem::replace(&mut item.active, true) {
            return false;
        }
        self.active.push_back(id);
        true
    }

    /// All items are worth a look again.
    pub fn wake_all(&mut self) {
        for id in 0..self.slots.len() as u32 {
            self.wake(id);
        }
    }

    /// A socket's items are worth a look again. True if there are any.
    pub fn wake_socket(&mut self, number: u32) -> bool {
        let ids = self.of_socket(number);
        for id in &ids {
            self.wake(*id);
        }
        !ids.is_empty()
    }

    pub(super) fn patience(&self) -> u8 {
        match self.active.len() {
            ..=FEW => LONG_PATIENCE,
            _ => PATIENCE,
        }
    }

    /// How many items does a look go through?
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// Would a wait tell anything?
    pub fn any_ready(&self) -> bool {
        self.active.iter().any(|id| match self.slots.get(*id as usize) {
            Some(Some(item)) => !item.is_silent() && item.tell().0 != 0,
            _ => false,
        })
    }

    /// Leaves those to their bells that have had nothing for long, so that a wait costs what the busy ones cost. Each of
    /// their bells rings by itself, whether anybody sleeps or not.
    pub fn settle(&mut self) {
        let patience = self.patience();
        let slots = &mut self.slots;
        let idle = |item: &Item| item.idle >= patience || item.spent || item.gone;
        let leaves = |item: &Item| idle(item) && item.target != Target::Nested;
        let mut some = false;
        for id in &self.active {
            let Some(item) = slots[*id as usize].as_ref().filter(|item| leaves(item)) else { continue };
            some = true;
            if let Some(s) = item.socket().filter(|_| !item.spent && !item.gone) {
                s.ops().arm(&s, item.asks(&s));
            }
        }
        if !some {
            return;
        }
        fence(SeqCst);
        self.active.retain(|id| {
            let Some(item) = slots[*id as usize].as_mut() else { return false };
            let by_itself = || item.socket().is_some_and(|s| next_look(&s, item.heard).is_some());
            let leaves = item.gone || leaves(item) && item.tell().0 == 0 && !by_itself();
            item.active = !leaves;
            !leaves
        });
    }

    /// Where those sleep who wait here, if a bed can be had.
    pub fn bed(&mut self) -> Option<&Bed> {
        if let Bedding::Unused = self.bed {
            self.bed = network::opened().and_then(Bed::take).map_or(Bedding::None, Bedding::Bed);
        }
        match &self.bed {
            Bedding::Bed(bed) => Some(bed),
            _ => None,
        }
    }

    /// The set's bed is not this process', or not any more.
    pub fn leave_bed(&mut self) {
        if let Bedding::Bed(bed) = core::mem::take(&mut self.bed) {
            bed.give();
        }
    }

    /// Before a sleep: asks every active socket to ring, for those who sleep in the set's bed or, `outside`, for whoever
    /// looks at the set from without. Gives the moment at which one of them may change by itself.
    pub fn arm_active(&mut self, outside: bool) -> Option<u64> {
        let mut look_by: Option<u64> = None;
        let bed = match &self.bed {
            Bedding::Bed(bed) if !outside && !self.is_shared() => Some(bed),
            _ => None,
        };
        for id in &self.active {
            let Some(item) = self.slots[*id as usize].as_mut() else { continue };
            if item.target == Target::Nested {
                epoll::arm(item.fd, &mut look_by);
            }
            if let Some(s) = item.socket().filter(|_| !item.spent && !item.gone) {
                self.hearing.listen(item, &s);
                // Of several processes one may take the bell: each rings for all of them.
                match bed.filter(|_| !is_shared(&s)).and_then(|bed| bed.name_for(s.arena)) {
                    Some(name) => s.ops().arm_from_bed(&s, item.asks(&s), name),
                    None => s.ops().arm(&s, item.asks(&s)),
                }
                if let Some(at) = next_look(&s, item.heard) {
                    look_by = Some(look_by.map_or(at, |b| b.min(at)));
                }
            }
        }
        fence(SeqCst);
        look_by
    }
}
