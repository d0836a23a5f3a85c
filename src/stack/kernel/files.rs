//! Descriptors and files.

use core::ffi::CStr;

use super::sys;
use crate::abi::{Errno, Result};

/// Descriptors of ours start here at least, far from what programs count on (design, invariant 1).
const HIGH: i32 = 512;

/// close(2).
pub fn close(fd: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(close, fd) }.map(drop)
}

/// dup3(2) with any flags; equal numbers answer EINVAL.
pub fn dup3(old: i32, new: i32, flags: i32) -> Result<i32> {
    // SAFETY: no pointers.
    unsafe { sys!(dup3, old, new, flags) }.map(|fd| fd as i32)
}

/// fcntl(2) with a plain argument.
pub fn fcntl(fd: i32, command: i32, argument: usize) -> Result<i32> {
    // SAFETY: commands with pointers are answered with EFAULT by the kernel when the pointer is bad.
    unsafe { sys!(fcntl, fd, command, argument) }.map(|r| r as i32)
}

/// Moves a descriptor of ours up, out of the program's low numbers, close-on-exec. The old number is closed.
///
/// Under a low limit it goes to the highest number that there is: above the limit, where the program has none, if the hard
/// limit allows that.
pub fn move_up(fd: i32) -> Result<i32> {
    let limit = open_limit();
    let to = |floor: i32| fcntl(fd, libc::F_DUPFD_CLOEXEC, floor as usize);
    let up = if limit > 2 * HIGH {
        to(HIGH)
    } else {
        with_room(|| to(limit)).or_else(|_| {
            (limit.saturating_sub(64).max(3)..limit).rev().map(to).find(|up| up.is_ok()).unwrap_or_else(|| to(3))
        })
    };
    let _ = close(fd);
    up
}

/// Makes a descriptor of ours with the soft limit raised, so that it takes none of the program's numbers away. The limit is
/// what it was afterwards; descriptors above it go on working. Errors: those of prlimit(2) and of `make`.
pub fn with_room<T>(make: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `old` is writable.
    unsafe { sys!(prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut old) }?;
    let raised = libc::rlimit { rlim_cur: (old.rlim_cur + 64).min(old.rlim_max), ..old };
    // SAFETY: both limits are readable.
    unsafe {
        sys!(prlimit64, 0, libc::RLIMIT_NOFILE, &raw const raised, 0)?;
        let made = make();
        let _ = sys!(prlimit64, 0, libc::RLIMIT_NOFILE, &raw const old, 0);
        made
    }
}

/// Makes a descriptor of ours, with more room than the program has where it has none left.
pub fn make_own<T>(make: impl Fn() -> Result<T>) -> Result<T> {
    match make() {
        Err(Errno::EMFILE) => with_room(make).map_err(|_| Errno::EMFILE),
        other => other,
    }
}

/// The hard RLIMIT_NOFILE.
pub fn hard_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit) };
    limit.rlim_max
}

/// The soft RLIMIT_NOFILE.
pub fn open_limit() -> i32 {
    let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    // SAFETY: `limit` is writable.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit) };
    limit.rlim_cur.min(1 << 20) as i32
}

/// RLIMIT_AS, both limits.
pub fn space_limit() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is writable.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_AS, 0, &raw mut limit) };
    limit
}

/// close_range(2) with any flags.
pub fn close_range_with(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(close_range, first, last, flags) }.map(drop)
}

/// How many threads this process has.
pub fn threads() -> usize {
    let mut count = 0;
    let _ = list(c"/proc/self/task", |name| count += (name[0] != b'.') as usize);
    count
}

/// openat(2) from the current directory, close-on-exec.
pub fn open(path: &CStr, flags: i32, mode: u32) -> Result<i32> {
    make_own(|| {
        // SAFETY: the path is a C string.
        unsafe { sys!(openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode) }.map(|fd| fd as i32)
    })
}

