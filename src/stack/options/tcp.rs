//! IPPROTO_TCP (tcp(7); net/ipv4/tcp.c, do_tcp_setsockopt and do_tcp_getsockopt).

use super::places::*;
use super::row::{flag, int, own, told, Default::*, Get, Row, Set, TCP};
use super::special as sp;
use super::system::{self, System};
use super::tcp_info;
use crate::abi::{Errno, Result};
use crate::family::inet::{state, stream};
use crate::socket::Sock;

/// Names that the `libc` crate does not have.
mod name {
    pub const TCP_TX_DELAY: i32 = 37;
    pub const TCP_AO_REPAIR: i32 = 42;
    pub const TCP_IS_MPTCP: i32 = 43;
    pub const TCP_RTO_MAX_MS: i32 = 44;
    pub const TCP_RTO_MIN_US: i32 = 45;
    pub const TCP_DELACK_MAX_US: i32 = 46;
}
pub use name::*;

const NO: Errno = Errno::ENOPROTOOPT;
const INVALID: Errno = Errno::EINVAL;

/// The longest time in seconds between keep-alive probes (MAX_TCP_KEEPIDLE).
const KEEP_MOST: i32 = 32767;
/// The most probes, and the most SYNs (MAX_TCP_KEEPCNT, MAX_TCP_SYNCNT).
const COUNT_MOST: i32 = 127;
/// TCP_FIN_TIMEOUT_MAX in seconds.
const FIN_TIMEOUT_MOST: i32 = 120;
/// The segment that the two sides of a connection on loopback agree on, unless TCP_MAXSEG says less (half of the first
/// window, since a segment is never larger).
const LOOPBACK_SEGMENT: i32 = 32741;
/// The same over IPv6, whose header is larger.
const LOOPBACK_SEGMENT6: i32 = 32732;
/// The same for who accepted, which knows of a larger window by then.
const ACCEPTED_SEGMENT: i32 = 32768;
/// What a segment carries less than TCP_MAXSEG says: the timestamps option (RFC 7323) with its padding.
const TIMESTAMPS: i32 = 12;
/// TCP_MSS_DEFAULT: before a connection.
const DEFAULT_SEGMENT: i32 = 536;
/// The window of a fresh connection on loopback.
const LOOPBACK_WINDOW: i32 = 65536;
/// SOCK_MIN_RCVBUF / 2.
const WINDOW_LEAST: i32 = 1152;
/// TCP_RTO_MIN and TCP_DELACK_MAX in microseconds.
const RTO_MIN_MOST_US: i32 = 200_000;

