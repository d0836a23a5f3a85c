//! epoll_ctl(2).

use core::sync::atomic::Ordering::*;

use super::item::{Items, Target};
use super::{instance, set_for, set_of};
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::process;
use crate::shm::views::UserPtr;
use crate::shm::Writing;

/// The events that EPOLLEXCLUSIVE may come with (EPOLLEXCLUSIVE_OK_BITS).
const EXCLUSIVE_WITH: u32 = (libc::EPOLLIN
    | libc::EPOLLOUT
    | libc::EPOLLERR
    | libc::EPOLLHUP
    | libc::EPOLLWAKEUP
    | libc::EPOLLET
    | libc::EPOLLEXCLUSIVE) as u32;

/// epoll_ctl(2) where the descriptor is a socket of ours or an instance that watches some. None: the kernel's.
pub fn control(epoll: i32, operation: i32, fd: i32, event_at: UserPtr) -> Option<Result<()>> {
    let target = match fdtable::get(fd) {
        Some(s) => Target::Socket(s.number, s.slot.generation.load(Relaxed)),
        None if super::is_mixed(fd) && fd != epoll => Target::Nested,
        None if instance::marked(fd) && instance::marked(epoll) && fd != epoll => {
            note_early(epoll, operation, fd, event_at);
            return None;
        }
        None => {
            // The kernel's part changes: the next wait looks at it.
            if let Some(set) = set_of(epoll) {
                set.dry_looks.store(0, Relaxed);
            }
            return None;
        }
    };
    Some(apply(epoll, operation, fd, target, event_at))
}

/// One instance is registered in another and neither watches a socket of ours: the kernel's business, for now.
fn note_early(epoll: i32, operation: i32, fd: i32, event_at: UserPtr) {
    if operation == libc::EPOLL_CTL_DEL || crate::readiness::epoll::is_mixed(epoll) {
        return;
    }
    if let (Ok(events), Ok(data)) = (event_at.read_u32(), event_at.plus(4).read_u64()) {
        instance::remember(instance::Early { outer: epoll, inner: fd, events, data });
    }
}

/// An instance begins to watch sockets of ours: those that watch it do so in user space from here on.
pub fn adopt_early(inner: i32) {
    for early in instance::take_early(inner) {
        // The kernel is the judge of whether the registration is still there.
        if kernel::epoll_control(early.outer, libc::EPOLL_CTL_DEL, inner, 0, 0).is_err() {
            continue;
        }
        let Ok(set) = set_for(early.outer) else { continue };
        let mut items = set.lock();
        let (id, _) = items.add(inner, Target::Nested, early.events, early.data);
        let _ = items.watch_nested(set.bells.load(Acquire), id, inner);
    }
}

fn apply(epoll: i32, operation: i32, fd: i32, target: Target, event_at: UserPtr) -> Result<()> {
    let mut event = (0, 0);
    if operation != libc::EPOLL_CTL_DEL {
        // struct epoll_event is packed: events, then data.
        let mut bytes = [0u8; 12];
        event_at.read(&mut bytes)?;
        let word = u128::from_ne_bytes(core::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)));
        event = (word as u32, (word >> 32) as u64);
    }
    let (events, data) = event;
    // Whoever closes an instance that watches sockets of ours says so, but for those with a table of their own.
    if !super::is_mixed(epoll) || process::borrowed() || fdtable::is_shared() {
        kernel::fcntl(epoll, libc::F_GETFD, 0)?;
    }
    if epoll == fd || !super::is_instance(epoll) {
        return Err(Errno::EINVAL);
    }
    if operation != libc::EPOLL_CTL_DEL && events & libc::EPOLLEXCLUSIVE as u32 != 0 {
        let allowed = operation == libc::EPOLL_CTL_ADD && events & !EXCLUSIVE_WITH == 0 && target != Target::Nested;
        if !allowed {
            return Err(Errno::EINVAL);
        }
    }
    match operation {
        libc::EPOLL_CTL_ADD => {
            if target == Target::Nested && reaches(fd, epoll, 0)? {
                return Err(Errno::ELOOP);
            }
            let set = set_for(epoll)?;
            let mut items = set.lock();
            let held = items.hold(set.bells.load(Acquire));
            if items.find(fd, target).is_some() {
                return Err(Errno::EEXIST);
            }
            let (id, new) = items.add(fd, target, events, data);
            let bells = set.bells.load(Acquire);
            let watched = match fdtable::get(fd) {
                Some(_) if !new => Ok(()),
                Some(s) => {
                    s.slot.set(crate::shm::SlotFlags::WATCHED);
                    items.watch(bells, id, &s)
                }
                None => items.watch_nested(bells, id, fd),
            };
            if let Err(e) = watched {
                items.remove(id);
                return Err(e);
            }
            announce(&mut items, held, id);
            drop(items);
            set.kick();
            Ok(())
        }
        libc::EPOLL_CTL_MOD => {
            let set = set_of(epoll).ok_or(Errno::ENOENT)?;
            let mut items = set.lock();
            let held = items.hold(set.bells.load(Acquire));
            let id = items.find(fd, target).ok_or(Errno::ENOENT)?;
            items.modify(id, events, data)?;
            announce(&mut items, held, id);
            drop(items);
            set.kick();
            Ok(())
        }
        libc::EPOLL_CTL_DEL => {
            let set = set_of(epoll).ok_or(Errno::ENOENT)?;
            let mut items = set.lock();
            let held = items.hold(set.bells.load(Acquire));
            let id = items.find(fd, target).ok_or(Errno::ENOENT)?;
            if let Some(held) = &held {
                items.publish_end(held, id);
            }
            items.end_of_change(held);
            items.retire(id);
            if target == Target::Nested {
                for watched in [fd, super::bells(fd)] {
                    let _ = kernel::epoll_control(set.bells.load(Acquire), libc::EPOLL_CTL_DEL, watched, 0, 0);
                }
            }
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Other processes that have the instance learn of an item.
fn announce(items: &mut Items, held: Option<Writing>, id: u32) {
    let Some(writing) = &held else { return };
    items.publish(writing, id);
    items.end_of_change(held);
    items.tell_others();
}

/// Does an instance contain, however deep, the other one? EP_MAX_NESTS bounds the depth.
fn reaches(from: i32, to: i32, depth: u32) -> Result<bool> {
    if depth > 4 {
        return Err(Errno::EINVAL);
    }
    let Some(set) = set_of(from) else { return Ok(false) };
    let inner = set.lock().nested();
    for fd in inner {
        if fd == to || reaches(fd, to, depth + 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}
