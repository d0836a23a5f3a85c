//! `libsockhop.so`: the libc symbols through which a program enters Sockhop's socket layer.
//!
//! One `hook!` (see [`boundary`]) per symbol, grouped by theme. Pointers become views here, results become `errno` here; no
//! policy, no protocol. A descriptor that is not ours goes to the real function with nothing changed.
#![allow(non_camel_case_types)]
// The macro makes each body an unsafe function; a block inside each would say the same thing twice.
#![allow(unsafe_op_in_unsafe_fn)]

#[macro_use]
mod boundary;
mod guard;
mod iostreams;

mod confine;
mod cookies;
mod descriptors;
mod limits;
#[cfg(target_arch = "x86_64")]
mod loading;
mod memory;
mod messages;
mod process;
mod ranges;
mod readiness;
#[cfg(target_arch = "x86_64")]
mod relink;
mod rights;
mod signals;
mod sockets;
mod start;
mod stdio;
mod streams;
mod syscalls;
mod transfer;
mod variadic;
mod vectors;
#[cfg(target_arch = "x86_64")]
mod vfork;