/// openat(2) from a directory, close-on-exec.
pub fn open_at(directory: i32, path: &CStr, flags: i32) -> Result<i32> {
    // SAFETY: the path is a C string.
    unsafe { sys!(openat, directory, path.as_ptr(), flags | libc::O_CLOEXEC, 0) }.map(|fd| fd as i32)
}

/// May the file be executed, and is it a file (faccessat(2))?
pub fn executable(path: &CStr) -> bool {
    // SAFETY: the path is a C string.
    let allowed = unsafe { sys!(faccessat, libc::AT_FDCWD, path.as_ptr(), libc::X_OK) }.is_ok();
    allowed && !super::status_of(path).is_ok_and(|s| s.is_directory())
}

/// pread(2) into our memory.
pub fn read_at(fd: i32, into: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the slice is writable.
    unsafe { sys!(pread64, fd, into.as_mut_ptr(), into.len(), offset) }
}

/// read(2) into our memory.
pub fn read(fd: i32, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the slice is writable.
    unsafe { sys!(read, fd, into.as_mut_ptr(), into.len()) }
}

/// write(2) from our memory.
pub fn write(fd: i32, from: &[u8]) -> Result<usize> {
    // SAFETY: the slice is readable.
    unsafe { sys!(write, fd, from.as_ptr(), from.len()) }
}

/// pread64(2) to a place.
///
/// # Safety
/// `into` is writable for `length` bytes, or memory whose faults the kernel may answer with EFAULT.
pub unsafe fn pread(fd: i32, into: *mut u8, length: usize, position: u64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sys!(pread64, fd, into, length, position) }
}

/// read(2) from a pipe to a place, what is there at once: EAGAIN when nothing is. A pipe that cannot tell (before Linux
/// 6.4) is asked for what FIONREAD promises.
///
/// # Safety
/// As [`pread`].
pub unsafe fn read_nowait(fd: i32, into: *mut u8, length: usize) -> Result<usize> {
    let list = [libc::iovec { iov_base: into.cast(), iov_len: length }];
    // SAFETY: the caller's promise; offset -1 is the file's own position.
    match unsafe { sys!(preadv2, fd, list.as_ptr(), 1, -1isize, -1isize, libc::RWF_NOWAIT) } {
        Err(Errno::EOPNOTSUPP) => {}
        other => return other,
    }
    match waiting_in(fd)?.min(length) {
        0 => Err(Errno::EAGAIN),
        // SAFETY: as above.
        n => unsafe { sys!(read, fd, into, n) },
    }
}

/// write(2) to a pipe from a place, what fits at once: EAGAIN when nothing does.
///
/// # Safety
/// `from` is readable for `length` bytes, or memory whose faults the kernel may answer with EFAULT.
pub unsafe fn write_nowait(fd: i32, from: *const u8, length: usize) -> Result<usize> {
    let list = [libc::iovec { iov_base: from.cast_mut().cast(), iov_len: length }];
    // SAFETY: the caller's promise; offset -1 is the file's own position.
    match unsafe { sys!(pwritev2, fd, list.as_ptr(), 1, -1isize, -1isize, libc::RWF_NOWAIT) } {
        Err(Errno::EOPNOTSUPP) => {}
        other => return other,
    }
    let mut fds = [libc::pollfd { fd, events: libc::POLLOUT, revents: 0 }];
    super::ppoll(&mut fds, Some(0), None)?;
    if fds[0].revents & libc::POLLOUT == 0 {
        return Err(Errno::EAGAIN);
    }
    // A pipe that is writable has room for a page.
    // SAFETY: as above.
    unsafe { sys!(write, fd, from, length.min(4096)) }
}

/// sendfile(2) between kernel descriptors, from a position on.
pub fn sendfile(to: i32, from: i32, position: u64, length: usize) -> Result<usize> {
    let mut at = position;
    // SAFETY: the position is readable and writable.
    unsafe { sys!(sendfile, to, from, &raw mut at, length) }
}

