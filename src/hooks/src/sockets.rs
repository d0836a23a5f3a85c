//! The life of a socket: socket, bind, listen, accept, connect, names, options, shutdown.

use libc::{c_int, c_void, sockaddr, socklen_t};
use stack::shm::views::UserPtr;
use stack::{calls, fdtable, options};

use crate::boundary::{answer, set_errno};
use crate::cookies;

/// A new descriptor, which may be one of the first three.
fn shown(fd: c_int) -> c_int {
    cookies::appeared(fd);
    fd
}

fn at<T>(p: *const T) -> UserPtr {
    UserPtr(p as usize)
}

hook! {
    unsafe fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int => our_socket {
        match calls::socket(family, kind, protocol) {
            Some(Ok(fd)) => shown(fd),
            Some(Err(error)) => { set_errno(error); -1 }
            None => real!(socket)(family, kind, protocol),
        }
    }
}
signature!(socket, our_socket, fn(c_int, c_int, c_int) -> c_int);
alias!(__socket => our_uu_socket is our_socket(family: c_int, kind: c_int, protocol: c_int) -> c_int);

hook! {
    unsafe fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int => our_bind {
        match fdtable::get(fd) {
            Some(s) => answer(|| calls::bind(&s, at(address), length as i32)),
            None => real!(bind)(fd, address, length),
        }
    }
}
signature!(bind, our_bind, fn(c_int, *const sockaddr, socklen_t) -> c_int);

hook! {
    unsafe fn listen(fd: c_int, backlog: c_int) -> c_int => our_listen {
        match fdtable::get(fd) {
            Some(s) => answer(|| calls::listen(&s, backlog)),
            None => real!(listen)(fd, backlog),
        }
    }
}
signature!(listen, our_listen, fn(c_int, c_int) -> c_int);

hook! {
    unsafe fn accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int => our_accept {
        shown(point!(fd, s => calls::accept(&s, at(address), at(length), 0), else real!(accept)(fd, address, length)))
    }
}
signature!(accept, our_accept, fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int);

hook! {
    unsafe fn accept4(fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int => our_accept4 {
        shown(point!(fd, s => calls::accept(&s, at(address), at(length), flags),
            else real!(accept4)(fd, address, length, flags)))
    }
}
signature!(accept4, our_accept4, fn(c_int, *mut sockaddr, *mut socklen_t, c_int) -> c_int);

hook! {
    unsafe fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int => our_connect {
        point!(fd, s => calls::connect(&s, at(address), length as i32), else real!(connect)(fd, address, length))
    }
}
signature!(connect, our_connect, fn(c_int, *const sockaddr, socklen_t) -> c_int);
alias!(__connect => our_uu_connect is our_connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int);

hook! {
    unsafe fn getsockname(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int => our_getsockname {
        match fdtable::get(fd) {
            Some(s) => answer(|| calls::getname(&s, false, at(address), at(length))),
            None => real!(getsockname)(fd, address, length),
        }
    }
}
signature!(getsockname, our_getsockname, fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int);

hook! {
    unsafe fn getpeername(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int => our_getpeername {
        match fdtable::get(fd) {
            Some(s) => answer(|| calls::getname(&s, true, at(address), at(length))),
            None => real!(getpeername)(fd, address, length),
        }
    }
}
signature!(getpeername, our_getpeername, fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int);

hook! {
    unsafe fn getsockopt(
        fd: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut socklen_t
    ) -> c_int => our_getsockopt {
        match fdtable::get(fd) {
            Some(s) => answer(|| options::get(&s, level, name, at(value), at(length))),
            None => real!(getsockopt)(fd, level, name, value, length),
        }
    }
}
signature!(getsockopt, our_getsockopt, fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int);

hook! {
    unsafe fn setsockopt(
        fd: c_int, level: c_int, name: c_int, value: *const c_void, length: socklen_t
    ) -> c_int => our_setsockopt {
        match fdtable::get(fd) {
            Some(s) => answer(|| options::set(&s, level, name, at(value), length as i32)),
            None => real!(setsockopt)(fd, level, name, value, length),
        }
    }
}
signature!(setsockopt, our_setsockopt, fn(c_int, c_int, c_int, *const c_void, socklen_t) -> c_int);

hook! {
    unsafe fn shutdown(fd: c_int, how: c_int) -> c_int => our_shutdown {
        match fdtable::get(fd) {
            Some(s) => answer(|| calls::shutdown(&s, how)),
            None => real!(shutdown)(fd, how),
        }
    }
}
signature!(shutdown, our_shutdown, fn(c_int, c_int) -> c_int);
