//! Becoming another user, or going to another root directory: what the network needs is fetched before.

use libc::{c_char, c_int, uid_t};
use stack::{kernel, network};

/// Will the effective user be another one than root from here on?
fn giving_up(user: uid_t) {
    if kernel::euid() == 0 && user != 0 && user != uid_t::MAX {
        network::rights::about_to_give_up();
    }
}

hook! {
    unsafe fn setuid(user: uid_t) -> c_int => our_setuid {
        giving_up(user);
        real!(setuid)(user)
    }
}
signature!(setuid, our_setuid, fn(uid_t) -> c_int);

hook! {
    unsafe fn seteuid(user: uid_t) -> c_int => our_seteuid {
        giving_up(user);
        real!(seteuid)(user)
    }
}
signature!(seteuid, our_seteuid, fn(uid_t) -> c_int);

hook! {
    unsafe fn setreuid(real_user: uid_t, user: uid_t) -> c_int => our_setreuid {
        giving_up(user);
        real!(setreuid)(real_user, user)
    }
}
signature!(setreuid, our_setreuid, fn(uid_t, uid_t) -> c_int);

hook! {
    unsafe fn setresuid(real_user: uid_t, user: uid_t, saved: uid_t) -> c_int => our_setresuid {
        giving_up(user);
        real!(setresuid)(real_user, user, saved)
    }
}
signature!(setresuid, our_setresuid, fn(uid_t, uid_t, uid_t) -> c_int);

hook! {
    unsafe fn chroot(path: *const c_char) -> c_int => our_chroot {
        if kernel::euid() == 0 { network::rights::about_to_give_up(); }
        real!(chroot)(path)
    }
}
signature!(chroot, our_chroot, fn(*const c_char) -> c_int);
