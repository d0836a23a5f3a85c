//! Vectors with a position and flags: preadv2 and pwritev2. The kernel answers pread, pwrite, preadv, pwritev and lseek for
//! us, since the anchor is a socket too: ESPIPE, or EINVAL for a negative position.

use libc::{c_int, iovec, off64_t, off_t, ssize_t};
use stack::shm::views::UserPtr;
use stack::vectors;

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

hook! {
    unsafe fn preadv2(fd: c_int, list: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t => our_preadv2 {
        point!(fd, s => vectors::vector_at(&s, at(list), count, offset, false, flags),
            else real!(preadv2)(fd, list, count, offset, flags))
    }
}
signature!(preadv2, our_preadv2, fn(c_int, *const iovec, c_int, off_t, c_int) -> ssize_t);
alias!(preadv64v2 => our_preadv64v2 is our_preadv2(
    fd: c_int, list: *const iovec, count: c_int, offset: off64_t, flags: c_int) -> ssize_t);

hook! {
    unsafe fn pwritev2(fd: c_int, list: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t => our_pwritev2 {
        point!(fd, s => vectors::vector_at(&s, at(list), count, offset, true, flags),
            else real!(pwritev2)(fd, list, count, offset, flags))
    }
}
signature!(pwritev2, our_pwritev2, fn(c_int, *const iovec, c_int, off_t, c_int) -> ssize_t);
alias!(pwritev64v2 => our_pwritev64v2 is our_pwritev2(
    fd: c_int, list: *const iovec, count: c_int, offset: off64_t, flags: c_int) -> ssize_t);
