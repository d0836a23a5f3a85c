//! Settings, from the environment, read once at start.

use std::ffi::CStr;
use std::sync::OnceLock;

/// What the SOCKHOP_ variables say.
#[derive(Debug, Clone)]
pub struct Config {
    /// SOCKHOP_DIR, or where networks are without it.
    pub base: String,
    /// SOCKHOP_NET.
    pub net: String,
    /// SOCKHOP_ISOLATED: addresses that are not the network's are unreachable.
    pub isolated: bool,
    /// SOCKHOP_TRANSPORT=plain: bytes go through the anchors.
    pub plain: bool,
    /// SOCKHOP_SPIN_US in nanoseconds; none lets the library learn it.
    pub spin_ns: Option<u64>,
    /// SOCKHOP_IO_URING: leave io_uring to the program.
    pub io_uring: bool,
    /// SOCKHOP_MEMORY: the network gets no more memory from this process once it has so many bytes.
    pub memory: u64,
    /// SOCKHOP_KEEP_ENV=0: let a program that builds its own environment leave Sockhop.
    pub keep_env: bool,
}

static CONFIG: OnceLock<Config> = OnceLock::new();

/// A variable of the environment.
pub fn var(name: &CStr) -> Option<String> {
    // getenv rather than std::env: std's lock may be held across a fork by another thread of the program.
    #[allow(unsafe_code)]
    // SAFETY: the name is a C string; the value is copied at once.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// The settings.
pub fn get() -> &'static Config {
    CONFIG.get_or_init(read)
}

fn read() -> Config {
    let flag = |name: &CStr, default: bool| var(name).map_or(default, |v| v != "0" && !v.is_empty());
    Config {
        base: base(var(c"SOCKHOP_DIR"), var(c"XDG_RUNTIME_DIR"), crate::kernel::euid()),
        net: var(c"SOCKHOP_NET").filter(|n| valid_net(n)).unwrap_or_else(|| "default".into()),
        isolated: flag(c"SOCKHOP_ISOLATED", false),
        plain: var(c"SOCKHOP_TRANSPORT").as_deref() == Some("plain"),
        spin_ns: var(c"SOCKHOP_SPIN_US").and_then(|v| v.parse::<u64>().ok()).map(|us| us.min(1_000_000) * 1000),
        io_uring: flag(c"SOCKHOP_IO_URING", false),
        memory: var(c"SOCKHOP_MEMORY").and_then(|v| memory(&v)).unwrap_or(u64::MAX),
        keep_env: flag(c"SOCKHOP_KEEP_ENV", true),
    }
}

/// A number of bytes, with K, M or G for as many KiB, MiB or GiB. None for anything else.
pub fn memory(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit)
}

/// Where networks are: the same rule for the library and the command.
pub fn base(dir: Option<String>, runtime: Option<String>, uid: u32) -> String {
    let set = |v: Option<String>| v.filter(|v| !v.is_empty());
    set(dir)
        .or_else(|| set(runtime).map(|r| format!("{r}/sockhop")))
        .unwrap_or_else(|| format!("/dev/shm/sockhop-{uid}"))
}

/// May a network be called so?
pub fn valid_net(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name != "." && name != ".." && !name.contains('/') && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_first_that_is_set() {
        let some = |s: &str| Some(s.to_string());
        assert_eq!(base(some("/a"), some("/run/user/1"), 1), "/a");
        assert_eq!(base(some(""), some("/run/user/1"), 1), "/run/user/1/sockhop");
        assert_eq!(base(None, None, 7), "/dev/shm/sockhop-7");
    }

    #[test]
    fn an_amount_of_memory_has_a_unit_or_none() {
        assert_eq!([memory("4096"), memory("1K"), memory("64M")], [Some(4096), Some(1024), Some(64 << 20)]);
        assert_eq!(memory("2G"), Some(2 << 30));
        for bad in ["", "M", "+1", "1 M", "1m", "1.5G", "99999999999999999999", "99999999999G"] {
            assert_eq!(memory(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_network_name_stays_inside_the_base() {
        for bad in ["", ".", "..", "a/b", &"x".repeat(65)] {
            assert!(!valid_net(bad), "{bad}");
        }
        assert!(valid_net("db.1"));
    }
}
