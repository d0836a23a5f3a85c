//! A program that lowers its hard limit on descriptors may later use all that it has left. What an instance needs beside
//! its own descriptor is made before that, above the new limit, where the program has none.

use parking_lot::Mutex;

use super::internal;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::process;
use crate::signal::Held;

/// The bells and the kick of a set to come, and the process that made them: a child would share them with its parent.
static SPARE: Mutex<Option<(u32, i32, i32)>> = Mutex::new(None);

/// Descriptors for the bells and the kick of a new set.
pub fn pair() -> Result<(i32, i32)> {
    let outcome = kernel::make_own(kernel::epoll_create).and_then(internal::keep).and_then(|bells| {
        let kick = kernel::make_own(|| kernel::eventfd(0)).and_then(internal::keep);
        kick.map(|kick| (bells, kick)).inspect_err(|_| internal::drop(bells))
    });
    match outcome {
        Err(Errno::EMFILE) => {
            let spare = Held::new(|| SPARE.lock()).take();
            spare.filter(|(pid, ..)| *pid == kernel::pid()).map(|(_, bells, kick)| (bells, kick)).ok_or(Errno::EMFILE)
        }
        other => other,
    }
}

/// The program is about to lower its hard limit on descriptors.
pub fn reserve(limit: u64) {
    if limit >= kernel::hard_limit() || process::borrowed() {
        return;
    }
    let mut spare = Held::new(|| SPARE.lock());
    if spare.is_some_and(|(pid, ..)| pid == kernel::pid()) {
        return;
    }
    let above = |made: Result<i32>| -> Result<i32> {
        let low = made?;
        let high = kernel::with_room(|| kernel::fcntl(low, libc::F_DUPFD_CLOEXEC, limit as usize));
        let _ = kernel::close(low);
        high.inspect(|fd| internal::mark(*fd))
    };
    let Ok(bells) = above(kernel::epoll_create()) else { return };
    match above(kernel::eventfd(0)) {
        Ok(kick) => *spare = Some((kernel::pid(), bells, kick)),
        Err(_) => internal::drop(bells),
    }
}
