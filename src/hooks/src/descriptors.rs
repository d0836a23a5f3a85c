//! Descriptors: close, the dups, fcntl, ioctl, and those that travel in messages.

use libc::{c_int, c_ulong, c_void, msghdr, ssize_t};
use stack::abi::Errno;
use stack::offspring::foreign;
use stack::shm::views::UserPtr;
use stack::socket::Sock;
use stack::{descriptors, fdtable, socket};

use crate::boundary::answer;
use crate::cookies;

/// asm/sockios.h.
const SIOCATMARK: c_ulong = 0x8905;

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
        if new >= 0 { copied(fd, new); }
        new
    }
}
signature!(dup, our_dup, fn(c_int) -> c_int);

hook! {
    unsafe fn dup2(old: c_int, new: c_int) -> c_int => our_dup2 {
        dup_over(old, new, 0, || real!(dup2)(old, new))
    }
}
signature!(dup2, our_dup2, fn(c_int, c_int) -> c_int);
alias!(__dup2 => our_uu_dup2 is our_dup2(old: c_int, new: c_int) -> c_int);

hook! {
    unsafe fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int => our_dup3 {
        // Equal numbers are an error here, and change nothing.
        if old == new { return real!(dup3)(old, new, flags); }
        dup_over(old, new, flags, || real!(dup3)(old, new, flags))
    }
}
signature!(dup3, our_dup3, fn(c_int, c_int, c_int) -> c_int);

/// dup2 and dup3. A number that the library itself uses is given up first.
fn dup_over(old: c_int, new: c_int, flags: c_int, act: impl FnOnce() -> c_int) -> c_int {
    let made = if descriptors::reserved(new) {
        answer(|| descriptors::make_way(new).and_then(|()| descriptors::redo_dup(old, new, flags)))
    } else {
        descriptors::replacing(old, new, act)
    };
    cookies::appeared(made);
    made
}

fn copied(old: c_int, new: c_int) {
    descriptors::copied(old, new);
    cookies::appeared(new);
}

hook! {
    unsafe fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int => our_fcntl {
        let answered = real!(fcntl)(fd, command, argument);
        if answered >= 0 { after_fcntl(fd, command, argument, answered); }
        answered
    }
}

alias!(__fcntl => our_uu_fcntl is our_fcntl(fd: c_int, command: c_int, argument: usize) -> c_int);

hook! {
    unsafe fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int => our_fcntl64 {
        let answered = real!(fcntl64)(fd, command, argument);
        if answered >= 0 { after_fcntl(fd, command, argument, answered); }
        answered
    }
}

