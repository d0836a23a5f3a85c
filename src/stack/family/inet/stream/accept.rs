//! listen(2) and accept(2): the queue is the kernel's, of the anchor that listens under a name of the network's.

use core::sync::atomic::Ordering::*;

use super::{connect, deferred, filter, state, syn};
use crate::abi::{Errno, Name, Result};
use crate::config;
use crate::kernel;
use crate::names::conflict::Claim;
use crate::names::table::claim_of;
use crate::names::{ports, Kind, Names};
use crate::network::called;
use crate::options;
use crate::options::inherit::inherit;
use crate::shm::{SlotFlags, PLAIN};
use crate::signal::sleep;
use crate::sleepers::Kept;
use crate::socket::{self, Sock};
use crate::stop::{self, Point};
use crate::wait;

/// net.core.somaxconn caps the backlog; the kernel applies it to the anchor too.
pub fn listen(s: &Sock, backlog: i32) -> Result<()> {
    let _held = s.slot.lock.lock();
    // A connection whose end nobody was told of is under way still (SS_CONNECTING).
    if s.slot.has(SlotFlags::CONNECT_UNTOLD) {
        return Err(Errno::EINVAL);
    }
    match s.slot.state.load(Acquire) {
        state::LISTEN => return kernel::listen(s.fd, backlog),
        state::CLOSE if s.slot.conn().is_none_or(|_| s.end().is_none_or(|e| e.own().slot.load(Relaxed) == 0)) => {}
        _ => return Err(Errno::EINVAL),
    }
    let names = Names::lock(s.arena);
    if s.slot.has(SlotFlags::BOUND) {
        // Two that share a port by SO_REUSEADDR may not both listen on it.
        let claim = Claim { listening: true, ..claim_of(s.slot) };
        if !ports::admit(&names, s.number, &claim) {
            return Err(Errno::EADDRINUSE);
        }
    } else {
        let local = s.slot.local();
        ports::bind(&names, Kind::Tcp, s.number, s.slot, Name { port: 0, ..local })?;
    }
    if s.slot.has(SlotFlags::NAMED) {
        // The anchor was named for a connection that came to nothing: a socket can be named only once.
        drop(names);
        crate::anchor::replace(s)?;
    } else {
        drop(names);
    }
    if !s.slot.has(SlotFlags::CALLED) {
        called::call(s.arena, s.fd, s.number, s.slot)?;
    }
    kernel::listen(s.fd, backlog)?;
    // A connection that the socket had before kept other things there.
    for word in [deferred::EARLIEST, connect::EMPTY_AT, connect::ON_THE_WAY] {
        s.slot.extra[word].store(0, Relaxed);
    }
    connect::none_queued(s.slot);
    s.slot.state.store(state::LISTEN, Release);
    Ok(())
}

/// Takes the next anchor from the queue. Which of several workers wakes, and SO_RCVTIMEO, are the kernel's doing.
fn next(s: &Sock, flags: i32) -> Result<(i32, [u8; 128], usize)> {
    deferred::show_due(s);
    if s.nonblocking() {
        return kernel::accept4(s.fd, flags);
    }
    let timed = options::receive_timeout(s.slot).is_some();
    if deferred::listener_look(s).is_some() {
        await_deferred(s, timed)?;
    }
    let vain = spins_in_vain(s);
    loop {
        let start = if vain { kernel::now_ns() } else { 0 };
        let taken = wait::interruptible(timed, Some(s), |_| sleep::accept4(s.fd, flags));
        if vain {
            wait::learn(kernel::now_ns() - start);
        }
        match taken.transpose() {
            Some(taken) => return taken,
            None if Kept::any() => return Err(Errno::MOVED),
            None => {}
        }
    }
}

