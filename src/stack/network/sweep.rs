//! Taking away what killed processes left behind.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::Ordering::*;

use crate::abi::Errno;
use crate::kernel;
use crate::names::Names;
use crate::shm::{Arena, Slot};

/// Asks the kernel which sockets are left and takes away those whose anchors are gone: what processes that were killed
/// left behind. Gives how many went. Nothing is allocated (see `network::tidy`).
///
/// The kernel lists the sockets of one network namespace. One of another than this process' is only taken away when its
/// maker is gone as well and no namespace that somebody lives in has it.
pub fn sweep(names: &Names) -> usize {
    let arena = names.arena();
    // The slots first, the kernel's list after: a socket made in between is on the list, not among the slots.
    let Some(mut suspects) = Suspects::gather(arena) else { return 0 };
    if !each_living_inode(c"/proc/net/unix", |inode| suspects.acquit(inode)) {
        return 0;
    }
    let here = kernel::network_namespace();
    let elsewhere = |slot: &Slot| slot.network_namespace.load(Relaxed) != here;
    let maker_gone = |slot: &Slot| !kernel::process_lives(slot.pid.load(Relaxed));
    let guilty = |s: &Suspect| Some((*s, arena.slot(s.number).filter(|_| s.inode != 0 && s.number != ACQUITTED)?));
    if suspects.entries().iter().filter_map(guilty).any(|(_, slot)| elsewhere(slot) && maker_gone(slot)) {
        acquit_elsewhere(&mut suspects, here);
    }
    let mut gone = 0;
    for (suspect, slot) in suspects.entries().iter().filter_map(guilty) {
        if elsewhere(slot) && !maker_gone(slot) {
            continue;
        }
        if slot.generation.load(Acquire) == suspect.generation && slot.inode.load(Relaxed) == suspect.inode {
            names.remove(suspect.number);
            crate::socket::bury(arena, suspect.number, slot);
            gone += 1;
        }
    }
    gone
}

/// Acquits what lives in the network namespaces of all processes that can be asked.
fn acquit_elsewhere(suspects: &mut Suspects, here: u32) {
    const MOST: usize = 64;
    let mut asked = [here; MOST];
    let mut count = 1;
    let _ = kernel::list(c"/proc", |process| {
        if !process.iter().all(u8::is_ascii_digit) {
            return;
        }
        // Another user's namespace is not told by its number; what lives in it is.
        if let Some(namespace) = Path::of(process, b"/ns/net").and_then(|path| kernel::namespace_of(path.text())) {
            if asked[..count].contains(&namespace) {
                return;
            }
            if count < MOST {
                asked[count] = namespace;
                count += 1;
            }
        }
        if let Some(path) = Path::of(process, b"/net/unix") {
            each_living_inode(path.text(), |inode| suspects.acquit(inode));
        }
    });
}

/// A path below /proc.
struct Path([u8; 48]);

impl Path {
    fn of(process: &[u8], rest: &[u8]) -> Option<Path> {
        let mut path = [0; 48];
        let parts = [b"/proc/", process, rest];
        let mut at = 0;
        for part in parts {
            path.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        (at < path.len()).then_some(Path(path))
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Gives the inode numbers of all unix sockets that live in the network namespace that `list` is of. False when the kernel
/// does not tell.
fn each_living_inode(list: &CStr, mut tell: impl FnMut(u64)) -> bool {
    let Ok(fd) = kernel::open(list, libc::O_RDONLY | libc::O_CLOEXEC, 0) else { return false };
    let mut buffer = [0u8; 8192];
    let (mut kept, mut whole) = (0, true);
    loop {
        match kernel::read(fd, &mut buffer[kept..]) {
            Ok(0) => break,
            Ok(n) => {
                let filled = kept + n;
                let end = buffer[..filled].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                buffer[..end].split(|b| *b == b'\n').filter_map(inode_of).for_each(&mut tell);
                buffer.copy_within(end..filled, 0);
                kept = filled - end;
            }
            Err(Errno::EINTR) => {}
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let _ = kernel::close(fd);
    whole
}

/// The seventh word of a line of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path.
fn inode_of(line: &[u8]) -> Option<u64> {
    core::str::from_utf8(line.split(|b| *b == b' ').filter(|w| !w.is_empty()).nth(6)?).ok()?.parse().ok()
}

/// In [`Suspect::number`]: it lives.
const ACQUITTED: u32 = u32::MAX;

/// A socket that may be a dead process' one.
#[derive(Clone, Copy)]
struct Suspect {
    /// Its anchor's inode number; 0 in a free entry.
    inode: u64,
    number: u32,
    generation: u32,
}

/// A hash table of suspects by inode number, in pages of its own.
struct Suspects {
    at: *mut Suspect,
    /// A power of two, at least twice as many as there are suspects.
    size: usize,
}

impl Suspects {
    /// All sockets of the arena. None when there is no memory.
    fn gather(arena: &'static Arena) -> Option<Suspects> {
        let living = || {
            let in_use = |number| arena.slot(number).filter(|s| s.in_use()).map(|slot| (number, slot));
            (0..arena.slots_used()).filter_map(in_use)
        };
        let size = (2 * living().count()).next_power_of_two().max(2);
        let at = kernel::map_private(size * size_of::<Suspect>()).ok()?.cast();
        let mut table = Suspects { at, size };
        // Sockets that are made meanwhile are left out where there is no room for them.
        for (number, slot) in living().take(size / 2) {
            let generation = slot.generation.load(Acquire);
            table.enter(Suspect { inode: slot.inode.load(Relaxed), number, generation });
        }
        Some(table)
    }

    fn entries(&self) -> &[Suspect] {
        // SAFETY: `size` entries of zeroed memory, page-aligned, ours alone until it is dropped; zero is a valid entry.
        unsafe { core::slice::from_raw_parts(self.at, self.size) }
    }

    /// The entries from where an inode number belongs to the first free one.
    fn chain(&mut self, inode: u64) -> impl Iterator<Item = &mut Suspect> {
        let (at, mask) = (self.at, self.size - 1);
        let first = (inode.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
        // SAFETY: as in `entries`; the places differ, so that no two references meet, and `self` is borrowed for as long.
        (0..=mask).map(move |i| unsafe { &mut *at.add((first + i) & mask) })
    }

    fn enter(&mut self, suspect: Suspect) {
        if suspect.inode != 0 {
            if let Some(free) = self.chain(suspect.inode).find(|e| e.inode == 0) {
                *free = suspect;
            }
        }
    }

    /// A socket of this inode number lives.
    fn acquit(&mut self, inode: u64) {
        self.chain(inode).take_while(|e| e.inode != 0).filter(|e| e.inode == inode).for_each(|e| e.number = ACQUITTED);
    }
}

impl Drop for Suspects {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference into it any more.
        unsafe { kernel::unmap(self.at.cast(), self.size * size_of::<Suspect>()) };
    }
}
