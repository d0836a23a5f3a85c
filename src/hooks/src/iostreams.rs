//! The C++ library's standard streams, which remember the FILEs that they write to and read from.
//!
//! As long as they are in step with stdio (sync_with_stdio, the default), std::cin and its kin go through a small buffer
//! object that holds a FILE pointer of its own, from the start of the program. When a standard FILE is exchanged (see
//! `cookies`) that pointer is, too. Out of step they read and write by descriptor, which the hooks see.

use core::ffi::{c_char, CStr};

use libc::FILE;

/// The streams of each of the first three descriptors. The wide ones stay as they are: a FILE of ours has no wide characters.
const STREAMS: [&[&CStr]; 3] = [&[c"_ZSt3cin"], &[c"_ZSt4cout"], &[c"_ZSt4cerr", c"_ZSt4clog"]];
/// stdio_sync_filebuf's table of virtual functions.
const TABLE: &CStr = c"_ZTVN9__gnu_cxx18stdio_sync_filebufIcSt11char_traitsIcEEE";
/// In a table of virtual functions: what stands before the place that an object points to.
const TABLE_HEAD: usize = 16;
/// From there: the distance from a stream to its virtual base, basic_ios.
const BASE_AT: usize = 24;
/// In basic_ios, after ios_base (216 bytes), the tied stream and the filling character, which take a word each (libstdc++
/// on 64 bits, since GCC 3.4).
const BUFFER_AT: usize = 232;
/// In stdio_sync_filebuf, after basic_streambuf.
const FILE_AT: usize = 64;

unsafe fn symbol(name: &CStr) -> *const c_char {
    libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()).cast_const().cast()
}

/// Has the streams of a descriptor that use one FILE use another.
///
/// # Safety
/// Nobody is using them at the same time.
pub unsafe fn exchange(fd: usize, old: *mut FILE, new: *mut FILE) {
    let known = symbol(TABLE);
    if known.is_null() {
        return;
    }
    for stream in STREAMS[fd].iter().map(|name| symbol(name)).filter(|stream| !stream.is_null()) {
        // A stream that was not made yet has no table.
        let table = stream.cast::<*const c_char>().read();
        if table.is_null() {
            continue;
        }
        let base = stream.offset(table.sub(BASE_AT).cast::<isize>().read());
        let buffer = base.add(BUFFER_AT).cast::<*mut c_char>().read();
        if buffer.is_null() || buffer.cast::<*const c_char>().read() != known.add(TABLE_HEAD) {
            continue;
        }
        let file = buffer.add(FILE_AT).cast::<*mut FILE>();
        if file.read() == old {
            file.write(new);
        }
    }
}
