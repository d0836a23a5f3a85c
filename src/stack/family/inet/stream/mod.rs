//! TCP: the states of a stream socket and what each call does in them (tcp(7), RFC 9293).

mod accept;
mod calm;
mod close;
mod connect;
mod control;
mod data;
mod deferred;
mod filter;
mod keys;
mod poll;
pub mod quick;
mod slow;
mod stamps;
mod syn;
mod transport;
mod urgent;
mod zerocopy_receive;

use core::sync::atomic::Ordering::*;

use super::dgram::multicast;
use super::{address, state};
use crate::abi::{Errno, Name, Result};
use crate::family::ops::{forward, Incoming, Outgoing, SocketOps};
use crate::names::{ports, Kind, Names};
use crate::options;
use crate::shm::views::UserPtr;
use crate::shm::{Arena, Slot, SlotFlags, PLAIN};
use crate::socket::Sock;
use crate::wait::{Deadline, Interest};

/// Lets go of what a slot refers to, after its anchor is gone.
pub fn bury(arena: &'static Arena, slot: &'static Slot) {
    if slot.kind.load(Relaxed) == libc::SOCK_STREAM as u32 {
        let_go(arena, slot);
    }
    close::bury(arena, slot);
}

/// Gives back what is kept beside the slot.
fn let_go(arena: &'static Arena, slot: &Slot) {
    filter::let_go(arena, slot);
    stamps::let_go(arena, slot);
}

pub use calm::Calm;
pub use data::unacknowledged;
pub use filter::repeat;
pub use syn::saved;

/// The ops of SOCK_STREAM / IPPROTO_TCP.
pub static OPS: Stream = Stream;

/// See [`OPS`].
pub struct Stream;

