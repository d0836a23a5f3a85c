//! What the system says: defaults that an administrator may change, and the length of a tick. Each is asked once.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI64, AtomicU32, Ordering::*};

use crate::kernel;

/// A setting of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // each is a file of /proc/sys, named in the table
pub enum System {
    TcpSendBuffer,
    TcpReceiveBuffer,
    TcpReceiveBufferMax,
    SendBuffer,
    SendBufferMax,
    ReceiveBuffer,
    ReceiveBufferMax,
    KeepIdle,
    KeepInterval,
    KeepCount,
    SynCount,
    FinTimeout,
    RtoMaxMs,
    ListenMax,
    Ttl,
    TxRehash,
    Reordering,
}

/// Where a setting stands: the file, which of its numbers, and what it is where there is no such file.
type Source = (&'static CStr, usize, i32);

const SOURCES: &[Source] = &[
    (c"/proc/sys/net/ipv4/tcp_wmem", 1, 16384),
    (c"/proc/sys/net/ipv4/tcp_rmem", 1, 131_072),
    (c"/proc/sys/net/ipv4/tcp_rmem", 2, 6_291_456),
    (c"/proc/sys/net/core/wmem_default", 0, 212_992),
    (c"/proc/sys/net/core/wmem_max", 0, 212_992),
    (c"/proc/sys/net/core/rmem_default", 0, 212_992),
    (c"/proc/sys/net/core/rmem_max", 0, 212_992),
    (c"/proc/sys/net/ipv4/tcp_keepalive_time", 0, 7200),
    (c"/proc/sys/net/ipv4/tcp_keepalive_intvl", 0, 75),
    (c"/proc/sys/net/ipv4/tcp_keepalive_probes", 0, 9),
    (c"/proc/sys/net/ipv4/tcp_syn_retries", 0, 6),
    (c"/proc/sys/net/ipv4/tcp_fin_timeout", 0, 60),
    (c"/proc/sys/net/ipv4/tcp_rto_max_ms", 0, 120_000),
    (c"/proc/sys/net/core/somaxconn", 0, 4096),
    (c"/proc/sys/net/ipv4/ip_default_ttl", 0, 64),
    (c"/proc/sys/net/core/txrehash", 0, 1),
    (c"/proc/sys/net/ipv4/tcp_reordering", 0, 3),
];

const COUNT: usize = System::Reordering as usize + 1;
const _: () = assert!(SOURCES.len() == COUNT);

/// A setting that was not read yet.
const UNREAD: i64 = i64::MIN;
static KNOWN: [AtomicI64; COUNT] = [const { AtomicI64::new(UNREAD) }; COUNT];

/// A setting's value.
pub fn get(which: System) -> i32 {
    let known = &KNOWN[which as usize];
    match known.load(Relaxed) {
        UNREAD => {
            let (path, field, fallback) = SOURCES[which as usize];
            let mut text = [0u8; 128];
            let value = read_text(path, &mut text).and_then(|t| number(t, field)).unwrap_or(fallback);
            known.store(value as i64, Relaxed);
            value
        }
        value => value as i32,
    }
}

/// A small file's text.
pub fn read_text<'a>(path: &CStr, space: &'a mut [u8]) -> Option<&'a str> {
    let fd = kernel::open(path, libc::O_RDONLY, 0).ok()?;
    let n = kernel::read(fd, space);
    let _ = kernel::close(fd);
    core::str::from_utf8(&space[..n.ok()?]).ok().map(str::trim_end)
}

fn number(text: &str, field: usize) -> Option<i32> {
    text.split_whitespace().nth(field)?.parse().ok()
}

/// Ticks a second (the kernel's HZ): a socket timeout of a microsecond reads as one tick.
pub fn ticks_per_second() -> u32 {
    static TICKS: AtomicU32 = AtomicU32::new(0);
    match TICKS.load(Relaxed) {
        0 => {
            let ticks = measure().unwrap_or(250);
            TICKS.store(ticks, Relaxed);
            ticks
        }
        ticks => ticks,
    }
}

fn measure() -> Option<u32> {
    // A socket of its own: an anchor's timeout may be in use.
    let fd = kernel::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).ok()?;
    let mut time = [0u8; 16];
    time[8..].copy_from_slice(&1i64.to_ne_bytes());
    let told = kernel::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &time)
        .and_then(|()| kernel::getsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &mut time));
    let _ = kernel::close(fd);
    told.ok()?;
    let us = i64::from_ne_bytes(time[8..].try_into().ok()?);
    // The microseconds are cut, so the quotient is never too small and less than one too large.
    (1..=1_000_000).contains(&us).then(|| (1_000_000 / us) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        assert_eq!(number("4096\t16384\t4194304\n", 1), Some(16384));
        assert_eq!(number("7200\n", 0), Some(7200));
        assert_eq!(number("7200\n", 1), None);
    }

    #[test]
    fn every_setting_has_a_source() {
        for which in [System::TcpSendBuffer, System::ReceiveBufferMax, System::TxRehash] {
            assert!(get(which) >= 0, "{which:?}");
        }
        assert_eq!(SOURCES[System::ListenMax as usize].0, c"/proc/sys/net/core/somaxconn");
        assert_eq!(SOURCES[System::KeepIdle as usize].2, 7200);
    }

    #[test]
    fn the_tick_is_one_that_kernels_have() {
        assert!([100, 250, 300, 1000].contains(&ticks_per_second()));
    }
}
