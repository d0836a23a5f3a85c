//! SO_ATTACH_FILTER on a stream (tcp_filter in tcp_v4_rcv): each segment that comes to the socket, its header included, is
//! shown to the program, which says how much of it is taken. What is dropped is not acknowledged, so its sender sends it
//! again, ever later. A listener's program sees the SYN, and its accepted sockets have it too.
//!
//! There are no segments here: the receiver cuts what waits into pieces as large as a segment when it looks, and keeps the
//! position up to which they were let through. The end of the stream counts as one byte, as in TCP.

use core::sync::atomic::Ordering::*;

use super::super::dgram::{bpf, store};
use super::super::program;
use super::{close, data, keys, slow, transport};
use crate::abi::{Name, Result};
use crate::kernel;
use crate::options::{self, machine};
use crate::shm::views::{Buffers, List, UserPtr};
use crate::shm::{Arena, End, EndState, Slot, Take, PLAIN};
use crate::socket::Sock;

/// The word of `Slot::extra` with the program's chunk + 1.
pub const FILTER: usize = 23;
/// A TCP header with time stamps, and one with all that a SYN carries (RFC 9293, RFC 7323).
const HEADER: usize = 32;
const SYN_HEADER: usize = 40;
/// What a segment carries at most on loopback.
const SEGMENT: u64 = 32741;
/// In `EndState::gated`: a program looks at what comes; keys are looked at.
const FILTERED: u32 = 1;
const SIGNED: u32 = 2;
/// IP_MINTTL or IPV6_MINHOPCOUNT asks for hops.
const HOPS: u32 = 4;
// Flags of a header.
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;
/// TCP_RTO_MIN, after which a segment is sent again, and TCP_RTO_MAX, which doubling it ends at.
const AGAIN_NS: u64 = 200_000_000;
const AGAIN_MOST_NS: u64 = 120_000_000_000;

/// setsockopt(2) of what concerns filters.
pub fn set_option(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
    let done = match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) => attach(s, value, length),
        (libc::SOL_SOCKET, libc::SO_DETACH_FILTER) => program::detach(s, value, length, FILTER),
        _ => return None,
    };
    if done.is_ok() {
        settle(s);
    }
    Some(done)
}

/// getsockopt(2) of the program.
pub fn get_option(s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
    ((level, name) == (libc::SOL_SOCKET, libc::SO_GET_FILTER)).then(|| program::get(s, at, length_at, FILTER))
}

/// Who may filter a stream has changed with the kernel's versions, so it is asked.
fn attach(s: &Sock, value: UserPtr, length: i32) -> Result<()> {
    let keep_all = [libc::sock_filter { code: 6, jt: 0, jf: 0, k: u32::MAX }];
    let may = || {
        let program = libc::sock_fprog { len: 1, filter: keep_all.as_ptr().cast_mut() };
        let at = UserPtr((&raw const program) as usize);
        machine::set(s, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, at, program::LENGTH as usize)
    };
    program::attach(s, value, length, FILTER, may)
}

/// The socket has another program or other keys, or none: what came before is not looked at again, what was dropped comes
/// now. Keys concern both ends.
pub fn settle(s: &Sock) {
    if let Some(end) = s.end() {
        let far = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1));
        let signed = if keys::any(s.slot) || far.is_some_and(keys::any) { SIGNED } else { 0 };
        let filtered = if store::any(s.slot, FILTER) { FILTERED } else { 0 };
        let arrived = end.rx().consumed() + data::waiting(s, &end) + end.rx().sent.fin.load(Acquire) as u64;
        put(end.own(), filtered | signed | least_hops(s), arrived);
        if let Some(far) = far {
            let tx = end.tx();
            let arrived = tx.written() + tx.sent.fin.load(Acquire) as u64;
            put(end.far(), end.far().gated.load(Relaxed) & !SIGNED | signed, arrived);
            slow::settle(far, Some(&end.opposite()));
            transport::of(&end).wake_reader(s, &end);
        }
    }
    slow::settle(s.slot, s.end().as_ref());
    close::wake_own(s);
}

