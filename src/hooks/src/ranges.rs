//! Many descriptors closed at once: close_range, closefrom.

use libc::{c_int, c_uint};
use stack::{descriptors, ranges};

use crate::boundary::answer;

hook! {
    unsafe fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int => our_close_range {
        if !descriptors::any() { return real!(close_range)(first, last, flags); }
        answer(|| ranges::close_range(first, last, flags as u32))
    }
}

hook! {
    unsafe fn closefrom(first: c_int) -> () => our_closefrom {
        if !descriptors::any() { return real!(closefrom)(first); }
        ranges::close_from(first.max(0) as u32);
    }
}
