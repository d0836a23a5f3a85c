//! Descriptors that come from elsewhere: by exec, in messages, from another process' table.

use super::{add, lessen};
use crate::fdtable;
use crate::kernel;
use crate::socket;

/// A descriptor goes away in a message (`going`), or does not after all. In flight it is a reference of its own.
pub fn sent(fd: i32, going: bool) {
    if let Some(s) = fdtable::get(fd) {
        if going {
            add(s.slot);
            crate::sleepers::wake_all();
        } else {
            lessen(s.slot);
        }
    }
}

/// A descriptor arrived in a message: the sender counted it.
pub fn arrived(fd: i32) {
    if socket::adopt(fd).is_none() && fdtable::owned(fd) {
        // The number was closed unseen and is another file's now.
        fdtable::clear(fd);
    }
}

/// A descriptor was taken out of another process' table (pidfd_getfd(2)), and nobody counted it yet.
pub fn fetched(fd: i32) {
    if let Some(s) = socket::adopt(fd) {
        add(s.slot);
    }
}

/// At start: finds the sockets that were inherited through exec, and the epoll instances that watch them.
pub fn inherit() {
    // Numbers are collected first: looking at them opens descriptors of our own.
    let mut found: Vec<i32> = Vec::new();
    let listed = kernel::list(c"/proc/self/fd", |name| {
        found.extend(core::str::from_utf8(name).ok().and_then(|n| n.parse::<i32>().ok()));
    });
    if listed.is_ok() {
        for &fd in &found {
            socket::adopt(fd);
        }
        for &fd in &found {
            crate::readiness::unpack(fd);
        }
    }
}
