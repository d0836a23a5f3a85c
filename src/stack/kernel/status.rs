//! What a file is (fstat(2), lstat(2)).

use core::ffi::CStr;

use super::sys;
use crate::abi::Result;

/// What fstat(2) tells that matters here: mode, owner, inode number, size.
#[derive(Clone, Copy, Debug, Default)]
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

    /// Is it a pipe?
    pub fn is_pipe(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFIFO
    }

    /// Is it a regular file?
    pub fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Is it a directory?
    pub fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

impl From<libc::stat> for Status {
    // The number of names has 32 bits on some processors.
    #[allow(clippy::unnecessary_cast)]
    fn from(st: libc::stat) -> Status {
        Status {
            mode: st.st_mode,
            uid: st.st_uid,
            gid: st.st_gid,
            inode: st.st_ino,
            size: st.st_size as u64,
            links: st.st_nlink as u64,
        }
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
    Ok(Status::from(st))
}

/// stat(2) by path; a symbolic link is not followed.
pub fn status_of(path: &CStr) -> Result<Status> {
    let mut st = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a C string and a struct stat.
    let st = unsafe {
        sys!(lstat, path.as_ptr(), st.as_mut_ptr())?;
        st.assume_init()
    };
    Ok(Status::from(st))
}
