//! A socket as one process holds it: a descriptor and the slot behind it; how it comes to be and how it goes.

use core::sync::atomic::{fence, Ordering::*};

use crate::abi::{Errno, Result};
use crate::family::{self, SocketOps};
use crate::fdtable;
use crate::kernel;
use crate::names::Names;
use crate::network;
use crate::process;
use crate::shm::{Arena, End, Slot, SlotFlags};

/// A socket, reached through one of its descriptors.
#[derive(Clone, Copy)]
pub struct Sock {
    /// The descriptor; the anchor.
    pub fd: i32,
    /// The slot's number.
    pub number: u32,
    /// What is shared of the socket.
    pub slot: &'static Slot,
    /// The network's arena.
    pub arena: &'static Arena,
}

impl Sock {
    /// What answers for the socket. Processes cannot share a vtable, so the slot holds the protocol's number.
    #[inline]
    pub fn ops(&self) -> &'static dyn SocketOps {
        family::inet::ops_of(self.slot.protocol.load(Relaxed))
    }

    /// AF_INET or AF_INET6.
    pub fn family(&self) -> i32 {
        self.slot.family.load(Relaxed) as i32
    }

    /// SOCK_STREAM or SOCK_DGRAM.
    pub fn kind(&self) -> i32 {
        self.slot.kind.load(Relaxed) as i32
    }

    /// This end of the connection, if there is one.
    #[inline]
    pub fn end(&self) -> Option<End> {
        let (number, side) = self.slot.conn()?;
        Some(End::new(self.arena.conn(number)?, side))
    }

    /// Is O_NONBLOCK set on the open file description?
    #[inline]
    pub fn nonblocking(&self) -> bool {
        self.slot.has(SlotFlags::NONBLOCK)
    }

    /// See [`SocketOps::hung_up`].
    pub fn hung_up(&self) {
        self.ops().hung_up(self);
    }
}

/// socket(2) of a family and type that are ours; `flags` are SOCK_CLOEXEC and SOCK_NONBLOCK.
pub fn create(family: i32, kind: i32, protocol: i32, flags: i32) -> Result<i32> {
    let fd = kernel::socket(libc::AF_UNIX, kind | flags, 0)?;
    let made = enter_living(fd, family, kind, protocol).and_then(|s| {
        if flags & libc::SOCK_NONBLOCK != 0 {
            s.slot.set(SlotFlags::NONBLOCK);
        }
        s.ops().open(&s)
    });
    match made {
        Ok(()) => Ok(fd),
        Err(e) => {
            fdtable::clear(fd);
            let _ = kernel::close(fd);
            Err(e)
        }
    }
}

/// [`enter`] in an arena that is not being removed by somebody who thinks to be the last (`network::tidy`).
fn enter_living(fd: i32, family: i32, kind: i32, protocol: i32) -> Result<Sock> {
    loop {
        let arena = network::arena()?;
        let s = enter(arena, fd, family, kind, protocol)?;
        fence(SeqCst);
        if arena.header().dead.load(SeqCst) == 0 {
            return Ok(s);
        }
        fdtable::clear(fd);
        s.slot.give(arena, s.number);
    }
}

/// Makes a slot for an anchor and enters the descriptor.
pub fn enter(arena: &'static Arena, fd: i32, family: i32, kind: i32, protocol: i32) -> Result<Sock> {
    let anchor = kernel::status(fd)?;
    if fd as usize >= fdtable::LIMIT {
        return Err(Errno::EMFILE);
    }
    let number = match Slot::take(arena, &anchor, family, kind, protocol) {
        // What killed processes left behind makes room.
        Err(Errno::ENOBUFS) if network::sweep(&Names::lock(arena)) > 0 => {
            Slot::take(arena, &anchor, family, kind, protocol)
        }
        other => other,
    }?;
    let slot = arena.slot(number).ok_or(Errno::ENOBUFS)?;
    record(arena, fd, number);
    crate::signal::arm_faults();
    Ok(Sock { fd, number, slot, arena })
}

/// Enters a descriptor in the table. A vfork child's is not in its parent's table: there it can only be in doubt.
fn record(arena: &'static Arena, fd: i32, number: u32) {
    if process::borrowed() {
        fdtable::doubt(fd, Some(number));
    } else if let Some(stale) = fdtable::set(fd, number) {
        forget(arena, stale);
    }
}

/// One reference less to a slot whose descriptor the kernel closed without us.
fn forget(arena: &'static Arena, number: u32) {
    if let Some(slot) = arena.slot(number) {
        let _ = slot.refs.fetch_update(AcqRel, Acquire, |n| n.checked_sub(1));
    }
}

/// close(2) of a descriptor of ours.
pub fn close(s: &Sock) -> Result<()> {
    if process::borrowed() {
        fdtable::doubt(s.fd, Some(s.number));
    } else {
        crate::sleepers::keep(s);
        detach(s);
    }
    kernel::close(s.fd)
}

/// Takes a descriptor out of the table; the last one takes the socket with it. The kernel's descriptor stays open.
pub fn detach(s: &Sock) {
    crate::readiness::forget(s.fd, s.number);
    if fdtable::take(s.fd, s.number) {
        drop_reference(s);
    }
}

/// One reference less. The last one releases the socket.
pub fn drop_reference(s: &Sock) {
    if s.slot.refs.fetch_update(AcqRel, Acquire, |n| n.checked_sub(1)) == Ok(1) {
        s.ops().release(s);
        unbind(s.arena, s.number, s.slot);
        s.slot.give(s.arena, s.number);
    }
}

/// Takes a socket's name out of the table.
pub fn unbind(arena: &'static Arena, number: u32, slot: &'static Slot) {
    if slot.has(SlotFlags::BOUND) {
        Names::lock(arena).remove(number);
    }
}

/// Puts away a slot whose anchor is gone without it having been released. The names' lock is held, the name is out.
pub fn bury(arena: &'static Arena, number: u32, slot: &'static Slot) {
    family::inet::bury(arena, slot);
    slot.give(arena, number);
}

/// dup(2) and its kind made `new` from `old`.
pub fn duplicated(old: &Sock, new: i32) {
    if process::borrowed() {
        // Its exec counts what is left then.
        return fdtable::doubt(new, Some(old.number));
    }
    old.slot.refs.fetch_add(1, AcqRel);
    record(old.arena, new, old.number);
}

/// Which socket of ours is behind a descriptor? The anchor is asked, not its number; `guess` is tried first.
pub fn identify(fd: i32, guess: Option<u32>) -> Option<Sock> {
    let status = kernel::status(fd).ok().filter(|s| s.is_socket())?;
    if kernel::getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_DOMAIN) != Ok(libc::AF_UNIX) {
        return None;
    }
    let arena = network::existing()?;
    let sock = |number: u32| {
        let slot = arena.slot(number)?;
        (slot.in_use() && slot.inode.load(Relaxed) == status.inode).then_some(Sock { fd, number, slot, arena })
    };
    guess.and_then(sock).or_else(|| (0..arena.slots_used()).find_map(sock))
}

/// Enters a descriptor that came from outside: exec, SCM_RIGHTS, pidfd_getfd. Its reference was counted by whoever sent
/// it.
pub fn adopt(fd: i32) -> Option<Sock> {
    let s = identify(fd, None)?;
    s.slot.set(SlotFlags::SHARED);
    record(s.arena, fd, s.number);
    crate::signal::arm_faults();
    Some(s)
}
