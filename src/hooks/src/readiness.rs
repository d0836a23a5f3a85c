//! Waiting on several descriptors: poll, select and epoll.

use libc::{c_int, epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval};
use stack::abi::{Errno, Result};
use stack::fdtable;
use stack::readiness::select::Sets;
use stack::readiness::{self, epoll, First, Until};
use stack::shm::views::UserPtr;

use crate::boundary::{answer, errno};

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

/// A timeout as nanoseconds: none waits for ever.
fn from_timespec(p: *const timespec) -> Result<Option<u64>> {
    if p.is_null() {
        return Ok(None);
    }
    let (sec, ns) = (at(p).read_u64()? as i64, at(p).plus(8).read_u64()? as i64);
    if sec < 0 || !(0..1_000_000_000).contains(&ns) {
        return Err(Errno::EINVAL);
    }
    Ok(Some((sec as u64).saturating_mul(1_000_000_000).saturating_add(ns as u64)))
}

fn mask_of(p: *const sigset_t) -> Result<Option<u64>> {
    if p.is_null() {
        Ok(None)
    } else {
        at(p).read_u64().map(Some)
    }
}

/// poll(2) and ppoll(2). None: the kernel's, which also tells about bad pointers and counts.
#[inline]
fn poll_any(
    list: *mut pollfd,
    count: nfds_t,
    time: impl FnOnce() -> Result<(Option<u64>, Option<u64>)>,
) -> Option<c_int> {
    if fdtable::is_empty() || list.is_null() || count == 0 || count > fdtable::LIMIT as nfds_t {
        return None;
    }
    stack::signal::thread_ready();
    let count = count as usize;
    let none = pollfd { fd: -1, events: 0, revents: 0 };
    if count <= readiness::FEW / 8 {
        poll_copied(list, &mut [none; readiness::FEW / 8][..count], time)
    } else if count <= readiness::FEW {
        poll_copied(list, &mut [none; readiness::FEW][..count], time)
    } else {
        poll_copied(list, &mut vec![none; count], time)
    }
}

fn poll_copied(
    list: *mut pollfd,
    set: &mut [pollfd],
    time: impl FnOnce() -> Result<(Option<u64>, Option<u64>)>,
) -> Option<c_int> {
    // SAFETY: a pollfd is made of plain numbers without gaps.
    let bytes = unsafe { core::slice::from_raw_parts_mut(set.as_mut_ptr().cast::<u8>(), size_of_val(set)) };
    at(list).read(bytes).ok()?;
    let (mask, until) = match time() {
        Ok((timeout_ns, mask)) => (mask, Until::new(timeout_ns)),
        // The kernel says the same.
        Err(_) => return None,
    };
    let first = if set.len() > stack::descriptors::open_limit() { First::More } else { readiness::first_look(set) };
    match first {
        First::Native => None,
        First::Found(count) => {
            stack::signal::cancel::test();
            Some(match tell_polled(list, set) {
                Ok(()) => count as c_int,
                Err(error) => answer(|| Err::<i32, _>(error)),
            })
        }
        First::More => Some(answer(|| {
            let found = readiness::poll(set, &until, mask.as_ref())?;
            tell_polled(list, set)?;
            Ok(found as i32)
        })),
    }
}

fn tell_polled(list: *mut pollfd, set: &[pollfd]) -> Result<()> {
    for (i, entry) in set.iter().enumerate() {
        at(list).plus(i * size_of::<pollfd>() + 6).write(&entry.revents.to_ne_bytes())?;
    }
    Ok(())
}

hook! {
    unsafe fn poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int => our_poll {
        match poll_any(list, count, || Ok((from_ms(timeout), None))) {
            Some(answered) => answered,
            None => real!(poll)(list, count, timeout),
        }
    }
}
signature!(poll, our_poll, fn(*mut pollfd, nfds_t, c_int) -> c_int);
alias!(__poll => our_uu_poll is our_poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int);

