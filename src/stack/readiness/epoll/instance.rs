//! Which descriptors are epoll instances, and threads that wait on one in the kernel while it gets its first socket of
//! ours: they have to come out and wait here instead.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

use parking_lot::Mutex;

use super::is_mixed;
use crate::abi::Errno;
use crate::fdtable::LIMIT;
use crate::kernel;
use crate::signal::Held;

static INSTANCES: [AtomicU64; LIMIT / 64] = [const { AtomicU64::new(0) }; LIMIT / 64];
/// The highest word of `INSTANCES` that was ever not 0.
static HIGHEST: AtomicUsize = AtomicUsize::new(0);
/// Some instance may have several numbers: one was duplicated, or came from outside.
static SEVERAL: AtomicBool = AtomicBool::new(false);
/// Threads inside the kernel's epoll_wait, by the descriptor's last byte.
static WAITING: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];
/// The data of the event that calls them out; no program's, as far as chance goes.
static CALL: AtomicU64 = AtomicU64::new(0);

/// epoll_create(2) made an instance.
pub fn created(fd: i32) {
    if (fd as usize) < LIMIT {
        INSTANCES[fd as usize / 64].fetch_or(1 << (fd as usize % 64), AcqRel);
        HIGHEST.fetch_max(fd as usize / 64, AcqRel);
    }
}

/// The descriptor was closed, whatever it was. True if it was an instance.
pub fn forget(fd: i32) -> bool {
    let known = marked(fd);
    if known {
        INSTANCES[fd as usize / 64].fetch_and(!(1 << (fd as usize % 64)), AcqRel);
    }
    known
}

/// The kernel duplicated a descriptor.
pub fn copied(old: i32, new: i32) {
    if marked(old) {
        SEVERAL.store(true, Release);
        created(new);
    } else {
        forget(new);
    }
}

/// The kernel duplicated a descriptor in a process that has no sockets of ours yet.
pub fn duplicated_early(old: i32, new: i32) {
    if marked(old) {
        SEVERAL.store(true, Release);
        created(new);
    }
}

/// A registration of one instance in another, made before either watched a socket of ours.
pub struct Early {
    /// The instance that watches.
    pub outer: i32,
    /// The one that is watched.
    pub inner: i32,
    /// As the program gave them.
    pub events: u32,
    /// As the program gave it.
    pub data: u64,
}

static EARLY: Mutex<Vec<Early>> = Mutex::new(Vec::new());

/// Remembers a registration that the kernel has.
pub fn remember(early: Early) {
    let mut list = Held::new(|| EARLY.lock());
    list.retain(|e| e.outer != early.outer || e.inner != early.inner);
    list.push(early);
}

/// Takes the registrations of an instance that begins to watch sockets of ours.
pub fn take_early(inner: i32) -> Vec<Early> {
    let mut list = Held::new(|| EARLY.lock());
    let (taken, kept) = core::mem::take(&mut *list).into_iter().partition(|e| e.inner == inner);
    *list = kept;
    taken
}

/// The instances that the kernel alone knows the registrations of, and that are neither registered in another one nor have
/// one registered: each is about to be two processes' own.
pub fn plain() -> Vec<i32> {
    let found: Vec<i32> = all().filter(|fd| !is_mixed(*fd)).collect();
    let list = Held::new(|| EARLY.lock());
    found.into_iter().filter(|fd| !list.iter().any(|e| e.outer == *fd || e.inner == *fd)).collect()
}

/// All descriptors that are known to be instances.
fn all() -> impl Iterator<Item = i32> {
    let words = INSTANCES[..=HIGHEST.load(Acquire)].iter().zip((0..).step_by(64));
    words.flat_map(|(word, first)| {
        let bits = word.load(Acquire);
        (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| first + bit)
    })
}

/// Is the descriptor known to be an instance?
pub fn marked(fd: i32) -> bool {
    (fd as usize) < LIMIT && INSTANCES[fd as usize / 64].load(Relaxed) >> (fd as usize % 64) & 1 == 1
}

