//! Changing what stands behind a descriptor, under the same number and with its duplicates.

use core::sync::atomic::Ordering::*;

use crate::abi::Result;
use crate::fdtable;
use crate::kernel;
use crate::shm::SlotFlags;
use crate::socket::Sock;

/// Puts `new` in the place of every descriptor of this process that holds the socket, with each one's FD_CLOEXEC, and
/// closes it.
fn put_everywhere(s: &Sock, new: i32) -> Result<()> {
    let status_flags = kernel::fcntl(s.fd, libc::F_GETFL, 0)?;
    let _ = kernel::fcntl(new, libc::F_SETFL, status_flags as usize & (libc::O_NONBLOCK | libc::O_ASYNC) as usize);
    for (fd, number) in fdtable::all() {
        if number == s.number {
            let cloexec = kernel::fcntl(fd, libc::F_GETFD, 0)? & libc::FD_CLOEXEC != 0;
            kernel::dup3(new, fd, if cloexec { libc::O_CLOEXEC } else { 0 })?;
        }
    }
    kernel::close(new)
}

/// A fresh anchor: for a socket whose old one is connected, listening or named and can be so only once.
pub fn replace(s: &Sock) -> Result<()> {
    let new = kernel::socket(libc::AF_UNIX, s.kind() | libc::SOCK_CLOEXEC, 0)?;
    let inode = kernel::status(new)?.inode;
    crate::options::renew_timeouts(s.slot, new);
    put_everywhere(s, new)?;
    s.slot.inode.store(inode, Release);
    s.slot.clear(SlotFlags::NAMED | SlotFlags::CALLED);
    crate::readiness::anchor_changed(s);
    Ok(())
}

/// Makes every descriptor of the socket the kernel socket `new`: they are not ours from here on.
pub fn hand_over(s: &Sock, new: i32) -> Result<()> {
    let mine: Vec<i32> = fdtable::all().filter(|(_, n)| *n == s.number).map(|(fd, _)| fd).collect();
    put_everywhere(s, new)?;
    for fd in mine {
        crate::readiness::handed_over(fd, s.number);
        if fdtable::clear(fd) == Some(s.number) {
            crate::socket::drop_reference(s);
        }
    }
    Ok(())
}