hook! {
    unsafe fn ppoll(list: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int => our_ppoll {
        match poll_any(list, count, || Ok((from_timespec(timeout)?, mask_of(mask)?))) {
            Some(answered) => answered,
            None => real!(ppoll)(list, count, timeout, mask),
        }
    }
}
signature!(ppoll, our_ppoll, fn(*mut pollfd, nfds_t, *const timespec, *const sigset_t) -> c_int);

extern "C" {
    fn __chk_fail() -> !;
}

hook! {
    unsafe fn __poll_chk(list: *mut pollfd, count: nfds_t, timeout: c_int, room: size_t) -> c_int => our_poll_chk {
        if room / size_of::<pollfd>() < count as usize { __chk_fail() }
        our_poll(list, count, timeout)
    }
}

hook! {
    unsafe fn __ppoll_chk(
        list: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t, room: size_t
    ) -> c_int => our_ppoll_chk {
        if room / size_of::<pollfd>() < count as usize { __chk_fail() }
        our_ppoll(list, count, timeout, mask)
    }
}

/// select(2) and pselect(2). None: the kernel's, which also tells about bad pointers and counts.
#[inline]
fn select_any(
    limit: c_int,
    sets: [*mut fd_set; 3],
    time: impl FnOnce() -> Result<(Option<u64>, Option<u64>)>,
    left: impl FnOnce(Option<u64>, Option<&Until>),
) -> Option<c_int> {
    if fdtable::is_empty() {
        return None;
    }
    stack::signal::thread_ready();
    let sets = Sets { at: sets.map(|set| at(set)), limit };
    let (timeout_ns, mask) = time().ok()?;
    match sets.first_look() {
        Ok(First::Native) => None,
        Ok(First::Found(count)) => {
            left(timeout_ns, None);
            Some(count as c_int)
        }
        Ok(_) => Some(answer(|| {
            let until = Until::new(timeout_ns);
            // The time begins here.
            until.deadline();
            let found = sets.select(&until, mask.as_ref());
            left(timeout_ns, Some(&until));
            found.map(|n| n as i32)
        })),
        Err(error) => Some(answer(|| Err::<i32, _>(error))),
    }
}

hook! {
    unsafe fn select(
        limit: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *mut timeval
    ) -> c_int => our_select {
        let time = || {
            if timeout.is_null() { return Ok((None, None)); }
            let (sec, us) = (at(timeout).read_u64()? as i64, at(timeout).plus(8).read_u64()? as i64);
            if sec < 0 || us < 0 { return Err(Errno::EINVAL); }
            Ok((Some((sec as u64).saturating_mul(1_000_000_000).saturating_add(us as u64 * 1000)), None))
        };
        // Linux tells the time that was left (select(2), NOTES), also after a signal, and where it can. It is less than
        // was given, by however little.
        let left = |timeout_ns: Option<u64>, until: Option<&Until>| {
            let Some(given) = timeout_ns.filter(|ns| *ns > 0) else { return };
            let left = match until.and_then(Until::deadline) {
                None => given - 1,
                Some(deadline) => deadline.saturating_sub(stack::kernel::now_ns()),
            };
            let left = stack::kernel::timespec(left);
            let _ = at(timeout).write(&left.tv_sec.to_ne_bytes());
            let _ = at(timeout).plus(8).write(&(left.tv_nsec / 1000).to_ne_bytes());
        };
        match select_any(limit, [read, write, except], time, left) {
            Some(answered) => answered,
            None => real!(select)(limit, read, write, except, timeout),
        }
    }
}
signature!(select, our_select, fn(c_int, *mut fd_set, *mut fd_set, *mut fd_set, *mut timeval) -> c_int);
alias!(__select => our_uu_select is our_select(
    limit: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *mut timeval) -> c_int);

hook! {
    unsafe fn pselect(
        limit: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *const timespec,
        mask: *const sigset_t
    ) -> c_int => our_pselect {
        let time = || Ok((from_timespec(timeout)?, mask_of(mask)?));
        match select_any(limit, [read, write, except], time, |_, _| ()) {
            Some(answered) => answered,
            None => real!(pselect)(limit, read, write, except, timeout, mask),
        }
    }
}
signature!(
    pselect,
    our_pselect,
    fn(c_int, *mut fd_set, *mut fd_set, *mut fd_set, *const timespec, *const sigset_t) -> c_int
);

hook! {
    unsafe fn epoll_create(size: c_int) -> c_int => our_epoll_create {
        let fd = real!(epoll_create)(size);
        epoll::created(fd);
        fd
    }
}
signature!(epoll_create, our_epoll_create, fn(c_int) -> c_int);

hook! {
    unsafe fn epoll_create1(flags: c_int) -> c_int => our_epoll_create1 {
        let fd = real!(epoll_create1)(flags);
        epoll::created(fd);
        fd
    }
}
signature!(epoll_create1, our_epoll_create1, fn(c_int) -> c_int);

hook! {
    unsafe fn epoll_ctl(epoll_fd: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int => our_epoll_ctl {
        match epoll::control(epoll_fd, operation, fd, at(event)) {
            Some(done) => answer(|| done),
            None => {
                let done = real!(epoll_ctl)(epoll_fd, operation, fd, event);
                let too_deep = done < 0 && matches!(errno(), libc::ELOOP | libc::EINVAL);
                if too_deep && operation == libc::EPOLL_CTL_ADD && epoll::make_room(epoll_fd) {
                    return real!(epoll_ctl)(epoll_fd, operation, fd, event);
                }
                done
            }
        }
    }
}
signature!(epoll_ctl, our_epoll_ctl, fn(c_int, c_int, c_int, *mut epoll_event) -> c_int);

fn wait_ours(
    epoll_fd: c_int,
    events: *mut epoll_event,
    most: c_int,
    until: &Until,
    mask: Option<u64>,
) -> Option<c_int> {
    if !epoll::is_mixed(epoll_fd) {
        return None;
    }
    let done = epoll::wait(epoll_fd, at(events), most, until, mask.as_ref())?;
    Some(answer(|| done.map(|n| n as i32)))
}

fn from_ms(timeout: c_int) -> Option<u64> {
    (timeout >= 0).then_some(timeout as u64 * 1_000_000)
}

hook! {
    unsafe fn epoll_wait(epoll_fd: c_int, events: *mut epoll_event, most: c_int, timeout: c_int) -> c_int => our_epoll_wait {
        let until = Until::new(from_ms(timeout));
        if let Some(answered) = wait_ours(epoll_fd, events, most, &until, None) { return answered; }
        // Called out of the kernel's wait, it goes on for the rest of the time.
        until.deadline();
        let native = epoll::native(epoll_fd, events, || real!(epoll_wait)(epoll_fd, events, most, timeout));
        native.or_else(|| wait_ours(epoll_fd, events, most, &until, None)).unwrap_or(0)
    }
}
signature!(epoll_wait, our_epoll_wait, fn(c_int, *mut epoll_event, c_int, c_int) -> c_int);

hook! {
    unsafe fn epoll_pwait(
        epoll_fd: c_int, events: *mut epoll_event, most: c_int, timeout: c_int, mask: *const sigset_t
    ) -> c_int => our_epoll_pwait {
        let ours = epoll::is_mixed(epoll_fd).then(|| mask_of(mask));
        match ours {
            Some(Ok(mask)) => wait_ours(epoll_fd, events, most, &Until::new(from_ms(timeout)), mask).unwrap_or(0),
            Some(Err(error)) => answer(|| Err::<i32, _>(error)),
            None => {
                let until = Until::new(from_ms(timeout));
                until.deadline();
                let native =
                    epoll::native(epoll_fd, events, || real!(epoll_pwait)(epoll_fd, events, most, timeout, mask));
                let mask = mask_of(mask).unwrap_or(None);
                native.or_else(|| wait_ours(epoll_fd, events, most, &until, mask)).unwrap_or(0)
            }
        }
    }
}
signature!(epoll_pwait, our_epoll_pwait, fn(c_int, *mut epoll_event, c_int, c_int, *const sigset_t) -> c_int);

hook! {
    unsafe fn epoll_pwait2(
        epoll_fd: c_int, events: *mut epoll_event, most: c_int, timeout: *const timespec, mask: *const sigset_t
    ) -> c_int => our_epoll_pwait2 {
        let asked = from_timespec(timeout).and_then(|t| Ok((Until::new(t), mask_of(mask)?)));
        match asked {
            Ok((until, mask)) if epoll::is_mixed(epoll_fd) => {
                wait_ours(epoll_fd, events, most, &until, mask).unwrap_or(0)
            }
            Err(error) if epoll::is_mixed(epoll_fd) => answer(|| Err::<i32, _>(error)),
            Err(_) => real!(epoll_pwait2)(epoll_fd, events, most, timeout, mask),
            Ok((until, words)) => {
                until.deadline();
                let native =
                    epoll::native(epoll_fd, events, || real!(epoll_pwait2)(epoll_fd, events, most, timeout, mask));
                native.or_else(|| wait_ours(epoll_fd, events, most, &until, words)).unwrap_or(0)
            }
        }
    }
}
