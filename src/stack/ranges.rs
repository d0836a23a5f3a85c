//! Many descriptors closed at once (close_range(2), closefrom(3)).

use crate::abi::{Errno, Result};
use crate::descriptors;
use crate::fdtable;
use crate::kernel;
use crate::process;
use crate::readiness::{self, internal};
use crate::socket;

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// close_range(2): sockets of ours go as by close(2), in order; the library's own descriptors stay.
pub fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // Nothing is in this range: it asks whether the kernel has the call and knows the flags.
    kernel::close_range_with(u32::MAX, u32::MAX, flags & !CLOSE_RANGE_UNSHARE)?;
    if first > last {
        return Err(Errno::EINVAL);
    }
    let unshares = flags & CLOSE_RANGE_UNSHARE != 0;
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        // Those of the library are close-on-exec anyway.
        return kernel::close_range_with(first, last, flags);
    }
    // With a table of its own, what this thread closes stays open for the others.
    let borrowed = process::borrowed();
    let ours_goes = !(borrowed || unshares && kernel::threads() > 1);
    if unshares {
        kernel::close_range_with(u32::MAX, u32::MAX, flags)?;
    }
    if ours_goes {
        for (fd, _) in fdtable::all().filter(|(fd, _)| (first..=last).contains(&(*fd as u32))) {
            if let Some(s) = fdtable::get(fd) {
                let _ = socket::close(&s);
            }
        }
        readiness::closed_range(first, last);
    } else if borrowed {
        let gone = fdtable::all().filter(|(fd, _)| (first..=last).contains(&(*fd as u32)));
        gone.for_each(|(fd, number)| fdtable::doubt(fd, Some(number)));
    }
    let mut at = first;
    for own in internal::from(first.min(i32::MAX as u32) as i32) {
        let own = own as u32;
        if own > last {
            break;
        }
        if own > at {
            kernel::close_range_with(at, own - 1, 0)?;
        }
        at = own + 1;
    }
    if at <= last {
        kernel::close_range_with(at, last, 0)?;
    }
    Ok(())
}

/// closefrom(3), which cannot fail: without close_range(2) the open descriptors are closed one by one.
pub fn close_from(first: u32) {
    if close_range(first, u32::MAX, 0).is_ok() {
        return;
    }
    let _ = kernel::list(c"/proc/self/fd", |name| {
        let Some(fd) = core::str::from_utf8(name).ok().and_then(|n| n.parse::<i32>().ok()) else { return };
        if fd as u32 >= first && !descriptors::closing(fd) {
            match fdtable::get(fd) {
                Some(s) => drop(socket::close(&s)),
                None => drop(kernel::close(fd)),
            }
        }
    });
}
