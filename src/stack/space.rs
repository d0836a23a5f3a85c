//! The limit on a process' memory (RLIMIT_AS).
//!
//! What the kernel keeps for sockets does not count against it, and what the library maps for them must not either: vsftpd
//! allows itself 200 MB, and the arena alone is larger. A limit that the program sets is given to the kernel with
//! the arena's length on top, and shown without it.

use core::sync::atomic::{AtomicBool, Ordering::*};

use libc::{rlim_t, rlimit, RLIM_INFINITY};

use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::FILE_LENGTH;

/// Did this process, or one that it is a copy of, set a limit that has the arena's length on top?
static CHANGED: AtomicBool = AtomicBool::new(false);

/// The limit at `asked`. None: there is none, or it cannot be read.
pub fn given(asked: UserPtr) -> Option<rlimit> {
    // A program may do this before its first socket, when nothing is ready for a bad pointer yet.
    crate::signal::thread_ready();
    if asked.is_null() || !crate::signal::arm_faults() {
        return None;
    }
    Some(rlimit { rlim_cur: asked.read_u64().ok()?, rlim_max: asked.plus(8).read_u64().ok()? })
}

/// The limit at `asked` as it is to be given to the kernel. None as for [`given`].
pub fn real(asked: UserPtr) -> Option<rlimit> {
    let asked = given(asked)?;
    let now = kernel::space_limit();
    let most = if asked.rlim_max <= shown(now).rlim_max { now.rlim_max } else { RLIM_INFINITY };
    let more = |limit: rlim_t| if limit == RLIM_INFINITY { limit } else { limit.saturating_add(FILE_LENGTH as rlim_t) };
    // No more than the kernel lets everybody have who asks for no more than what is shown.
    let rlim_max = more(asked.rlim_max).min(most);
    let rlim_cur = if asked.rlim_cur <= asked.rlim_max { more(asked.rlim_cur).min(rlim_max) } else { RLIM_INFINITY };
    Some(rlimit { rlim_cur, rlim_max })
}

/// The kernel's limit as the program is to see it.
pub fn shown(limit: rlimit) -> rlimit {
    if !CHANGED.load(Relaxed) {
        return limit;
    }
    let less = |limit: rlim_t| if limit == RLIM_INFINITY { limit } else { limit.saturating_sub(FILE_LENGTH as rlim_t) };
    rlimit { rlim_cur: less(limit.rlim_cur), rlim_max: less(limit.rlim_max) }
}

/// A limit that [`real`] gave was set.
pub fn changed() {
    CHANGED.store(true, Relaxed);
}