impl SocketOps for Stream {
    fn name(&self) -> &'static str {
        "tcp"
    }

    forward! {
        connect = connect::connect;
        listen = accept::listen;
        accept = accept::accept;
        shutdown = close::shutdown;
        receive = data::receive;
        wait = poll::wait;
        ready = poll::ready;
        arm = poll::arm;
        native_events = poll::native_events;
        next_look = poll::next_look;
        has_bell = poll::has_bell;
        answer_bell = poll::answer_bell;
        edges = poll::edges;
        waits_since = poll::waits_since;
        ioctl = data::ioctl;
        option_changed = data::option_changed;
        hung_up = close::hung_up;
        release = close::release;
    }

    fn open(&self, s: &Sock) -> Result<()> {
        s.slot.state.store(state::CLOSE, Release);
        Ok(())
    }

    fn bind(&self, s: &Sock, address: &[u8]) -> Result<()> {
        let name = address::for_bind(s, address)?;
        let _held = s.slot.lock.lock();
        // IPv4 looks first whether the address is one of this machine, or of many.
        if s.slot.has(SlotFlags::BOUND) && (s.family() == libc::AF_INET6 || address::is_for_many(&name)) {
            return Err(Errno::EINVAL);
        }
        if !name.is_any() && !name.is_loopback() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if s.slot.state.load(Acquire) != state::CLOSE || s.slot.has(SlotFlags::BOUND) {
            return Err(Errno::EINVAL);
        }
        if name.port == 0 && options::flag(s.slot, options::IP_BIND_ADDRESS_NO_PORT) {
            s.slot.set_local(name);
        } else {
            ports::bind(&Names::lock(s.arena), Kind::Tcp, s.number, s.slot, name)?;
        }
        // The v4-mapped wildcard is an address, too (__inet6_bind).
        let locked = if name.ip.is_unspecified() { 0 } else { SlotFlags::ADDRESS_LOCKED };
        s.slot.set(locked | if name.port != 0 { SlotFlags::PORT_LOCKED } else { 0 });
        Ok(())
    }

    fn getname(&self, s: &Sock, peer: bool) -> Result<Name> {
        if !peer {
            return Ok(s.slot.local());
        }
        match current_state(s) {
            state::CLOSE | state::SYN_SENT | state::LISTEN => Err(Errno::ENOTCONN),
            _ => Ok(s.slot.peer()),
        }
    }

    fn send(&self, s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> {
        let mut stamps = None;
        if !m.control.is_empty() {
            let may_mark = || options::may_mark(s);
            stamps = control::check(m.control, options::row::was_set(s.slot, options::TXTIME_FLAGS), may_mark)?;
        }
        if stamps.is_none() && !s.slot.has(SlotFlags::SLOW) {
            return data::send(s, m);
        }
        stamps::send(s, m, stamps)
    }

    fn enough(&self, s: &Sock, flags: i32, got: usize, wanted: usize) -> bool {
        let least = if flags & libc::MSG_WAITALL != 0 { wanted } else { low_water(s.slot).min(wanted) };
        got >= least || flags & libc::MSG_OOB != 0 || got > 0 && s.end().is_some_and(|e| urgent::at_mark(&e))
    }

    fn ready_for(&self, s: &Sock, wanted: u32) -> u32 {
        poll::ready_for(s, wanted)
    }

    fn calm(&self, s: &Sock) -> Option<Calm> {
        Calm::of(s).filter(|_| s.slot.state.load(Relaxed) == state::ESTABLISHED)
    }

    fn asks_kernel(&self, s: &Sock) -> bool {
        s.slot.state.load(Relaxed) == state::LISTEN
    }

    fn arm_from_bed(&self, s: &Sock, events: u32, name: u32) {
        poll::arm_from_bed(s, events, name);
    }

    fn notice(&self, s: &Sock) {
        if let Some(end) = s.end().filter(|e| close::stands_still(s, e.rx())) {
            close::notice_death(s, &end);
        }
    }

    fn bell_is_taken(&self, s: &Sock) -> bool {
        s.slot.state.load(Acquire) == state::ESTABLISHED && s.end().is_some_and(|e| e.mode & PLAIN == 0)
    }

    fn bells_write(&self, s: &Sock) -> bool {
        s.end().map_or(crate::config::get().plain, |e| e.mode & PLAIN != 0)
    }

    fn set_option(&self, s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
        filter::set_option(s, level, name, value, length)
            .or_else(|| keys::set_option(s, level, name, value, length))
            .or_else(|| multicast::set_option_of_stream(s, level, name, value, length))
    }

    fn get_option(&self, s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Option<Result<()>> {
        if (level, name) == (libc::IPPROTO_TCP, libc::TCP_ZEROCOPY_RECEIVE) {
            return Some(zerocopy_receive::get(s, at, length_at));
        }
        filter::get_option(s, level, name, at, length_at)
    }

    fn take_error(&self, s: &Sock) -> i32 {
        connect::progress(s);
        data::take_error(s).map_or(0, Errno::raw)
    }

    fn watches_peer(&self, s: &Sock) -> bool {
        s.slot.state.load(Acquire) == state::ESTABLISHED && poll::has_bell(s)
    }
}

/// The TCP state as TCP_INFO tells it: the slot's, refined by what the connection has seen.
pub fn current_state(s: &Sock) -> u32 {
    let base = s.slot.state.load(Acquire);
    let Some(end) = s.end().filter(|_| base == state::ESTABLISHED) else { return base };
    if end.own().was_reset.load(Acquire) != 0 {
        return state::CLOSE;
    }
    match (end.tx().sent.fin.load(Acquire), filter::end_came(s, &end)) {
        (0, false) => state::ESTABLISHED,
        (_, false) => state::FIN_WAIT2,
        (0, true) => state::CLOSE_WAIT,
        _ => state::CLOSE,
    }
}

/// SO_RCVLOWAT, at least 1.
fn low_water(slot: &Slot) -> usize {
    (options::word(slot, options::RECEIVE_LOW_WATER) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::reuseport;
    use super::*;

    #[test]
    fn nobody_keeps_something_in_the_words_of_another() {
        let mut words = vec![options::EXTRA_PACING, options::EXTRA_COOKIE, filter::FILTER, keys::KEYS, stamps::STAMPS];
        words.extend([reuseport::PROGRAM, reuseport::PLACE, deferred::EARLIEST, connect::EMPTY_AT]);
        words.extend([connect::ARRIVALS, connect::ON_THE_WAY, connect::RUNG_NS]);
        words.extend(options::inherit::NOTES);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
    }
}
