//! epoll over sockets of ours.
//!
//! The program's epoll descriptor stays the kernel's and keeps the kernel's registrations untouched. When the first
//! socket of ours is added, a set appears beside it: its items, a second epoll instance of our own (the bells) that
//! watches the anchors edge-triggered, and a kick. A wait looks at the active items in user space; the quiet ones are
//! armed and cost nothing until their bell rings.

mod carry;
mod control;
mod instance;
mod item;
mod set;
mod spare;
mod wait;

pub use carry::{pack, unpack};
pub use control::control;
pub use instance::{created, is_instance, native};
pub use spare::reserve;
pub use wait::wait;

use core::sync::atomic::{AtomicU32, Ordering::*};
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::internal;
use crate::abi::Result;
use crate::fdtable::{self, LIMIT};
use crate::kernel;
use crate::network;
use crate::process;
use crate::shm::SlotFlags;
use crate::signal::Held;
use crate::socket::Sock;
use crate::wait::Deadline;
use set::{Set, EAR, INNER_BELLS, KERNELS, KICK, NESTED};

/// Which descriptors are epoll instances with a set: 0 or 1.
static MIXED: [AtomicU32; LIMIT / 32] = [const { AtomicU32::new(0) }; LIMIT / 32];
static SETS: RwLock<BTreeMap<i32, Arc<Set>>> = RwLock::new(BTreeMap::new());

/// How often this process was forked off, so to speak: a set of another life has the bells of the parent.
static LIFE: AtomicU32 = AtomicU32::new(0);

/// Does the epoll descriptor watch sockets of ours?
#[inline]
pub fn is_mixed(fd: i32) -> bool {
    (fd as usize) < LIMIT && MIXED[fd as usize / 32].load(Acquire) >> (fd as usize % 32) & 1 == 1
}

fn sets() -> Held<RwLockReadGuard<'static, BTreeMap<i32, Arc<Set>>>> {
    Held::new(|| SETS.read())
}

fn sets_mut() -> Held<RwLockWriteGuard<'static, BTreeMap<i32, Arc<Set>>>> {
    Held::new(|| SETS.write())
}

fn set_of(fd: i32) -> Option<Arc<Set>> {
    if !is_mixed(fd) {
        return None;
    }
    let set = sets().get(&fd).cloned()?;
    if set.life.load(Acquire) != LIFE.load(Relaxed) {
        set.separate(fd);
    }
    Some(set)
}

fn mark(fd: i32, on: bool) {
    if fd as usize >= LIMIT {
        return;
    }
    let word = &MIXED[fd as usize / 32];
    if on {
        word.fetch_or(1 << (fd as usize % 32), AcqRel);
    } else {
        word.fetch_and(!(1 << (fd as usize % 32)), AcqRel);
    }
}

/// The set beside an epoll descriptor, made when there is none.
fn set_for(epoll: i32) -> Result<Arc<Set>> {
    if let Some(set) = set_of(epoll) {
        return Ok(set);
    }
    let mut sets = sets_mut();
    if let Some(set) = sets.get(&epoll) {
        return Ok(set.clone());
    }
    let set = Arc::new(Set::new()?);
    set.join(epoll);
    let numbers = instance::numbers(epoll);
    for outer in sets.values() {
        for number in &numbers {
            outer.lock().nested_became_mixed(outer.bells.load(Acquire), *number, set.bells.load(Acquire));
        }
    }
    for number in &numbers {
        sets.insert(*number, set.clone());
        mark(*number, true);
    }
    drop(sets);
    instance::wake_native(&numbers);
    numbers.into_iter().for_each(control::adopt_early);
    Ok(set)
}

/// The kernel refused a registration in the program's instance, perhaps for the depth that ours adds to it: then ours goes.
/// True when that is worth another attempt.
pub fn make_room(epoll: i32) -> bool {
    let Some(set) = set_of(epoll) else { return false };
    let whole = set.whole.swap(false, AcqRel);
    if whole {
        let _ = kernel::epoll_control(set.bells.load(Acquire), libc::EPOLL_CTL_DEL, epoll, 0, 0);
        // Whoever sleeps on the bells alone has to sleep on both.
        set.kick();
    }
    whole
}

/// Are there sets at all? Without one, nothing below has anything to do.
fn none() -> bool {
    sets().is_empty()
}

