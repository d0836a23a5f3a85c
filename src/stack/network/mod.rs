//! A network: a directory with an arena and the names of those who listen.

use core::ffi::CStr;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicPtr, Ordering::*};
use std::ffi::CString;
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::abi::{Errno, Name, Result};
use crate::config;
use crate::kernel;
use crate::names::Names;
use crate::shm::{layout_id, Arena, Slot, SlotFlags};
use crate::signal;
use crate::stop::{self, Point};

mod sweep;
pub mod view;

pub use sweep::sweep;

static CURRENT: AtomicPtr<Arena> = AtomicPtr::new(core::ptr::null_mut());
static OPENING: Mutex<()> = Mutex::new(());

/// The arena, if this process has it open.
#[inline]
#[allow(unsafe_code)]
pub fn opened() -> Option<&'static Arena> {
    let arena = CURRENT.load(Acquire);
    // SAFETY: only ever set to leaked arenas.
    (!arena.is_null()).then(|| unsafe { &*arena })
}

/// No thread may be opening the network while the process is copied.
pub fn before_fork() {
    core::mem::forget(OPENING.lock());
}

/// Lets go of what [`before_fork`] took, on both sides.
#[allow(unsafe_code)]
pub fn after_fork() {
    // SAFETY: taken by `before_fork` in this thread, or in the one that this is a copy of.
    unsafe { OPENING.force_unlock(Default::default()) }
}

/// The arena, opened and made as needed.
///
/// Errors: EACCES, EPERM and so on when the directory cannot be used; ENOBUFS when there is no room.
pub fn arena() -> Result<&'static Arena> {
    if let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) {
        return Ok(arena);
    }
    let _one = signal::Held::new(|| OPENING.lock());
    for _ in 0..8 {
        if let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) {
            return Ok(arena);
        }
        let arena = open().inspect_err(complain)?;
        if arena.header().live.load(Acquire) != 0 && looks_abandoned(arena) {
            // Whoever was here was killed: their names and memory are taken over.
            sweep(&Names::lock(arena));
        }
        CURRENT.store(core::ptr::from_ref(arena).cast_mut(), Release);
    }
    Err(Errno::ENOBUFS)
}

/// The arena if there is one already: for a process that looks for sockets that it inherited.
pub fn existing() -> Option<&'static Arena> {
    opened().or_else(|| {
        let _one = signal::Held::new(|| OPENING.lock());
        let arena = Arena::open_existing(&arena_path(directory().ok()?).ok()?).ok()?;
        CURRENT.store(core::ptr::from_ref(arena).cast_mut(), Release);
        Some(arena)
    })
}

fn complain(error: &Errno) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let config = config::get();
        let line = format!("sockhop: SOCKHOP_DIR: cannot use {}/{}: {error}\n", config.base, config.net);
        log::error!("{}", line.trim_end());
        let _ = kernel::write(2, line.as_bytes());
    });
}

/// This process' network directory.
pub fn directory() -> Result<&'static CStr> {
    static DIRECTORY: OnceLock<Option<CString>> = OnceLock::new();
    let made = DIRECTORY.get_or_init(|| {
        let config = config::get();
        CString::new(format!("{}/{}", config.base, config.net)).ok()
    });
    made.as_deref().ok_or(Errno::EINVAL)
}

/// The arena file of this build's layout in a directory: another build's has another name, and neither is in the way.
pub fn arena_path(directory: &CStr) -> Result<CString> {
    let mut path = directory.to_bytes().to_vec();
    path.extend_from_slice(format!("/arena-{:016x}", layout_id()).as_bytes());
    CString::new(path).map_err(|_| Errno::EINVAL)
}

fn open() -> Result<&'static Arena> {
    let base = CString::new(config::get().base.as_str()).map_err(|_| Errno::EINVAL)?;
    let directory = directory()?;
    for dir in [base.as_c_str(), directory] {
        match kernel::mkdir(dir, 0o700) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
    let status = kernel::status_of(directory)?;
    if !status.is_directory() || status.uid != kernel::euid() || status.mode & 0o077 != 0 {
        return Err(Errno::EPERM);
    }
    Arena::open(&arena_path(directory)?)
}

