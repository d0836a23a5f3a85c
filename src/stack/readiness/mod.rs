//! poll, select and epoll over owned and kernel descriptors together.

use crate::socket::Sock;

/// A descriptor of ours goes away.
pub fn forget(_fd: i32, _number: u32) {}
/// The anchor behind a socket's descriptors is another one now.
pub fn anchor_changed(_s: &Sock) {}
/// A descriptor became a kernel socket.
pub fn handed_over(_fd: i32, _number: u32) {}
/// Wakes this process' sleepers on a socket.
pub fn poke(_s: &Sock) {}
/// closing.
pub fn closing(_fd: i32) -> bool { false }
/// internal.
pub fn is_internal(_fd: i32) -> bool { false }
/// make way
pub fn make_way(_fd: i32) -> crate::abi::Result<()> { Ok(()) }
/// copied
pub fn copied(_old: i32, _new: i32) {}
/// closed
pub fn closed(_fd: i32) {}
/// before fork
pub fn before_fork() {}
/// after fork
pub fn after_fork(_child: bool) {}
