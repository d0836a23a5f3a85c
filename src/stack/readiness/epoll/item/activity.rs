//! Which items are looked at: the active ones, each in its turn; the others are left to their bells.

use core::sync::atomic::{fence, Ordering::*};

use super::{Item, Items, Target, ALWAYS};
use crate::family::Calm;
use crate::readiness::{epoll, next_look};

/// How many looks that find nothing make an item quiet when the set comes to sleep.
const PATIENCE: u8 = 8;
/// So many while it never sleeps and has few items: a bell costs its ringer and us as much as a hundred looks.
const LONG_PATIENCE: u8 = 100;
/// These are few.
const FEW: usize = 256;
/// So many idle items among the active ones are worth a pass over all of them.
const CROWD: usize = 32;
/// So many items further on, a line that is looked at has come by the time of the look.
const AHEAD: usize = 4;

impl Item {
    /// A listener that has nothing: its bell rings for each connection, and to look at it costs a system call. And what
    /// nobody has any more.
    fn left_to_bell(&self) -> bool {
        self.over.get() || self.socket().is_some_and(|s| s.ops().asks_kernel(&s) && s.ops().next_look(&s).is_none())
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

    /// Tells up to `into.len()` events. What was told goes to the end of the line, so that a small array starves nobody.
    pub fn collect(&mut self, into: &mut [libc::epoll_event]) -> usize {
        let (mut count, mut idlers, mut visited, mut leave) = (0, 0, 0, false);
        let Items { slots, active, last, told, shared, .. } = self;
        let patience = if active.len() > FEW { PATIENCE } else { LONG_PATIENCE };
        let (first, second) = active.as_slices();
        for part in [first, second] {
            for (at, id) in part.iter().enumerate() {
                if count == into.len() {
                    break;
                }
                visited += 1;
                if let Some(Some(next)) = part.get(at + AHEAD).and_then(|id| slots.get(*id as usize)) {
                    next.calm.iter().for_each(Calm::expect_look);
                }
                let Some(Some(item)) = slots.get_mut(*id as usize) else {
                    leave = true;
                    continue;
                };
                if item.is_silent() && !item.gone {
                    item.idle = item.idle.saturating_add(1);
                    idlers += (item.idle >= patience) as usize;
                    continue;
                }
                let (found, now) = item.tell();
                if found == 0 {
                    if item.gone || item.calm.is_none() && item.left_to_bell() {
                        (item.active, leave) = (false, true);
                        continue;
                    }
                    item.idle = item.idle.saturating_add(1);
                    idlers += (item.idle >= patience) as usize;
                    continue;
                }
                item.idle = 0;
                (item.seen, item.fresh) = (now, false);
                if item.events & libc::EPOLLONESHOT as u32 != 0 {
                    item.spent = true;
                }
                if item.calm.is_none() {
                    item.settle_down();
                }
                if shared.is_some() && item.events & (libc::EPOLLONESHOT | libc::EPOLLET) as u32 != 0 {
                    told.push(*id);
                }
                into[count] = libc::epoll_event { events: found, u64: item.data };
                *last = Some(*id);
                count += 1;
            }
        }
        if visited < active.len() {
            active.rotate_left(visited);
        }
        if leave {
            active.retain(|id| slots[*id as usize].as_ref().is_some_and(|item| item.active));
        }
        if idlers > CROWD {
            self.settle(patience);
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
    fn settle(&mut self, patience: u8) {
        let slots = &mut self.slots;
        let idle = |item: &Item| item.idle >= patience && item.target != Target::Nested && !item.gone;
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
        let slots = &mut self.slots;
        self.active.retain(|id| {
            let Some(item) = slots[*id as usize].as_mut() else { return false };
            let by_itself = item.socket().is_some_and(|s| next_look(&s, item.heard).is_some());
            let waits = item.target == Target::Nested || by_itself || item.idle < PATIENCE && !item.spent;
            let stays = waits && !item.gone;
            item.active = stays;
            stays
        });
    }
}
