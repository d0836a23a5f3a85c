//! epoll_ctl(2).

use core::sync::atomic::Ordering::*;

use super::item::Target;
use super::{check_instance, kernel_control, set_for, set_of};
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::shm::views::UserPtr;

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
        None => return None,
    };
    Some(apply(epoll, operation, fd, target, event_at))
}

fn apply(epoll: i32, operation: i32, fd: i32, target: Target, event_at: UserPtr) -> Result<()> {
    let mut event = (0, 0);
    if operation != libc::EPOLL_CTL_DEL {
        // struct epoll_event is packed: events, then data.
        event = (event_at.read_u32()?, event_at.add(4).read_u64()?);
    }
    let (events, data) = event;
    check_instance(epoll)?;
    if epoll == fd || !is_instance(epoll) {
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
            if items.find(fd, target).is_some() {
                return Err(Errno::EEXIST);
            }
            let id = items.add(fd, target, events, data);
            let bells = set.bells.load(Acquire);
            let watched = match fdtable::get(fd) {
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
            drop(items);
            set.kick();
            Ok(())
        }
        libc::EPOLL_CTL_MOD => {
            let set = set_of(epoll).ok_or(Errno::ENOENT)?;
            let mut items = set.lock();
            let id = items.find(fd, target).ok_or(Errno::ENOENT)?;
            items.modify(id, events, data)?;
            drop(items);
            set.kick();
            Ok(())
        }
        libc::EPOLL_CTL_DEL => {
            let set = set_of(epoll).ok_or(Errno::ENOENT)?;
            let mut items = set.lock();
            let id = items.find(fd, target).ok_or(Errno::ENOENT)?;
            items.remove(id);
            let _ = kernel_control(set.bells.load(Acquire), libc::EPOLL_CTL_DEL, fd, 0, 0);
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Is the descriptor an epoll instance? It is asked to remove a descriptor that cannot be there.
fn is_instance(epoll: i32) -> bool {
    // For an instance the kernel gets as far as the missing descriptor; for anything else it says EINVAL first.
    match kernel_control(epoll, libc::EPOLL_CTL_DEL, epoll, 0, 0) {
        Err(Errno::EINVAL) => super::set_of(epoll).is_some() || probe(epoll),
        _ => false,
    }
}

/// EPOLL_CTL_MOD of a descriptor that can be watched but is not registered: ENOENT from an instance, EINVAL from the rest.
fn probe(epoll: i32) -> bool {
    let Ok(Some(other)) = helper() else { return true };
    let answer = kernel_control(epoll, libc::EPOLL_CTL_MOD, other, 0, 0);
    let _ = crate::kernel::close(other);
    answer == Err(Errno::ENOENT)
}

fn helper() -> Result<Option<i32>> {
    #[allow(unsafe_code)]
    // SAFETY: no pointers.
    let fd = unsafe { crate::kernel::sys!(eventfd2, 0, libc::EFD_CLOEXEC) }?;
    Ok(Some(fd as i32))
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
