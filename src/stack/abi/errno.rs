//! Error numbers.

use core::fmt;

/// A Linux error number (errno(3)). The C variable `errno` is written in one place only, in the hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

/// What every operation of the socket layer answers.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! numbers {
    ($($name:ident),* $(,)?) => {
        #[allow(missing_docs)] // the names are errno(3)'s
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*
        }
        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $(libc::$name => f.write_str(stringify!($name)),)*
                    n => write!(f, "errno {n}"),
                }
            }
        }
    };
}

numbers!(
    EACCES,
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAFNOSUPPORT,
    EAGAIN,
    EALREADY,
    EBADF,
    EBUSY,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EDESTADDRREQ,
    EDOM,
    EEXIST,
    EFAULT,
    EINPROGRESS,
    EINTR,
    EINVAL,
    EIO,
    EISCONN,
    ELOOP,
    EMFILE,
    EMSGSIZE,
    ENETUNREACH,
    ENFILE,
    ENOBUFS,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOPROTOOPT,
    ENOSPC,
    ENOSYS,
    ENOTCONN,
    ENOTSOCK,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTO,
    EPROTONOSUPPORT,
    EPROTOTYPE,
    ERANGE,
    EROFS,
    ESHUTDOWN,
    ESOCKTNOSUPPORT,
    ESPIPE,
    ESRCH,
    ETIMEDOUT,
    ENOTUNIQ,
);

impl Errno {
    /// Not for the program: a handler with SA_RESTART ran, so the call is made again from its start, by its number
    /// (the kernel's ERESTARTSYS).
    pub const RESTART: Errno = Errno(512);
    /// Not for the program: the socket's descriptor was closed or replaced by another thread while this one slept, which
    /// goes on with what was kept for it (`sleepers::Kept`).
    pub const MOVED: Errno = Errno(4094);

    /// The errno of a raw number, as a system call or a shared word gives it; 0 and nonsense become EIO.
    pub fn from_raw(raw: i32) -> Errno {
        if (1..4096).contains(&raw) {
            Errno(raw)
        } else {
            Errno::EIO
        }
    }

    /// The errno of a word that other processes write to: what only the library itself means by a number is not taken from
    /// them.
    pub fn from_shared(raw: i32) -> Errno {
        const LAST: i32 = libc::EHWPOISON;
        if (1..=LAST).contains(&raw) && raw != libc::EINTR && raw != libc::EAGAIN {
            Errno(raw)
        } else {
            Errno::EIO
        }
    }

    /// The number.
    pub fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Errno {}
