//! stub
#![allow(unsafe_code)]
/// Copies from the program's memory. # Safety: dst valid.
pub unsafe fn copy_in(dst: *mut u8, user_src: *const u8, len: usize) -> usize { unsafe { core::ptr::copy_nonoverlapping(user_src, dst, len) }; len }
/// Copies to the program's memory. # Safety: src valid.
pub unsafe fn copy_out(user_dst: *mut u8, src: *const u8, len: usize) -> usize { unsafe { core::ptr::copy_nonoverlapping(src, user_dst, len) }; len }
