//! Networks whose last process was killed. Nobody is left there who could remove their files, and no other process of the
//! network may ever come: there is no daemon that would wait for that. So `sockhop run` looks at the others as it passes.

use core::ffi::CStr;
use core::sync::atomic::Ordering::*;

use super::{arena_path, looks_abandoned, recount, remove_from, sweep};
use crate::kernel;
use crate::names::Names;
use crate::shm::Arena;

/// Removes the network in a directory if all that was in it was left behind by killed processes.
///
/// What the kernel does not list lives in no process of this network namespace. A network with a socket of another one, as
/// of a container that shares the directory, is left to whoever comes there.
pub fn clear_away(directory: &CStr) {
    let Ok(arena) = arena_path(directory).and_then(|path| Arena::open_existing(&path)) else { return };
    let here = kernel::network_namespace();
    let mut living = (0..arena.slots_used()).filter_map(|n| arena.slot(n).filter(|s| s.in_use()));
    let elsewhere = living.any(|slot| slot.network_namespace.load(Relaxed) != here);
    if elsewhere || arena.header().dead.load(Acquire) != 0 || !looks_abandoned(arena, 0) {
        return;
    }
    if arena.header().live.load(Acquire) != 0 {
        sweep(&Names::lock(arena));
        recount(arena);
    }
    remove_from(arena, directory);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::Slot;
    use std::ffi::CString;

    fn network() -> (tempdir::Directory, CString, &'static Arena, &'static Slot) {
        let place = tempdir::Directory::new();
        let directory = CString::new(place.0.to_str().unwrap()).unwrap();
        let arena = Arena::open(&arena_path(&directory).unwrap()).unwrap();
        let fd = kernel::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0).unwrap();
        let number = Slot::take(arena, &kernel::status(fd).unwrap(), libc::AF_INET, libc::SOCK_STREAM, 6).unwrap();
        kernel::close(fd).unwrap();
        (place, directory, arena, arena.slot(number).unwrap())
    }

    mod tempdir {
        pub struct Directory(pub std::path::PathBuf);
        impl Directory {
            pub fn new() -> Directory {
                let name = format!("sockhop-abandoned-{}-{}", std::process::id(), crate::kernel::random_u64());
                let path = std::env::temp_dir().join(name);
                std::fs::create_dir(&path).unwrap();
                Directory(path)
            }
        }
        impl Drop for Directory {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    #[test]
    fn what_the_killed_left_is_removed() {
        let (place, directory, _, slot) = network();
        slot.pid.store(std::thread::spawn(crate::shm::tid).join().unwrap(), Relaxed);
        clear_away(&directory);
        assert!(!place.0.exists());
    }

    #[test]
    fn a_network_with_a_living_process_stays() {
        let (place, directory, ..) = network();
        clear_away(&directory);
        assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 1);
    }

    #[test]
    fn a_network_of_another_namespace_stays() {
        let (place, directory, _, slot) = network();
        slot.pid.store(std::thread::spawn(crate::shm::tid).join().unwrap(), Relaxed);
        slot.network_namespace.fetch_add(1, Relaxed);
        clear_away(&directory);
        assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 1);
    }
}
