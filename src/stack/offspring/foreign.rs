//! Is whoever will receive a message a program without this library? Then a connection of ours in it is of no use to it, and
//! it gets a plain stream in its place, as a program does that inherits one.
//!
//! A stream socket of the unix family knows who connected it (SO_PEERCRED). Of a pair that this process made it knows only
//! that; then the kernel is asked for the other end's inode number, and /proc for who holds it. The answer is kept for each
//! socket, since it costs some milliseconds.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::OnceLock;

use super::pump;
use crate::kernel;
use crate::socket::Sock;

pub use pump::Switched;

/// Is the socket one that a program without the library could go on with, as a stream?
pub fn is_connection(s: &Sock) -> bool {
    super::exec::is_connection(s)
}

/// Does the library know for sure that `fd`, a unix socket, leads to a process that it is not in?
pub fn receives(fd: i32) -> bool {
    let Ok(status) = kernel::status(fd) else { return false };
    let Some(pid) = kernel::peer_process(fd).filter(|_| status.is_socket()) else { return false };
    if pid != kernel::pid() && kernel::process_lives(pid) {
        return !is_preloaded(pid);
    }
    KNOWN.look(status.inode).unwrap_or_else(|| {
        let Some(foreign) = kernel::unix_peer(status.inode).ok().flatten().and_then(held_by_foreigner) else {
            return false;
        };
        KNOWN.keep(status.inode, foreign);
        foreign
    })
}

/// Answers for the last sockets that were asked about: the inode number, and whether it leads to a foreigner in the low bit.
struct Known([AtomicU64; 64]);
static KNOWN: Known = Known([const { AtomicU64::new(0) }; 64]);

impl Known {
    fn place(&self, inode: u64) -> &AtomicU64 {
        &self.0[inode as usize % self.0.len()]
    }

    fn look(&self, inode: u64) -> Option<bool> {
        let word = self.place(inode).load(Relaxed);
        (word >> 1 == inode).then_some(word & 1 != 0)
    }

    fn keep(&self, inode: u64, foreign: bool) {
        self.place(inode).store(inode << 1 | foreign as u64, Relaxed);
    }
}

/// Is a process without the library among those who hold the socket of an inode number? None: nobody but this one does.
fn held_by_foreigner(inode: u64) -> Option<bool> {
    let link = format!("socket:[{inode}]");
    let me = kernel::pid();
    let mut verdict = None;
    let _ = kernel::list(c"/proc", |name| {
        let Some(pid) = core::str::from_utf8(name).ok().and_then(|n| n.parse::<u32>().ok()).filter(|p| *p != me) else {
            return;
        };
        let Ok(directory) = std::ffi::CString::new(format!("/proc/{pid}/fd")) else { return };
        let mut holds = false;
        let _ = kernel::list(&directory, |fd| {
            let fd = String::from_utf8_lossy(fd);
            holds = holds || kernel::link_at(&format!("/proc/{pid}/fd/{fd}")) == link.as_bytes();
        });
        if holds {
            verdict = Some(verdict == Some(true) || !is_preloaded(pid));
        }
    });
    verdict
}

/// Is this library mapped in a process? Where that is not told, it is thought to be.
fn is_preloaded(pid: u32) -> bool {
    static OWN: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let here = is_preloaded as *const () as usize;
    let Some(own) = OWN.get_or_init(|| file_at(here)).as_deref() else { return true };
    let Ok(path) = std::ffi::CString::new(format!("/proc/{pid}/maps")) else { return true };
    let (mut told, mut found) = (false, false);
    each_line(&path, |line| {
        told = true;
        found = found || file_of(line) == Some(own);
    });
    found || !told
}

/// The device and inode number of the file that is mapped at an address of this process.
fn file_at(address: usize) -> Option<Vec<u8>> {
    let mut found = None;
    each_line(c"/proc/self/maps", |line| {
        let range = line.split(|b| *b == b' ').next().and_then(|r| core::str::from_utf8(r).ok());
        let bounds = range.and_then(|r| r.split_once('-'));
        let number = |text: &str| usize::from_str_radix(text, 16).unwrap_or(0);
        if bounds.is_some_and(|(from, to)| (number(from)..number(to)).contains(&address)) {
            found = file_of(line).map(<[u8]>::to_vec);
        }
    });
    found
}

/// The fourth and the fifth word of a line of /proc/PID/maps: address, rights, offset, device, inode, path.
fn file_of(line: &[u8]) -> Option<&[u8]> {
    let mut blanks = line.iter().enumerate().filter(|(_, b)| **b == b' ').map(|(at, _)| at);
    let (from, to) = (blanks.nth(2)? + 1, blanks.nth(1)?);
    line.get(from..to)
}

fn each_line(path: &CStr, mut tell: impl FnMut(&[u8])) {
    let Ok(fd) = kernel::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0) else { return };
    let (mut text, mut buffer) = (Vec::new(), [0u8; 4096]);
    while let Ok(n @ 1..) = kernel::read(fd, &mut buffer) {
        text.extend_from_slice(&buffer[..n]);
        let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        text[..end].split(|b| *b == b'\n').filter(|line| !line.is_empty()).for_each(&mut tell);
        text.drain(..end);
    }
    let _ = kernel::close(fd);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_names_its_file() {
        let line = b"7f00-7f10 r-xp 00001000 fe:00 1234                       /lib/x.so";
        assert_eq!(file_of(line), Some(&b"fe:00 1234"[..]));
        assert_eq!(file_of(b"nothing"), None);
    }

    #[test]
    fn this_process_has_the_library_and_the_first_of_all_does_not() {
        assert!(is_preloaded(kernel::pid()));
        assert!(file_at(is_preloaded as *const () as usize).is_some());
    }

    #[test]
    fn the_other_end_of_a_pair_is_found() {
        let [a, b] = kernel::pair(libc::SOCK_STREAM | libc::SOCK_CLOEXEC).unwrap();
        let inode = |fd| kernel::status(fd).unwrap().inode;
        if let Ok(found) = kernel::unix_peer(inode(a)) {
            assert_eq!(found, Some(inode(b)));
            assert_eq!(held_by_foreigner(inode(b)), None);
        }
        assert!(!receives(a));
        let _ = (kernel::close(a), kernel::close(b));
    }
}
