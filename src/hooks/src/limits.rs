//! Limits of the process: that on descriptors, which poll checks, and that on memory, which is the program's own alone.

use libc::{c_int, pid_t, rlimit};
use stack::shm::views::UserPtr;
use stack::{descriptors, space};

type Resource = libc::__rlimit_resource_t;

/// Sets and asks for a limit by `call`, with what they are to the kernel instead of what they are to the program.
unsafe fn limits(
    resource: Resource,
    new: *const rlimit,
    old: *mut rlimit,
    call: impl FnOnce(*const rlimit) -> c_int,
) -> c_int {
    if resource != libc::RLIMIT_AS {
        if let (libc::RLIMIT_NOFILE, Some(new)) = (resource, space::given(UserPtr(new as usize))) {
            descriptors::limit_changes(new.rlim_max);
        }
        let done = call(new);
        descriptors::limit_changed();
        return done;
    }
    let real = space::real(UserPtr(new as usize));
    let done = call(real.as_ref().map_or(new, |real| real));
    if done == 0 && !old.is_null() {
        old.write_unaligned(space::shown(old.read_unaligned()));
    }
    if done == 0 && real.is_some() {
        space::changed();
    }
    done
}

hook! {
    unsafe fn setrlimit(resource: Resource, limit: *const rlimit) -> c_int => our_setrlimit {
        limits(resource, limit, core::ptr::null_mut(), |limit| real!(setrlimit)(resource, limit))
    }
}
signature!(setrlimit, our_setrlimit, fn(Resource, *const rlimit) -> c_int);
alias!(setrlimit64 => our_setrlimit64 is our_setrlimit(resource: Resource, limit: *const rlimit) -> c_int);

hook! {
    unsafe fn getrlimit(resource: Resource, limit: *mut rlimit) -> c_int => our_getrlimit {
        limits(resource, core::ptr::null(), limit, |_| real!(getrlimit)(resource, limit))
    }
}
signature!(getrlimit, our_getrlimit, fn(Resource, *mut rlimit) -> c_int);
alias!(getrlimit64 => our_getrlimit64 is our_getrlimit(resource: Resource, limit: *mut rlimit) -> c_int);

hook! {
    unsafe fn prlimit(pid: pid_t, resource: Resource, new: *const rlimit, old: *mut rlimit) -> c_int => our_prlimit {
        if pid != 0 && pid != libc::getpid() {
            return real!(prlimit)(pid, resource, new, old);
        }
        limits(resource, new, old, |new| real!(prlimit)(pid, resource, new, old))
    }
}
signature!(prlimit, our_prlimit, fn(pid_t, Resource, *const rlimit, *mut rlimit) -> c_int);
alias!(prlimit64 => our_prlimit64 is our_prlimit(
    pid: pid_t, resource: Resource, new: *const rlimit, old: *mut rlimit) -> c_int);
