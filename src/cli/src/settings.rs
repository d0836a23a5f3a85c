//! The SOCKHOP_ variables: one row each, checked before a program starts.
//!
//! The library inside a program can only complain into a log that is off by default; here there is still a
//! user to talk to.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::{reason, Failure};

struct Setting {
    name: &'static str,
    help: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// With less a network has no room for a few sockets.
const MEMORY_AT_LEAST: u64 = 1 << 20;

/// Adding a setting is adding a row.
const SETTINGS: &[Setting] = &[
    Setting { name: "SOCKHOP_DIR", help: "directory that holds the networks", check: not_empty },
    Setting { name: "SOCKHOP_NET", help: "network to join", check: network_name },
    Setting { name: "SOCKHOP_ISOLATED", help: "0|1: no way out of the network", check: switch },
    Setting { name: "SOCKHOP_TRANSPORT", help: "ring|plain: how bytes are carried", check: transport },
    Setting { name: "SOCKHOP_SPIN_US", help: "0..1000000: microseconds to spin before sleeping", check: spin_us },
    Setting {
        name: "SOCKHOP_MEMORY",
        help: "such as 512M: how much memory the network may take; no limit by default",
        check: memory,
    },
    Setting {
        name: "SOCKHOP_KEEP_ENV",
        help: "0|1: stay in the network when a program clears its variables",
        check: switch,
    },
    Setting { name: "SOCKHOP_IO_URING", help: "0|1: let programs use io_uring", check: switch },
    Setting { name: "SOCKHOP_LOG", help: "log filter such as debug or sockhop=trace; off by default", check: log },
    Setting { name: "SOCKHOP_LOG_FILE", help: "file for the log instead of stderr", check: log_file },
    Setting { name: "SOCKHOP_LIB", help: "path of libsockhop.so", check: not_empty },
];

/// Checks every SOCKHOP_ variable of an environment. A name that is no setting is refused too: it is a
/// misspelling that would silently have no effect. Two underscores mark what the library tells itself.
pub fn check(env: &[(OsString, OsString)]) -> Result<(), Failure> {
    for (name, value) in env {
        if !name.as_bytes().starts_with(b"SOCKHOP_") || name.as_bytes().starts_with(b"SOCKHOP__") {
            continue;
        }
        let shown = name.to_string_lossy();
        let Some(setting) = SETTINGS.iter().find(|s| OsStr::new(s.name) == name) else {
            return Err(Failure::new(format!("{shown}: there is no setting of this name")));
        };
        let Some(value) = value.to_str() else {
            return Err(Failure::new(format!("{shown}: the value is not valid UTF-8")));
        };
        (setting.check)(value).map_err(|why| Failure::new(format!("{shown}: {why}")))?;
    }
    Ok(())
}

/// The table for `--help`.
pub fn help() -> String {
    let rows: Vec<_> = SETTINGS.iter().map(|s| format!("  {:<18} {}", s.name, s.help)).collect();
    rows.join("\n")
}

/// The rules for a network's name, which is also a directory's name.
pub fn network_name(value: &str) -> Result<(), String> {
    match value {
        "" => Err("a network's name must not be empty".into()),
        "." | ".." => Err(format!("{value:?} cannot be a network's name")),
        _ if value.contains('/') => Err(format!("{value:?} has a slash in it; a network's name must not")),
        _ if value.chars().any(char::is_control) => Err(format!("{value:?} has a control character in it")),
        _ if value.len() > 64 => Err(format!("a network's name has at most 64 bytes, this one has {}", value.len())),
        _ => Ok(()),
    }
}

fn not_empty(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("is set but empty".into());
    }
    Ok(())
}

fn switch(value: &str) -> Result<(), String> {
    match value {
        "0" | "1" => Ok(()),
        _ => Err(format!("must be 0 or 1, not {value:?}")),
    }
}

fn transport(value: &str) -> Result<(), String> {
    match value {
        "ring" | "plain" => Ok(()),
        _ => Err(format!("must be ring or plain, not {value:?}")),
    }
}

