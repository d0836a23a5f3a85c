//! The limit on descriptors, which poll checks: setrlimit and prlimit tell when the program changes it.

use libc::{c_int, pid_t, rlimit};
use stack::descriptors;

hook! {
    unsafe fn setrlimit(resource: libc::__rlimit_resource_t, limit: *const rlimit) -> c_int => our_setrlimit {
        let done = real!(setrlimit)(resource, limit);
        descriptors::limit_changed();
        done
    }
}
signature!(setrlimit, our_setrlimit, fn(libc::__rlimit_resource_t, *const rlimit) -> c_int);
alias!(setrlimit64 => our_setrlimit64 is our_setrlimit(resource: libc::__rlimit_resource_t, limit: *const rlimit) -> c_int);

hook! {
    unsafe fn prlimit(
        pid: pid_t, resource: libc::__rlimit_resource_t, new: *const rlimit, old: *mut rlimit
    ) -> c_int => our_prlimit {
        let done = real!(prlimit)(pid, resource, new, old);
        descriptors::limit_changed();
        done
    }
}
signature!(prlimit, our_prlimit, fn(pid_t, libc::__rlimit_resource_t, *const rlimit, *mut rlimit) -> c_int);
alias!(prlimit64 => our_prlimit64 is our_prlimit(
    pid: pid_t, resource: libc::__rlimit_resource_t, new: *const rlimit, old: *mut rlimit) -> c_int);
