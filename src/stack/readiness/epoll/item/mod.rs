//! The items of a set: which sockets are registered, how, and which of them are worth looking at.

mod activity;
mod collect;
mod hearing;
mod record;
mod share;
mod watch;

pub use hearing::Hearing;
pub use record::Record;

use core::cell::Cell;
use core::sync::atomic::Ordering::*;
use std::collections::{BTreeMap, VecDeque};

use super::{arrivals, is_ready};
use crate::abi::{Errno, Result};
use crate::family::Calm;
use crate::fdtable;
use crate::kernel;
use crate::network;
use crate::shm::Bed;
use crate::socket::Sock;

/// Flags in an event mask that are not events.
pub const FLAGS: u32 = (libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLEXCLUSIVE) as u32 | libc::EPOLLWAKEUP as u32;
/// Told whether asked for or not.
const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

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
    /// When it was entered, or changed, by the processor's counter.
    entered: u64,
    /// Its place in the line since it was last told; 0 if it has none.
    kept: u64,
    /// One-shot and told: silent until modified.
    spent: bool,
    /// Removed by the program, but kept with its watch on the anchor: programs that take a socket out and put it back for
    /// each answer must not pay the kernel for it.
    gone: bool,
    /// The set's ear is entered beside the socket.
    heard: bool,
    /// This process closed the socket, which another one keeps open.
    orphan: bool,
    /// Nobody has it any more.
    over: Cell<bool>,
    /// The connection as a look has it, once there is one.
    calm: Option<Calm>,
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
    /// What is about to be told.
    line: Vec<collect::Found>,
    /// The item that was told last.
    last: Option<u32>,
    /// What is heard of sockets with that other processes hold too, once there are any.
    pub hearing: Hearing,
    /// Other processes may have the instance as well.
    shared: Option<share::Shared>,
    /// What was shared before, where it cannot be let go of yet.
    left: Option<share::Shared>,
    /// Nobody else has it any more, or there is no memory to share it.
    lonely: bool,
    /// Items of a shared instance that were told, whose state that changed.
    told: Vec<u32>,
    bed: Bedding,
}

/// Where those sleep who wait on the set.
#[derive(Default)]
enum Bedding {
    /// Nobody slept yet.
    #[default]
    Unused,
    Bed(Bed),
    /// There was none to be had: every socket rings.
    None,
}

fn key(fd: i32, target: Target) -> (i32, u32) {
    match target {
        Target::Socket(number, _) => (fd, number),
        Target::Nested => (fd, u32::MAX),
    }
}

impl Item {
    /// The socket, if it is still the one that was registered; its descriptor is -1 if this process does not hold it.
    fn socket(&self) -> Option<Sock> {
        let Target::Socket(number, generation) = self.target else { return None };
        let arena = network::opened()?;
        let slot = arena.slot(number).filter(|s| s.generation.load(Relaxed) == generation)?;
        // The number may be closed while a duplicate keeps the registration alive.
        let fd = match fdtable::is(self.fd, number) || fdtable::get(self.fd).is_some_and(|s| s.number == number) {
            true => self.fd,
            false => fdtable::all().find(|(_, n)| *n == number).map_or(-1, |(fd, _)| fd),
        };
        Some(Sock { fd, number, slot, arena })
    }

    /// From here on the item is looked at as a calm connection, if it is one.
    fn settle_down(&mut self) {
        self.calm = self.socket().filter(|s| s.fd >= 0).and_then(|s| s.ops().calm(&s));
    }

    /// Is there certainly nothing to tell?
    #[inline(always)]
    fn is_silent(&self) -> bool {
        let Some(calm) = &self.calm else { return false };
        match self.events & libc::EPOLLET as u32 {
            0 => calm.is_silent(self.events),
            _ => !self.fresh && calm.is_even(self.seen),
        }
    }

    /// A socket of another process is ready: does it live? One that was killed could not say that it closed it.
    #[cold]
    fn lives_elsewhere(&self, s: &Sock) -> bool {
        let lives = kernel::unix_socket_exists(s.slot.inode.load(Relaxed)).unwrap_or(false);
        self.over.set(!lives);
        lives
    }

