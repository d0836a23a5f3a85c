//! mmap: a TCP socket can be mapped.

use libc::{c_int, c_void, off_t, size_t};
use stack::kernel::{self, Mapping};
use stack::mapping;

use crate::boundary::set_errno;

hook! {
    unsafe fn mmap(
        at: *mut c_void, length: size_t, protection: c_int, flags: c_int, fd: c_int, offset: off_t
    ) -> *mut c_void => our_mmap {
        let how = Mapping { at: at as usize, length, protection, flags, offset };
        let ours = if fd >= 0 && flags & libc::MAP_ANONYMOUS == 0 { mapping::map(fd, &how) } else { None };
        // Straight to the kernel: an allocator may map its memory before libc's own function can be looked up.
        match ours.unwrap_or_else(|| kernel::map(fd, &how)) {
            Ok(mapped) => mapped as *mut c_void,
            Err(error) => {
                set_errno(error);
                libc::MAP_FAILED
            }
        }
    }
}
signature!(mmap, our_mmap, fn(*mut c_void, size_t, c_int, c_int, c_int, off_t) -> *mut c_void);
alias!(mmap64 => our_mmap64 is our_mmap(
    at: *mut c_void, length: size_t, protection: c_int, flags: c_int, fd: c_int, offset: off_t) -> *mut c_void);
