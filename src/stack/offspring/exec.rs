//! exec: what the new program inherits is counted before, and counted back if there is no new program after all.

use core::ffi::c_char;
use core::sync::atomic::{AtomicBool, Ordering::*};

use super::image::{self, Target};
use super::pump::{self, Switched};
use super::{add, environment, lessen};
use crate::family::inet::state;
use crate::fdtable;
use crate::kernel;
use crate::network;
use crate::process;
use crate::signal;
use crate::socket::Sock;

/// Descriptors that are counted; what lies beyond stays counted too high.
const MOST: usize = 1024;

type Strings = *const *const c_char;

/// What was done for a new program.
struct Plan {
    /// Slot numbers, and whether a reference was added rather than taken.
    counted: [(u32, bool); MOST],
    count: usize,
    switched: Switched,
    sets: Option<i32>,
    /// Epoll instances that others share were left.
    left: bool,
}

/// Runs `act`, which is one of the exec family, with the environment that it is to use. Comes back when it failed.
///
/// # Safety
/// `given` is an environment: null, or C strings up to a null pointer.
#[allow(unsafe_code)]
pub unsafe fn replace(target: Target<'_>, given: Strings, act: impl FnOnce(Strings) -> i32) -> i32 {
    image::warn_of(target);
    let token = signal::before_exec();
    let mut plan = Plan { counted: [(0, false); MOST], count: 0, switched: Switched::none(), sets: None, left: false };
    if !fdtable::is_empty() {
        plan.prepare(target);
    }
    // SAFETY: the caller's promise.
    let answered = unsafe { environment::handed_on(given, act) };
    plan.undo();
    signal::exec_failed(token);
    answered
}

/// Is the descriptor closed by exec? None: it is not open here.
fn closes(fd: i32) -> Option<bool> {
    kernel::fcntl(fd, libc::F_GETFD, 0).ok().map(|flags| flags & libc::FD_CLOEXEC != 0)
}

/// Does the socket carry a connection, whose bytes a program without the library could not find?
pub(super) fn is_connection(s: &Sock) -> bool {
    s.kind() == libc::SOCK_STREAM && s.slot.state.load(Acquire) == state::ESTABLISHED && s.end().is_some()
}

/// The new program sees anchors instead of sockets: tells it once.
pub(super) fn complain(s: &Sock) {
    static ONCE: AtomicBool = AtomicBool::new(false);
    if !is_connection(s) && !ONCE.swap(true, Relaxed) {
        log::warn!("a program that cannot be preloaded inherits {}, which it cannot use", s.slot.local());
    }
}

impl Plan {
    fn prepare(&mut self, target: Target<'_>) {
        // A vfork child's descriptors were not counted before; nor those that exec makes its own out of a shared table.
        let uncounted = process::borrowed() || fdtable::is_shared();
        let mut preloaded = None;
        for (fd, _) in fdtable::all() {
            let (Some(s), Some(goes)) = (fdtable::get(fd), closes(fd)) else { continue };
            let mut stays = !goes;
            if stays && !*preloaded.get_or_insert_with(|| image::can_be_preloaded(target)) {
                complain(&s);
                if is_connection(&s) && self.switched.switch(&s) {
                    stays = false;
                }
            }
            self.count_one(&s, stays, uncounted);
        }
        self.switched.start();
        if !uncounted {
            let knows = preloaded.unwrap_or_else(|| image::can_be_preloaded(target));
            crate::readiness::leaving(!knows);
            self.left = true;
            self.sets = if knows { crate::readiness::pack() } else { None };
        }
    }

    fn count_one(&mut self, s: &Sock, stays: bool, uncounted: bool) {
        if self.count == MOST {
            if stays && uncounted {
                add(s.slot);
            }
            return;
        }
        let done = match (stays, uncounted) {
            (true, true) => {
                add(s.slot);
                true
            }
            (false, false) => lessen(s.slot),
            _ => false,
        };
        if done {
            self.counted[self.count] = (s.number, stays);
            self.count += 1;
        }
    }

    fn undo(&mut self) {
        for (number, added) in &self.counted[..self.count] {
            if let Some(slot) = network::opened().and_then(|arena| arena.slot(*number)) {
                if *added {
                    lessen(slot);
                } else {
                    add(slot);
                }
            }
        }
        self.switched.undo();
        if self.left {
            crate::readiness::stays();
        }
        if let Some(fd) = self.sets {
            let _ = kernel::close(fd);
        }
    }
}

/// What [`pump`] switched for a spawned program is closed here once that has its own copies.
pub(super) use pump::Switched as Connections;