fn put(end: &EndState, gated: u32, arrived: u64) {
    if end.gated.load(Relaxed) == 0 {
        end.gate.store(arrived, Release);
    }
    end.gate_next.store(0, Relaxed);
    end.gate_tries.store(0, Relaxed);
    end.gated.store(gated, Release);
}

/// A connection begins.
pub fn begin(s: &Sock, end: &End) {
    end.own().gate.store(0, Relaxed);
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    let own = bit(store::any(s.slot, FILTER), FILTERED) | bit(keys::any(s.slot), SIGNED);
    end.own().gated.store(own | least_hops(s), Release);
}

fn least_hops(s: &Sock) -> u32 {
    if options::word(s.slot, places(&s.slot.peer()).0) != 0 {
        HOPS
    } else {
        0
    }
}

/// An accepted socket has its listener's program (sk_filter_charge in sk_clone_lock).
pub fn inherit(arena: &'static Arena, from: &Slot, new: &Sock, end: &End) {
    keys::inherit(arena, from, new.slot);
    if let Some(program) = store::bytes(arena, from, FILTER) {
        let _ = store::replace(arena, new.slot, FILTER, &program);
    }
    begin(new, end);
    slow::settle(new.slot, Some(end));
}

/// Gives a kernel socket the same program and keys.
pub fn repeat(s: &Sock, fd: i32) {
    keys::repeat(s, fd);
    if let Some(bytes) = store::bytes(s.arena, s.slot, FILTER) {
        let mut program = [0u8; program::LENGTH as usize];
        program[..2].copy_from_slice(&((bytes.len() / bpf::SIZE) as u16).to_ne_bytes());
        program[8..].copy_from_slice(&(bytes.as_ptr() as usize).to_ne_bytes());
        let _ = kernel::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program);
    }
}

/// Lets go of the program and the keys.
pub fn let_go(arena: &'static Arena, slot: &Slot) {
    store::drop_all(arena, slot, FILTER);
    keys::let_go(arena, slot);
}

/// Is what comes to the end looked at?
#[inline]
pub fn is_on(end: &End) -> bool {
    end.own().gated.load(Relaxed) != 0
}

fn header(from: &Name, to: &Name, flags: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; length];
    bytes[..2].copy_from_slice(&from.port.to_be_bytes());
    bytes[2..4].copy_from_slice(&to.port.to_be_bytes());
    bytes[12] = (length as u8 / 4) << 4;
    bytes[13] = flags;
    bytes
}

/// Does a handshake come through: the SYN to the listener, and the answer to the connector, both signed as they should be?
pub fn lets_connect(arena: &'static Arena, listener: &Slot, connector: &Slot) -> bool {
    let to = connector.peer();
    let keeps = |slot: &Slot, from: Name, to: Name, flags| {
        let program = store::any(slot, FILTER).then(|| store::bytes(arena, slot, FILTER)).flatten();
        program.is_none_or(|bytes| bpf::run(&bpf::read(&bytes), &header(&from, &to, flags, SYN_HEADER)) != 0)
    };
    keys::agree(arena, listener, connector)
        && hops_do(listener, connector, &to)
        && hops_do(connector, listener, &to)
        && keeps(listener, connector.local(), connector.peer(), SYN)
        && keeps(connector, connector.peer(), connector.local(), SYN | ACK)
}

/// The place of the least hops that what comes must have left, and of what is sent with, for a peer of this family.
fn places(peer: &Name) -> (usize, usize) {
    match peer.canonical().is_ipv4() {
        true => (options::IP_MINTTL, options::IP_TTL),
        false => (options::IPV6_MINHOPCOUNT, options::IPV6_UNICAST_HOPS),
    }
}

/// Do packets of `from` have as many hops left as `to` asks for (IP_MINTTL, RFC 5082)? None is lost on loopback.
fn hops_do(to: &Slot, from: &Slot, peer: &Name) -> bool {
    let (least, hops) = places(peer);
    options::word(to, least) == 0 || options::value(to, least) <= options::value(from, hops)
}

