//! Signals about a socket to whom F_SETOWN names (fcntl(2)): SIGIO for O_ASYNC, SIGURG for urgent data.
//!
//! SIGIO is the kernel's own doing: O_ASYNC, the owner and F_SETSIG's signal are the anchor's too, and a byte that arrives
//! there raises it with the right siginfo. So whoever sends to such a socket rings for each write, asleep or not, and the
//! bytes that nobody slept for are taken away with the next receive.

use core::sync::atomic::{fence, AtomicU32, Ordering::*};

use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::{End, Slot, SlotFlags, PLAIN};
use crate::socket::Sock;

/// struct f_owner_ex's types.
const F_OWNER_TID: u32 = 0;
const F_OWNER_PGRP: u32 = 2;

/// In [`crate::shm::Slot::owner_kind`]: the owner is one thread.
const THREAD: u32 = 1;

/// F_SETOWN's value: a process, or a group by its negative number.
pub fn set(s: &Sock, owner: i32) {
    s.slot.owner_kind.store(0, Relaxed);
    s.slot.owner.store(owner, Release);
}

/// F_SETOWN_EX's value, which the kernel has accepted.
pub fn set_exactly(s: &Sock, at: UserPtr) {
    let (Ok(kind), Ok(id)) = (at.read_u32(), at.plus(4).read_u32()) else { return };
    s.slot.owner_kind.store(if kind == F_OWNER_TID { THREAD } else { 0 }, Relaxed);
    s.slot.owner.store(if kind == F_OWNER_PGRP { (id as i32).wrapping_neg() } else { id as i32 }, Release);
}

/// O_ASYNC was turned on or off.
pub fn set_async(s: &Sock, on: bool) {
    if on {
        s.slot.set(SlotFlags::ASYNC);
    } else {
        s.slot.clear(SlotFlags::ASYNC);
    }
    connected(s);
}

/// A connection's ends know whether their readers want a signal. Called when a socket has got its connection.
pub fn connected(s: &Sock) {
    if let Some(end) = s.end() {
        end.rx().shared.reader_async.store(s.slot.has(SlotFlags::ASYNC) as u32, Release);
    }
}

/// Rings at our end of the anchors for a reader that wants a signal; a sleeping one wakes by the same byte.
#[cold]
pub fn ring(s: &Sock, armed: &AtomicU32) {
    crate::wait::ring_always(s, armed);
}

/// Takes bells that rang for nobody, so that there is always room for the next one. Those of sleepers and of epoll are left
/// to them; a sleeper that came meanwhile is woken to look again.
#[cold]
pub fn take_bells(s: &Sock) {
    let ringed = s.end().is_some_and(|e| e.mode & PLAIN == 0 && e.own().slot.load(Relaxed) != 0);
    if !ringed || s.slot.sleepers.load(Acquire) > 0 || s.slot.has(SlotFlags::WATCHED) {
        return;
    }
    let mut bytes = [0u8; 512];
    let taken = kernel::recv(s.fd, &mut bytes, libc::MSG_DONTWAIT).unwrap_or(0);
    fence(SeqCst);
    if taken > 0 && s.slot.sleepers.load(Acquire) > 0 {
        crate::readiness::poke(s);
    }
}

/// The far end got an urgent byte: its owner is told, with O_ASYNC or without.
pub fn urgent(s: &Sock, end: &End) {
    if let Some(far) = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1)) {
        send(far, libc::SIGURG);
    }
}

/// Something happened to a socket with O_ASYNC of which no byte at its anchor tells: a datagram came, or a connect(2) had its
/// outcome.
pub fn readable(slot: &Slot) {
    send(
        slot,
        match slot.owner_signal.load(Acquire) {
            0 => libc::SIGIO,
            signal => signal as i32,
        },
    );
}

/// Sends a signal to a socket's owner, if it has one.
fn send(slot: &Slot, signal: i32) {
    let owner = slot.owner.load(Acquire);
    // To kill(2), -1 is everybody, which no owner is (F_SETOWN takes it for the group of process 1).
    if matches!(owner, 0 | -1) {
        return;
    }
    let number = if slot.owner_kind.load(Relaxed) == THREAD { kernel::Sysno::tkill } else { kernel::Sysno::kill };
    #[allow(unsafe_code)]
    // SAFETY: no pointers.
    let _ = unsafe { kernel::call_with(number, [owner as usize, signal as usize]) };
}