/// A descriptor of ours goes: its items go too, unless a duplicate keeps the socket open, here or in another process.
pub fn forget(fd: i32, number: u32) {
    if none() {
        return;
    }
    let kept = fdtable::all().any(|(other, n)| n == number && other != fd);
    if kept {
        return;
    }
    let elsewhere = network::opened().and_then(|arena| arena.slot(number)).is_some_and(|slot| {
        // An upper bound: whoever looks at the items later asks the kernel.
        slot.has(SlotFlags::SHARED) && slot.refs.load(Acquire) > 1
    });
    for set in sets().values() {
        let mut items = set.lock();
        if elsewhere {
            items.orphan(number);
        } else {
            items.remove_socket(number);
        }
    }
}

/// See [`super::activate`].
pub fn activate(s: &Sock) {
    for set in sets().values() {
        if set.lock().wake_socket(s.number) {
            set.kick();
        }
    }
}

/// See [`super::share_bell`]. Called from within a set, whose lock is held: only the others are told.
pub fn share_bell(s: &Sock) {
    wake_others(s, 2);
}

/// See [`super::arrived`].
pub fn arrived(s: &Sock) {
    wake_others(s, 1);
}

/// Has the sets look at a socket, if there are so many. Never waits: the caller may hold the lock of one of them.
fn wake_others(s: &Sock, least: usize) {
    let _critical = crate::signal::critical();
    let Some(sets) = SETS.try_read() else { return };
    if sets.len() < least || !s.slot.has(crate::shm::SlotFlags::WATCHED) {
        return;
    }
    for set in sets.values() {
        match set.items.try_lock() {
            Some(mut items) => {
                let concerned = items.wake_socket(s.number);
                drop(items);
                if !concerned {
                    continue;
                }
            }
            // Whoever holds it may just have looked for the last time before a sleep.
            None => set.rescan.store(1, Release),
        }
        set.kick();
    }
}

/// See [`super::anchor_changed`].
pub fn anchor_changed(s: &Sock) {
    for set in sets().values() {
        let mut items = set.lock();
        for id in items.of_socket(s.number) {
            let _ = items.watch(set.bells.load(Acquire), id, s);
            items.wake(id);
        }
    }
}

/// See [`super::handed_over`].
pub fn handed_over(fd: i32, number: u32) {
    for (epoll, set) in sets().iter() {
        let mut items = set.lock();
        for id in items.of_socket(number) {
            if let Some((events, data)) = items.take(id, fd) {
                let _ = kernel::epoll_control(*epoll, libc::EPOLL_CTL_ADD, fd, events, data);
            }
        }
        drop(items);
        set.kick();
    }
}

/// The kernel closed a descriptor that was not a socket of ours; it may have been an epoll instance, or one of the
/// instances nested in another.
pub fn closed(fd: i32) {
    if fdtable::is_empty() {
        return;
    }
    // A vfork child closes its own copy; the set is its parent's.
    if (is_mixed(fd) || instance::marked(fd)) && process::borrowed() {
        return;
    }
    if instance::forget(fd) {
        for set in sets().values() {
            set.lock().remove_nested(fd);
        }
    }
    if is_mixed(fd) {
        mark(fd, false);
        let gone = sets_mut().remove(&fd);
        drop(gone);
    }
}

/// The program closed a range of descriptors.
pub fn closed_range(first: u32, last: u32) {
    let range = first.min(i32::MAX as u32) as i32..=last.min(i32::MAX as u32) as i32;
    let gone: Vec<i32> = sets().range(range).map(|(fd, _)| *fd).collect();
    gone.into_iter().for_each(closed);
}

/// The kernel duplicated a descriptor that is not a socket of ours.
pub fn copied(old: i32, new: i32) {
    if fdtable::is_empty() {
        instance::duplicated_early(old, new);
        return;
    }
    if (instance::marked(old) || instance::marked(new)) && process::borrowed() {
        return;
    }
    instance::copied(old, new);
    if let Some(set) = set_of(old) {
        sets_mut().insert(new, set);
        mark(new, true);
    }
}

/// Would a wait on this instance end at once, by sockets of ours or the kernel's own?
pub fn is_ready(epoll: i32) -> bool {
    if set_of(epoll).is_some_and(|set| set.lock().any_ready()) {
        return true;
    }
    let mut fds = [libc::pollfd { fd: epoll, events: libc::POLLIN, revents: 0 }];
    matches!(kernel::ppoll(&mut fds, Some(0), None), Ok(1))
}

