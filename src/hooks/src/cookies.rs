//! FILEs over sockets of ours.
//!
//! The C library reads, writes and closes a FILE's descriptor from within, without the symbols that are hooked here, which
//! would put the program's bytes on the anchor. So a FILE over a socket is made with fopencookie(3): its functions are ours,
//! and everything above them (buffers, formats, locks, errors) stays the C library's. The standard three become such FILEs
//! when a socket stands under 0, 1 or 2, by exec or by dup.

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering::*};

use libc::{c_int, size_t, ssize_t, FILE};
use stack::abi::Errno;
use stack::{fdtable, process};

use crate::boundary::set_errno;
use crate::{descriptors as fds, iostreams, streams};

/// The head of glibc's struct _IO_FILE, whose layout is part of its binary interface.
#[repr(C)]
struct Head {
    flags: c_int,
    read_ptr: *mut u8,
    read_end: *mut u8,
    read_base: *mut u8,
    write_base: *mut u8,
    write_ptr: *mut u8,
    others: [*mut c_void; 8],
    fileno: c_int,
    more: [*mut c_void; 5],
    wide: *mut c_void,
}
const _: () = assert!(core::mem::offset_of!(Head, fileno) == 112 && core::mem::offset_of!(Head, wide) == 160);

/// In `Head::flags`.
const UNBUFFERED: c_int = 0x2;
const LINE_BUFFERED: c_int = 0x200;
/// `Head::fileno` of a FILE that has no descriptor as far as the C library knows.
const COOKIE: c_int = -2;

/// More than the size of struct _IO_wide_data, of which all zero is a fresh one.
const WIDE: usize = 1024;

/// What our functions are given: a FILE over a descriptor. Never freed, used again after the FILE was closed.
pub struct Stream {
    /// Set before the stream is in the list.
    next: *mut Stream,
    /// Null while no FILE uses it.
    file: AtomicPtr<FILE>,
    fd: AtomicI32,
    /// What the FILE in whose place this one stands had read already, and how much of that was taken. The C library holds
    /// the FILE's lock around each of our functions, and before there is a FILE nobody else has the stream.
    ahead: UnsafeCell<(Vec<u8>, usize)>,
}

static STREAMS: AtomicPtr<Stream> = AtomicPtr::new(null_mut());

#[repr(C)]
struct Functions {
    read: Option<unsafe extern "C" fn(*mut c_void, *mut c_char, size_t) -> ssize_t>,
    write: Option<unsafe extern "C" fn(*mut c_void, *const c_char, size_t) -> ssize_t>,
    seek: Option<unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int>,
    close: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut FILE;
    fn __fpurge(file: *mut FILE);
    fn flockfile(file: *mut FILE);
    fn funlockfile(file: *mut FILE);
    static mut stdin: *mut FILE;
    static mut stdout: *mut FILE;
    static mut stderr: *mut FILE;
    #[link_name = "_IO_2_1_stdin_"]
    static mut FIRST_STDIN: Head;
    #[link_name = "_IO_2_1_stdout_"]
    static mut FIRST_STDOUT: Head;
    #[link_name = "_IO_2_1_stderr_"]
    static mut FIRST_STDERR: Head;
}

unsafe fn stream<'a>(cookie: *mut c_void) -> &'a Stream {
    &*cookie.cast::<Stream>()
}

unsafe extern "C" fn cookie_read(cookie: *mut c_void, into: *mut c_char, room: size_t) -> ssize_t {
    let stream = stream(cookie);
    let (ahead, taken) = &mut *stream.ahead.get();
    if *taken < ahead.len() {
        let n = (ahead.len() - *taken).min(room);
        core::ptr::copy_nonoverlapping(ahead.as_ptr().add(*taken), into.cast(), n);
        *taken += n;
        return n as ssize_t;
    }
    streams::our_read(stream.fd.load(Relaxed), into.cast(), room)
}

/// All of it or an error, as the C library's own: a part alone counts as an error above.
unsafe extern "C" fn cookie_write(cookie: *mut c_void, from: *const c_char, length: size_t) -> ssize_t {
    let fd = stream(cookie).fd.load(Relaxed);
    write_all(fd, from.cast(), length) as ssize_t
}

pub unsafe fn write_all(fd: c_int, from: *const u8, length: usize) -> usize {
    let mut done = 0;
    while done < length {
        match streams::our_write(fd, from.add(done).cast(), length - done) {
            n if n > 0 => done += n as usize,
            _ => break,
        }
    }
    done
}

unsafe extern "C" fn cookie_seek(_cookie: *mut c_void, _offset: *mut i64, _whence: c_int) -> c_int {
    set_errno(Errno::ESPIPE);
    -1
}

unsafe extern "C" fn cookie_close(cookie: *mut c_void) -> c_int {
    let stream = stream(cookie);
    let (file, fd) = (stream.file.load(Relaxed), stream.fd.load(Relaxed));
    forget(stream);
    // A standard FILE that is closed must not leave a pointer to freed memory behind, as the first one never did.
    for number in 0..3 {
        let (global, first) = standard(number);
        if *global == file {
            *global = first;
            iostreams::exchange(number as usize, file, first);
        }
    }
    fds::our_close(fd)
}

/// The variable and the C library's own object of a standard FILE.
unsafe fn standard(number: c_int) -> (*mut *mut FILE, *mut FILE) {
    match number {
        0 => (&raw mut stdin, (&raw mut FIRST_STDIN).cast()),
        1 => (&raw mut stdout, (&raw mut FIRST_STDOUT).cast()),
        _ => (&raw mut stderr, (&raw mut FIRST_STDERR).cast()),
    }
}