fn spin_us(value: &str) -> Result<(), String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse::<u32>() {
        Ok(0..=1_000_000) if digits => Ok(()),
        _ => Err(format!("must be a whole number of microseconds from 0 to 1000000, not {value:?}")),
    }
}

fn memory(value: &str) -> Result<(), String> {
    match sockhop::config::memory(value) {
        Some(MEMORY_AT_LEAST..) => Ok(()),
        _ => Err(format!("must be a number of bytes from 1M on, such as 512M or 2G, not {value:?}")),
    }
}

fn log(value: &str) -> Result<(), String> {
    env_filter::Builder::new().try_parse(value).map(|_| ()).map_err(|error| error.to_string())
}

fn log_file(value: &str) -> Result<(), String> {
    not_empty(value)?;
    // O_NONBLOCK, because opening a FIFO that nobody reads would otherwise wait for ever.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = std::fs::OpenOptions::new().append(true).create(true).custom_flags(flags).open(Path::new(value));
    opened.map(|_| ()).map_err(|error| format!("cannot write to {value:?}: {}", reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &str, value: &str) -> Result<(), String> {
        check(&[(name.into(), value.into())]).map_err(|f| f.to_string())
    }

    #[test]
    fn good_values_pass() {
        for (name, value) in [
            ("SOCKHOP_SPIN_US", "0"),
            ("SOCKHOP_SPIN_US", "1000000"),
            ("SOCKHOP_MEMORY", "64M"),
            ("SOCKHOP_TRANSPORT", "ring"),
            ("SOCKHOP_TRANSPORT", "plain"),
            ("SOCKHOP_LOG", "debug"),
            ("SOCKHOP_LOG", "warn,sockhop::net=trace"),
            ("SOCKHOP_LOG", "off"),
            ("SOCKHOP_LOG_FILE", "/dev/null"),
            ("SOCKHOP_ISOLATED", "1"),
            ("SOCKHOP_KEEP_ENV", "0"),
            ("SOCKHOP_IO_URING", "1"),
            ("SOCKHOP_NET", "blue team"),
            ("SOCKHOP__HANDED_OVER", "whatever"),
            ("SOCKHOPPER", "not ours"),
        ] {
            assert_eq!(verdict(name, value), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn bad_values_are_refused_with_the_name_of_the_variable() {
        for (name, value) in [
            ("SOCKHOP_SPIN_US", ""),
            ("SOCKHOP_SPIN_US", "+5"),
            ("SOCKHOP_SPIN_US", "-1"),
            ("SOCKHOP_SPIN_US", "1000001"),
            ("SOCKHOP_SPIN_US", "99999999999"),
            ("SOCKHOP_SPIN_US", "10us"),
            ("SOCKHOP_MEMORY", "lots"),
            ("SOCKHOP_MEMORY", "1000"),
            ("SOCKHOP_TRANSPORT", "Ring"),
            ("SOCKHOP_LOG", "sockhop=loud"),
            ("SOCKHOP_LOG_FILE", ""),
            ("SOCKHOP_LOG_FILE", "/proc/no such directory/log"),
            ("SOCKHOP_LOG_FILE", "/"),
            ("SOCKHOP_ISOLATED", "yes"),
            ("SOCKHOP_KEEP_ENV", "2"),
            ("SOCKHOP_IO_URING", ""),
            ("SOCKHOP_DIR", ""),
            ("SOCKHOP_NET", "a/b"),
            ("SOCKHOP_TRANSPRT", "ring"),
        ] {
            let text = verdict(name, value).expect_err(&format!("{name}={value} was accepted"));
            assert!(text.starts_with(&format!("{name}: ")), "{text}");
            assert!(text.len() > name.len() + 10, "no reason: {text}");
        }
    }

    #[test]
    fn a_name_has_64_bytes_at_most() {
        assert_eq!(network_name(&"n".repeat(64)), Ok(()));
        assert!(network_name(&"n".repeat(65)).is_err());
        assert!(network_name("").is_err());
        assert!(network_name("..").is_err());
        assert!(network_name("a\nb").is_err());
    }
}
