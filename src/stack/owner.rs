//! Signals about a socket: SIGURG and SIGIO to whom F_SETOWN names (fcntl(2)).

use core::sync::atomic::Ordering::*;

use crate::shm::End;
use crate::socket::Sock;

/// The far end got an urgent byte.
pub fn urgent(s: &Sock, end: &End) {
    let Some(far) = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1)) else { return };
    let owner = far.owner.load(Acquire);
    if owner != 0 {
        #[allow(unsafe_code)]
        // SAFETY: no pointers.
        let _ = unsafe { crate::kernel::call(crate::kernel::Sysno::kill, [owner as usize, libc::SIGURG as usize, 0, 0, 0, 0]) };
    }
}

/// A datagram came to a socket with O_ASYNC.
pub fn readable(slot: &crate::shm::Slot) {
    let owner = slot.owner.load(Acquire);
    if owner != 0 {
        let signal = match slot.owner_signal.load(Acquire) {
            0 => libc::SIGIO as usize,
            signal => signal as usize,
        };
        #[allow(unsafe_code)]
        // SAFETY: no pointers.
        let _ = unsafe { crate::kernel::call(crate::kernel::Sysno::kill, [owner as usize, signal, 0, 0, 0, 0]) };
    }
}