/// tee(2): what waits in a pipe, into another one as well. Errors: EAGAIN when nothing does.
pub fn tee(from: i32, to: i32, length: usize) -> Result<usize> {
    // SAFETY: no memory of ours is given.
    unsafe { sys!(tee, from, to, length, libc::SPLICE_F_NONBLOCK) }
}

/// ioctl_tty(2) FIONREAD: bytes that wait in a pipe or a stream socket (unix(7), SIOCINQ).
pub fn waiting_in(fd: i32) -> Result<usize> {
    let mut waiting = 0i32;
    // SAFETY: the int is writable.
    unsafe { sys!(ioctl, fd, libc::FIONREAD, &raw mut waiting) }?;
    Ok(waiting.max(0) as usize)
}

/// lseek(2).
pub fn seek(fd: i32, offset: i64, whence: i32) -> Result<u64> {
    // SAFETY: no pointers.
    unsafe { sys!(lseek, fd, offset, whence) }.map(|at| at as u64)
}

/// ftruncate(2).
pub fn truncate(fd: i32, length: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(ftruncate, fd, length) }.map(drop)
}

/// fallocate(2): makes sure that the pages of a range exist, so that touching them cannot fail for want of space.
pub fn allocate(fd: i32, offset: u64, length: u64) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(fallocate, fd, 0, offset, length) }.map(drop)
}

/// fallocate(2): gives the pages of a range back to the system.
pub fn punch(fd: i32, offset: u64, length: u64) -> Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: no pointers.
    unsafe { sys!(fallocate, fd, mode, offset, length) }.map(drop)
}

/// RLIMIT_FSIZE: the soft limit and the hard one.
pub fn file_size_limit() -> [u64; 2] {
    let mut limit = [u64::MAX; 2];
    // SAFETY: the array is a struct rlimit64.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_FSIZE, 0, limit.as_mut_ptr()) };
    limit
}

/// Sets RLIMIT_FSIZE.
pub fn set_file_size_limit(limit: [u64; 2]) -> Result<()> {
    // SAFETY: the array is a struct rlimit64.
    unsafe { sys!(prlimit64, 0, libc::RLIMIT_FSIZE, limit.as_ptr(), 0) }.map(drop)
}

/// flock(2), exclusive, without waiting. True when the lock is held; it goes with the descriptor.
pub fn try_flock(fd: i32) -> bool {
    // SAFETY: no pointers.
    unsafe { sys!(flock, fd, libc::LOCK_EX | libc::LOCK_NB) }.is_ok()
}

/// link(2).
pub fn link(from: &CStr, to: &CStr) -> Result<()> {
    // SAFETY: both are C strings.
    unsafe { sys!(link, from.as_ptr(), to.as_ptr()) }.map(drop)
}

/// unlink(2).
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    unsafe { sys!(unlink, path.as_ptr()) }.map(drop)
}

/// rmdir(2).
pub fn rmdir(path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    unsafe { sys!(rmdir, path.as_ptr()) }.map(drop)
}

/// mkdir(2).
pub fn mkdir(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a C string.
    unsafe { sys!(mkdir, path.as_ptr(), mode) }.map(drop)
}

/// memfd_create(2), kept open over exec.
pub fn memory_file(name: &CStr) -> Result<i32> {
    // SAFETY: the name is a C string.
    unsafe { sys!(memfd_create, name.as_ptr(), 0) }.map(|fd| fd as i32)
}

/// What /proc says is behind a descriptor; nothing when it does not say.
pub fn link_of(fd: i32) -> Vec<u8> {
    link_at(&format!("/proc/self/fd/{fd}"))
}

