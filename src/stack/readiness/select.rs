//! select(2) and pselect(2): a look over the bits of the sets; what takes more than that goes by way of [`super::poll`].

use super::poll::{self, Kind};
use super::{First, Until};
use crate::abi::{Errno, Result};
use crate::fdtable;
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::signal;

// fs/select.c: which poll events each set stands for. A number that is closed while select sleeps counts in each.
const READ: u32 =
    (libc::POLLRDNORM | libc::POLLRDBAND | libc::POLLIN | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as u32;
const WRITE: u32 = (libc::POLLWRBAND | libc::POLLWRNORM | libc::POLLOUT | libc::POLLERR | libc::POLLNVAL) as u32;
const EXCEPT: u32 = (libc::POLLPRI | libc::POLLNVAL) as u32;
const EVENTS: [u32; 3] = [READ, WRITE, EXCEPT];

/// The three sets of a call, as the program's memory has them.
pub struct Sets {
    /// Read, write, except; any may be null.
    pub at: [UserPtr; 3],
    /// Numbers below this one count.
    pub limit: i32,
}

/// The bits of the three sets.
type Bits<'a> = [&'a mut [u64]; 3];

fn bytes(words: &mut [u64]) -> &mut [u8] {
    #[allow(unsafe_code)]
    // SAFETY: words are bytes as well, of any value, and the borrow is theirs. The kernel's sets are such words, too.
    unsafe {
        core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words))
    }
}

/// Notes what was found of a descriptor, of what it is asked for. Gives in how many sets that is.
#[inline(always)]
fn note(asked: &Bits<'_>, out: &mut Bits<'_>, fd: i32, found: u32) -> usize {
    let (at, bit) = (fd as usize / 64, fd as usize % 64);
    let mut count = 0;
    for which in 0..3 {
        if found & EVENTS[which] != 0 && asked[which][at] >> bit & 1 == 1 {
            out[which][at] |= 1 << bit;
            count += 1;
        }
    }
    count
}

impl Sets {
    fn words(&self) -> usize {
        (self.limit as usize).div_ceil(64)
    }

    #[inline(always)]
    fn load(&self, asked: &mut Bits<'_>) -> Result<()> {
        for (words, at) in asked.iter_mut().zip(self.at) {
            if !at.is_null() {
                at.read(bytes(words))?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn tell(&self, out: &mut Bits<'_>) -> Result<()> {
        for (words, at) in out.iter_mut().zip(self.at) {
            if !at.is_null() {
                at.write(bytes(words))?;
            }
        }
        Ok(())
    }

    /// The descriptors that are in any set, each with the poll events that it is asked for, until `act` has enough.
    #[inline(always)]
    fn each(&self, asked: &Bits<'_>, mut act: impl FnMut(i32, u32) -> Result<bool>) -> Result<()> {
        let words = asked[0].iter().zip(asked[1].iter()).zip(asked[2].iter()).enumerate();
        for (at, ((read, write), except)) in words {
            let (read, write, except) = (*read, *write, *except);
            let left = self.limit as usize - at * 64;
            let mut bits = (read | write | except) & if left < 64 { (1 << left) - 1 } else { !0 };
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let asks = |set: u64, events: u32| if set >> bit & 1 == 1 { events } else { 0 };
                let events = asks(read, READ) | asks(write, WRITE) | asks(except, EXCEPT);
                if !act((at * 64) as i32 + bit as i32, events)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Looks over the sets for the first time, and writes them back where that is all there is to do.
    #[inline]
    pub fn first_look(&self) -> Result<First> {
        match self.limit {
            ..=0 => Ok(First::Native),
            1..=64 => self.look_in([0; 1], [0; 1], [0; 1], [0; 1], [0; 1], [0; 1]),
            65..=1024 => self.look_in([0; 16], [0; 16], [0; 16], [0; 16], [0; 16], [0; 16]),
            limit if limit as usize > fdtable::LIMIT => Ok(First::Native),
            _ => {
                let room = || vec![0; self.words()];
                self.look_in(room(), room(), room(), room(), room(), room())
            }
        }
    }

    #[inline(always)]
    fn look_in<W: AsMut<[u64]>>(&self, mut r: W, mut w: W, mut e: W, mut r2: W, mut w2: W, mut e2: W) -> Result<First> {
        let words = self.words();
        let mut asked = [&mut r.as_mut()[..words], &mut w.as_mut()[..words], &mut e.as_mut()[..words]];
        let mut out = [&mut r2.as_mut()[..words], &mut w2.as_mut()[..words], &mut e2.as_mut()[..words]];
        if self.load(&mut asked).is_err() {
            // The kernel says the same.
            return Ok(First::Native);
        }
        let (mut count, mut ours, mut others, mut last) = (0, false, false, 0);
        self.each(&asked, |fd, events| {
            match poll::kind(fd) {
                Kind::Ours(s) => {
                    (ours, last) = (true, fd);
                    count += note(&asked, &mut out, fd, poll::found(&s, events as i16) as u16 as u32);
                }
                Kind::Set => (ours, others) = (true, true),
                Kind::Kernel => others = true,
            }
            Ok(!(ours && others))
        })?;
        let first = poll::answered(ours, others, count, last);
        if let First::Found(_) = first {
            signal::cancel::test();
            self.tell(&mut out)?;
        }
        Ok(first)
    }

    /// Waits; the sets are written back with what is ready. Gives how many bits are set.
    pub fn select(&self, until: &Until, mask: Option<&u64>) -> Result<usize> {
        let mut rooms = [const { Vec::new() }; 6];
        rooms.iter_mut().for_each(|room| room.resize(self.words(), 0u64));
        let [r, w, e, r2, w2, e2] = &mut rooms;
        let (mut asked, mut out): (Bits<'_>, Bits<'_>) = ([r, w, e], [r2, w2, e2]);
        self.load(&mut asked)?;
        let mut fds = Vec::new();
        self.each(&asked, |fd, events| {
            if !fdtable::owned(fd) && kernel::fcntl(fd, libc::F_GETFD, 0).is_err() {
                return Err(Errno::EBADF);
            }
            fds.push(libc::pollfd { fd, events: events as i16, revents: 0 });
            Ok(true)
        })?;
        poll::poll(&mut fds, until, mask)?;
        let count = fds.iter().map(|p| note(&asked, &mut out, p.fd, p.revents as u16 as u32)).sum();
        self.tell(&mut out)?;
        Ok(count)
    }
}
