//! Bytes between descriptors: sendfile and splice. tee, vmsplice and copy_file_range refuse sockets of every kind, so the
//! kernel answers them for us.

use libc::{c_int, c_uint, loff_t, off_t, size_t, ssize_t};
use stack::shm::views::UserPtr;
use stack::signal::cancel;
use stack::{fdtable, transfer};

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

hook! {
    unsafe fn sendfile(out: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t => our_sendfile {
        let ours = if fdtable::owned(out) { out } else { from };
        // It may wait, but no thread is cancelled in it (man 7 pthreads).
        loop {
            if !fdtable::owned(ours) { break real!(sendfile)(out, from, offset, count); }
            let work = || cancel::without(|| transfer::sendfile(out, from, at(offset), count));
            if let Some(answered) = crate::boundary::attempt(work) { break answered; }
        }
    }
}
signature!(sendfile, our_sendfile, fn(c_int, c_int, *mut off_t, size_t) -> ssize_t);
alias!(sendfile64 => our_sendfile64 is our_sendfile(
    out: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t);

hook! {
    unsafe fn splice(
        from: c_int, from_offset: *mut loff_t, to: c_int, to_offset: *mut loff_t, length: size_t, flags: c_uint
    ) -> ssize_t => our_splice {
        let ours = if fdtable::owned(from) { from } else { to };
        point!(ours, _s => transfer::splice(from, at(from_offset), to, at(to_offset), length, flags),
            else real!(splice)(from, from_offset, to, to_offset, length, flags))
    }
}
signature!(splice, our_splice, fn(c_int, *mut loff_t, c_int, *mut loff_t, size_t, c_uint) -> ssize_t);
