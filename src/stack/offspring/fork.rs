//! fork(2) and its kin, and the end of a process.

use core::sync::atomic::Ordering::Relaxed;

use super::{add, lessen};
use crate::fdtable;
use crate::kernel;
use crate::process;
use crate::socket::{self, Sock};

/// A copy of this process is about to be made: its descriptors are references of their own.
pub fn before_fork() {
    crate::network::before_fork();
    crate::readiness::before_fork();
    for (fd, _) in fdtable::all() {
        if let Some(s) = fdtable::get(fd) {
            add(s.slot);
        }
    }
    // Who sleeps alone does not hear what others take.
    crate::sleepers::wake_all();
}

/// After it, in the parent or in the child.
pub fn after_fork(child: bool) {
    crate::readiness::after_fork(child);
    crate::network::after_fork();
    if child {
        process::own();
        crate::shm::set_forked();
        crate::sleepers::after_fork();
        crate::ears::after_fork_child();
        crate::signal::after_fork_child();
    }
}

/// fork(2) failed after [`before_fork`] and [`after_fork`] of the parent.
pub fn not_forked() {
    crate::readiness::not_forked();
    for (fd, _) in fdtable::all() {
        if let Some(s) = fdtable::get(fd) {
            lessen(s.slot);
        }
    }
}

/// Runs a call that makes a copy of this process without running handlers: _Fork, clone(2) without CLONE_VM, and the
/// same by syscall(2). It answers the child's pid, 0 in the child, or something negative. `one_table` says that both
/// will have one descriptor table (CLONE_FILES).
pub fn copying(one_table: bool, act: impl FnOnce() -> i64) -> i64 {
    if one_table {
        crate::readiness::before_fork();
        process::not_alone();
        fdtable::share();
    } else {
        before_fork();
    }
    let answered = act();
    after_fork(answered == 0);
    if answered < 0 && !one_table {
        not_forked();
    }
    answered
}

/// This is a copy of a process, made by a raw system call that nobody saw. What the parent closed since is not ours any
/// more, the rest is counted now.
pub fn untold() {
    crate::shm::set_forked();
    crate::signal::after_fork_child();
    for (fd, number) in fdtable::all() {
        match socket::identify(fd, Some(number)) {
            Some(s) if s.number == number => {
                add(s.slot);
            }
            _ => drop(fdtable::clear(fd)),
        }
    }
}

/// The process exits: its descriptors close.
pub fn leave() {
    if process::borrowed() || fdtable::is_shared() {
        return;
    }
    crate::readiness::leave();
    for (fd, _) in fdtable::all() {
        if let Some(s) = fdtable::get(fd) {
            socket::detach(&s);
            close_what_stays(&s);
        }
    }
}

/// A socket that others hold as well, or that somebody who was killed is still counted at: without our descriptor the kernel
/// knows whether it lives, which the last one to leave asks (`network::tidy`).
fn close_what_stays(s: &Sock) {
    let inode = s.slot.inode.load(Relaxed);
    if inode != 0 && kernel::status(s.fd).is_ok_and(|status| status.inode == inode) {
        let _ = kernel::close(s.fd);
    }
}

/// As [`leave`], for _exit(2), which a signal handler may call in the middle of malloc: nothing here allocates, and what
/// only this process knows of its sockets is left as it is.
pub fn leave_at_once() {
    if fdtable::is_empty() || process::borrowed() || fdtable::is_shared() {
        return;
    }
    crate::readiness::leave();
    for (fd, number) in fdtable::all() {
        if let Some(s) = fdtable::get(fd) {
            if fdtable::take(fd, number) {
                socket::drop_reference(&s);
                close_what_stays(&s);
            }
        }
    }
}