/// A number that changes when something to read comes to any socket of the instance.
fn arrivals(epoll: i32) -> u64 {
    set_of(epoll).map_or(0, |set| set.lock().arrivals())
}

/// The descriptor that becomes readable when a bell of the instance rings.
pub fn bells(epoll: i32) -> i32 {
    set_of(epoll).map_or(-1, |set| set.bells.load(Acquire))
}

/// Asks all sockets of the instance to ring. `look_by` comes nearer if one of them changes by itself.
pub fn arm(epoll: i32, look_by: &mut Deadline) {
    let Some(set) = set_of(epoll) else { return };
    wait::take_bells(&set);
    let mut items = set.lock();
    if let Some(at) = set.arm(&mut items, true) {
        *look_by = Some(look_by.map_or(at, |b| b.min(at)));
    }
}

/// See [`super::make_way`].
pub fn make_way(fd: i32) -> Result<()> {
    for set in sets().values() {
        let mut items = set.lock();
        for own in [&set.bells, &set.kick] {
            if own.load(Acquire) == fd {
                own.store(internal::renumber(fd)?, Release);
            }
        }
        if items.hearing.fd() == Some(fd) {
            items.hearing.renumber(internal::renumber(fd)?);
        }
        drop(items);
    }
    Ok(())
}

/// The sets, each once however many numbers it has.
fn each_once(sets: &BTreeMap<i32, Arc<Set>>) -> impl Iterator<Item = &Arc<Set>> {
    let fresh = |at: usize, set: &Arc<Set>| !sets.values().take(at).any(|other| Arc::ptr_eq(other, set));
    sets.values().enumerate().filter(move |(at, set)| fresh(*at, set)).map(|(_, set)| set)
}

/// The process is about to be forked, and may allocate. What watches no socket of ours yet may be made to by either of the
/// two: the other one has to learn of that, so both begin with a set.
pub fn share_all() {
    if network::opened().is_none() || process::borrowed() {
        return;
    }
    for fd in instance::plain() {
        // A number that was closed unseen is something else by now.
        if !is_mixed(fd) && instance::kernel_knows(fd) {
            let _ = set_for(fd);
        }
    }
}

/// Takes every lock, so that none is held by a thread that the child does not have.
pub fn before_fork() {
    core::mem::forget(SETS.write());
    #[allow(unsafe_code)]
    // SAFETY: the lock was just taken by this thread and not let go.
    for set in each_once(unsafe { &*SETS.data_ptr() }) {
        core::mem::forget(set.items.lock());
        #[allow(unsafe_code)]
        // SAFETY: as above.
        unsafe { &mut *set.items.data_ptr() }.expect_child();
    }
}

/// There is no child after all.
pub fn not_forked() {
    sets().values().for_each(|set| set.lock().expect_none());
}

/// The program is about to become another one, in which it has no instance that is close-on-exec, or none at all.
pub fn leaving(all: bool) {
    let sets = sets();
    let closes = |fd: i32| kernel::fcntl(fd, libc::F_GETFD, 0).is_ok_and(|flags| flags & libc::FD_CLOEXEC != 0);
    for set in each_once(&sets).filter(|set| set.lock().is_shared()) {
        let numbers = || sets.iter().filter(|(_, other)| Arc::ptr_eq(set, other));
        if all || numbers().all(|(fd, _)| closes(*fd)) {
            set.lock().leaving(true);
        }
    }
}

/// It did not become another one.
pub fn stays() {
    sets().values().for_each(|set| set.lock().leaving(false));
}

/// The process exits. Nothing here waits: a handler may end it in the middle of anything.
pub fn leave() {
    for set in SETS.try_read().iter().flat_map(|sets| sets.values()) {
        if let Some(mut items) = set.items.try_lock() {
            items.leave_board();
        }
    }
}

/// Lets go of what [`before_fork`] took.
pub fn after_fork(child: bool) {
    if child {
        LIFE.fetch_add(1, Relaxed);
    }
    #[allow(unsafe_code)]
    // SAFETY: the locks were taken by `before_fork` in this thread, or in the one that this is a copy of.
    unsafe {
        for set in each_once(&*SETS.data_ptr()) {
            if child {
                (*set.items.data_ptr()).join();
            }
            set.items.force_unlock(Default::default());
        }
        SETS.force_unlock_write(Default::default());
    }
}