/// The address of a socket's path in the network's directory, as bind(2) and connect(2) want it.
///
/// The name says who it is, for whoever lists the directory; the number makes it unique. Where the directory's name is
/// too long for a sockaddr_un, the address goes through a short-lived descriptor of the directory. Nothing is allocated:
/// a handler may end the process by _exit(2) in the middle of malloc, and its paths are removed all the same.
pub fn with_path<T>(number: u32, slot: &Slot, act: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    let directory = directory()?;
    let name = |address: &mut Address| match slot.kind.load(Relaxed) as i32 {
        libc::SOCK_STREAM => write!(address, "/tcp-{}-{number}", slot.local()),
        // The names of a datagram socket change while its anchor stays.
        _ => write!(address, "/udp-{number}"),
    };
    let mut address = Address::new();
    if address.write_bytes(directory.to_bytes()).and_then(|()| name(&mut address)).is_ok() {
        return act(address.finish());
    }
    let fd = kernel::open(directory, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let mut address = Address::new();
    let written = write!(address, "/proc/self/fd/{fd}").and_then(|()| name(&mut address));
    let outcome = if written.is_ok() { act(address.finish()) } else { Err(Errno::EINVAL) };
    let _ = kernel::close(fd);
    outcome
}

/// A sockaddr_un that is being written; it has room for a path of 107 bytes and its zero.
struct Address {
    bytes: [u8; 110],
    length: usize,
}

impl Address {
    fn new() -> Address {
        let mut bytes = [0; 110];
        bytes[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        Address { bytes, length: 2 }
    }

    fn write_bytes(&mut self, part: &[u8]) -> fmt::Result {
        let end = self.length + part.len();
        if end >= self.bytes.len() {
            return Err(fmt::Error);
        }
        self.bytes[self.length..end].copy_from_slice(part);
        self.length = end;
        Ok(())
    }

    /// The address with the zero that ends its path.
    fn finish(&self) -> &[u8] {
        &self.bytes[..self.length + 1]
    }
}

impl Write for Address {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.write_bytes(part.as_bytes())
    }
}

/// Binds an anchor to its path. A path that is there is a dead socket's: slot numbers are unique among the living.
pub fn claim_path(fd: i32, number: u32, slot: &Slot) -> Result<()> {
    with_path(number, slot, |address| match kernel::bind(fd, address) {
        Err(Errno::EADDRINUSE) => {
            unlink_encoded(address);
            kernel::bind(fd, address)
        }
        other => other,
    })?;
    stop::here(Point::PathClaimed);
    slot.set(SlotFlags::PATH);
    Ok(())
}

/// Removes an anchor's path.
pub fn drop_path(number: u32, slot: &Slot) {
    if slot.has(SlotFlags::PATH) {
        slot.clear(SlotFlags::PATH);
        let _ = with_path(number, slot, |address| {
            unlink_encoded(address);
            Ok(())
        });
    }
}

fn unlink_encoded(address: &[u8]) {
    if let Ok(path) = CStr::from_bytes_with_nul(&address[2..]) {
        let _ = kernel::unlink(path);
    }
}

/// Removes the arena's file and the directory's remains if no socket of the network is left: the last one to leave
/// puts out the light. What killed processes left is swept away first if it looks like nothing else.
///
/// Nothing here allocates: a handler may end the process by _exit(2) in the middle of malloc.
pub fn tidy() {
    let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) else { return };
    if arena.header().live.load(Acquire) != 0 && looks_abandoned(arena) {
        sweep(&Names::lock(arena));
        recount(arena);
    }
    remove_if_empty(arena);
}

/// Is the process that made it gone, for each of the first few sockets? To ask about one that lives costs one call.
fn looks_abandoned(arena: &'static Arena) -> bool {
    const FEW: usize = 64;
    let mut living = (0..arena.slots_used()).filter_map(|n| arena.slot(n).filter(|s| s.in_use()));
    !living.by_ref().take(FEW).any(|s| kernel::process_lives(s.pid.load(Relaxed)))
}

/// Mends a count of sockets that killed processes left too high, where there are none at all. A socket that is being made
/// meanwhile looks afterwards whether the arena is dead.
fn recount(arena: &'static Arena) {
    let counted = arena.header().live.load(SeqCst);
    if counted != 0 && !(0..arena.slots_used()).any(|n| arena.slot(n).is_some_and(Slot::in_use)) {
        let _ = arena.header().live.compare_exchange(counted, 0, SeqCst, Relaxed);
    }
}

fn remove_if_empty(arena: &'static Arena) {
    let header = arena.header();
    if header.live.load(Acquire) != 0 {
        return;
    }
    let _names = Names::lock(arena);
    if header.dead.swap(1, SeqCst) != 0 {
        return;
    }
    // A socket that is made counts itself first and then looks whether the arena is dead (`socket::create`).
    if header.live.load(SeqCst) != 0 {
        header.dead.store(0, SeqCst);
        return;
    }
    let _ = kernel::unlink(arena.path());
    if let Ok(directory) = directory() {
        // Only an empty directory goes: another build's arena, or a name of its sockets, keeps it.
        let _ = kernel::rmdir(directory);
    }
}

/// Does this network carry the address?
pub fn carries(name: &Name) -> bool {
    name.is_loopback() || name.is_any()
}

/// Is the address the machine's name server, from resolv.conf? It stays with the kernel, also on a loopback address.
pub fn is_resolver(name: &Name) -> bool {
    static SERVERS: OnceLock<Vec<core::net::IpAddr>> = OnceLock::new();
    name.port == 53 && SERVERS.get_or_init(read_resolvers).contains(&name.canonical())
}

fn read_resolvers() -> Vec<core::net::IpAddr> {
    let Ok(fd) = kernel::open(c"/etc/resolv.conf", libc::O_RDONLY, 0) else { return Vec::new() };
    let mut text = [0u8; 8192];
    let n = kernel::read(fd, &mut text).unwrap_or(0);
    let _ = kernel::close(fd);
    String::from_utf8_lossy(&text[..n])
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .collect()
}
