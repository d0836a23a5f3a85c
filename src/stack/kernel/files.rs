//! Descriptors and files.

use core::ffi::CStr;

use super::sys;
use crate::abi::Result;

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
pub fn move_up(fd: i32) -> Result<i32> {
    let limit = open_limit();
    let floor = HIGH.min(limit.saturating_sub(64).max(3));
    let up = fcntl(fd, libc::F_DUPFD_CLOEXEC, floor as usize);
    let _ = close(fd);
    up
}

/// The soft RLIMIT_NOFILE.
pub fn open_limit() -> i32 {
    let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    // SAFETY: `limit` is writable.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit) };
    limit.rlim_cur.min(1 << 20) as i32
}

/// openat(2) from the current directory, close-on-exec.
pub fn open(path: &CStr, flags: i32, mode: u32) -> Result<i32> {
    // SAFETY: the path is a C string.
    unsafe { sys!(openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode) }.map(|fd| fd as i32)
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
    allowed && !status_of(path).is_ok_and(|s| s.is_directory())
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

/// What fstat(2) tells that matters here: mode, owner, inode number, size.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// File type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Inode number; for sockets the number in `socket:[…]`.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Names that the file has.
    pub links: u64,
}

impl Status {
    /// Is it a socket?
    pub fn is_socket(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFSOCK
    }

    /// Is it a file that no directory names (memfd_create(2), or deleted)?
    pub fn is_nameless_file(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG && self.links == 0
    }

    /// Is it a directory?
    pub fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// fstat(2).
pub fn status(fd: i32) -> Result<Status> {
    let mut st = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the buffer is a struct stat; all-zero is a valid one.
    let st = unsafe {
        sys!(fstat, fd, st.as_mut_ptr())?;
        st.assume_init()
    };
    Ok(Status { mode: st.st_mode, uid: st.st_uid, gid: st.st_gid, inode: st.st_ino, size: st.st_size as u64, links: st.st_nlink as u64 })
}

/// memfd_create(2), kept open over exec.
pub fn memory_file(name: &CStr) -> Result<i32> {
    // SAFETY: the name is a C string.
    unsafe { sys!(memfd_create, name.as_ptr(), 0) }.map(|fd| fd as i32)
}

/// What /proc says is behind a descriptor; nothing when it does not say.
pub fn link_of(fd: i32) -> Vec<u8> {
    let Ok(path) = std::ffi::CString::new(format!("/proc/self/fd/{fd}")) else { return Vec::new() };
    let mut text = vec![0u8; 256];
    // SAFETY: a C string and a writable buffer.
    let n = unsafe { sys!(readlinkat, libc::AT_FDCWD, path.as_ptr(), text.as_mut_ptr(), text.len()) }.unwrap_or(0);
    text.truncate(n);
    text
}

/// stat(2) by path; a symbolic link is not followed.
pub fn status_of(path: &CStr) -> Result<Status> {
    let mut st = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a C string and a struct stat.
    let st = unsafe {
        sys!(lstat, path.as_ptr(), st.as_mut_ptr())?;
        st.assume_init()
    };
    Ok(Status { mode: st.st_mode, uid: st.st_uid, gid: st.st_gid, inode: st.st_ino, size: st.st_size as u64, links: st.st_nlink as u64 })
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

/// Maps private zeroed memory.
pub fn map_private(length: usize) -> Result<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses the place; nothing of ours is replaced.
    unsafe { sys!(mmap, 0, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1isize, 0) }.map(|p| p as *mut u8)
}

/// Has the kernel zero this page in every child of fork(2), but not of vfork(2), which shares our memory.
///
/// # Safety
/// The page is ours alone and page-aligned.
pub unsafe fn wipe_on_fork(page: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller's promise; the advice changes nothing in this process.
    unsafe { sys!(madvise, page, length, libc::MADV_WIPEONFORK) }.map(drop)
}

/// unmaps what [`map_shared`] gave.
///
/// # Safety
/// Nobody uses the range any more.
pub unsafe fn unmap(at: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { sys!(munmap, at, length) };
}