/// The stream position up to which the socket's program lets it through; the end of the stream is one byte behind the last.
pub fn passed(s: &Sock, end: &End) -> u64 {
    let gated = end.own().gated.load(Acquire);
    if gated == 0 {
        return u64::MAX;
    }
    let (own, rx, now) = (end.own(), end.rx(), kernel::now_ns());
    let start = rx.consumed();
    let written = start + data::waiting(s, end);
    let over = rx.sent.fin.load(Acquire) != 0;
    let mut at = own.gate.load(Acquire).max(start);
    if own.gate_next.load(Acquire) > now {
        return at;
    }
    let far = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1));
    let signed = (gated & SIGNED == 0 || keys::agree_now(s, end))
        && (gated & HOPS == 0 || far.is_none_or(|far| hops_do(s.slot, far, &s.slot.peer())));
    let program = store::bytes(s.arena, s.slot, FILTER).map(|bytes| bpf::read(&bytes));
    while at < written || over && at == written {
        let length = (written - at).min(SEGMENT);
        let flags = ACK | if over && at + length == written { FIN } else { 0 };
        let mut packet = header(&s.slot.peer(), &s.slot.local(), flags, HEADER);
        if !peek(s, end, at - start, length as usize, &mut packet) {
            break;
        }
        // A segment is never cut into its header (sk_filter_trim_cap).
        let kept = match &program {
            _ if !signed => 0,
            Some(program) => bpf::run(program, &packet) as usize,
            None => packet.len(),
        };
        let payload = (kept.max(HEADER) - HEADER).min(length as usize) as u64;
        if kept == 0 || payload < length {
            at += if kept == 0 { 0 } else { payload };
            let tries = own.gate_tries.fetch_add(1, AcqRel).min(16);
            own.gate_next.store(now + (AGAIN_NS << tries).min(AGAIN_MOST_NS), Release);
            break;
        }
        at += length + (flags & FIN) as u64;
        own.gate_tries.store(0, Release);
    }
    own.gate.fetch_max(at, AcqRel);
    at
}

/// Adds what waits `ahead` bytes on to the packet.
fn peek(s: &Sock, end: &End, ahead: u64, length: usize, packet: &mut Vec<u8>) -> bool {
    if length == 0 {
        return true;
    }
    let mut bytes = vec![0u8; length];
    let list = List::one(bytes.as_mut_ptr() as usize, length);
    let how = Take { want: length, peek: true, skip: ahead, discard: false, limit: u64::MAX };
    let got = transport::of(end).receive(s, end, &mut Buffers::new(&list), how);
    packet.extend_from_slice(&bytes);
    got == Ok(length)
}

/// Has the end of the stream come, as the socket may see it?
#[inline]
pub fn end_came(s: &Sock, end: &End) -> bool {
    let rx = end.rx();
    rx.sent.fin.load(Acquire) != 0 && (!is_on(end) || passed(s, end) > rx.written())
}

/// When what was dropped comes again, in nanoseconds of the monotonic clock.
pub fn comes_again(s: &Sock, end: &End) -> Option<u64> {
    if !is_on(end) {
        return None;
    }
    passed(s, end);
    Some(end.own().gate_next.load(Acquire)).filter(|at| *at != 0)
}

/// Bytes of this end's that the far end's program has not let through, once it has looked at what came.
pub fn held_up(s: &Sock, end: &End) -> u64 {
    let far = end.far();
    if far.gated.load(Acquire) == 0 {
        return 0;
    }
    let number = far.slot.load(Acquire).wrapping_sub(1);
    if let Some(slot) = s.arena.slot(number).filter(|_| end.mode & PLAIN == 0) {
        passed(&Sock { fd: -1, number, slot, arena: s.arena }, &end.opposite());
    }
    end.tx().written().saturating_sub(far.gate.load(Acquire))
}
