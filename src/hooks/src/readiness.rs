//! Waiting on several descriptors: poll, select and epoll.

use libc::{c_int, epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval};
use stack::abi::{Errno, Result};
use stack::fdtable;
use stack::readiness::{self, epoll, select as sets_of};
use stack::shm::views::UserPtr;
use stack::wait;

use crate::boundary::{answer, errno};

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

/// The program's array, copied in; a set that is not sound is the kernel's to refuse.
fn fds(p: *mut pollfd, count: nfds_t) -> Option<Vec<pollfd>> {
    // The kernel tells about bad pointers and counts; only sets that are sound can hold a socket of ours.
    if p.is_null() || count == 0 || count > 1 << 20 {
        return None;
    }
    let mut set = vec![pollfd { fd: -1, events: 0, revents: 0 }; count as usize];
    for (i, entry) in set.iter_mut().enumerate() {
        let word = at(p).plus(i * size_of::<pollfd>()).read_u64().ok()?;
        (entry.fd, entry.events) = (word as u32 as i32, (word >> 32) as i16);
    }
    Some(set)
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

/// Is there a descriptor in the set that is not the kernel's alone? Only then is the set copied.
fn concerns(p: *mut pollfd, count: nfds_t) -> bool {
    if fdtable::is_empty() || p.is_null() || count == 0 || count > fdtable::LIMIT as nfds_t {
        return false;
    }
    stack::signal::thread_ready();
    (0..count as usize).any(|i| {
        let entry = at(p).plus(i * size_of::<pollfd>());
        entry.read_u32().is_ok_and(|fd| readiness::concerns_fd(fd as i32))
    })
}

fn poll_ours(list: *mut pollfd, count: nfds_t, timeout_ns: Option<u64>, mask: Option<u64>) -> Result<i32> {
    if count > stack::kernel::open_limit() as nfds_t {
        return Err(Errno::EINVAL);
    }
    let mut set = fds(list, count).ok_or(Errno::EFAULT)?;
    let until = Until::new(timeout_ns);
    let found = readiness::poll(&mut set, until.deadline, until.at_once, mask.as_ref())?;
    for (i, entry) in set.iter().enumerate() {
        at(list).plus(i * size_of::<pollfd>() + 6).write(&entry.revents.to_ne_bytes())?;
    }
    Ok(found as i32)
}

hook! {
    unsafe fn poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int => our_poll {
        if !concerns(list, count) { return real!(poll)(list, count, timeout); }
        answer(|| {
            let timeout_ns = (timeout >= 0).then_some(timeout as u64 * 1_000_000);
            poll_ours(list, count, timeout_ns, None)
        })
    }
}
signature!(poll, our_poll, fn(*mut pollfd, nfds_t, c_int) -> c_int);
alias!(__poll => our_uu_poll is our_poll(list: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int);

hook! {
    unsafe fn ppoll(list: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int => our_ppoll {
        if !concerns(list, count) { return real!(ppoll)(list, count, timeout, mask); }
        answer(|| poll_ours(list, count, from_timespec(timeout)?, mask_of(mask)?))
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

fn sets(limit: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set) -> Option<sets_of::Sets> {
    let sets = sets_of::Sets { at: [at(read), at(write), at(except)], limit };
    sets_of::concerns(&sets).then_some(sets)
}

hook! {
    unsafe fn select(
        limit: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, timeout: *mut timeval
    ) -> c_int => our_select {
        let Some(sets) = sets(limit, read, write, except) else {
            return real!(select)(limit, read, write, except, timeout);
        };
        answer(|| {
            let mut timeout_ns = None;
            if !timeout.is_null() {
                let (sec, us) = (at(timeout).read_u64()? as i64, at(timeout).plus(8).read_u64()? as i64);
                if sec < 0 || us < 0 { return Err(Errno::EINVAL); }
                timeout_ns = Some((sec as u64).saturating_mul(1_000_000_000).saturating_add(us as u64 * 1000));
            }
            let deadline = wait::deadline(timeout_ns);
            let found = sets_of::select(&sets, deadline, timeout_ns == Some(0), None);
            // Linux tells the time that was left (select(2), NOTES), also after a signal.
            if let Some(deadline) = deadline {
                let left = stack::kernel::timespec(deadline.saturating_sub(stack::kernel::now_ns()));
                at(timeout).write(&left.tv_sec.to_ne_bytes())?;
                at(timeout).plus(8).write(&(left.tv_nsec / 1000).to_ne_bytes())?;
            }
            found.map(|n| n as i32)
        })
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
        let Some(sets) = sets(limit, read, write, except) else {
            return real!(pselect)(limit, read, write, except, timeout, mask);
        };
        answer(|| {
            let timeout_ns = from_timespec(timeout)?;
            let mask = mask_of(mask)?;
            sets_of::select(&sets, wait::deadline(timeout_ns), timeout_ns == Some(0), mask.as_ref()).map(|n| n as i32)
        })
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

/// A relative timeout from the moment of the call.
struct Until {
    deadline: wait::Deadline,
    at_once: bool,
}

impl Until {
    fn new(timeout_ns: Option<u64>) -> Until {
        let at_once = timeout_ns == Some(0);
        Until { deadline: if at_once { Some(0) } else { wait::deadline(timeout_ns) }, at_once }
    }
}

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
    let done = epoll::wait(epoll_fd, at(events), most, until.deadline, until.at_once, mask.as_ref())?;
    Some(answer(|| done.map(|n| n as i32)))
}

fn from_ms(timeout: c_int) -> Option<u64> {
    (timeout >= 0).then_some(timeout as u64 * 1_000_000)
}

hook! {
    unsafe fn epoll_wait(epoll_fd: c_int, events: *mut epoll_event, most: c_int, timeout: c_int) -> c_int => our_epoll_wait {
        let deadline = Until::new(from_ms(timeout));
        if let Some(answered) = wait_ours(epoll_fd, events, most, &deadline, None) { return answered; }
        let native = epoll::native(epoll_fd, events, || real!(epoll_wait)(epoll_fd, events, most, timeout));
        native.or_else(|| wait_ours(epoll_fd, events, most, &deadline, None)).unwrap_or(0)
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
                let deadline = Until::new(from_ms(timeout));
                let native =
                    epoll::native(epoll_fd, events, || real!(epoll_pwait)(epoll_fd, events, most, timeout, mask));
                let mask = mask_of(mask).unwrap_or(None);
                native.or_else(|| wait_ours(epoll_fd, events, most, &deadline, mask)).unwrap_or(0)
            }
        }
    }
}
signature!(epoll_pwait, our_epoll_pwait, fn(c_int, *mut epoll_event, c_int, c_int, *const sigset_t) -> c_int);

hook! {
    unsafe fn epoll_pwait2(
        epoll_fd: c_int, events: *mut epoll_event, most: c_int, timeout: *const timespec, mask: *const sigset_t
    ) -> c_int => our_epoll_pwait2 {
        if !epoll::is_mixed(epoll_fd) {
            return real!(epoll_pwait2)(epoll_fd, events, most, timeout, mask);
        }
        let asked = from_timespec(timeout).and_then(|t| Ok((t, mask_of(mask)?)));
        match asked {
            Ok((timeout_ns, mask)) => wait_ours(epoll_fd, events, most, &Until::new(timeout_ns), mask).unwrap_or(0),
            Err(error) => answer(|| Err::<i32, _>(error)),
        }
    }
}
