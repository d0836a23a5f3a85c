//! The kernel's epoll instances, and the small descriptors that wake who waits on them.

use super::sys;
use crate::abi::Result;

/// epoll_create1(2), close-on-exec.
pub fn epoll_create() -> Result<i32> {
    // SAFETY: no pointers.
    unsafe { sys!(epoll_create1, libc::EPOLL_CLOEXEC) }.map(|fd| fd as i32)
}

/// epoll_ctl(2).
pub fn epoll_control(epoll: i32, operation: i32, fd: i32, events: u32, data: u64) -> Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: the event is ours.
    unsafe { sys!(epoll_ctl, epoll, operation, fd, &raw mut event) }.map(drop)
}

/// epoll_wait(2) without waiting; an error is no event.
pub fn epoll_events(epoll: i32, into: &mut [libc::epoll_event]) -> usize {
    if into.is_empty() {
        return 0;
    }
    // SAFETY: the slice is writable.
    unsafe { sys!(epoll_wait, epoll, into.as_mut_ptr(), into.len(), 0) }.unwrap_or(0)
}

/// eventfd(2), close-on-exec, non-blocking.
pub fn eventfd(initial: u32) -> Result<i32> {
    // SAFETY: no pointers.
    unsafe { sys!(eventfd2, initial, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.map(|fd| fd as i32)
}

/// pipe2(2), close-on-exec, non-blocking: the reading and the writing end.
pub fn pipe() -> Result<[i32; 2]> {
    let mut ends = [-1i32; 2];
    // SAFETY: the array takes both descriptors.
    unsafe { sys!(pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }?;
    Ok(ends)
}