    /// What to tell now, by the rules of level and edge, and what that is told for. Changes nothing.
    fn tell(&self) -> (u32, (u64, u64)) {
        if self.spent || self.gone || self.over.get() {
            return (0, self.seen);
        }
        let wanted = self.events & !FLAGS | ALWAYS;
        let calm = |calm: &Calm| self.tell_of(|| Some(calm.ready_for(wanted)? & wanted), || calm.edges());
        self.calm.as_ref().and_then(calm).unwrap_or_else(|| self.tell_whole(wanted))
    }

    #[cold]
    fn tell_whole(&self, wanted: u32) -> (u32, (u64, u64)) {
        let ready = || match self.target {
            Target::Nested if is_ready(self.fd) => (libc::EPOLLIN | libc::EPOLLRDNORM) as u32,
            Target::Nested => 0,
            Target::Socket(..) => self.socket().map_or(0, |s| {
                let found = s.ops().ready_for(&s, wanted);
                if s.fd >= 0 || found == 0 || self.lives_elsewhere(&s) {
                    found
                } else {
                    0
                }
            }),
        };
        let edges = || match self.target {
            Target::Nested => (arrivals(self.fd), 0),
            Target::Socket(..) => self.socket().map_or((0, 0), |s| s.ops().edges(&s)),
        };
        self.tell_of(|| Some(ready() & wanted), || Some(edges())).unwrap_or((0, self.seen))
    }

    /// The rules of level and edge, over somebody who knows what is ready and what edges are told by. None: they do not.
    #[inline(always)]
    fn tell_of(
        &self,
        ready: impl Fn() -> Option<u32>,
        edges: impl Fn() -> Option<(u64, u64)>,
    ) -> Option<(u32, (u64, u64))> {
        if self.events & libc::EPOLLET as u32 == 0 {
            return Some((ready()?, self.seen));
        }
        let before = edges()?;
        if before == self.seen && !self.fresh {
            return Some((0, before));
        }
        let mut found = ready()?;
        let mut now = edges()?;
        if now != before {
            // What came while the events were looked at is told for now, so the events have to have it.
            found = ready()?;
        }
        if found & (libc::EPOLLOUT | libc::EPOLLWRNORM) as u32 == 0 {
            // A buffer that filled up is an edge when there is room again, whatever else is told until then.
            now.1 = self.seen.1;
        }
        let edge = self.fresh || now != self.seen;
        Some((if edge { found } else { 0 }, now))
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
            entered: kernel::ticks(),
            kept: 0,
            spent: false,
            gone: false,
            heard: false,
            orphan: false,
            over: Cell::new(false),
            calm: None,
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
        if let Some(item) = self.slots[id as usize].as_mut() {
            item.settle_down();
        }
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
        (item.entered, item.kept) = (kernel::ticks(), 0);
        item.over.set(false);
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

    /// Changes what an item asks for, and makes what is ready now an edge.
    pub fn modify(&mut self, id: u32, events: u32, data: u64) -> Result<()> {
        let item = self.slots[id as usize].as_mut().ok_or(Errno::ENOENT)?;
        if item.events & libc::EPOLLEXCLUSIVE as u32 != 0 {
            return Err(Errno::EINVAL);
        }
        (item.events, item.data, item.fresh, item.spent) = (events, data, true, false);
        item.entered = kernel::ticks();
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
        self.hearing.leave(&item);
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

    /// This process closed a socket that another one keeps open: its items stay.
    pub fn orphan(&mut self, number: u32) {
        for id in self.of_socket(number) {
            if let Some(item) = self.slots[id as usize].as_mut() {
                (item.orphan, item.calm) = (true, None);
            }
            self.wake(id);
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
            Target::Nested => arrivals(item.fd),
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

    /// The socket of an item.
    pub fn socket(&self, id: u32) -> Option<Sock> {
        self.slots.get(id as usize)?.as_ref()?.socket()
    }
}
