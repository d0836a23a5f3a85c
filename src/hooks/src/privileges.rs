//! What makes the network's directory unreachable: another user, another root directory (see [`network::leaving`]).

use libc::{c_char, c_int, uid_t};
use stack::network;

hook! {
    unsafe fn setuid(user: uid_t) -> c_int => our_setuid {
        network::leaving();
        real!(setuid)(user)
    }
}
signature!(setuid, our_setuid, fn(uid_t) -> c_int);

hook! {
    unsafe fn seteuid(user: uid_t) -> c_int => our_seteuid {
        network::leaving();
        real!(seteuid)(user)
    }
}
signature!(seteuid, our_seteuid, fn(uid_t) -> c_int);

hook! {
    unsafe fn setreuid(real: uid_t, effective: uid_t) -> c_int => our_setreuid {
        network::leaving();
        real!(setreuid)(real, effective)
    }
}
signature!(setreuid, our_setreuid, fn(uid_t, uid_t) -> c_int);

hook! {
    unsafe fn setresuid(real: uid_t, effective: uid_t, saved: uid_t) -> c_int => our_setresuid {
        network::leaving();
        real!(setresuid)(real, effective, saved)
    }
}
signature!(setresuid, our_setresuid, fn(uid_t, uid_t, uid_t) -> c_int);

hook! {
    unsafe fn chroot(path: *const c_char) -> c_int => our_chroot {
        network::leaving();
        real!(chroot)(path)
    }
}
signature!(chroot, our_chroot, fn(*const c_char) -> c_int);