fn all() -> impl Iterator<Item = &'static Stream> {
    let mut at = STREAMS.load(Acquire);
    core::iter::from_fn(move || {
        // SAFETY: streams are never freed, and `next` does not change once a stream is in the list.
        let stream = unsafe { at.as_ref() }?;
        at = stream.next;
        Some(stream)
    })
}

/// Our stream under a FILE.
pub unsafe fn find(file: *mut FILE) -> Option<&'static Stream> {
    if file.is_null() || (*file.cast::<Head>()).fileno != COOKIE {
        return None;
    }
    all().find(|s| s.file.load(Acquire) == file)
}

/// The FILE is gone, or goes on without us.
unsafe fn forget(stream: &Stream) {
    *stream.ahead.get() = (Vec::new(), 0);
    stream.file.store(null_mut(), Release);
}

/// A FILE over a descriptor, or null with errno.
pub unsafe fn open(fd: c_int, mode: *const c_char, ahead: &[u8]) -> *mut FILE {
    const TAKEN: *mut FILE = core::ptr::without_provenance_mut(1);
    let free = all().find(|s| s.file.compare_exchange(null_mut(), TAKEN, AcqRel, Relaxed).is_ok());
    let place = match free {
        Some(free) => free as *const Stream,
        None => {
            let (file, fd) = (AtomicPtr::new(TAKEN), AtomicI32::new(-1));
            let ahead = UnsafeCell::new((Vec::new(), 0));
            let new = Box::into_raw(Box::new(Stream { next: null_mut(), file, fd, ahead }));
            let _ = STREAMS.fetch_update(AcqRel, Acquire, |first| {
                (*new).next = first;
                Some(new)
            });
            new.cast_const()
        }
    };
    (*place).fd.store(fd, Relaxed);
    *(*place).ahead.get() = (ahead.to_vec(), 0);
    let functions = Functions {
        read: Some(cookie_read),
        write: Some(cookie_write),
        seek: Some(cookie_seek),
        close: Some(cookie_close),
    };
    let file = fopencookie(place.cast_mut().cast(), mode, functions);
    (*place).file.store(file, Release);
    file
}

/// A descriptor has come to be a socket of ours: if it is one of the first three, their FILEs go through us from now on,
/// with what their buffers hold.
pub fn appeared(fd: c_int) {
    if (0..3).contains(&fd) && fdtable::owned(fd) && !process::borrowed() {
        // SAFETY: the program does not close its standard FILEs at the same time as it puts a socket under them.
        unsafe { switch(fd) }
    }
}

unsafe fn switch(fd: c_int) {
    let (global, _) = standard(fd);
    let old = *global;
    if old.is_null() || (*old.cast::<Head>()).fileno != fd {
        return;
    }
    flockfile(old);
    let head = &*old.cast::<Head>();
    let between = |from: *mut u8, to: *mut u8| {
        let length = (to as usize).saturating_sub(from as usize);
        if from.is_null() {
            &[][..]
        } else {
            core::slice::from_raw_parts(from, length)
        }
    };
    let unread = if fd == 0 { between(head.read_ptr, head.read_end) } else { &[] };
    let unwritten = if fd == 0 { &[][..] } else { between(head.write_base, head.write_ptr) };
    let new = open(fd, if fd == 0 { c"r" } else { c"w" }.as_ptr(), unread);
    if !new.is_null() {
        match head.flags & (UNBUFFERED | LINE_BUFFERED) {
            0 => {}
            LINE_BUFFERED => drop(libc::setvbuf(new, null_mut(), libc::_IOLBF, 0)),
            _ => drop(libc::setvbuf(new, null_mut(), libc::_IONBF, 0)),
        }
        libc::fwrite(unwritten.as_ptr().cast(), 1, unwritten.len(), new);
        __fpurge(old);
        *global = new;
        iostreams::exchange(fd as usize, old, new);
    }
    funlockfile(old);
}

/// At the start: sockets that came with exec.
pub fn start() {
    (0..3).for_each(appeared);
}

/// At the end, before sockets are closed: what the C library would write out afterwards.
pub fn flush() {
    for stream in all() {
        let file = stream.file.load(Acquire);
        // SAFETY: a stream with a FILE is one that the program has not closed.
        unsafe {
            if file as usize > 1 && (*file.cast::<Head>()).write_ptr > (*file.cast::<Head>()).write_base {
                libc::fflush(file);
            }
        }
    }
}

impl Stream {
    /// The descriptor under the FILE.
    pub fn fd(&self) -> c_int {
        self.fd.load(Relaxed)
    }
}

/// The descriptor that the C library knows a FILE by, negative for none.
pub unsafe fn number(file: *mut FILE) -> c_int {
    if file.is_null() {
        -1
    } else {
        (*file.cast::<Head>()).fileno
    }
}

/// Makes a FILE of ours, with nothing unwritten in it, the C library's own again, which then closes or replaces the number.
pub unsafe fn give_back(file: *mut FILE) {
    let Some(stream) = find(file) else { return };
    let head = file.cast::<Head>();
    if (*head).write_ptr > (*head).write_base {
        libc::fflush(file);
    }
    (*head).fileno = stream.fd();
    // A FILE of fopencookie has nothing for wide characters, and freopen writes into it.
    (*head).wide = libc::calloc(1, WIDE);
    forget(stream);
}
