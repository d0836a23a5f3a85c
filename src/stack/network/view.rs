//! A network from outside: who is bound in it, read without joining it.

use core::net::SocketAddr;
use core::sync::atomic::Ordering::*;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::abi::Name;
use crate::family::inet::{state, stream};
use crate::shm::{Arena, SlotFlags};
use crate::socket::Sock;

/// A socket of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketView {
    /// "tcp" or "udp".
    pub protocol: &'static str,
    /// Its name.
    pub local: SocketAddr,
    /// The name of the one that it is connected to.
    pub peer: Option<SocketAddr>,
    /// The state as ss(8) writes it.
    pub state: &'static str,
    /// The anchor's inode number, as `/proc/PID/fd` shows it in `socket:[…]`.
    pub inode: u64,
}

/// The named sockets of the network in a directory, in no particular order. A directory without an arena has none.
pub fn list(directory: &Path) -> io::Result<Vec<SocketView>> {
    let directory = CString::new(directory.as_os_str().as_bytes())?;
    let failed = |e: crate::abi::Errno| io::Error::from_raw_os_error(e.raw());
    let arena = match Arena::open_existing(&super::arena_path(&directory).map_err(failed)?) {
        Ok(arena) => arena,
        Err(crate::abi::Errno::ENOENT) => {
            crate::kernel::status_of(&directory).map_err(failed)?;
            return Ok(Vec::new());
        }
        Err(e) => return Err(failed(e)),
    };
    let address = |name: Name| SocketAddr::new(name.ip, name.port);
    let view = |number| {
        let slot = arena.slot(number).filter(|s| s.in_use() && s.has(SlotFlags::BOUND))?;
        let s = Sock { fd: -1, number, slot, arena };
        let tcp = s.kind() == libc::SOCK_STREAM;
        let connected = slot.has(SlotFlags::PEER);
        let state = match (tcp, connected) {
            (true, _) => state::name(stream::current_state(&s)),
            (false, true) => "ESTAB",
            (false, false) => "UNCONN",
        };
        Some(SocketView {
            protocol: if tcp { "tcp" } else { "udp" },
            local: address(slot.local()),
            peer: connected.then(|| address(slot.peer())),
            state,
            inode: slot.inode.load(Relaxed),
        })
    };
    Ok((0..arena.slots_used()).filter_map(view).collect())
}
