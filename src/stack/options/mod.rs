//! Socket options: tables of rows, one a level, and the walk over them that getsockopt(2) and setsockopt(2) make.
//!
//! An option that does more than lie in the slot is told to the socket's operations once it is stored
//! (`SocketOps::option_changed`). Those that belong to one protocol alone are answered by it, before the tables are
//! asked (`SocketOps::set_option`, `SocketOps::get_option`).

pub mod inherit;
mod ip;
mod ipv6;
mod places;
pub mod row;
mod sock;
mod special;
mod system;
mod tcp;
pub mod tcp_info;
mod udp;

use core::sync::atomic::Ordering::*;

pub use places::*;
use row::{Default, Get, Room, Row, Set};
pub use special::{machine, may_mark, settled_v6_only};

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// IPPROTO_UDPLITE, by which a UDP socket's options go too.
const UDPLITE: i32 = 136;

/// How a level reads and writes ints, which differs as the code that grew there does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Four bytes at least to set, before the option is even looked at.
    Plain,
    /// IPPROTO_IP: one byte will do.
    Ip,
    /// IPPROTO_IPV6: a null pointer is a 0, a negative length is a large one.
    Ipv6,
}

struct Level {
    number: i32,
    rows: &'static [Row],
    style: Style,
}

const LEVELS: [Level; 5] = [
    Level { number: libc::SOL_SOCKET, rows: sock::ROWS, style: Style::Plain },
    Level { number: libc::IPPROTO_TCP, rows: tcp::ROWS, style: Style::Plain },
    Level { number: libc::IPPROTO_UDP, rows: udp::ROWS, style: Style::Plain },
    Level { number: libc::IPPROTO_IP, rows: ip::ROWS, style: Style::Ip },
    Level { number: libc::IPPROTO_IPV6, rows: ipv6::ROWS, style: Style::Ipv6 },
];

/// What each word stands for when it is 0, from the rows.
static DEFAULTS: [Default; BITS] = {
    let mut all = [Default::Is(0); BITS];
    let mut level = 0;
    while level < LEVELS.len() {
        let rows = LEVELS[level].rows;
        let mut i = 0;
        while i < rows.len() {
            if rows[i].place < BITS {
                all[rows[i].place] = rows[i].default;
            }
            i += 1;
        }
        level += 1;
    }
    all
};

/// The level of this number, if the socket has it.
fn level_of(s: &Sock, number: i32) -> Option<&'static Level> {
    let tcp = s.kind() == libc::SOCK_STREAM;
    let number = match number {
        libc::IPPROTO_TCP if !tcp => return None,
        libc::IPPROTO_UDP | UDPLITE if tcp => return None,
        libc::IPPROTO_IPV6 if s.family() != libc::AF_INET6 => return None,
        UDPLITE => libc::IPPROTO_UDP,
        number => number,
    };
    LEVELS.iter().find(|l| l.number == number)
}

fn find(s: &Sock, level: &Level, name: i32) -> Option<&'static Row> {
    let kind = row::kind(s);
    level.rows.iter().find(|r| r.name == name && r.on & kind != 0)
}

/// getsockopt(2).
pub fn get(s: &Sock, level: i32, name: i32, value: UserPtr, length_at: UserPtr) -> Result<()> {
    if let Some(answer) = s.ops().get_option(s, level, name, value, length_at) {
        return answer;
    }
    let Some(level) = level_of(s, level) else {
        return Err(if s.family() == libc::AF_INET6 { Errno::ENOPROTOOPT } else { Errno::EOPNOTSUPP });
    };
    // Multicast routing is for raw sockets.
    if level.style != Style::Plain && is_routing(name) {
        return Err(Errno::EOPNOTSUPP);
    }
    let given = length_at.read_u32()?;
    if (given as i32) < 0 && level.style != Style::Ipv6 {
        return Err(Errno::EINVAL);
    }
    let room = Room { value, length_at, given: given as usize };
    let Some(row) = find(s, level, name) else {
        return match level.style != Style::Plain && machine::is_netfilter(name) {
            true => machine::get(s, level.number, name, value, length_at),
            false => Err(Errno::ENOPROTOOPT),
        };
    };
    let int = match row.get {
        Get::Int => row::value(s.slot, row),
        Get::Find(find) => find(s)?,
        Get::Own(get) => return get(s, &room),
        Get::Refuse(e) => return Err(e),
    };
    if level.style == Style::Ip && (1..4).contains(&room.given) && (0..=255).contains(&int) {
        return room.put_length_first(&[int as u8]);
    }
    match level.number {
        libc::SOL_SOCKET => room.put_int(int),
        _ => room.put_length_first(&int.to_ne_bytes()),
    }
}

