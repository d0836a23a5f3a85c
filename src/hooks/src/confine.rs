//! seccomp(2), by prctl or by number: filters let the library's own calls through (see [`stack::confine`]).

use libc::{c_int, c_long, c_ulong};
use stack::confine;
use stack::shm::views::UserPtr;

/// Gives the filter at `program`, widened, to `install`.
unsafe fn filtered<T>(program: usize, install: impl FnOnce(usize) -> T) -> T {
    match confine::widened(UserPtr(program)) {
        Some(mut whole) => {
            let given = libc::sock_fprog { len: whole.len() as u16, filter: whole.as_mut_ptr() };
            install(&raw const given as usize)
        }
        None => install(program),
    }
}

hook! {
    // The arguments are variadic in C, which passes words the same way.
    unsafe fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int => our_prctl {
        if option == libc::PR_SET_SECCOMP && a == libc::SECCOMP_MODE_FILTER as c_ulong {
            filtered(b as usize, |b| real!(prctl)(option, a, b as c_ulong, c, d))
        } else {
            real!(prctl)(option, a, b, c, d)
        }
    }
}

/// seccomp(2) itself, which has no wrapper in libc. None: not one that sets a filter.
pub unsafe fn seccomp(operation: usize, program: usize, call: impl FnOnce(usize) -> c_long) -> Option<c_long> {
    if operation as u32 != libc::SECCOMP_SET_MODE_FILTER {
        return None;
    }
    Some(filtered(program, call))
}