fn after_fcntl(fd: c_int, command: c_int, argument: usize, answered: c_int) {
    descriptors::after_fcntl(fd, command, argument, answered);
    if command == libc::F_DUPFD || command == libc::F_DUPFD_CLOEXEC {
        cookies::appeared(answered);
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

hook! {
    unsafe fn sockatmark(fd: c_int) -> c_int => our_sockatmark {
        match fdtable::get(fd) {
            // The C library asks from within, past the symbol of ioctl.
            Some(s) => answer(|| {
                let mut at_mark = 0;
                descriptors::ioctl(&s, SIOCATMARK, UserPtr(&raw mut at_mark as usize)).map(|_| at_mark)
            }),
            None => real!(sockatmark)(fd),
        }
    }
}

/// No message carries more descriptors than this makes room for (SCM_MAX_FD is 253).
const MOST_CONTROL: usize = 8192;

/// The descriptors that a message carries, in its ancillary data. What cannot be read carries none: the kernel says why.
fn carried(message: *const msghdr, mut each: impl FnMut(c_int)) {
    let length = UserPtr(message as usize).plus(core::mem::offset_of!(msghdr, msg_controllen)).read_u64();
    // Most messages carry nothing, and stacks may be small.
    if length.is_ok_and(|n| n as usize >= size_of::<libc::cmsghdr>()) {
        look_into(message, &mut each);
    }
}

#[inline(never)]
fn look_into(message: *const msghdr, each: &mut dyn FnMut(c_int)) {
    let mut space = [0u8; MOST_CONTROL];
    carried_in(message, &mut space, |fd| {
        each(fd);
        None
    });
}

/// As [`carried`], with the ancillary data copied to `space`, where a descriptor that `each` has another for is replaced. Gives
/// the length.
fn carried_in(message: *const msghdr, space: &mut [u8], mut each: impl FnMut(c_int) -> Option<c_int>) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let at = |offset| UserPtr(message as usize).plus(offset).read_u64().unwrap_or(0) as usize;
    let (control, length) =
        (at(core::mem::offset_of!(msghdr, msg_control)), at(core::mem::offset_of!(msghdr, msg_controllen)));
    let whole = length.min(space.len());
    let bytes = &mut space[..whole];
    if length < HEADER || UserPtr(control).read(bytes).is_err() {
        return 0;
    }
    let word = |from: &[u8]| from.first_chunk().map_or(0, |b| c_int::from_ne_bytes(*b));
    let mut rest = &mut bytes[..];
    while rest.len() >= HEADER {
        let length = rest.first_chunk().map_or(0, |b| usize::from_ne_bytes(*b));
        if !(HEADER..=rest.len()).contains(&length) {
            break;
        }
        if word(&rest[8..]) == libc::SOL_SOCKET && word(&rest[12..]) == libc::SCM_RIGHTS {
            for fd in rest[HEADER..length].chunks_exact_mut(size_of::<c_int>()) {
                if let Some(other) = each(word(fd)) {
                    fd.copy_from_slice(&other.to_ne_bytes());
                }
            }
        }
        let next = length.next_multiple_of(size_of::<usize>()).min(rest.len());
        rest = &mut rest[next..];
    }
    whole
}

/// A message that carries connections of ours to a program that the library is not in takes plain streams in their place,
/// which a process of their own carries on. None: there is no such thing in it, or whoever receives it can do without.
pub fn passing_to_foreigner(
    fd: c_int,
    message: *const msghdr,
    send: impl FnOnce(*const msghdr) -> ssize_t,
) -> Option<ssize_t> {
    if !descriptors::any() || message.is_null() {
        return None;
    }
    let connection = |fd| fdtable::get(fd).filter(foreign::is_connection);
    let mut some = false;
    carried(message, |fd| some |= connection(fd).is_some());
    if !some || !foreign::receives(fd) {
        return None;
    }
    Some(pass_streams(message, &connection, send))
}

#[inline(never)]
fn pass_streams(
    message: *const msghdr,
    connection: &dyn Fn(c_int) -> Option<Sock>,
    send: impl FnOnce(*const msghdr) -> ssize_t,
) -> ssize_t {
    let mut switched = foreign::Switched::none();
    let mut space = [0u8; MOST_CONTROL];
    let mut others = Vec::new();
    let length = carried_in(message, &mut space, |fd| {
        let stream = connection(fd).and_then(|s| switched.stream_for(&s));
        if stream.is_none() {
            others.push(fd);
        }
        stream
    });
    switched.start();
    // SAFETY: ancillary data was found through it, so a whole header can be read.
    let mut copy = unsafe { message.read_unaligned() };
    copy.msg_control = space.as_mut_ptr().cast();
    copy.msg_controllen = length;
    others.iter().for_each(|fd| descriptors::sent(*fd, true));
    let sent = send(&copy);
    if sent < 0 {
        switched.undo();
        others.iter().for_each(|fd| descriptors::sent(*fd, false));
    } else {
        switched.close();
    }
    sent
}

/// A message may carry descriptors of ours away: each is one more reference until somebody receives it.
pub fn passing(message: *const msghdr, send: impl FnOnce() -> ssize_t) -> ssize_t {
    if !descriptors::any() {
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
pub fn received(message: *const msghdr) {
    carried(message, |fd| {
        descriptors::arrived(fd);
        cookies::appeared(fd);
    });
}
