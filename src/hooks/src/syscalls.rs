//! `syscall`: each number that stands for a call with a hook goes to the same code. Everything else goes on unchanged.

use core::ffi::c_long;

use stack::abi::Errno;
use stack::offspring;
use stack::shm::views::UserPtr;

use crate::boundary::set_errno;
use crate::descriptors as fds;
use crate::{
    confine, limits, memory, messages, process, ranges, readiness, signals, sockets, streams, transfer, vectors,
};

// The macro has no variadics: the words that the caller did not give are read and not used.
hook! {
    unsafe fn syscall(
        number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize
    ) -> c_long => our_syscall {
        match dispatch(number, [a, b, c, d, e, f]) {
            Some(answered) => answered,
            None => real!(syscall)(number, a, b, c, d, e, f),
        }
    }
}

/// Calls a hook with words turned into its parameters' types.
macro_rules! go {
    ($hook:path $(, $word:expr)*) => {
        Some($hook($($word as _),*) as c_long)
    };
}

/// The hook of a number, called. None: the number has none.
unsafe fn dispatch(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> Option<c_long> {
    lives(number, [a, b, c, d, e, f])
        .or_else(|| moves(number, [a, b, c, d, e, f]))
        .or_else(|| counts(number, [a, b, c, d, e]))
        .or_else(|| waits(number, [a, b, c, d, e, f]))
        .or_else(|| processes(number, [a, b, c, d, e, f]))
        .or_else(|| handlers(number, [a, b, c, d]))
}

/// The life of a socket.
unsafe fn lives(number: c_long, [a, b, c, d, e, _]: [usize; 6]) -> Option<c_long> {
    match number {
        libc::SYS_socket => go!(sockets::our_socket, a, b, c),
        libc::SYS_bind => go!(sockets::our_bind, a, b, c),
        libc::SYS_listen => go!(sockets::our_listen, a, b),
        libc::SYS_accept => go!(sockets::our_accept, a, b, c),
        libc::SYS_accept4 => go!(sockets::our_accept4, a, b, c, d),
        libc::SYS_connect => go!(sockets::our_connect, a, b, c),
        libc::SYS_getsockname => go!(sockets::our_getsockname, a, b, c),
        libc::SYS_getpeername => go!(sockets::our_getpeername, a, b, c),
        libc::SYS_getsockopt => go!(sockets::our_getsockopt, a, b, c, d, e),
        libc::SYS_setsockopt => go!(sockets::our_setsockopt, a, b, c, d, e),
        libc::SYS_shutdown => go!(sockets::our_shutdown, a, b),
        _ => None,
    }
}

/// Bytes.
unsafe fn moves(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> Option<c_long> {
    match number {
        libc::SYS_read => go!(streams::our_read, a, b, c),
        libc::SYS_write => go!(streams::our_write, a, b, c),
        libc::SYS_readv => go!(streams::our_readv, a, b, c),
        libc::SYS_writev => go!(streams::our_writev, a, b, c),
        libc::SYS_sendto => go!(streams::our_sendto, a, b, c, d, e, f),
        libc::SYS_recvfrom => go!(streams::our_recvfrom, a, b, c, d, e, f),
        libc::SYS_sendmsg => go!(messages::our_sendmsg, a, b, c),
        libc::SYS_recvmsg => go!(messages::our_recvmsg, a, b, c),
        libc::SYS_sendmmsg => go!(messages::our_sendmmsg, a, b, c, d),
        libc::SYS_recvmmsg => go!(messages::our_recvmmsg, a, b, c, d, e),
        // The position comes in two words, of which the first holds all of it.
        libc::SYS_preadv2 => go!(vectors::our_preadv2, a, b, c, d, f),
        libc::SYS_pwritev2 => go!(vectors::our_pwritev2, a, b, c, d, f),
        libc::SYS_sendfile => go!(transfer::our_sendfile, a, b, c, d),
        libc::SYS_splice => go!(transfer::our_splice, a, b, c, d, e, f),
        libc::SYS_mmap => go!(memory::our_mmap, a, b, c, d, e, f),
        _ => None,
    }
}

/// Descriptors.
unsafe fn counts(number: c_long, [a, b, c, d, _]: [usize; 5]) -> Option<c_long> {
    match number {
        libc::SYS_close => go!(fds::our_close, a),
        libc::SYS_close_range => go!(ranges::our_close_range, a, b, c),
        libc::SYS_dup => go!(fds::our_dup, a),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_dup2 => go!(fds::our_dup2, a, b),
        libc::SYS_dup3 => go!(fds::our_dup3, a, b, c),
        libc::SYS_fcntl => go!(fds::our_fcntl, a, b, c),
        libc::SYS_ioctl => go!(fds::our_ioctl, a, b, c),
        libc::SYS_setrlimit => go!(limits::our_setrlimit, a, b),
        libc::SYS_getrlimit => go!(limits::our_getrlimit, a, b),
        libc::SYS_prlimit64 => go!(limits::our_prlimit, a, b, c, d),
        libc::SYS_pidfd_getfd => go!(process::our_pidfd_getfd, a, b, c),
        libc::SYS_io_uring_setup if !stack::process::io_uring_allowed() => {
            set_errno(Errno::ENOSYS);
            Some(-1)
        }
        _ => None,
    }
}

/// Waiting on several.
unsafe fn waits(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> Option<c_long> {
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => go!(readiness::our_poll, a, b, c),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select if is_time(e) => go!(readiness::our_select, a, b, c, d, e),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => go!(readiness::our_epoll_wait, a, b, c, d),
        libc::SYS_ppoll if is_time(c) && is_mask(d, e) => go!(readiness::our_ppoll, a, b, c, d),
        // The mask comes in a pair with its size.
        libc::SYS_pselect6 => {
            let (mask, size) = if f == 0 { (0, MASK) } else { (word(f)?, word(f + 8)?) };
            if !is_time(e) || !is_mask(mask, size) {
                return None;
            }
            go!(readiness::our_pselect, a, b, c, d, e, mask)
        }
        libc::SYS_epoll_ctl => go!(readiness::our_epoll_ctl, a, b, c, d),
        libc::SYS_epoll_pwait if is_mask(e, f) => go!(readiness::our_epoll_pwait, a, b, c, d, e),
        libc::SYS_epoll_pwait2 if is_time(d) && is_mask(e, f) => go!(readiness::our_epoll_pwait2, a, b, c, d, e),
        _ => None,
    }
}

/// sizeof(sigset_t) as the kernel has it.
const MASK: usize = 8;

/// Is it a mask that the kernel would take, or none? What it would not is left to it, which says why (set_user_sigmask).
fn is_mask(at: usize, size: usize) -> bool {
    at == 0 || size == MASK && word(at).is_some()
}

/// Is it a time that can be read, or none? The C library's functions read it themselves.
fn is_time(at: usize) -> bool {
    at == 0 || word(at).is_some() && word(at + 8).is_some()
}

/// A word of the program's memory. None: it cannot be read, as the kernel will find too.
fn word(at: usize) -> Option<usize> {
    UserPtr(at).read_u64().ok().map(|word| word as usize)
}

/// Processes. A child that goes on here, on a copy of this stack, is a fork whatever it is called; one with a stack of its own
/// never comes back through this function.
unsafe fn processes(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> Option<c_long> {
    let copies = |flags: usize, stack: usize| flags & libc::CLONE_VM as usize == 0 && stack == 0;
    let copying = |flags: usize| {
        let one_table = flags & libc::CLONE_FILES as usize != 0;
        stack::readiness::share_all();
        Some(offspring::copying(one_table, || real!(syscall)(number, a, b, c, d, e, f)))
    };
    let lends = |flags: usize| flags & libc::CLONE_VM as usize != 0 && flags & libc::CLONE_THREAD as usize == 0;
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork => copying(0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork => {
            stack::process::lend();
            None
        }
        libc::SYS_clone if copies(a, b) => copying(a),
        libc::SYS_clone if lends(a) => {
            stack::process::lend();
            None
        }
        libc::SYS_clone3 if a != 0 && b >= CLONE3_STACK + 8 => {
            let (flags, stack) = (word(a)?, word(a + CLONE3_STACK)?);
            if copies(flags, stack) {
                copying(flags)
            } else {
                if lends(flags) {
                    stack::process::lend();
                }
                None
            }
        }
        libc::SYS_unshare => go!(process::our_unshare, a),
        libc::SYS_setns => go!(process::our_setns, a, b),
        libc::SYS_execve => go!(process::our_execve, a, b, c),
        libc::SYS_execveat => go!(process::our_execveat, a, b, c, d, e),
        libc::SYS_prctl => go!(confine::our_prctl, a, b, c, d, e),
        libc::SYS_seccomp => confine::seccomp(a, c, |c| real!(syscall)(number, a, b, c, d, e, f)),
        libc::SYS_exit_group => {
            process::our_exit(a as _);
            None
        }
        _ => None,
    }
}

/// Where struct clone_args has the stack (clone(2)).
const CLONE3_STACK: usize = 40;

/// What signals do. The kernel's structures are shorter than the C library's: struct sigaction is a handler, flags, a
/// restorer and a mask.
unsafe fn handlers(number: c_long, [a, b, c, size]: [usize; 4]) -> Option<c_long> {
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rt_sigaction if size == MASK => {
            let mut given: libc::sigaction = core::mem::zeroed();
            let mut before: libc::sigaction = core::mem::zeroed();
            if b != 0 {
                let [handler, flags, _restorer, mask] = [word(b)?, word(b + 8)?, word(b + 16)?, word(b + 24)?];
                (given.sa_sigaction, given.sa_flags) = (handler, flags as _);
                (&raw mut given.sa_mask).cast::<u64>().write(mask as u64);
            }
            let given = if b == 0 { core::ptr::null() } else { &raw const given };
            let done = signals::our_sigaction(a as _, given, &mut before);
            let mask = (&raw const before.sa_mask).cast::<u64>().read();
            let (handler, flags) = (before.sa_sigaction, before.sa_flags as u32 as usize);
            Some(told(done, c, &[handler as u64, flags as u64, 0, mask]))
        }
        libc::SYS_rt_sigprocmask if size == MASK => {
            let mut given: libc::sigset_t = core::mem::zeroed();
            let mut before: libc::sigset_t = core::mem::zeroed();
            if b != 0 {
                (&raw mut given).cast::<u64>().write(word(b)? as u64);
            }
            let given = if b == 0 { core::ptr::null() } else { &raw const given };
            let done = signals::our_sigprocmask(a as _, given, &mut before);
            Some(told(done, c, &[(&raw const before).cast::<u64>().read()]))
        }
        _ => None,
    }
}

/// The answer of a call that went through, once its words are where the program wants them, if anywhere: EFAULT otherwise.
fn told(done: i32, at: usize, words: &[u64]) -> c_long {
    if done == 0 && at != 0 {
        for (i, word) in words.iter().enumerate() {
            if UserPtr(at + i * 8).write(&word.to_ne_bytes()).is_err() {
                set_errno(Errno::EFAULT);
                return -1;
            }
        }
    }
    done.into()
}