/// The rows.
pub const ROWS: &[Row] = &[
    flag(libc::TCP_NODELAY, TCP, NO_DELAY),
    flag(libc::TCP_CORK, TCP, CORK),
    int(libc::TCP_QUICKACK, TCP, QUICK_ACK, Is(1), Set::Bool),
    Row { get: Get::Find(segment), ..int(libc::TCP_MAXSEG, TCP, MAX_SEGMENT, Is(0), Set::Do(set_segment)) },
    int(libc::TCP_KEEPIDLE, TCP, KEEP_IDLE, From(System::KeepIdle), Set::Range(1, KEEP_MOST)),
    int(libc::TCP_KEEPINTVL, TCP, KEEP_INTERVAL, From(System::KeepInterval), Set::Range(1, KEEP_MOST)),
    int(libc::TCP_KEEPCNT, TCP, KEEP_COUNT, From(System::KeepCount), Set::Range(1, COUNT_MOST)),
    int(libc::TCP_SYNCNT, TCP, SYN_COUNT, From(System::SynCount), Set::Range(1, COUNT_MOST)),
    int(libc::TCP_LINGER2, TCP, LINGER2, From(System::FinTimeout), Set::Map(|_, v| Ok(linger2(v)))),
    int(libc::TCP_DEFER_ACCEPT, TCP, DEFER_ACCEPT, Is(0), Set::Map(|_, v| Ok(retransmission_seconds(v)))),
    Row { get: Get::Find(window_clamp), ..int(libc::TCP_WINDOW_CLAMP, TCP, WINDOW_CLAMP, Is(0), Set::Map(clamp)) },
    int(libc::TCP_USER_TIMEOUT, TCP, USER_TIMEOUT, Is(0), Set::Range(0, i32::MAX)),
    int(libc::TCP_FASTOPEN, TCP, FASTOPEN, Is(0), Set::Map(fastopen)),
    int(libc::TCP_FASTOPEN_CONNECT, TCP, FASTOPEN_CONNECT, Is(0), Set::Map(fastopen_connect)),
    int(libc::TCP_FASTOPEN_NO_COOKIE, TCP, FASTOPEN_NO_COOKIE, Is(0), Set::Map(fastopen_no_cookie)),
    own(libc::TCP_FASTOPEN_KEY, TCP, Get::Own(sp::fastopen_key), Set::First(sp::set_fastopen_key)),
    own(libc::TCP_CONGESTION, TCP, Get::Own(sp::congestion), Set::First(sp::set_congestion)),
    own(libc::TCP_ULP, TCP, Get::Own(|_, room| room.length_at.write_u32(0)), Set::First(sp::no_upper_layer)),
    own(libc::TCP_INFO, TCP, Get::Own(|s, room| room.put(&tcp_info::of(s))), Set::Refuse(NO)),
    own(libc::TCP_CC_INFO, TCP, Get::Own(|s, room| room.put(&tcp_info::of_congestion_control(s))), Set::Refuse(NO)),
    int(libc::TCP_NOTSENT_LOWAT, TCP, NOTSENT_LOW_WATER, Is(0), Set::Any),
    int(libc::TCP_THIN_LINEAR_TIMEOUTS, TCP, THIN_LINEAR_TIMEOUTS, Is(0), Set::Range(0, 1)),
    own(libc::TCP_THIN_DUPACK, TCP, Get::Find(|_| Ok(0)), Set::Do(zero_or_one)),
    int(libc::TCP_SAVE_SYN, TCP, SAVE_SYN, Is(0), Set::Range(0, 2)),
    own(libc::TCP_SAVED_SYN, TCP, Get::Own(stream::saved), Set::Refuse(NO)),
    int(libc::TCP_INQ, TCP, INQ, Is(0), Set::Range(0, 1)),
    int(TCP_TX_DELAY, TCP, TX_DELAY, Is(0), Set::Map(|_, v| transmit_delay(v, system::ticks_per_second()))),
    int(
        TCP_RTO_MAX_MS,
        TCP,
        RTO_MAX_MS,
        From(System::RtoMaxMs),
        Set::Map(|_, v| rto_max(v, system::ticks_per_second())),
    ),
    int(TCP_RTO_MIN_US, TCP, RTO_MIN_US, Unset(RTO_MIN_MOST_US), Set::Map(|_, v| short(v, system::ticks_per_second()))),
    int(
        TCP_DELACK_MAX_US,
        TCP,
        DELAYED_ACK_MAX_US,
        Unset(RTO_MIN_MOST_US),
        Set::Map(|_, v| short(v, system::ticks_per_second())),
    ),
    told(TCP_IS_MPTCP, TCP, |_| Ok(0)),
    // Repair and authentication (RFC 5925) are about segments, of which there are none: who asks is told what one without
    // the capability is told. TCP_MD5SIG is answered by the protocol before the tables are asked.
    own(libc::TCP_REPAIR, TCP, Get::Find(|_| Ok(0)), Set::Refuse(Errno::EPERM)),
    own(libc::TCP_REPAIR_QUEUE, TCP, Get::Refuse(INVALID), Set::Refuse(Errno::EPERM)),
    own(libc::TCP_QUEUE_SEQ, TCP, Get::Refuse(INVALID), Set::Do(queue_sequence)),
    own(libc::TCP_REPAIR_OPTIONS, TCP, Get::Refuse(NO), Set::Refuse(INVALID)),
    own(libc::TCP_REPAIR_WINDOW, TCP, Get::Own(sp::repair_window), Set::Refuse(Errno::EPERM)),
    own(libc::TCP_TIMESTAMP, TCP, Get::Find(timestamp), Set::Refuse(Errno::EPERM)),
    own(TCP_AO_REPAIR, TCP, Get::Refuse(Errno::EPERM), Set::Refuse(Errno::EPERM)),
    // Read by the protocol itself.
    own(libc::TCP_ZEROCOPY_RECEIVE, TCP, Get::Refuse(NO), Set::Refuse(NO)),
];

fn open(s: &Sock) -> bool {
    matches!(sp::tcp_state(s), state::CLOSE | state::LISTEN)
}

fn segment(s: &Sock) -> Result<i32> {
    let given = super::word(s.slot, MAX_SEGMENT) as i32;
    if open(s) {
        return Ok(if given == 0 { DEFAULT_SEGMENT } else { given });
    }
    Ok(agreed_segment(s))
}

/// How much one segment of the connection carries.
pub fn agreed_segment(s: &Sock) -> i32 {
    let loopback = match s.end() {
        Some(end) if end.side == 1 => ACCEPTED_SEGMENT,
        _ if s.slot.peer().canonical().is_ipv4() => LOOPBACK_SEGMENT,
        _ => LOOPBACK_SEGMENT6,
    };
    let far =
        s.end().and_then(|e| s.arena.slot(e.far().slot.load(core::sync::atomic::Ordering::Acquire).wrapping_sub(1)));
    [Some(s.slot), far]
        .into_iter()
        .flatten()
        .map(|slot| super::word(slot, MAX_SEGMENT) as i32)
        .filter(|&v| v != 0)
        .fold(loopback, |least, v| least.min(v - TIMESTAMPS))
}

fn set_segment(s: &Sock, v: i32) -> Result<()> {
    if v != 0 && !(88..=32767).contains(&v) {
        return Err(INVALID);
    }
    // On a connection it is taken, and has no effect any more.
    if open(s) {
        super::row::store(s.slot, MAX_SEGMENT, v as u32);
    }
    Ok(())
}

