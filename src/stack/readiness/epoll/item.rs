//! The items of a set: which sockets are registered, how, and which of them are worth looking at.

use core::sync::atomic::{fence, Ordering::*};
use std::collections::{BTreeMap, VecDeque};

use super::{INNER_BELLS, NESTED};
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::network;
use crate::socket::Sock;

/// Flags in an event mask that are not events.
pub const FLAGS: u32 = (libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLEXCLUSIVE) as u32 | libc::EPOLLWAKEUP as u32;
/// Told whether asked for or not.
const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
/// How many looks that find nothing make an item quiet.
const PATIENCE: u8 = 8;
/// So many idle items among the active ones are worth a pass over all of them.
const CROWD: usize = 32;

/// What an item stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A socket, by slot number and generation.
    Socket(u32, u32),
    /// An epoll instance.
    Nested,
}

/// One registration.
pub struct Item {
    fd: i32,
    target: Target,
    events: u32,
    data: u64,
    /// What the last edge was told for; an edge is a change of it.
    seen: (u64, u64),
    /// Just added or modified: what is ready now is an edge.
    fresh: bool,
    active: bool,
    idle: u8,
    /// One-shot and told: silent until modified.
    spent: bool,
    /// Removed by the program, but kept with its watch on the anchor: programs that take a socket out and put it back for
    /// each answer must not pay the kernel for it.
    gone: bool,
}

/// A registration as it goes over exec.
pub struct Record {
    /// The number that was registered.
    pub fd: i32,
    target: Target,
    events: u32,
    data: u64,
    seen: (u64, u64),
    fresh: bool,
    spent: bool,
}

impl Record {
    /// How many words one takes.
    pub const WORDS: usize = 8;

    /// As words.
    pub fn to_words(&self) -> [u64; Record::WORDS] {
        let (nested, number, generation) = match self.target {
            Target::Socket(number, generation) => (0, number, generation),
            Target::Nested => (1, 0, 0),
        };
        let flags = nested | (self.fresh as u64) << 1 | (self.spent as u64) << 2;
        let (fd, events) = (self.fd as u64, self.events as u64);
        [fd, flags, number as u64, generation as u64, events, self.data, self.seen.0, self.seen.1]
    }

    /// Back from words, of which there are enough.
    pub fn from_words(w: &[u64]) -> Record {
        let target = if w[1] & 1 != 0 { Target::Nested } else { Target::Socket(w[2] as u32, w[3] as u32) };
        let (fresh, spent) = (w[1] & 2 != 0, w[1] & 4 != 0);
        Record { fd: w[0] as i32, target, events: w[4] as u32, data: w[5], seen: (w[6], w[7]), fresh, spent }
    }
}

/// The items of a set.
#[derive(Default)]
pub struct Items {
    slots: Vec<Option<Item>>,
    free: Vec<u32>,
    by_key: BTreeMap<(i32, u32), u32>,
    by_socket: BTreeMap<u32, Vec<u32>>,
    /// Numbers of items to look at, in the order of their turn.
    active: VecDeque<u32>,
    /// How many of them the last pass found to have had nothing for long.
    idlers: usize,
    /// Some items were left to their bells, which have to be looked at.
    pub some_quiet: bool,
}

fn key(fd: i32, target: Target) -> (i32, u32) {
    match target {
        Target::Socket(number, _) => (fd, number),
        Target::Nested => (fd, u32::MAX),
    }
}

impl Item {
    /// The socket, if it is still the one that was registered.
    fn socket(&self) -> Option<Sock> {
        let Target::Socket(number, generation) = self.target else { return None };
        let arena = network::opened()?;
        let slot = arena.slot(number).filter(|s| s.generation.load(Relaxed) == generation)?;
        // The number may be closed while a duplicate keeps the registration alive.
        let fd = match fdtable::get(self.fd) {
            Some(s) if s.number == number => self.fd,
            _ => fdtable::all().find(|(_, n)| *n == number).map_or(self.fd, |(fd, _)| fd),
        };
        Some(Sock { fd, number, slot, arena })
    }

    /// The events that hold now, of those that this item is for.
    fn ready(&self) -> u32 {
        if self.spent || self.gone {
            return 0;
        }
        let found = match self.target {
            Target::Nested if super::is_ready(self.fd) => (libc::EPOLLIN | libc::EPOLLRDNORM) as u32,
            Target::Nested => 0,
            Target::Socket(..) => self.socket().map_or(0, |s| s.ops().ready(&s)),
        };
        found & (self.events | ALWAYS) & !FLAGS
    }

