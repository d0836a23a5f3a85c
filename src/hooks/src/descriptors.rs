//! Descriptors: close, the dups, fcntl, ioctl, and those that travel in messages.

use libc::{c_int, c_ulong, c_void, msghdr, ssize_t};
use stack::abi::Errno;
use stack::shm::views::UserPtr;
use stack::{descriptors, fdtable, socket};

use crate::boundary::answer;

hook! {
    unsafe fn close(fd: c_int) -> c_int => our_close {
        match fdtable::get(fd) {
            Some(s) => {
                stack::signal::cancel::test();
                answer(|| socket::close(&s))
            }
            None => {
                if descriptors::closing(fd) { return answer(|| Err::<i32, _>(Errno::EBADF)); }
                real!(close)(fd)
            }
        }
    }
}
signature!(close, our_close, fn(c_int) -> c_int);
alias!(__close => our_uu_close is our_close(fd: c_int) -> c_int);

hook! {
    unsafe fn dup(fd: c_int) -> c_int => our_dup {
        let new = real!(dup)(fd);
        if new >= 0 { descriptors::copied(fd, new); }
        new
    }
}
signature!(dup, our_dup, fn(c_int) -> c_int);

hook! {
    unsafe fn dup2(old: c_int, new: c_int) -> c_int => our_dup2 {
        if descriptors::reserved(new) { return answer(|| descriptors::make_way(new).map(|()| 0).and_then(|_| descriptors::redo_dup(old, new, 0))); }
        descriptors::replacing(old, new, || real!(dup2)(old, new))
    }
}
signature!(dup2, our_dup2, fn(c_int, c_int) -> c_int);
alias!(__dup2 => our_uu_dup2 is our_dup2(old: c_int, new: c_int) -> c_int);

hook! {
    unsafe fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int => our_dup3 {
        if descriptors::reserved(new) { return answer(|| descriptors::make_way(new).map(|()| 0).and_then(|_| descriptors::redo_dup(old, new, flags))); }
        if old == new { return real!(dup3)(old, new, flags); }
        descriptors::replacing(old, new, || real!(dup3)(old, new, flags))
    }
}
signature!(dup3, our_dup3, fn(c_int, c_int, c_int) -> c_int);

hook! {
    unsafe fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int => our_fcntl {
        let answered = real!(fcntl)(fd, command, argument);
        if answered >= 0 { descriptors::after_fcntl(fd, command, argument, answered); }
        answered
    }
}

hook! {
    unsafe fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int => our_fcntl64 {
        let answered = real!(fcntl64)(fd, command, argument);
        if answered >= 0 { descriptors::after_fcntl(fd, command, argument, answered); }
        answered
    }
}

hook! {
    unsafe fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int => our_ioctl {
        match fdtable::get(fd) {
            Some(s) => answer(|| descriptors::ioctl(&s, request, UserPtr(argument as usize))),
            None => real!(ioctl)(fd, request, argument),
        }
    }
}

/// The descriptors that a message carries, in its ancillary data.
unsafe fn carried(message: *const msghdr, mut each: impl FnMut(c_int)) {
    if message.is_null() || (*message).msg_control.is_null() || (*message).msg_controllen == 0 {
        return;
    }
    let mut header = libc::CMSG_FIRSTHDR(message);
    while !header.is_null() {
        if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
            let bytes = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            let first = libc::CMSG_DATA(header).cast::<c_int>();
            for i in 0..bytes / size_of::<c_int>() {
                each(first.add(i).read_unaligned());
            }
        }
        header = libc::CMSG_NXTHDR(message, header);
    }
}

/// A message may carry descriptors of ours away: each is one more reference until somebody receives it.
pub unsafe fn passing(message: *const msghdr, send: impl FnOnce() -> ssize_t) -> ssize_t {
    if !descriptors::any() || message.is_null() || (*message).msg_controllen == 0 {
        return send();
    }
    carried(message, |fd| descriptors::sent(fd, true));
    let sent = send();
    if sent < 0 {
        carried(message, |fd| descriptors::sent(fd, false));
    }
    sent
}

/// A message arrived: sockets of the network among its descriptors are ours from here on.
pub unsafe fn received(message: *const msghdr) {
    carried(message, descriptors::arrived);
}