/// setsockopt(2).
pub fn set(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Result<()> {
    if length < 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(answer) = s.ops().set_option(s, level, name, value, length) {
        return answer;
    }
    let level = level_of(s, level).ok_or(Errno::ENOPROTOOPT)?;
    let length = length as usize;
    let row = find(s, level, name);
    match level.style {
        Style::Plain => plain(s, row, value, length),
        Style::Ip => ip_style(s, row, name, value, length),
        Style::Ipv6 => ipv6_style(s, row, name, value, length),
    }?;
    s.ops().option_changed(s, level.number, name)
}

fn plain(s: &Sock, row: Option<&Row>, value: UserPtr, length: usize) -> Result<()> {
    if let Some(Row { set: Set::First(set), .. }) = row {
        return set(s, value, length);
    }
    if length < 4 {
        return Err(Errno::EINVAL);
    }
    let given = value.read_u32()? as i32;
    row.ok_or(Errno::ENOPROTOOPT)?.apply(s, given, value, length)
}

fn ip_style(s: &Sock, row: Option<&Row>, name: i32, value: UserPtr, length: usize) -> Result<()> {
    if is_routing(name) {
        return Err(Errno::EOPNOTSUPP);
    }
    let Some(row) = row else { return unknown(s, libc::IPPROTO_IP, name, value, length) };
    if matches!(row.set, Set::First(_) | Set::RefuseFirst(_)) {
        return row.apply(s, 0, value, length);
    }
    let given = match length {
        0 => 0,
        1..4 => {
            let mut byte = [0u8];
            value.read(&mut byte)?;
            byte[0] as i32
        }
        _ => value.read_u32()? as i32,
    };
    if length < row.least {
        return Err(Errno::EINVAL);
    }
    row.apply(s, given, value, length)
}

fn ipv6_style(s: &Sock, row: Option<&Row>, name: i32, value: UserPtr, length: usize) -> Result<()> {
    let given = if value.is_null() || length < 4 { 0 } else { value.read_u32()? as i32 };
    if is_routing(name) {
        return Err(Errno::EOPNOTSUPP);
    }
    let Some(row) = row else { return unknown(s, libc::IPPROTO_IPV6, name, value, length) };
    if length < row.least {
        return Err(Errno::EINVAL);
    }
    row.apply(s, given, value, length)
}

/// An option that the level itself does not have.
fn unknown(s: &Sock, level: i32, name: i32, value: UserPtr, length: usize) -> Result<()> {
    if machine::is_netfilter(name) {
        return machine::set(s, level, name, value, length);
    }
    Err(Errno::ENOPROTOOPT)
}

/// MRT_BASE to MRT_MAX, MRT6_BASE to MRT6_MAX.
fn is_routing(name: i32) -> bool {
    (200..=212).contains(&name)
}

/// Is a boolean option on?
#[inline]
pub fn flag(slot: &Slot, index: usize) -> bool {
    row::load(slot, index) != 0
}

/// An option's word, as it is kept.
#[inline]
pub fn word(slot: &Slot, index: usize) -> u32 {
    row::load(slot, index)
}

/// An option's value: its word and its default put together.
#[inline]
pub fn value(slot: &Slot, index: usize) -> i32 {
    let word = row::load(slot, index);
    match DEFAULTS.get(index) {
        Some(default) => default.decode(slot, word),
        None => word as i32,
    }
}

/// Gives an option a value that the program did not set itself, as SO_PEEK_OFF moves.
pub fn change(slot: &Slot, index: usize, value: i32) {
    let word = DEFAULTS.get(index).map_or(value as u32, |d| d.encode(slot, value));
    match slot.options.get(index) {
        Some(at) => at.store(word, Relaxed),
        None => row::store(slot, index, word),
    }
}

/// SO_PEEK_OFF, -1 when it is off.
#[inline]
pub fn peek_offset(slot: &Slot) -> i32 {
    value(slot, PEEK_OFFSET)
}

/// SO_PEEK_OFF goes on by what was looked at, and back, as far as 0, by what was taken (sk_peek_offset_fwd and _bwd).
#[inline]
pub fn move_peek_offset(slot: &Slot, by: i32) {
    if word(slot, PEEK_OFFSET) != 0 {
        let old = peek_offset(slot);
        if old >= 0 {
            change(slot, PEEK_OFFSET, old.saturating_add(by).max(0));
        }
    }
}

/// SO_RCVTIMEO in nanoseconds, none for ever, 0 at once.
#[inline]
pub fn receive_timeout(slot: &Slot) -> Option<u64> {
    timeout(slot, RECEIVE_TIMEOUT_LOW)
}

/// SO_SNDTIMEO in nanoseconds, none for ever, 0 at once.
#[inline]
pub fn send_timeout(slot: &Slot) -> Option<u64> {
    timeout(slot, SEND_TIMEOUT_LOW)
}

#[inline]
fn timeout(slot: &Slot, low: usize) -> Option<u64> {
    match row::load(slot, low) as u64 | (row::load(slot, low + 1) as u64) << 32 {
        0 => None,
        ticks => special::nanoseconds(ticks),
    }
}

/// Gives an anchor the timeouts that accept(2) and connect(2) sleep by in the kernel: for a new anchor, or one whose own
/// were changed for a moment.
pub fn renew_timeouts(slot: &Slot, fd: i32) {
    for (low, name) in [(RECEIVE_TIMEOUT_LOW, libc::SO_RCVTIMEO), (SEND_TIMEOUT_LOW, libc::SO_SNDTIMEO)] {
        let _ = kernel::setsockopt(fd, libc::SOL_SOCKET, name, &special::timeout_bytes(slot, low));
    }
}

/// Sets on a kernel socket what the program set on ours.
pub fn repeat(slot: &Slot, fd: i32) {
    // IPPROTO_IP before SOL_SOCKET: IP_TOS would change a priority that was set.
    for level in LEVELS.iter().rev() {
        let rows = level.rows.iter().filter(|r| r.place != NOWHERE);
        for row in rows.filter(|r| row::was_set(slot, r.place)) {
            repeat_row(slot, fd, level.number, row);
        }
    }
    special::repeat(slot, fd);
}

/// Sets one option, which the program has just set, on a kernel socket that [`repeat`] was called for before.
pub fn repeat_one(slot: &Slot, fd: i32, number: i32, name: i32) {
    let level = LEVELS.iter().find(|level| level.number == number);
    let rows = level.into_iter().flat_map(|level| level.rows);
    match rows.filter(|r| r.name == name).find(|r| r.place != NOWHERE) {
        Some(row) => repeat_row(slot, fd, number, row),
        None => special::repeat(slot, fd),
    }
}

fn repeat_row(slot: &Slot, fd: i32, level: i32, row: &Row) {
    let bytes = row::value(slot, row).to_ne_bytes();
    // What this socket does not have, or its own defaults forbid, is refused, and no loss.
    let _ = kernel::setsockopt(fd, level, row.name, &bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_row_for_each_kind_of_socket() {
        for level in &LEVELS {
            for (i, row) in level.rows.iter().enumerate() {
                let twin = level.rows[..i].iter().find(|r| r.name == row.name && r.on & row.on != 0);
                assert!(twin.is_none(), "level {} option {}", level.number, row.name);
                assert!(row.on != 0 && (row.place < BITS + 64 || row.place == NOWHERE));
            }
        }
    }

    #[test]
    fn rows_that_share_a_word_agree_on_its_default() {
        let rows = || LEVELS.iter().flat_map(|l| l.rows).filter(|r| r.place < BITS);
        for row in rows() {
            for other in rows().filter(|o| o.place == row.place) {
                let same = match (row.default, other.default) {
                    (Default::Is(a), Default::Is(b)) | (Default::Unset(a), Default::Unset(b)) => a == b,
                    (Default::From(a), Default::From(b)) => a == b,
                    (Default::Families(a, b), Default::Families(c, d)) => (a, b) == (c, d),
                    _ => false,
                };
                assert!(same, "place {}", row.place);
            }
            // The words that hold the bits are nobody's.
            assert!(row.place < FIRST_BIT_WORD);
        }
    }
}
