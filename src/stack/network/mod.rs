//! A network: a directory with an arena.

use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, Ordering::*};
use std::ffi::CString;
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::abi::{Errno, Name, Result};
use crate::config;
use crate::kernel;
use crate::names::Names;
use crate::shm::{layout_id, Arena, Slot};
use crate::signal;
use crate::stop::{self, Point};

mod abandoned;
pub mod called;
pub mod rights;
mod sweep;
pub mod view;

pub use abandoned::clear_away;
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
/// Errors: EACCES when the directory may not be used; ENOBUFS when there is no room, or the directory is of no use; EMFILE,
/// ENFILE and ENOMEM as everywhere.
pub fn arena() -> Result<&'static Arena> {
    if let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) {
        return Ok(arena);
    }
    let _one = signal::Held::new(|| OPENING.lock());
    // Each turn but the first follows on a network that went while it was being opened.
    for _ in 0..100 {
        if let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) {
            return Ok(arena);
        }
        let arena = open().or_else(|e| rights::inherited().ok_or(e)).inspect_err(complain).map_err(as_of_a_socket)?;
        kernel::watch_ticks();
        signal::arm_faults();
        if arena.header().dead.load(Acquire) != 0 {
            finish_removal(arena);
            continue;
        }
        if arena.header().live.load(Acquire) != 0 && looks_abandoned(arena, 0) {
            // Whoever was here was killed: their names and memory are taken over.
            sweep(&Names::lock(arena));
        }
        CURRENT.store(core::ptr::from_ref(arena).cast_mut(), Release);
    }
    Err(Errno::ENOBUFS)
}

/// The arena if there is one already: for a process that looks for sockets that it inherited or was sent. One that was
/// removed while this process had no socket is not where they are.
pub fn existing() -> Option<&'static Arena> {
    let living = || opened().filter(|a| a.header().dead.load(Acquire) == 0);
    living().or_else(|| {
        let _one = signal::Held::new(|| OPENING.lock());
        let found = Arena::open_existing(&arena_path(directory().ok()?).ok()?).ok();
        let arena = found.or_else(rights::inherited)?;
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

/// Opens this process' network, making it when there is none. The last one of the network before may remove the directory
/// between two steps of that, so it is tried again.
fn open() -> Result<&'static Arena> {
    let mut again = 0..100;
    loop {
        match open_once() {
            Err(Errno::ENOENT) if again.next().is_some() => {}
            outcome => return outcome,
        }
    }
}

fn open_once() -> Result<&'static Arena> {
    let directory = directory()?;
    make_directory(directory)?;
    let status = kernel::status_of(directory)?;
    if !status.is_directory() || status.uid != kernel::euid() || status.mode & 0o077 != 0 {
        return Err(Errno::EPERM);
    }
    let path = arena_path(directory)?;
    match Arena::open(&path) {
        Err(Errno::EPROTO) => {
            remove_spoilt(directory, &path)?;
            Arena::open(&path)
        }
        other => other,
    }
}

fn make_directory(directory: &CStr) -> Result<()> {
    let base = CString::new(config::get().base.as_str()).map_err(|_| Errno::EINVAL)?;
    for dir in [base.as_c_str(), directory] {
        match kernel::mkdir(dir, 0o700) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A file that is no arena, although it is called as ours: somebody wrote to it or cut it short. It goes, so that the next
/// network can be. One after the other: who comes second finds a sound one.
fn remove_spoilt(directory: &CStr, path: &CStr) -> Result<()> {
    let fd = kernel::open(directory, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC, 0)?;
    // Whoever holds the lock for long has no business to.
    for _ in 0..100 {
        if kernel::try_flock(fd) {
            break;
        }
        let _ = kernel::ppoll(&mut [], Some(1_000_000), None);
    }
    let outcome = match Arena::open_existing(path) {
        Err(Errno::EPROTO) => kernel::unlink(path),
        _ => Ok(()),
    };
    let _ = kernel::close(fd);
    outcome
}

/// What a call on a socket says where the network's directory failed it: errors of files mean nothing to its caller.
fn as_of_a_socket(error: Errno) -> Errno {
    match error {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EADDRINUSE | Errno::EINVAL => error,
        Errno::EACCES | Errno::EPERM | Errno::EROFS => Errno::EACCES,
        _ => Errno::ENOBUFS,
    }
}

/// Removes the arena's file and the directory's remains if no socket of the network is left: the last one to leave
/// puts out the light. What killed processes left is swept away first if it looks like nothing else.
///
/// Nothing here allocates: a handler may end the process by _exit(2) in the middle of malloc.
pub fn tidy() {
    let Some(arena) = opened().filter(|a| a.header().dead.load(Acquire) == 0) else { return };
    if arena.header().live.load(Acquire) != 0 && looks_abandoned(arena, kernel::pid()) {
        sweep(&Names::lock(arena));
        recount(arena);
    }
    remove_if_empty(arena);
}

/// Is the process that made it gone, or the one that is leaving, for each of the first few sockets? To ask about one that
/// lives costs one call.
fn looks_abandoned(arena: &'static Arena, leaving: u32) -> bool {
    const FEW: usize = 64;
    let mut living = (0..arena.slots_used()).filter_map(|n| arena.slot(n).filter(|s| s.in_use()));
    let others = |pid: u32| pid != leaving && kernel::process_lives(pid);
    !living.by_ref().take(FEW).any(|s| others(s.pid.load(Relaxed)))
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
    if arena.header().live.load(Acquire) == 0 && ours_to_remove() {
        if let Ok(directory) = directory() {
            remove_from(arena, directory);
        }
    }
}

fn remove_from(arena: &'static Arena, directory: &CStr) {
    let header = arena.header();
    if header.live.load(Acquire) != 0 || header.has_guests() {
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
    stop::here(Point::NetworkDead);
    arena.remove();
    // Only an empty directory goes: another build's arena, or a name of its sockets, keeps it.
    let _ = kernel::rmdir(directory);
}

/// An arena that was found in its place and is dead: whoever removes it ([`remove_if_empty`]) has the lock, or was killed
/// before it came to that.
fn finish_removal(arena: &'static Arena) {
    let _names = Names::lock(arena);
    if arena.header().dead.load(SeqCst) != 0 {
        arena.remove();
    }
}

/// A process that gave up its user or its root directory leaves the files to the next one that comes and goes: an arena
/// that is dead must not be found in its place.
fn ours_to_remove() -> bool {
    directory().and_then(kernel::status_of).is_ok_and(|status| status.uid == kernel::euid())
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
