//! Messages: sendmsg, recvmsg, sendmmsg, recvmmsg.

use libc::{c_int, c_uint, mmsghdr, msghdr, ssize_t, timespec};
use stack::messages;
use stack::shm::views::UserPtr;
use stack::short;

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

hook! {
    unsafe fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t => our_sendmsg {
        point!(fd, s => quick short::sendmsg(&s, at(message), flags), messages::sendmsg(&s, at(message), flags),
            else match crate::descriptors::passing_to_foreigner(fd, message, |message| real!(sendmsg)(fd, message, flags)) {
                Some(sent) => sent,
                None => crate::descriptors::passing(message, || real!(sendmsg)(fd, message, flags)),
            })
    }
}
signature!(sendmsg, our_sendmsg, fn(c_int, *const msghdr, c_int) -> ssize_t);
alias!(__sendmsg => our_uu_sendmsg is our_sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t);

hook! {
    unsafe fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t => our_recvmsg {
        point!(fd, s => quick short::recvmsg(&s, at(message), flags), messages::recvmsg(&s, at(message), flags), else {
                let got = real!(recvmsg)(fd, message, flags);
                if got >= 0 { crate::descriptors::received(message); }
                got
            })
    }
}
signature!(recvmsg, our_recvmsg, fn(c_int, *mut msghdr, c_int) -> ssize_t);
alias!(__recvmsg => our_uu_recvmsg is our_recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t);

/// The kernel takes no more messages at a time (UIO_MAXIOV).
const MOST: c_uint = 1024;

/// Descriptors of ours may travel in any of the messages: those that were sent hold what they carry.
unsafe fn passing_many(
    messages: *mut mmsghdr,
    at: usize,
    count: usize,
    send: &mut dyn FnMut() -> c_int,
    sent: &mut c_int,
) {
    if at == count {
        *sent = send();
        return;
    }
    crate::descriptors::passing(&raw const (*messages.add(at)).msg_hdr, || {
        passing_many(messages, at + 1, count, send, sent);
        if *sent > at as c_int {
            0
        } else {
            -1
        }
    });
}

hook! {
    unsafe fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int => our_sendmmsg {
        point!(fd, s => messages::sendmmsg(&s, at(messages), count, flags).map(|n| n as i32),
            else {
                let mut sent = -1;
                let mut send = || real!(sendmmsg)(fd, messages, count, flags);
                let carriers = if stack::descriptors::any() { count.min(MOST) } else { 0 };
                passing_many(messages, 0, carriers as usize, &mut send, &mut sent);
                sent
            })
    }
}
signature!(sendmmsg, our_sendmmsg, fn(c_int, *mut mmsghdr, c_uint, c_int) -> c_int);
alias!(__sendmmsg => our_uu_sendmmsg is our_sendmmsg(
    fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int);

hook! {
    unsafe fn recvmmsg(
        fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec
    ) -> c_int => our_recvmmsg {
        point!(fd, s => messages::recvmmsg(&s, at(messages), count, flags, at(timeout)).map(|n| n as i32), else {
                let got = real!(recvmmsg)(fd, messages, count, flags, timeout);
                for i in 0..got.max(0) {
                    crate::descriptors::received(&raw mut (*messages.add(i as usize)).msg_hdr);
                }
                got
            })
    }
}
signature!(recvmmsg, our_recvmmsg, fn(c_int, *mut mmsghdr, c_uint, c_int, *mut timespec) -> c_int);