/// What a symbolic link says; nothing when there is none.
pub fn link_at(path: &str) -> Vec<u8> {
    let Ok(path) = std::ffi::CString::new(path) else { return Vec::new() };
    let mut text = vec![0u8; 256];
    // SAFETY: a C string and a writable buffer.
    let n = unsafe { sys!(readlinkat, libc::AT_FDCWD, path.as_ptr(), text.as_mut_ptr(), text.len()) }.unwrap_or(0);
    text.truncate(n);
    text
}

/// Calls `visit` with the name of each entry of a directory, without allocating.
pub fn list(dir: &CStr, mut visit: impl FnMut(&[u8])) -> Result<()> {
    let fd = open(dir, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let mut buffer = [0u8; 4096];
    let outcome = loop {
        // SAFETY: the buffer is writable.
        let n = match unsafe { sys!(getdents64, fd, buffer.as_mut_ptr(), buffer.len()) } {
            Ok(0) => break Ok(()),
            Ok(n) => n,
            Err(e) => break Err(e),
        };
        let mut at = 0;
        while at + 19 <= n {
            let length = u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]) as usize;
            let name = &buffer[at + 19..(at + length.max(19)).min(n)];
            visit(&name[..name.iter().position(|&b| b == 0).unwrap_or(name.len())]);
            at += length.max(19);
        }
    };
    let _ = close(fd);
    outcome
}

/// Maps a whole file, shared, readable and writable.
pub fn map_shared(fd: i32, length: usize) -> Result<*mut u8> {
    let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
    // SAFETY: the kernel chooses the place; nothing of ours is replaced.
    unsafe { sys!(mmap, 0, length, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) }.map(|p| p as *mut u8)
}

/// What mmap(2) is asked for, but for the file.
pub struct Mapping {
    /// Where, or a hint.
    pub at: usize,
    /// How many bytes.
    pub length: usize,
    /// PROT_ bits.
    pub protection: i32,
    /// MAP_ bits.
    pub flags: i32,
    /// Where in the file.
    pub offset: i64,
}

/// mmap(2) as the program asks for it; gives the address.
///
/// # Safety
/// With MAP_FIXED what is there is replaced, which is the program's own affair.
pub unsafe fn map(fd: i32, how: &Mapping) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sys!(mmap, how.at, how.length, how.protection, how.flags, fd, how.offset) }
}

/// Maps private zeroed memory.
pub fn map_private(length: usize) -> Result<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses the place; nothing of ours is replaced.
    unsafe { sys!(mmap, 0, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1isize, 0) }.map(|p| p as *mut u8)
}

/// Maps private zeroed memory in the place of what is mapped there.
///
/// # Safety
/// What is there may be replaced by zeros at any time.
pub unsafe fn map_zeros_at(at: *mut u8, length: usize) -> Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the caller's promise.
    unsafe { sys!(mmap, at, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1isize, 0) }.map(drop)
}

/// Has the kernel zero this page in every child of fork(2), but not of vfork(2), which shares our memory.
///
/// # Safety
/// The page is ours alone and page-aligned.
pub unsafe fn wipe_on_fork(page: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller's promise; the advice changes nothing in this process.
    unsafe { sys!(madvise, page, length, libc::MADV_WIPEONFORK) }.map(drop)
}

/// Puts pages behind a range of a shared mapping, as [`allocate`] does, where there is no descriptor to be had for that.
///
/// # Safety
/// The range is page-aligned and lies in a mapping of [`map_shared`].
pub unsafe fn populate(at: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller's promise; the advice changes no byte.
    unsafe { sys!(madvise, at, length, libc::MADV_POPULATE_WRITE) }.map(drop)
}

/// Gives the pages of a range of a shared mapping back, as [`punch`] does.
///
/// # Safety
/// As for [`populate`], and nobody needs the bytes any more.
pub unsafe fn remove(at: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { sys!(madvise, at, length, libc::MADV_REMOVE) }.map(drop)
}

/// unmaps what [`map_shared`] gave.
///
/// # Safety
/// Nobody uses the range any more.
pub unsafe fn unmap(at: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { sys!(munmap, at, length) };
}
