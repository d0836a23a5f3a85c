//! The few system calls that no safe wrapper offers in the way that is needed here.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Replaces this process by a program; comes back only with the reason why it could not.
///
/// std's `exec` resets the signal mask and SIGPIPE first. A program under `sockhop run` must get them as
/// `sockhop` itself got them, so this one changes nothing.
pub fn execve(path: &OsStr, args: &[OsString], env: &[(OsString, OsString)]) -> io::Error {
    let prepare = || -> Result<_, std::ffi::NulError> {
        let path = CString::new(path.as_bytes())?;
        let args = args.iter().map(|a| CString::new(a.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let env = env
            .iter()
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((path, args, env))
    };
    let (path, args, env) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return error.into(),
    };
    let pointers = |list: &[CString]| {
        let mut out: Vec<_> = list.iter().map(|s| s.as_ptr()).collect();
        out.push(std::ptr::null());
        out
    };
    let (argv, envp) = (pointers(&args), pointers(&env));
    // SAFETY: the path and every entry are NUL-terminated strings, both arrays end with a null pointer, and their
    // owners `path`, `args` and `env` live until after the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: sets a flag on descriptors; closes nothing and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes over a descriptor that was handed to this process by number.
pub fn adopt(number: i32) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: borrowed for this one check of whether the number is open at all.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, and by the janitor's calling convention nobody else in this process holds it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
