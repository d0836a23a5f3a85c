//! Signal actions and masks: the program's handlers run above the library's own needs (see `stack::signal`).

use libc::{c_int, pthread_t, sighandler_t, sigset_t};
use stack::abi::Errno;
use stack::signal::{actions, cancel};

use crate::boundary::set_errno;

fn told<T>(outcome: Result<T, i32>, failed: T) -> T {
    outcome.unwrap_or_else(|error| {
        set_errno(Errno::from_raw(error));
        failed
    })
}

hook! {
    unsafe fn pthread_cancel(thread: pthread_t) -> c_int => our_pthread_cancel {
        cancel::requested(thread, || real!(pthread_cancel)(thread))
    }
}

hook! {
    unsafe fn sigaction(number: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int => our_sigaction {
        told(actions::sigaction(number, new, old), -1)
    }
}
signature!(sigaction, our_sigaction, fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int);
alias!(__sigaction => our_uu_sigaction is our_sigaction(
    number: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int);

hook! {
    unsafe fn signal(number: c_int, handler: sighandler_t) -> sighandler_t => our_signal {
        told(actions::signal(number, handler), libc::SIG_ERR)
    }
}
signature!(signal, our_signal, fn(c_int, sighandler_t) -> sighandler_t);
alias!(bsd_signal => our_bsd_signal is our_signal(number: c_int, handler: sighandler_t) -> sighandler_t);
alias!(ssignal => our_ssignal is our_signal(number: c_int, handler: sighandler_t) -> sighandler_t);

hook! {
    unsafe fn sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t => our_sysv_signal {
        told(actions::sysv_signal(number, handler), libc::SIG_ERR)
    }
}
alias!(__sysv_signal => our_uu_sysv_signal is our_sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t);

hook! {
    unsafe fn sigset(number: c_int, disposition: sighandler_t) -> sighandler_t => our_sigset {
        told(actions::sigset(number, disposition), libc::SIG_ERR)
    }
}

hook! {
    unsafe fn sigignore(number: c_int) -> c_int => our_sigignore {
        told(actions::sigignore(number), -1)
    }
}

hook! {
    unsafe fn siginterrupt(number: c_int, interrupt: c_int) -> c_int => our_siginterrupt {
        told(actions::siginterrupt(number, interrupt), -1)
    }
}

hook! {
    unsafe fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int => our_sigprocmask {
        told(actions::sigprocmask(how, set, old), -1)
    }
}
signature!(sigprocmask, our_sigprocmask, fn(c_int, *const sigset_t, *mut sigset_t) -> c_int);

hook! {
    unsafe fn pthread_sigmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int => our_pthread_sigmask {
        // POSIX threads answer the number itself.
        actions::pthread_sigmask(how, set, old).unwrap_or_else(|error| error)
    }
}
signature!(pthread_sigmask, our_pthread_sigmask, fn(c_int, *const sigset_t, *mut sigset_t) -> c_int);