/// Looks for a short while whether a connection comes, so that its connector need not wake anybody. True: none came. Not for
/// a listener that other processes have as well, one of whom sleeps in the kernel and would be woken all the same.
fn spins_in_vain(s: &Sock) -> bool {
    if config::get().spin_ns == Some(0) || s.slot.has(SlotFlags::SHARED) {
        return false;
    }
    let counted = || s.slot.extra[connect::ARRIVALS].load(Acquire);
    if connect::may_be_queued(counted()) {
        return false;
    }
    let connect::Queue::Empty(arrivals) = connect::queue(s) else { return false };
    !wait::spin(|| counted() != arrivals || s.slot.state.load(Relaxed) != state::LISTEN)
}

/// Sleeps until a connection is in the queue: one may become due meanwhile.
fn await_deferred(s: &Sock, timed: bool) -> Result<()> {
    let deadline = wait::deadline(options::receive_timeout(s.slot));
    while let Some(at) = deferred::listener_look(s) {
        let now = kernel::now_ns();
        if deadline.is_some_and(|d| d <= now) {
            return Err(Errno::EAGAIN);
        }
        let left = deadline.unwrap_or(u64::MAX).min(at).saturating_sub(now);
        let mut fds = [libc::pollfd { fd: s.fd, events: libc::POLLIN, revents: 0 }];
        let slept = wait::interruptible(timed, Some(s), |_| sleep::ppoll(&mut fds, Some(left), None))?;
        if Kept::any() {
            return Err(Errno::MOVED);
        }
        if slept == Some(1) {
            break;
        }
        deferred::show_due(s);
    }
    Ok(())
}

/// Takes the next connection.
pub fn accept(s: &Sock, flags: i32) -> Result<Sock> {
    let (mut s, mut kept) = (*s, None);
    loop {
        match take(&s, flags) {
            Err(Errno::MOVED) => s = kept.insert(Kept::take(&s)).sock,
            found => {
                if Kept::any() {
                    drop(Kept::take(&s));
                }
                return found;
            }
        }
    }
}

fn take(s: &Sock, flags: i32) -> Result<Sock> {
    loop {
        if s.slot.state.load(Acquire) != state::LISTEN {
            return Err(Errno::EINVAL);
        }
        let (fd, name, length) = next(s, flags)?;
        stop::here(Point::Accepted);
        s.slot.extra[connect::ARRIVALS].fetch_add(connect::TAKEN, Relaxed);
        let Some((number, conn)) = called::conn_of(s.arena, &name[..length]) else {
            // Not one of this network's connectors: whoever it is gets a hang-up.
            let _ = kernel::close(fd);
            continue;
        };
        let end = connect::acceptor_end(conn);
        if end.own().slot.load(Acquire) != 0 {
            let _ = kernel::close(fd);
            continue;
        }
        let protocol = s.slot.protocol.load(Relaxed) as i32;
        let new = match socket::enter(s.arena, fd, s.family(), s.kind(), protocol) {
            Ok(new) => new,
            Err(e) => {
                let _ = kernel::close(fd);
                return Err(e);
            }
        };
        // The connector wrote down what the options were when the connection was made.
        let connector = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1));
        inherit(s.slot, connector, connect::tag(number, conn), new.slot);
        if flags & libc::SOCK_NONBLOCK != 0 {
            new.slot.set(SlotFlags::NONBLOCK);
        }
        let (from, to) = conn.names();
        new.slot.set_local(to.seen_by(s.family()));
        new.slot.set_peer(from.seen_by(s.family()));
        // The address stays named if the listener's was; the port is the listener's, not this socket's (sk_clone_lock).
        new.slot.set(SlotFlags::PEER | s.slot.flags.load(Relaxed) & SlotFlags::ADDRESS_LOCKED);
        new.slot.set_conn(Some((number, 1)));
        filter::inherit(s.arena, s.slot, &new, &end);
        syn::keep(new.slot, &end);
        if end.mode & PLAIN != 0 {
            deferred::await_data(fd, &end.opposite());
            connect::widen(&new);
        }
        Names::lock(s.arena).insert(new.number, Kind::Accepted);
        stop::here(Point::AcceptEntered);
        end.own().slot.store(new.number + 1, Release);
        super::data::set_capacity(&new, &end);
        new.slot.state.store(state::ESTABLISHED, Release);
        return Ok(new);
    }
}
