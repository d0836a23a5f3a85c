//! Options that are more than an int in a word: structs, names, and those that look at the rest of the socket.

mod backlog;
mod buffers;
mod device;
mod identity;
mod inet;
pub mod machine;
mod packets;
mod stamps;
mod stream;
mod times;

use core::sync::atomic::Ordering::*;

pub use backlog::accept_queue;
pub use buffers::*;
pub use device::*;
pub use identity::*;
pub use inet::*;
pub use packets::*;
pub use stamps::*;
pub use stream::*;
pub use times::*;

use super::places::*;
use super::row::{load, was_set};
use super::sock;
use crate::family::inet::{state, stream as tcp};
use crate::kernel;
use crate::shm::Slot;
use crate::socket::Sock;

/// The TCP state as TCP_INFO tells it; CLOSE for a datagram socket.
pub fn tcp_state(s: &Sock) -> u32 {
    if s.kind() == libc::SOCK_STREAM {
        tcp::current_state(s)
    } else {
        state::CLOSE
    }
}

/// May this process administrate the network (CAP_NET_ADMIN)? The kernel is asked by an option of the anchor that means
/// nothing to an AF_UNIX socket.
pub fn may_administrate(s: &Sock) -> bool {
    let ask = |v: i32| kernel::setsockopt(s.fd, libc::SOL_SOCKET, sock::SO_PREFER_BUSY_POLL, &v.to_ne_bytes());
    match ask(1) {
        Ok(()) => {
            let _ = ask(load(s.slot, PREFER_BUSY_POLL) as i32);
            true
        }
        Err(crate::abi::Errno::EPERM) => false,
        // Linux before 5.11 does not have it.
        Err(_) => kernel::euid() == 0,
    }
}

/// Has this process CAP_NET_RAW? A raw socket is asked for.
pub fn may_send_raw() -> bool {
    match kernel::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW) {
        Ok(fd) => {
            let _ = kernel::close(fd);
            true
        }
        Err(_) => false,
    }
}

/// Has this process CAP_NET_RAW or CAP_NET_ADMIN? Asked by the anchor's mark, which is the socket's already.
pub fn may_mark(s: &Sock) -> bool {
    let mark = load(s.slot, MARK) as i32;
    kernel::setsockopt(s.fd, libc::SOL_SOCKET, libc::SO_MARK, &mark.to_ne_bytes()).is_ok()
}

/// Sets on a kernel socket what the program set and no plain int can say.
pub fn repeat(slot: &Slot, fd: i32) {
    let socket = |name, value: &[u8]| {
        let _ = kernel::setsockopt(fd, libc::SOL_SOCKET, name, value);
    };
    let word = |place| load(slot, place);
    for (place, lock, name) in
        [(SEND_BUFFER, LOCK_SEND, libc::SO_SNDBUF), (RECEIVE_BUFFER, LOCK_RECEIVE, libc::SO_RCVBUF)]
    {
        if was_set(slot, place) && word(BUFFER_LOCK) as i32 & lock != 0 {
            socket(name, &(word(place) / 2).to_ne_bytes());
        }
    }
    if was_set(slot, LINGER_ON) {
        socket(libc::SO_LINGER, &linger_bytes(slot));
    }
    for (place, name) in [(RECEIVE_TIMEOUT_LOW, libc::SO_RCVTIMEO), (SEND_TIMEOUT_LOW, libc::SO_SNDTIMEO)] {
        if was_set(slot, place) {
            socket(name, &timeout_bytes(slot, place));
        }
    }
    if let Some(name) = stamp_name(word(TIMESTAMP) as i32) {
        socket(name, &1i32.to_ne_bytes());
    }
    if was_set(slot, TIMESTAMPING) {
        let new = word(TIMESTAMP) as i32 & STAMP_NEW != 0;
        let name = if new { sock::SO_TIMESTAMPING_NEW } else { libc::SO_TIMESTAMPING };
        socket(name, &word(TIMESTAMPING).to_ne_bytes());
    }
    if was_set(slot, TXTIME_FLAGS) {
        socket(sock::SO_TXTIME, &txtime_bytes(slot));
    }
    let pacing = !slot.extra[EXTRA_PACING].load(Relaxed);
    if pacing != u64::MAX {
        socket(sock::SO_MAX_PACING_RATE, &pacing.to_ne_bytes());
    }
    if was_set(slot, CONGESTION) {
        let name = congestion_name(slot);
        let length = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        let _ = kernel::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION, &name[..length]);
    }
    if word(FASTOPEN_KEY_LENGTH) != 0 {
        let (key, length) = fastopen_key_bytes(slot);
        let _ = kernel::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_KEY, &key[..length]);
    }
    if was_set(slot, IPV6_PKTINFO) {
        let _ = kernel::setsockopt(fd, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &sticky_source_bytes(slot));
    }
    if word(IP_OPTIONS) != 0 {
        let (bytes, length) = ip_options_bytes(slot);
        let _ = kernel::setsockopt(fd, libc::IPPROTO_IP, libc::IP_OPTIONS, &bytes[..length]);
    }
}