/// The descriptors that are the same instance as `fd`, itself among them: it may have been duplicated before it watched
/// any socket of ours.
pub fn numbers(fd: i32) -> Vec<i32> {
    if !SEVERAL.load(Acquire) {
        return vec![fd];
    }
    let mut found: Vec<i32> = all().filter(|other| *other != fd).collect();
    // What is registered by one number can be changed by the other: one instance.
    let probe = if found.is_empty() { Err(Errno::ENOENT) } else { kernel::make_own(|| kernel::eventfd(0)) };
    match probe {
        Ok(probe) => {
            let _ = kernel::epoll_control(fd, libc::EPOLL_CTL_ADD, probe, 0, 0);
            found.retain(|other| kernel::epoll_control(*other, libc::EPOLL_CTL_MOD, probe, 0, 0).is_ok());
            let _ = kernel::epoll_control(fd, libc::EPOLL_CTL_DEL, probe, 0, 0);
            let _ = kernel::close(probe);
        }
        Err(_) => found.clear(),
    }
    found.push(fd);
    found
}

/// Is the descriptor an epoll instance? One that came from outside (exec, a message) is found out by asking the kernel.
pub fn is_instance(fd: i32) -> bool {
    if marked(fd) || is_mixed(fd) {
        return true;
    }
    let found = kernel_knows(fd);
    if found {
        SEVERAL.store(true, Release);
        created(fd);
    }
    found
}

/// Does the kernel take the descriptor for an instance?
pub fn kernel_knows(fd: i32) -> bool {
    // A descriptor that can be watched but is not registered: ENOENT from an instance, EINVAL from anything else.
    let Ok(other) = kernel::eventfd(0) else { return false };
    let answer = kernel::epoll_control(fd, libc::EPOLL_CTL_MOD, other, 0, 0);
    let _ = kernel::close(other);
    answer == Err(Errno::ENOENT)
}

/// Runs the kernel's wait on an instance. None: it was called out, and the wait goes on in user space.
///
/// # Safety
/// `act` writes as many events to `events` as it answers.
#[allow(unsafe_code)]
pub unsafe fn native(fd: i32, events: *mut libc::epoll_event, act: impl FnOnce() -> i32) -> Option<i32> {
    let waiting = &WAITING[fd as usize % WAITING.len()];
    waiting.fetch_add(1, AcqRel);
    let count = act();
    waiting.fetch_sub(1, AcqRel);
    if count <= 0 || !is_mixed(fd) {
        return Some(count);
    }
    #[allow(unsafe_code)]
    // SAFETY: the caller's promise; the kernel just wrote `count` events there; the struct is packed, so any address is aligned.
    let kept = without_call(unsafe { core::slice::from_raw_parts_mut(events, count as usize) });
    (kept > 0).then_some(kept as i32)
}

/// What the kernel has ready on an instance now.
pub fn kernel_part(epoll: i32, into: &mut [libc::epoll_event]) -> usize {
    let count = kernel::epoll_events(epoll, into);
    without_call(&mut into[..count])
}

/// Takes the call out of events that the kernel told; gives how many are left.
fn without_call(events: &mut [libc::epoll_event]) -> usize {
    let call = CALL.load(Acquire);
    let mut kept = 0;
    for i in 0..events.len() {
        if call == 0 || { events[i].u64 } != call {
            events[kept] = events[i];
            kept += 1;
        }
    }
    kept
}

/// Calls the threads out that wait on an instance, which has these numbers, in the kernel.
pub fn wake_native(numbers: &[i32]) {
    let waiting = || numbers.iter().any(|fd| WAITING[*fd as usize % WAITING.len()].load(Acquire) > 0);
    let Some(epoll) = numbers.first().filter(|_| waiting()) else { return };
    let _ = CALL.compare_exchange(0, kernel::random_u64() | 1, AcqRel, Acquire);
    let Ok(call) = kernel::eventfd(1) else { return };
    let data = CALL.load(Acquire);
    if kernel::epoll_control(*epoll, libc::EPOLL_CTL_ADD, call, libc::EPOLLIN as u32, data).is_ok() {
        // Bounded: the count may stand for threads that wait on another instance.
        for _ in 0..50 {
            if !waiting() {
                break;
            }
            let _ = kernel::ppoll(&mut [], Some(100_000), None);
        }
        let _ = kernel::epoll_control(*epoll, libc::EPOLL_CTL_DEL, call, 0, 0);
    }
    let _ = kernel::close(call);
}
