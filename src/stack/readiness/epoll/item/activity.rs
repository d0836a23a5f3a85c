//! Which items are looked at: the active ones, each in its turn; the others are left to their bells.

use core::sync::atomic::{fence, Ordering::*};

use super::{Item, Items, Target, ALWAYS};
use crate::readiness::{epoll, next_look};

/// How many looks that find nothing make an item quiet.
const PATIENCE: u8 = 8;
/// So many idle items among the active ones are worth a pass over all of them.
const CROWD: usize = 32;

impl Item {
    /// A listener that has nothing: its bell rings for each connection, and to look at it costs a system call.
    fn left_to_bell(&self) -> bool {
        self.socket().is_some_and(|s| s.ops().asks_kernel(&s) && s.ops().next_look(&s).is_none())
    }
}

impl Items {
    /// An item is worth a look again. True if it was quiet.
    pub fn wake(&mut self, id: u32) -> bool {
        let Some(item) = self.slots.get_mut(id as usize).and_then(Option::as_mut) else { return false };
        item.idle = 0;
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

    /// Are some items left to their bells, and how many does a look go through?
    pub fn outline(&self) -> (bool, usize) {
        (self.some_quiet, self.active.len())
    }

    /// Would a wait tell anything?
    pub fn any_ready(&self) -> bool {
        self.active.iter().any(|id| self.slots[*id as usize].as_ref().is_some_and(|item| item.tell().0 != 0))
    }

    /// Tells up to `into.len()` events. What was told goes to the end of the line, so that a small array starves nobody.
    pub fn collect(&mut self, into: &mut [libc::epoll_event]) -> usize {
        let mut count = 0;
        let mut idlers = 0;
        for _ in 0..self.active.len() {
            if count == into.len() {
                break;
            }
            let Some(id) = self.active.pop_front() else { break };
            let Some(item) = self.slots[id as usize].as_mut() else { continue };
            if item.gone {
                item.active = false;
                continue;
            }
            let (found, now) = item.tell();
            if found == 0 && item.left_to_bell() {
                item.active = false;
                self.some_quiet = true;
                continue;
            }
            self.active.push_back(id);
            if found == 0 {
                item.idle = item.idle.saturating_add(1);
                idlers += (item.idle >= PATIENCE) as usize;
                continue;
            }
            item.idle = 0;
            (item.seen, item.fresh) = (now, false);
            if item.events & libc::EPOLLONESHOT as u32 != 0 {
                item.spent = true;
            }
            if self.shared.is_some() && item.events & (libc::EPOLLONESHOT | libc::EPOLLET) as u32 != 0 {
                self.told.push(id);
            }
            into[count] = libc::epoll_event { events: found, u64: item.data };
            self.last = Some(id);
            count += 1;
        }
        self.idlers = idlers;
        if idlers > CROWD {
            self.settle();
        }
        count
    }

    /// The event that [`Items::collect`] told last is not told after all: the item comes first with the next.
    pub fn take_back_last(&mut self) -> Option<u32> {
        let id = self.last.take()?;
        if let Some(item) = self.slots[id as usize].as_mut() {
            (item.fresh, item.spent) = (true, false);
            self.active.retain(|other| *other != id);
            self.active.push_front(id);
        }
        Some(id)
    }

    /// In a loop that never sleeps: leaves those to their bells that have had nothing for long, so that a wait costs what
    /// the busy ones cost.
    fn settle(&mut self) {
        let slots = &mut self.slots;
        let idle = |item: &Item| item.idle >= PATIENCE && item.target != Target::Nested && !item.gone;
        for id in &self.active {
            let Some(item) = slots[*id as usize].as_ref().filter(|item| idle(item)) else { continue };
            if let Some(s) = item.socket() {
                s.ops().arm(&s, item.events | ALWAYS);
            }
        }
        fence(SeqCst);
        self.active.retain(|id| {
            let Some(item) = slots[*id as usize].as_mut() else { return false };
            let by_itself = || item.socket().is_some_and(|s| next_look(&s, item.heard).is_some());
            let leaves = idle(item) && item.tell().0 == 0 && !by_itself();
            item.active = !leaves;
            !leaves
        });
        self.some_quiet = true;
    }

    /// Before a sleep: asks every active socket to ring. Gives the moment at which one of them may change by itself.
    pub fn arm_active(&mut self) -> Option<u64> {
        let mut look_by: Option<u64> = None;
        for id in &self.active {
            let Some(item) = self.slots[*id as usize].as_mut() else { continue };
            if item.target == Target::Nested {
                epoll::arm(item.fd, &mut look_by);
            }
            if let Some(s) = item.socket().filter(|_| !item.spent && !item.gone) {
                self.hearing.listen(item, &s);
                s.ops().arm(&s, item.events | ALWAYS);
                if let Some(at) = next_look(&s, item.heard) {
                    look_by = Some(look_by.map_or(at, |b| b.min(at)));
                }
            }
        }
        fence(SeqCst);
        look_by
    }

    /// After [`Items::arm_active`] found nothing ready: those who have had nothing for long are left to their bells.
    pub fn quiet(&mut self) {
        let mut some_quiet = false;
        let slots = &mut self.slots;
        self.active.retain(|id| {
            let Some(item) = slots[*id as usize].as_mut() else { return false };
            let by_itself = item.socket().is_some_and(|s| next_look(&s, item.heard).is_some());
            let waits = item.target == Target::Nested || by_itself || item.idle < PATIENCE && !item.spent;
            let stays = waits && !item.gone;
            item.active = stays;
            some_quiet |= !stays;
            stays
        });
        self.some_quiet |= some_quiet;
    }
}
