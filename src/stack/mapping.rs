//! mmap(2) of sockets.
//!
//! Of all inet sockets only TCP's have one (tcp_mmap): address space that TCP_ZEROCOPY_RECEIVE may put pages into, and that has
//! none until then. It has rules of its own, also for mprotect(2), mremap(2) and fork(2), and is the same for every such
//! socket, so it is one of the kernel's own, made for that.

use crate::abi::Result;
use crate::fdtable;
use crate::kernel::{self, Mapping};

/// Maps a TCP socket of ours; gives the address. None: it is none, and the kernel has the answer.
///
/// # Safety
/// That of [`kernel::map`].
#[allow(unsafe_code)]
pub unsafe fn map(fd: i32, how: &Mapping) -> Option<Result<usize>> {
    let s = fdtable::get(fd).filter(|s| s.kind() == libc::SOCK_STREAM)?;
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let made = kernel::make_own(|| kernel::socket(s.family(), kind, 0));
    Some(made.and_then(|own| {
        #[allow(unsafe_code)]
        // SAFETY: the caller's promise.
        let mapped = unsafe { kernel::map(own, how) };
        let _ = kernel::close(own);
        mapped
    }))
}
