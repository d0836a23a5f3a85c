//! The ear of a set: how it hears of sockets whose bells another process may take. See [`crate::ears`].

use super::{Item, Items, Target};
use crate::abi::Result;
use crate::ears;
use crate::network;
use crate::readiness::{internal, is_shared};
use crate::shm::Arena;
use crate::socket::Sock;

/// A set's ear.
#[derive(Default)]
pub struct Hearing {
    /// Its descriptor and its number.
    ear: Option<(i32, u32)>,
    /// There is a socket that wants one.
    pub wanted: bool,
}

impl Hearing {
    /// The descriptor, if there is an ear.
    pub fn fd(&self) -> Option<i32> {
        self.ear.map(|(fd, _)| fd)
    }

    /// The ear's number, if there is one.
    pub fn number(&self) -> Option<u32> {
        self.ear.map(|(_, number)| number)
    }

    /// Makes an ear. Gives its descriptor and its number.
    pub fn open(&mut self, arena: &'static Arena) -> Result<(i32, u32)> {
        self.wanted = false;
        let ear = ears::open(arena)?;
        self.ear = Some(ear);
        Ok(ear)
    }

    /// The descriptor has another number now.
    pub fn renumber(&mut self, fd: i32) {
        if let Some(ear) = &mut self.ear {
            ear.0 = fd;
        }
    }

    /// Enters the ear beside an item's socket if others may take its bell.
    pub fn listen(&mut self, item: &mut Item, s: &Sock) {
        // Of one that this process never held it has no bell either, and looks by itself.
        let concerned = if s.fd < 0 { item.orphan } else { is_shared(s) };
        if item.heard || !concerned {
            return;
        }
        match self.ear {
            Some((_, number)) => item.heard = ears::enter(s, number),
            None => self.wanted = true,
        }
    }

    /// Takes the ear out beside an item's socket.
    pub fn leave(&self, item: &Item) {
        let (Some((_, ear)), Target::Socket(number, _)) = (self.ear, item.target) else { return };
        let slot = network::opened().filter(|_| item.heard).and_then(|arena| Some((arena, arena.slot(number)?)));
        if let Some((arena, slot)) = slot {
            ears::leave(&Sock { fd: -1, number, slot, arena }, ear);
        }
    }
}

impl Items {
    /// The ear is another process' (this one was forked off): this one's is yet to be made.
    pub fn forget_ear(&mut self) {
        self.slots.iter_mut().flatten().for_each(|item| item.heard = false);
        if let Some((fd, _)) = self.hearing.ear.take() {
            internal::drop(fd);
        }
    }

    /// Takes what was heard: its sockets are worth a look.
    pub fn hear(&mut self) {
        let Some(fd) = self.hearing.fd() else { return };
        if ears::hear(fd, |number| {
            self.wake_socket(number);
        }) {
            self.wake_all();
        }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.slots.iter().flatten().for_each(|item| self.hearing.leave(item));
        if let Some(fd) = self.hearing.fd() {
            internal::drop(fd);
        }
        self.unshare();
    }
}
