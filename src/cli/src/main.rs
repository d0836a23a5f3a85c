//! The command `sockhop`: starts programs in a network and shows what they have bound there.
#![cfg_attr(not(test), no_main)]
#![deny(unsafe_code)]
#![warn(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod args;
mod elf;
mod failure;
mod janitor;
mod ls;
mod netdir;
mod preload;
mod program;
mod run;
mod settings;
mod sys;

use args::{Cli, Verb};
use clap::Parser;

/// C's entry and not Rust's: the runtime that Rust starts first ignores SIGPIPE and opens descriptors 0 to 2 where
/// they are closed, and the program that `run` becomes must find both as its caller left them.
#[cfg(not(test))]
#[allow(unsafe_code)]
#[no_mangle]
pub extern "C" fn main(_argc: libc::c_int, _argv: *const *const libc::c_char) -> libc::c_int {
    std::panic::catch_unwind(command).unwrap_or(101)
}

#[cfg_attr(test, allow(dead_code))]
fn command() -> i32 {
    // On Linux with glibc the arguments are there without Rust's runtime too.
    let outcome = match Cli::parse().verb {
        Verb::Run(args) => run::run(&args).map(|never| match never {}),
        Verb::Ls(args) => ls::run(&args),
        Verb::Janitor(args) => janitor::run(&args),
    };
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("sockhop: {failure}");
            failure.status
        }
    }
}
