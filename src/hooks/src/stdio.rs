//! stdio over sockets of ours: the calls that make, end and ask for FILEs (see `cookies`), and those that print to a number.

use core::ffi::{c_char, c_void};
use core::ptr::null_mut;

use libc::{c_int, FILE};
use stack::abi::Errno;
use stack::{descriptors, fdtable};

use crate::boundary::set_errno;
use crate::cookies::{self, find, open, write_all};
use crate::descriptors as fds;

extern "C" {
    fn vasprintf(into: *mut *mut c_char, format: *const c_char, list: *mut c_void) -> c_int;
    fn __vasprintf_chk(into: *mut *mut c_char, flag: c_int, format: *const c_char, list: *mut c_void) -> c_int;
}

hook! {
    unsafe fn fdopen(fd: c_int, mode: *const c_char) -> *mut FILE => our_fdopen {
        if !fdtable::owned(fd) || mode.is_null() { return real!(fdopen)(fd, mode); }
        match *mode as u8 {
            b'r' | b'w' => {}
            b'a' => {
                let flags = fds::our_fcntl(fd, libc::F_GETFL, 0);
                if flags & libc::O_APPEND == 0 { fds::our_fcntl(fd, libc::F_SETFL, (flags | libc::O_APPEND) as usize); }
            }
            _ => {
                set_errno(Errno::EINVAL);
                return null_mut();
            }
        }
        open(fd, mode, &[])
    }
}
signature!(fdopen, our_fdopen, fn(c_int, *const c_char) -> *mut FILE);
alias!(_IO_fdopen => our_io_fdopen is our_fdopen(fd: c_int, mode: *const c_char) -> *mut FILE);

hook! {
    unsafe fn fileno(file: *mut FILE) -> c_int => our_fileno {
        match find(file) {
            Some(stream) => stream.fd(),
            None => real!(fileno)(file),
        }
    }
}
signature!(fileno, our_fileno, fn(*mut FILE) -> c_int);
alias!(fileno_unlocked => our_fileno_unlocked is our_fileno(file: *mut FILE) -> c_int);

hook! {
    unsafe fn fclose(file: *mut FILE) -> c_int => our_fclose {
        // A FILE of the C library's under whose number the program has put a socket.
        match cookies::number(file) {
            fd if fdtable::owned(fd) => descriptors::closed_within(fd, || real!(fclose)(file)),
            _ => real!(fclose)(file),
        }
    }
}
signature!(fclose, our_fclose, fn(*mut FILE) -> c_int);
alias!(_IO_fclose => our_io_fclose is our_fclose(file: *mut FILE) -> c_int);

/// freopen(3) closes or replaces the number from within the C library, which has to know it for that.
unsafe fn reopened(file: *mut FILE, act: impl FnOnce() -> *mut FILE) -> *mut FILE {
    cookies::give_back(file);
    match cookies::number(file) {
        fd if fdtable::owned(fd) => descriptors::closed_within(fd, act),
        _ => act(),
    }
}

hook! {
    unsafe fn freopen(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE => our_freopen {
        reopened(file, || real!(freopen)(path, mode, file))
    }
}
signature!(freopen, our_freopen, fn(*const c_char, *const c_char, *mut FILE) -> *mut FILE);

hook! {
    unsafe fn freopen64(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE => our_freopen64 {
        reopened(file, || real!(freopen64)(path, mode, file))
    }
}

/// Writes what a format gives, which `make` put into memory of malloc's.
unsafe fn write_formatted(fd: c_int, make: impl FnOnce(*mut *mut c_char) -> c_int) -> c_int {
    let mut text = null_mut();
    let length = make(&mut text);
    if length < 0 {
        return -1;
    }
    let written = write_all(fd, text.cast(), length as usize);
    libc::free(text.cast());
    if written == length as usize {
        length
    } else {
        -1
    }
}

hook! {
    unsafe fn vdprintf(fd: c_int, format: *const c_char, list: *mut c_void) -> c_int => our_vdprintf {
        if !fdtable::owned(fd) { return real!(vdprintf)(fd, format, list); }
        write_formatted(fd, |text| vasprintf(text, format, list))
    }
}

hook! {
    unsafe fn __vdprintf_chk(fd: c_int, flag: c_int, format: *const c_char, list: *mut c_void) -> c_int => our_vdprintf_chk {
        if !fdtable::owned(fd) { return real!(__vdprintf_chk)(fd, flag, format, list); }
        write_formatted(fd, |text| __vasprintf_chk(text, flag, format, list))
    }
}
