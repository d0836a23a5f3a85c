//! What a wait tells: what the active items have, in the order in which it came. epoll's list of ready files has them in
//! that order (ep_poll_callback appends to it), and servers depend on it: who sends on one connection, then on another,
//! finds both answered in that order.

use super::activity::{CROWD, IN};
use super::{Item, Items};
use crate::family::Calm;
use crate::kernel;

/// So many items further on, a line that is looked at has come by the time of the look.
const AHEAD: usize = 4;
/// A program that asks for fewer events than there are gets the first of so many: to find the very first of thousands
/// would cost as much as telling them all.
const CHOICE: usize = 64;

/// One event to tell.
pub(super) struct Found {
    /// When it came, by the processor's counter; 0 for what has no such time, which goes first.
    since: u64,
    turn: u32,
    id: u32,
    event: libc::epoll_event,
    /// What it is told for.
    now: (u64, u64),
}

impl Item {
    /// Since when what is told stands in the line.
    fn since(&self, found: u32) -> u64 {
        if self.kept != 0 {
            return self.kept;
        }
        if found & IN == 0 {
            return self.entered;
        }
        let seen = match self.events & libc::EPOLLET as u32 != 0 && !self.fresh {
            true => self.seen.0,
            false => 0,
        };
        let came = match &self.calm {
            Some(calm) => calm.waits_since(seen),
            None => self.socket().map_or(0, |s| s.ops().waits_since(&s, seen)),
        };
        came.max(self.entered)
    }

    fn is_told(&mut self, now: (u64, u64)) {
        (self.seen, self.fresh) = (now, false);
        self.spent |= self.events & libc::EPOLLONESHOT as u32 != 0;
        if self.calm.is_none() {
            self.settle_down();
        }
    }

    fn is_told_by_level(&self) -> bool {
        self.events & (libc::EPOLLONESHOT | libc::EPOLLET) as u32 == 0
    }

    fn has_nothing(&mut self, patience: u8) -> bool {
        (self.idle, self.kept) = (self.idle.saturating_add(1), 0);
        self.idle >= patience
    }
}

impl Items {
    /// Tells up to `into.len()` events. What was looked at comes last with the next look, so that nobody starves where there
    /// are more than can be looked at.
    pub fn collect(&mut self, into: &mut [libc::epoll_event]) -> usize {
        let room = into.len().max(CHOICE);
        let alone = self.active.len() <= 1;
        let mut start = if alone { u64::MAX } else { kernel::ticks() };
        let (mut visited, mut idlers) = self.look(room);
        if !self.line.is_empty() && self.line.iter().all(|found| found.since > start) {
            // All of it came while the items were looked at, one after the other: one that had been passed by may have had
            // something before.
            start = kernel::ticks();
            (visited, idlers) = self.look(room);
        }
        if self.line.iter().any(|found| found.since <= start) {
            // For the same reason what came meanwhile is left to the next wait.
            self.line.retain(|found| found.since <= start);
        }
        let count = self.line_up(into, start);
        if visited < self.active.len() {
            self.active.rotate_left(visited);
        }
        if idlers > CROWD {
            self.settle();
        }
        count
    }

    /// Looks for up to `room` events; gives how many of the active items were looked at, and how many have had nothing for
    /// long.
    fn look(&mut self, room: usize) -> (usize, usize) {
        let (mut idlers, mut visited, mut leave) = (0, 0usize, false);
        let patience = self.patience();
        let Items { slots, active, line, .. } = self;
        line.clear();
        let (first, second) = active.as_slices();
        for part in [first, second] {
            for (at, id) in part.iter().enumerate() {
                if line.len() == room {
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
                    idlers += item.has_nothing(patience) as usize;
                    continue;
                }
                let (found, now) = item.tell();
                if found == 0 {
                    if item.gone || item.calm.is_none() && item.left_to_bell() {
                        (item.active, leave) = (false, true);
                        continue;
                    }
                    idlers += item.has_nothing(patience) as usize;
                    continue;
                }
                let (since, event) = (item.since(found), libc::epoll_event { events: found, u64: item.data });
                item.idle = 0;
                line.push(Found { since, turn: line.len() as u32, id: *id, event, now });
            }
        }
        if leave {
            let (all, slots) = (active.len(), &self.slots);
            self.active.retain(|id| slots[*id as usize].as_ref().is_some_and(|item| item.active));
            visited = visited.saturating_sub(all - self.active.len());
        }
        (visited, idlers)
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

    /// Puts what was found in order. What is told by its level goes back to the end of the line at once (ep_send_events),
    /// and keeps that place until a wait finds nothing; `start` is that end, MAX where one stands alone.
    fn line_up(&mut self, into: &mut [libc::epoll_event], start: u64) -> usize {
        let Items { slots, line, last, told, shared, .. } = self;
        if line.len() > 1 {
            line.sort_unstable_by_key(|found| (found.since, found.turn));
        }
        line.truncate(into.len());
        let mut before: Option<Calm> = None;
        for (at, (place, found)) in into.iter_mut().zip(line.iter()).enumerate() {
            *place = found.event;
            *last = Some(found.id);
            let Some(item) = slots[found.id as usize].as_mut() else { continue };
            if let Some(calm) = item.calm {
                before.replace(calm).iter().for_each(|before| before.is_followed_by(Some(&calm)));
            }
            item.is_told(found.now);
            item.kept = match item.is_told_by_level() {
                true if start == u64::MAX => found.since,
                true => start.saturating_add(at as u64),
                false => 0,
            };
            if shared.is_some() && !item.is_told_by_level() {
                told.push(found.id);
            }
        }
        before.iter().for_each(|last| last.is_followed_by(None));
        line.len()
    }
}
