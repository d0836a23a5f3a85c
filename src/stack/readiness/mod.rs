//! Readiness: poll, select and epoll over owned and kernel descriptors together.
//!
//! Owned sockets are asked in user space; the kernel is entered when nothing is ready, to sleep on kernel descriptors
//! and bells together (design, Readiness).

pub mod epoll;
pub mod internal;
mod poke;
mod poll;
pub mod select;

pub use epoll::{leave, leaving, not_forked, pack, share_all, stays, unpack};
pub use internal::is_internal;
pub use poke::{poke, Poke};
pub use poll::{first_look, poll};

use core::cell::Cell;
use core::sync::atomic::Ordering::Acquire;

use crate::abi::Result;
use crate::ears;
use crate::kernel;
use crate::shm::SlotFlags;
use crate::socket::Sock;
use crate::wait::{self, Deadline};

/// More descriptors than these in one call are kept on the heap while it lasts.
pub const FEW: usize = 64;

/// What a first look over a set of descriptors found.
pub enum First {
    /// The kernel alone can answer.
    Native,
    /// So many events, of sockets of ours, and nobody else needs to be asked.
    Found(usize),
    /// It takes more than a look.
    More,
}

/// Until when a call waits. The moment is worked out when it is first asked for: a clock costs as much as several looks.
pub struct Until {
    timeout_ns: Option<u64>,
    deadline: Cell<Option<Deadline>>,
}

impl Until {
    /// So many nanoseconds from now; none waits for ever.
    pub fn new(timeout_ns: Option<u64>) -> Until {
        Until { timeout_ns, deadline: Cell::new(None) }
    }

    /// Does the call not wait at all?
    pub fn at_once(&self) -> bool {
        self.timeout_ns == Some(0)
    }

    /// The moment. "Now" is when it was first asked for.
    pub fn deadline(&self) -> Deadline {
        self.deadline.get().unwrap_or_else(|| {
            let deadline = if self.at_once() { Some(0) } else { wait::deadline(self.timeout_ns) };
            self.deadline.set(Some(deadline));
            deadline
        })
    }
}

/// A descriptor of ours goes away: registrations that no duplicate keeps go with it.
pub fn forget(fd: i32, number: u32) {
    epoll::forget(fd, number);
}

/// The anchor behind a socket's descriptors is another one now.
pub fn anchor_changed(s: &Sock) {
    epoll::anchor_changed(s);
}

/// A descriptor became a kernel socket: its registrations move to the kernel's set.
pub fn handed_over(fd: i32, number: u32) {
    epoll::handed_over(fd, number);
}

/// Something happened to a watched socket that its bell may not tell to everybody.
pub fn activate(s: &Sock) {
    epoll::activate(s);
}

/// A connection came to a listener, whose bell tells of it, too. The connector may be a look of a set's at a connection
/// that had begun before, which holds that set's lock.
pub fn arrived(listener: &Sock) {
    epoll::arrived(listener);
}

/// A bell's byte was taken by one of several who wait for the socket: the others of this process look too.
pub fn share_bell(s: &Sock) {
    // The caller counts as awake by now.
    if s.slot.sleepers.load(Acquire) > 0 || s.slot.first_sleeper.load(Acquire) != 0 {
        poke(s);
    }
    epoll::share_bell(s);
}

/// A sleeper on a socket whose bell others may take, and which it has no ear for, looks again so soon.
const SHARED_LOOK_NS: u64 = 20_000_000;

/// May another process take the bell of the socket, or change it without ringing? Of a listener the kernel tells all.
fn is_shared(s: &Sock) -> bool {
    s.slot.has(SlotFlags::SHARED) && s.slot.refs.load(Acquire) > 1 && !s.ops().asks_kernel(s)
}

/// When a sleeper has to look at a socket again, whether its bell rings or not. `heard`: an ear of its own is told.
fn next_look(s: &Sock, heard: bool) -> Option<u64> {
    let own = s.ops().next_look(s);
    let unheard = !heard && (s.fd < 0 || is_shared(s) && s.ops().bell_is_taken(s));
    let soon = unheard.then(|| kernel::now_ns() + SHARED_LOOK_NS);
    [own, soon].into_iter().flatten().min()
}

/// A descriptor that is not a socket of ours is about to be closed. True: it is one of the library's own.
pub fn closing(fd: i32) -> bool {
    if is_internal(fd) {
        return true;
    }
    epoll::closed(fd);
    false
}

/// The kernel closed a descriptor that was not a socket of ours.
pub fn closed(fd: i32) {
    epoll::closed(fd);
}

/// The program closed a whole range of descriptors, as far as they are not the library's own.
pub fn closed_range(first: u32, last: u32) {
    epoll::closed_range(first, last);
}

/// The kernel duplicated a descriptor that is not a socket of ours.
pub fn copied(old: i32, new: i32) {
    epoll::copied(old, new);
}

/// Moves a descriptor of the library's own to another number.
pub fn make_way(fd: i32) -> Result<()> {
    epoll::make_way(fd)?;
    ears::make_way(fd)?;
    poke::make_way(fd)
}

/// No lock of ours is held across a fork: they are all taken before it,
pub fn before_fork() {
    epoll::before_fork();
    poke::before_fork();
}

/// and let go after it, on both sides.
pub fn after_fork(child: bool) {
    poke::after_fork(child);
    epoll::after_fork(child);
}
