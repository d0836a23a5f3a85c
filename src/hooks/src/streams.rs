//! Bytes by one buffer or several: read, write, send, recv and their kin.

use libc::{c_int, c_void, iovec, size_t, sockaddr, socklen_t, ssize_t};
use stack::shm::views::UserPtr;
use stack::{calls, fdtable, short, vectors};

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

extern "C" {
    fn __chk_fail() -> !;
}

/// What the fortified variants do when the buffer is too small: the program ends.
fn check(length: size_t, room: size_t) {
    if length > room {
        // SAFETY: glibc's own, and it does not return.
        unsafe { __chk_fail() }
    }
}

hook! {
    unsafe fn read(fd: c_int, buffer: *mut c_void, length: size_t) -> ssize_t => our_read {
        // The file layer answers an empty read by itself; a socket never hears of it.
        if length == 0 && fdtable::owned(fd) { return 0; }
        point!(fd, s => quick short::recv(&s, buffer as usize, length, 0),
            calls::receive_one(&s, buffer as usize, length, 0).map(|(n, _)| n),
            else real!(read)(fd, buffer, length))
    }
}
signature!(read, our_read, fn(c_int, *mut c_void, size_t) -> ssize_t);
alias!(__read => our_uu_read is our_read(fd: c_int, buffer: *mut c_void, length: size_t) -> ssize_t);

hook! {
    unsafe fn write(fd: c_int, buffer: *const c_void, length: size_t) -> ssize_t => our_write {
        point!(fd, s => quick short::send(&s, buffer as usize, length, 0),
            calls::send_one(&s, buffer as usize, length, 0, &[]),
            else real!(write)(fd, buffer, length))
    }
}
signature!(write, our_write, fn(c_int, *const c_void, size_t) -> ssize_t);
alias!(__write => our_uu_write is our_write(fd: c_int, buffer: *const c_void, length: size_t) -> ssize_t);

hook! {
    unsafe fn readv(fd: c_int, list: *const iovec, count: c_int) -> ssize_t => our_readv {
        point!(fd, s => vectors::vector(&s, at(list), count, false, 0), else real!(readv)(fd, list, count))
    }
}
signature!(readv, our_readv, fn(c_int, *const iovec, c_int) -> ssize_t);

hook! {
    unsafe fn writev(fd: c_int, list: *const iovec, count: c_int) -> ssize_t => our_writev {
        point!(fd, s => vectors::vector(&s, at(list), count, true, 0), else real!(writev)(fd, list, count))
    }
}
signature!(writev, our_writev, fn(c_int, *const iovec, c_int) -> ssize_t);

hook! {
    unsafe fn send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t => our_send {
        point!(fd, s => quick short::send(&s, buffer as usize, length, flags),
            calls::send_one(&s, buffer as usize, length, flags, &[]),
            else real!(send)(fd, buffer, length, flags))
    }
}
signature!(send, our_send, fn(c_int, *const c_void, size_t, c_int) -> ssize_t);
alias!(__send => our_uu_send is our_send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t);

hook! {
    unsafe fn sendto(
        fd: c_int, buffer: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t
    ) -> ssize_t => our_sendto {
        point!(fd, s => quick short::sendto(&s, buffer as usize, length, flags, at(to), to_length as i32),
            calls::sendto(&s, buffer as usize, length, flags, at(to), to_length as i32),
            else real!(sendto)(fd, buffer, length, flags, to, to_length))
    }
}
signature!(sendto, our_sendto, fn(c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t);

hook! {
    unsafe fn recv(fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t => our_recv {
        point!(fd, s => quick short::recv(&s, buffer as usize, length, flags),
            calls::receive_one(&s, buffer as usize, length, flags).map(|(n, _)| n),
            else real!(recv)(fd, buffer, length, flags))
    }
}
signature!(recv, our_recv, fn(c_int, *mut c_void, size_t, c_int) -> ssize_t);
alias!(__recv => our_uu_recv is our_recv(fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t);

hook! {
    unsafe fn recvfrom(
        fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int, from: *mut sockaddr, from_length: *mut socklen_t
    ) -> ssize_t => our_recvfrom {
        point!(fd, s => quick short::recvfrom(&s, buffer as usize, length, flags, at(from), at(from_length)),
            calls::recvfrom(&s, buffer as usize, length, flags, at(from), at(from_length)),
            else real!(recvfrom)(fd, buffer, length, flags, from, from_length))
    }
}
signature!(recvfrom, our_recvfrom, fn(c_int, *mut c_void, size_t, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t);

hook! {
    unsafe fn __read_chk(fd: c_int, buffer: *mut c_void, length: size_t, room: size_t) -> ssize_t => our_read_chk {
        check(length, room);
        our_read(fd, buffer, length)
    }
}

hook! {
    unsafe fn __recv_chk(
        fd: c_int, buffer: *mut c_void, length: size_t, room: size_t, flags: c_int
    ) -> ssize_t => our_recv_chk {
        check(length, room);
        our_recv(fd, buffer, length, flags)
    }
}

hook! {
    unsafe fn __recvfrom_chk(
        fd: c_int, buffer: *mut c_void, length: size_t, room: size_t, flags: c_int, from: *mut sockaddr,
        from_length: *mut socklen_t
    ) -> ssize_t => our_recvfrom_chk {
        check(length, room);
        our_recvfrom(fd, buffer, length, flags, from, from_length)
    }
}