    /// What to tell now, by the rules of level and edge. Changes nothing.
    fn tell(&self) -> (u32, (u64, u64)) {
        let found = self.ready();
        if found == 0 || self.events & libc::EPOLLET as u32 == 0 {
            return (found, self.seen);
        }
        let now = match self.target {
            Target::Nested => (super::arrivals(self.fd), 0),
            Target::Socket(..) => self.socket().map_or((0, 0), |s| s.ops().edges(&s)),
        };
        let edge = self.fresh
            || now.0 != self.seen.0
            || (now.1 != self.seen.1 && found & (libc::EPOLLOUT | libc::EPOLLWRNORM) as u32 != 0);
        (if edge { found } else { 0 }, now)
    }
}

impl Items {
    /// Number of the item of a descriptor.
    pub fn find(&self, fd: i32, target: Target) -> Option<u32> {
        let id = *self.by_key.get(&key(fd, target))?;
        // A socket that died under its registration left it behind.
        self.slots[id as usize].as_ref().is_some_and(|item| item.target == target && !item.gone).then_some(id)
    }

    /// Adds an item, active. Tells as well whether it is new to our bells.
    pub fn add(&mut self, fd: i32, target: Target, events: u32, data: u64) -> (u32, bool) {
        if let Some(stale) = self.by_key.get(&key(fd, target)).copied() {
            if self.revive(stale, target, events, data) {
                return (stale, false);
            }
            self.remove(stale);
        }
        let item = Item {
            fd,
            target,
            events,
            data,
            seen: (0, 0),
            fresh: true,
            active: true,
            idle: 0,
            spent: false,
            gone: false,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(item);
                id
            }
            None => {
                self.slots.push(Some(item));
                self.slots.len() as u32 - 1
            }
        };
        self.by_key.insert(key(fd, target), id);
        if let Target::Socket(number, _) = target {
            self.by_socket.entry(number).or_default().push(id);
        }
        self.active.push_back(id);
        (id, true)
    }

    /// Puts an item back that was taken out, if it is the same socket's.
    fn revive(&mut self, id: u32, target: Target, events: u32, data: u64) -> bool {
        let Some(item) = self.slots[id as usize].as_mut() else { return false };
        if !item.gone || item.target != target || events & libc::EPOLLEXCLUSIVE as u32 != 0 {
            return false;
        }
        (item.events, item.data, item.fresh) = (events, data, true);
        (item.spent, item.gone) = (false, false);
        self.wake(id);
        true
    }

    /// Takes an item out for the program; our bells go on watching.
    pub fn retire(&mut self, id: u32) {
        match self.slots[id as usize].as_mut() {
            Some(item) if item.target != Target::Nested && item.events & libc::EPOLLEXCLUSIVE as u32 == 0 => {
                item.gone = true;
            }
            _ => self.remove(id),
        }
    }

    /// All items, to go over exec.
    pub fn records(&self) -> Vec<Record> {
        let record = |i: &Item| Record {
            fd: i.fd,
            target: i.target,
            events: i.events,
            data: i.data,
            seen: i.seen,
            fresh: i.fresh,
            spent: i.spent,
        };
        self.slots.iter().flatten().filter(|i| !i.gone).map(record).collect()
    }

    /// An item that came over exec.
    pub fn restore(&mut self, r: &Record) -> u32 {
        let (id, _) = self.add(r.fd, r.target, r.events, r.data);
        if let Some(item) = self.slots[id as usize].as_mut() {
            (item.seen, item.fresh, item.spent) = (r.seen, r.fresh, r.spent);
        }
        id
    }

    /// Changes what an item asks for, and makes what is ready now an edge.
    pub fn modify(&mut self, id: u32, events: u32, data: u64) -> Result<()> {
        let item = self.slots[id as usize].as_mut().ok_or(Errno::ENOENT)?;
        if item.events & libc::EPOLLEXCLUSIVE as u32 != 0 {
            return Err(Errno::EINVAL);
        }
        (item.events, item.data, item.fresh, item.spent) = (events, data, true, false);
        self.wake(id);
        Ok(())
    }

    /// Removes an item.
    pub fn remove(&mut self, id: u32) {
        let Some(item) = self.slots[id as usize].take() else { return };
        let key = key(item.fd, item.target);
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        if let Target::Socket(number, _) = item.target {
            if let Some(list) = self.by_socket.get_mut(&number) {
                list.retain(|other| *other != id);
                if list.is_empty() {
                    self.by_socket.remove(&number);
                }
            }
        }
        if item.active {
            self.active.retain(|other| *other != id);
        }
        self.free.push(id);
    }

    /// Removes a socket's items.
    pub fn remove_socket(&mut self, number: u32) {
        for id in self.of_socket(number) {
            self.remove(id);
        }
    }

    /// Removes a nested instance.
    pub fn remove_nested(&mut self, fd: i32) {
        if let Some(id) = self.find(fd, Target::Nested) {
            self.remove(id);
        }
    }

    /// A number that changes when something to read comes to any socket here.
    pub fn arrivals(&self) -> u64 {
        let of = |item: &Item| match item.target {
            Target::Nested => super::arrivals(item.fd),
            Target::Socket(..) => item.socket().map_or(0, |s| s.ops().edges(&s).0),
        };
        self.slots.iter().flatten().filter(|item| !item.gone).fold(0, |sum, item| sum.wrapping_add(of(item)))
    }

    /// Numbers of a socket's items.
    pub fn of_socket(&self, number: u32) -> Vec<u32> {
        self.by_socket.get(&number).cloned().unwrap_or_default()
    }

    /// Takes an item out for the kernel's set: its events and data, if it is for this descriptor.
    pub fn take(&mut self, id: u32, fd: i32) -> Option<(u32, u64)> {
        let item = self.slots[id as usize].as_ref().filter(|item| item.fd == fd && !item.gone)?;
        let told = (item.events, item.data);
        self.remove(id);
        Some(told)
    }

    /// The descriptors of nested instances.
    pub fn nested(&self) -> Vec<i32> {
        self.slots.iter().flatten().filter(|i| i.target == Target::Nested).map(|i| i.fd).collect()
    }

    /// Something happened in a nested instance. What its bells tell of is an edge only if its sockets say so.
    pub fn rung_nested(&mut self, id: u32, bells: bool) {
        if let Some(item) = self.slots.get_mut(id as usize).and_then(Option::as_mut) {
            item.fresh |= !bells;
        }
        self.wake(id);
    }

    /// Has our bells watch an item's anchor, edge-triggered.
    pub fn watch(&self, bells: i32, id: u32, s: &Sock) -> Result<()> {
        let Some(item) = &self.slots[id as usize] else { return Ok(()) };
        let exclusive = item.events & libc::EPOLLEXCLUSIVE as u32;
        let mut events = (libc::EPOLLIN | libc::EPOLLET) as u32 | exclusive;
        if exclusive == 0 {
            events |= libc::EPOLLRDHUP as u32;
        }
        if s.ops().bells_write(s) {
            events |= libc::EPOLLOUT as u32;
        }
        let add = |fd, data| match kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, fd, events, data) {
            Err(Errno::EEXIST) if exclusive == 0 => kernel::epoll_control(bells, libc::EPOLL_CTL_MOD, fd, events, data),
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        };
        if let Some(companion) = s.ops().companion(s) {
            let both = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET;
            let _ = kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, companion, both as u32, id as u64);
        }
        add(s.fd, id as u64)
    }

    /// Has our bells watch a nested instance and its bells.
    pub fn watch_nested(&self, bells: i32, id: u32, fd: i32) -> Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, fd, events, id as u64 | NESTED)?;
        match super::bells(fd) {
            -1 => Ok(()),
            inner => kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, inner, events, id as u64 | NESTED | INNER_BELLS),
        }
    }

    /// An instance that is nested here got a set of its own, whose bells are watched too.
    pub fn nested_became_mixed(&self, bells: i32, fd: i32, inner: i32) {
        if let Some(id) = self.find(fd, Target::Nested) {
            let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
            let _ = kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, inner, events, id as u64 | NESTED | INNER_BELLS);
        }
    }

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

    /// The socket of an item.
    pub fn socket(&self, id: u32) -> Option<Sock> {
        self.slots.get(id as usize)?.as_ref()?.socket()
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
            self.active.push_back(id);
            let (found, now) = item.tell();
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
            into[count] = libc::epoll_event { events: found, u64: item.data };
            count += 1;
        }
        self.idlers = idlers;
        if idlers > CROWD {
            self.settle();
        }
        count
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
            let by_itself = || item.socket().is_some_and(|s| s.ops().next_look(&s).is_some());
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
            let Some(item) = self.slots[*id as usize].as_ref() else { continue };
            if item.target == Target::Nested {
                super::arm(item.fd, &mut look_by);
            }
            if let Some(s) = item.socket().filter(|_| !item.spent && !item.gone) {
                s.ops().arm(&s, item.events | ALWAYS);
                if let Some(at) = s.ops().next_look(&s) {
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
            let by_itself = item.socket().is_some_and(|s| s.ops().next_look(&s).is_some());
            let waits = item.target == Target::Nested || by_itself || item.idle < PATIENCE && !item.spent;
            let stays = waits && !item.gone;
            item.active = stays;
            some_quiet |= !stays;
            stays
        });
        self.some_quiet |= some_quiet;
    }

    /// A bell rang for an item.
    pub fn rung(&mut self, id: u32, events: u32) {
        if let Some(s) = self.socket(id) {
            let mut told = events;
            if told & libc::EPOLLHUP as u32 != 0 {
                // An anchor that was not connected yet when it was registered was hung up too: ask again.
                let mut fds = [libc::pollfd { fd: s.fd, events: libc::POLLIN, revents: 0 }];
                let _ = kernel::ppoll(&mut fds, Some(0), None);
                told = fds[0].revents as u16 as u32;
            }
            s.ops().answer_bell(&s, told);
        }
        self.wake(id);
    }
}