fn linger2(v: i32) -> i32 {
    v.clamp(-1, FIN_TIMEOUT_MOST)
}

/// TCP_DEFER_ACCEPT is kept as a number of retransmissions (secs_to_retrans), 1 s, 2 s, 4 s … up to 120 s apart, and
/// read as their time (retrans_to_secs).
fn retransmission_seconds(seconds: i32) -> i32 {
    let (mut count, mut period, mut timeout) = (0, 1, 1);
    if seconds > 0 {
        count = 1;
        while seconds > period && count < 255 {
            count += 1;
            timeout = (timeout * 2).min(120);
            period += timeout;
        }
    }
    if count == 0 {
        0
    } else {
        period
    }
}

fn window_clamp(s: &Sock) -> Result<i32> {
    let given = super::word(s.slot, WINDOW_CLAMP) as i32;
    Ok(if given == 0 && !open(s) { LOOPBACK_WINDOW } else { given })
}

fn clamp(s: &Sock, v: i32) -> Result<i32> {
    match v {
        0 if sp::tcp_state(s) != state::CLOSE => Err(INVALID),
        0 => Ok(0),
        v => Ok(v.max(WINDOW_LEAST)),
    }
}

fn fastopen(s: &Sock, v: i32) -> Result<i32> {
    if v < 0 || !open(s) {
        return Err(INVALID);
    }
    Ok(v.min(system::get(System::ListenMax)))
}

fn fastopen_connect(s: &Sock, v: i32) -> Result<i32> {
    if !(0..=1).contains(&v) || sp::tcp_state(s) != state::CLOSE {
        return Err(INVALID);
    }
    Ok(v)
}

fn fastopen_no_cookie(s: &Sock, v: i32) -> Result<i32> {
    if !(0..=1).contains(&v) || !open(s) {
        return Err(INVALID);
    }
    Ok(v)
}

fn zero_or_one(_s: &Sock, v: i32) -> Result<()> {
    if (0..=1).contains(&v) {
        Ok(())
    } else {
        Err(INVALID)
    }
}

/// The clock that time stamps would be taken from, in milliseconds.
fn timestamp(_s: &Sock) -> Result<i32> {
    Ok((crate::kernel::now_ns() / 1_000_000) as i32)
}

fn queue_sequence(s: &Sock, _v: i32) -> Result<()> {
    Err(if sp::tcp_state(s) == state::CLOSE { INVALID } else { Errno::EPERM })
}

/// Microseconds, less than 2^31 of them shifted by three.
fn transmit_delay(v: i32, _ticks: u32) -> Result<i32> {
    if (0..i32::MAX >> 3).contains(&v) {
        Ok(v)
    } else {
        Err(INVALID)
    }
}

/// Rounds up to whole ticks of `unit` parts of a second.
fn round_up(v: i32, unit: i64, ticks: u32) -> i32 {
    let count = (v as i64 * ticks as i64 + unit - 1) / unit;
    (count * unit / ticks as i64) as i32
}

fn rto_max(v: i32, ticks: u32) -> Result<i32> {
    if !(1000..=120_000).contains(&v) {
        return Err(INVALID);
    }
    Ok(round_up(v, 1000, ticks))
}

/// From a tick to 200 ms, in microseconds.
fn short(v: i32, ticks: u32) -> Result<i32> {
    if v > RTO_MIN_MOST_US || v < (1_000_000 / ticks) as i32 {
        return Err(INVALID);
    }
    Ok(round_up(v, 1_000_000, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defer_accept_reads_as_the_time_of_whole_retransmissions() {
        for (given, reads) in [
            (i32::MIN, 0),
            (0, 0),
            (1, 1),
            (2, 3),
            (3, 3),
            (5, 7),
            (15, 15),
            (64, 127),
            (128, 247),
            (255, 367),
            (1000, 1087),
            (i32::MAX, 29887),
        ] {
            assert_eq!(retransmission_seconds(given), reads, "{given}");
        }
    }

    #[test]
    fn linger2_is_bounded_both_ways() {
        assert_eq!([i32::MIN, -1, 0, 60, 121].map(linger2), [-1, -1, 0, 60, 120]);
    }

    #[test]
    fn times_are_rounded_up_to_ticks() {
        assert_eq!(rto_max(65535, 250), Ok(65536));
        assert_eq!(rto_max(1000, 250), Ok(1000));
        assert_eq!(rto_max(999, 250), Err(INVALID));
        assert_eq!(rto_max(120_001, 250), Err(INVALID));
        assert_eq!(short(65535, 250), Ok(68000));
        assert_eq!(short(3999, 250), Err(INVALID));
        assert_eq!(short(1000, 1000), Ok(1000));
        assert_eq!(short(200_001, 250), Err(INVALID));
    }

    #[test]
    fn a_delay_must_fit() {
        assert_eq!(transmit_delay(300_000, 250), Ok(300_000));
        assert_eq!(transmit_delay(i32::MAX, 250), Err(INVALID));
        assert_eq!(transmit_delay(-1, 250), Err(INVALID));
    }
}
