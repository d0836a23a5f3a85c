//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  sockhop run -- ./server 8080          start a program in your default network
  sockhop run -- curl http://127.0.0.1:8080/
  sockhop ls                            show who is bound to what

The first and the second find each other; nothing outside the network sees the port.";

const RUN_EXAMPLES: &str = "\
Examples:
  sockhop run -- python3 -m http.server 8080
      serve on port 8080 of the default network, whoever holds that port on the machine
  sockhop run --net blue -- ./server 80
      the same in a network called blue; ports below 1024 need no privilege
  sockhop run --fresh -- cargo test
      a private network that nobody else is in, and that is gone afterwards
  sockhop run --fresh --isolated -- ./tests.sh
      and no way out: every address outside the network answers ENETUNREACH

The exit status and the signals are the program's own. Before it starts, 126 means that it cannot be executed,
127 that it was not found, and 1 that Sockhop refused; the reason stands on stderr.

Environment:
";

const LS_EXAMPLES: &str = "\
Examples:
  sockhop ls
      every network of yours and the sockets in it
  sockhop ls --net blue
      only the network called blue
  sockhop ls --json | jq -r '.[].sockets[] | select(.state == \"LISTEN\") | .address'
      the addresses somebody listens on, for a script";

/// Gives unmodified programs a socket layer of their own.
#[derive(Parser)]
#[command(name = "sockhop", version, about, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Start a program in a network
    #[command(after_help = format!("{RUN_EXAMPLES}{}", crate::settings::help()))]
    Run(RunArgs),
    /// Show the networks and who is bound in each
    #[command(after_help = LS_EXAMPLES)]
    Ls(LsArgs),
    /// Wait for a network to empty, then remove it (started by `run --fresh`)
    #[command(hide = true)]
    Janitor(JanitorArgs),
}

#[derive(Args)]
pub struct RunArgs {
    /// The network to join, made if it is not there yet [default: $SOCKHOP_NET, else "default"]
    #[arg(long, value_name = "NAME", conflicts_with = "fresh")]
    pub net: Option<OsString>,
    /// Make a network for this program and its children alone, and remove it when the last of them has ended
    #[arg(long)]
    pub fresh: bool,
    /// Answer ENETUNREACH for every address outside the network
    #[arg(long)]
    pub isolated: bool,
    /// Start the program even if it cannot be preloaded, so that its sockets may stay the kernel's
    #[arg(long)]
    pub force: bool,
    /// The program, looked up in PATH as a shell would, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

#[derive(Args)]
pub struct LsArgs {
    /// Print JSON: an array of networks, each with its sockets
    #[arg(long)]
    pub json: bool,
    /// Only this network
    #[arg(long, value_name = "NAME")]
    pub net: Option<OsString>,
}

#[derive(Args)]
pub struct JanitorArgs {
    /// First stage: detach, start the second stage and end
    #[arg(long)]
    pub detach: bool,
    pub directory: PathBuf,
    pub pidfd: i32,
}
