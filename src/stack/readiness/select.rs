//! select(2) and pselect(2), by way of [`super::poll`].

use super::poll;
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::wait::Deadline;

// fs/select.c: which poll events each set stands for. A number that is closed while select sleeps counts in each.
const READ: u32 =
    (libc::POLLRDNORM | libc::POLLRDBAND | libc::POLLIN | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as u32;
const WRITE: u32 = (libc::POLLWRBAND | libc::POLLWRNORM | libc::POLLOUT | libc::POLLERR | libc::POLLNVAL) as u32;
const EXCEPT: u32 = (libc::POLLPRI | libc::POLLNVAL) as u32;

/// The three sets, as the program's memory has them; any may be null.
pub struct Sets {
    /// Read, write, except.
    pub at: [UserPtr; 3],
    /// Numbers below this one count.
    pub limit: i32,
}

impl Sets {
    fn words(&self) -> usize {
        (self.limit as usize).div_ceil(64)
    }

    fn load(&self) -> Result<[Vec<u64>; 3]> {
        let mut loaded = [Vec::new(), Vec::new(), Vec::new()];
        for (words, at) in loaded.iter_mut().zip(self.at) {
            *words = vec![0u64; self.words()];
            if !at.is_null() {
                for (i, word) in words.iter_mut().enumerate() {
                    *word = at.plus(i * 8).read_u64()?;
                }
            }
        }
        Ok(loaded)
    }
}

fn has(words: &[u64], fd: i32) -> bool {
    words.get(fd as usize / 64).is_some_and(|w| w >> (fd as usize % 64) & 1 == 1)
}

/// Is there a descriptor in the sets that the kernel alone could not answer for?
pub fn concerns(sets: &Sets) -> bool {
    if sets.limit <= 0 || sets.limit as usize > fdtable::LIMIT {
        return false;
    }
    let Ok(loaded) = sets.load() else { return false };
    let fds: Vec<libc::pollfd> = (0..sets.limit)
        .filter(|fd| loaded.iter().any(|w| has(w, *fd)))
        .map(|fd| libc::pollfd { fd, events: 0, revents: 0 })
        .collect();
    poll::concerns(&fds)
}

/// Waits; the sets are written back with what is ready. Gives how many bits are set.
pub fn select(sets: &Sets, deadline: Deadline, at_once: bool, mask: Option<&u64>) -> Result<usize> {
    let loaded = sets.load()?;
    let mut fds = Vec::new();
    for fd in 0..sets.limit {
        let mut events = 0;
        for (words, bits) in loaded.iter().zip([READ, WRITE, EXCEPT]) {
            if has(words, fd) {
                events |= bits;
            }
        }
        if events != 0 {
            if !fdtable::owned(fd) && kernel::fcntl(fd, libc::F_GETFD, 0).is_err() {
                return Err(Errno::EBADF);
            }
            fds.push(libc::pollfd { fd, events: events as i16, revents: 0 });
        }
    }
    poll::poll(&mut fds, deadline, at_once, mask)?;
    let mut count = 0;
    let mut out = [vec![0u64; sets.words()], vec![0u64; sets.words()], vec![0u64; sets.words()]];
    for p in &fds {
        let found = p.revents as u16 as u32;
        for ((words, asked), bits) in out.iter_mut().zip(&loaded).zip([READ, WRITE, EXCEPT]) {
            if found & bits != 0 && has(asked, p.fd) {
                words[p.fd as usize / 64] |= 1 << (p.fd as usize % 64);
                count += 1;
            }
        }
    }
    for (words, at) in out.iter().zip(sets.at) {
        if !at.is_null() {
            for (i, word) in words.iter().enumerate() {
                at.plus(i * 8).write(&word.to_ne_bytes())?;
            }
        }
    }
    Ok(count)
}
