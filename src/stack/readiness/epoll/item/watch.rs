//! What an item has our bells watch, and what it learns from them.

use super::{Items, Target};
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::readiness::epoll::{self, INNER_BELLS, NESTED};
use crate::socket::Sock;

impl Items {
    /// Has our bells watch an item's anchor, edge-triggered.
    pub fn watch(&self, bells: i32, id: u32, s: &Sock) -> Result<()> {
        let Some(item) = self.slots[id as usize].as_ref().filter(|_| s.fd >= 0) else { return Ok(()) };
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

    /// Has new bells watch everything.
    pub fn watch_all(&self, bells: i32) {
        for (id, item) in (0..).zip(&self.slots) {
            // What cannot be watched is closed here.
            let _ = match item {
                Some(item) if item.target == Target::Nested => self.watch_nested(bells, id, item.fd),
                Some(item) => item.socket().map_or(Ok(()), |s| self.watch(bells, id, &s)),
                None => Ok(()),
            };
        }
    }

    /// Has our bells watch a nested instance and its bells.
    pub fn watch_nested(&self, bells: i32, id: u32, fd: i32) -> Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, fd, events, id as u64 | NESTED)?;
        match epoll::bells(fd) {
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

    /// Something happened in a nested instance. What its bells tell of is an edge only if its sockets say so.
    pub fn rung_nested(&mut self, id: u32, bells: bool) {
        if let Some(item) = self.slots.get_mut(id as usize).and_then(Option::as_mut) {
            item.fresh |= !bells;
        }
        self.wake(id);
    }

    /// A bell rang for an item.
    pub fn rung(&mut self, id: u32, events: u32) {
        if let Some(s) = self.socket(id) {
            let mut told = events;
            if told & libc::EPOLLHUP as u32 != 0 && s.fd >= 0 {
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
