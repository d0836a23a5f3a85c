//! connect(2): names, the way to the listener, and a connection that goes on in the background (inet_stream_connect).

use core::cmp::Ordering;
use core::sync::atomic::Ordering::*;

use super::super::reuseport;
use super::{address, close, deferred, filter, state};
use crate::abi::{family_of, Errno, Name, Result};
use crate::family::ops::Outgoing;
use crate::kernel::{self, LOOPBACK};
use crate::names::table::claim_of;
use crate::names::{ports, timewait, Kind, Names};
use crate::network::called;
use crate::options;
use crate::shm::{Conn, End, Slot, SlotFlags, PLAIN, SELF};
use crate::signal::sleep;
use crate::socket::Sock;
use crate::stop::{self, Point};
use crate::wait;

/// See [`crate::family::SocketOps::connect`].
pub fn connect(s: &Sock, address: &[u8], nonblocking: bool) -> Result<()> {
    let family = family_of(address).ok_or(Errno::EINVAL)?;
    let held = s.slot.lock.lock();
    if family == libc::AF_UNSPEC {
        return close::disconnect(s);
    }
    if s.slot.has(SlotFlags::CONNECT_UNTOLD) {
        attempt_pending(s);
        return match super::current_state(s) {
            state::SYN_SENT if nonblocking => Err(Errno::EALREADY),
            state::SYN_SENT => {
                drop(held);
                finish_blocking(s)
            }
            state::CLOSE => Err(collect(s)),
            _ => {
                s.slot.clear(SlotFlags::CONNECT_UNTOLD);
                Ok(())
            }
        };
    }
    if s.slot.state.load(Acquire) != state::CLOSE || s.end().is_some_and(|e| e.own().slot.load(Relaxed) != 0) {
        return Err(Errno::EISCONN);
    }
    let to = address::destination(s, address)?;
    if address::is_for_many(&to) {
        return Err(Errno::ENETUNREACH);
    }
    let target = name_both(s, to)?;
    s.slot.set(SlotFlags::PEER);
    // A fresh connection starts without an old one's error (tcp_connect_init).
    s.slot.error.store(0, Release);
    s.slot.state.store(state::SYN_SENT, Release);
    if nonblocking {
        s.slot.set(SlotFlags::CONNECT_UNTOLD);
    }
    match target {
        Target::Nobody => {
            refused(s, Errno::ECONNREFUSED);
            Err(if nonblocking { Errno::EINPROGRESS } else { collect(s) })
        }
        Target::Itself => {
            let made = join_itself(s);
            match (made, nonblocking) {
                (Ok(()), true) => Err(Errno::EINPROGRESS),
                (other, _) => other,
            }
        }
        Target::Listener(number) => {
            let listener = s.arena.slot(number).ok_or(Errno::ECONNREFUSED)?;
            prepare(s)?;
            // A blocking connect sleeps in the kernel when the queue is full; nothing of ours is held meanwhile. However
            // its sleep ends, also with the thread's end, the connection goes on in the background.
            s.slot.set(SlotFlags::CONNECT_UNTOLD);
            drop(held);
            match reach(s, number, listener, !nonblocking) {
                Ok(()) if nonblocking => Err(Errno::EINPROGRESS),
                Ok(()) => {
                    s.slot.clear(SlotFlags::CONNECT_UNTOLD);
                    Ok(())
                }
                // The handshake does not come through: it is tried again and again.
                Err(Errno::EAGAIN) if !nonblocking && !filter::lets_connect(s.arena, listener, s.slot) => {
                    match finish_blocking(s) {
                        Err(Errno::EALREADY) => Err(Errno::EINPROGRESS),
                        other => other,
                    }
                }
                Err(Errno::EAGAIN) => Err(Errno::EINPROGRESS),
                // Made again, the call waits for what goes on.
                Err(e @ (Errno::EINTR | Errno::RESTART)) => Err(e),
                Err(_) if nonblocking => Err(Errno::EINPROGRESS),
                Err(_) => Err(collect(s)),
            }
        }
    }
}

/// MSG_FASTOPEN: connects to the address that came with the data (tcp_sendmsg_fastopen). Without a cookie, as on
/// loopback, the data follows once the connection stands.
pub fn with_data(s: &Sock, m: &mut Outgoing<'_>) -> Result<()> {
    m.flags &= !libc::MSG_FASTOPEN;
    if s.slot.state.load(Acquire) != state::CLOSE {
        return Err(Errno::EISCONN);
    }
    if m.to.is_empty() {
        return Err(Errno::EINVAL);
    }
    connect(s, m.to, s.nonblocking() || m.flags & libc::MSG_DONTWAIT != 0)
}

enum Target {
    Nobody,
    Itself,
    Listener(u32),
}

/// Gives the socket the names that the connection will have, and finds who listens there.
fn name_both(s: &Sock, to: Name) -> Result<Target> {
    let names = Names::lock(s.arena);
    let mut local = s.slot.local();
    if local.is_any() {
        local.ip = address::route_source(&to);
    } else if local.canonical().is_ipv4() != to.canonical().is_ipv4() {
        return Err(if local.canonical().is_ipv4() { Errno::EAFNOSUPPORT } else { Errno::ENETUNREACH });
    }
    let chosen = s.slot.has(SlotFlags::BOUND);
    if chosen {
        if stands(&names, s.number, &local, &to) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        s.slot.set_local(local);
    } else {
        let claim = crate::names::conflict::Claim { name: local, ..claim_of(s.slot) };
        local.port = ports::for_connect(&names, s.number, &claim)?;
        s.slot.set_local(local);
        names.insert(s.number, Kind::Tcp);
    }
    s.slot.set_peer(to);
    if let Some(number) = listener(&names, &to, &local) {
        if chosen {
            timewait::give_way(s.arena, &local, &to);
        }
        return Ok(Target::Listener(number));
    }
    let itself = local.port == to.port && local.canonical() == to.canonical();
    Ok(if itself { Target::Itself } else { Target::Nobody })
}

/// Is there a connection with these two names, or one on its way (__inet_check_established)?
fn stands(names: &Names, me: u32, from: &Name, to: &Name) -> bool {
    let same = |a: &Name, b: &Name| a.port == b.port && a.canonical() == b.canonical();
    let lives = |slot: &Slot| match (slot.state.load(Acquire), slot.conn()) {
        (state::SYN_SENT, _) => true,
        (state::ESTABLISHED, Some((number, side))) => names.arena().conn(number).is_some_and(|conn| {
            let end = End::new(conn, side);
            let both = end.tx().sent.fin.load(Acquire) != 0 && end.rx().sent.fin.load(Acquire) != 0;
            end.own().was_reset.load(Acquire) == 0 && !both
        }),
        _ => false,
    };
    let holders = [Kind::Tcp, Kind::Accepted].into_iter().flat_map(|kind| names.holders(kind, from.port));
    holders.filter(|(n, _)| *n != me).any(|(_, slot)| {
        slot.kind.load(Relaxed) == libc::SOCK_STREAM as u32
            && same(&slot.local(), from)
            && same(&slot.peer(), to)
            && lives(slot)
    })
}

/// The listener that a connection from `from` to `to` reaches: the most exact name wins, and among equals of a
/// SO_REUSEPORT group the names of the connection choose (inet_lookup_listener).
fn listener(names: &Names, to: &Name, from: &Name) -> Option<u32> {
    let score = |slot: &Slot| -> Option<u32> {
        if slot.state.load(Acquire) != state::LISTEN || slot.kind.load(Relaxed) != libc::SOCK_STREAM as u32 {
            return None;
        }
        let (name, v4) = (slot.local(), to.canonical().is_ipv4());
        let six = slot.family.load(Relaxed) == libc::AF_INET6 as u32;
        // compute_score: an interface that was named counts as much as the family, and another one keeps out.
        let device = options::word(slot, options::DEVICE);
        if device > LOOPBACK {
            return None;
        }
        let fits = 1 + device + !six as u32;
        if name.is_any() {
            let covers = match (v4, six) {
                (true, true) => !options::flag(slot, options::V6_ONLY),
                (true, false) => true,
                // The wildcard that is IPv4's, v4-mapped, is for IPv4 alone.
                (false, _) => name.canonical().is_ipv6(),
            };
            return covers.then_some(fits);
        }
        (name.canonical() == to.canonical()).then_some(4 + fits)
    };
    // Twice through a chain that is short, rather than a list.
    let scores = || names.holders(Kind::Tcp, to.port).filter_map(|(number, slot)| Some((number, score(slot)?)));
    let (best, count) = scores().fold((0, 0), |(best, count), (_, score)| match score.cmp(&best) {
        Ordering::Greater => (score, 1),
        Ordering::Equal => (best, count + 1),
        Ordering::Less => (best, count),
    });
    if count > 1 {
        let among = scores().filter(|(_, score)| *score == best);
        let slots = among.filter_map(|(number, _)| Some((number, names.arena().slot(number)?)));
        let group = slots.filter(|(_, slot)| options::flag(slot, options::REUSE_PORT)).collect();
        // A SYN has no payload.
        if let (Some((number, _)), _) = reuseport::choose(names.arena(), group, Vec::new) {
            return Some(number);
        }
    }
    let hash = (from.port as usize).wrapping_mul(0x9e37_79b1) >> 7;
    scores().filter(|(_, score)| *score == best).nth(hash % count.max(1)).map(|(number, _)| number)
}

/// Makes the connection's shared state and calls the anchor by it: that name is what accept finds the connection by, so
/// that there is no hello to wait for.
fn prepare(s: &Sock) -> Result<()> {
    let (number, _) = match s.slot.conn() {
        Some(pending) => pending,
        None => {
            let number = Conn::open(s.arena, crate::config::get().plain).ok_or(Errno::ENOBUFS)?;
            s.slot.set_conn(Some((number, 0)));
            (number, 0)
        }
    };
    let conn = s.arena.conn(number).ok_or(Errno::ENOBUFS)?;
    conn.ends[0].gate.store(kernel::now_ns(), Relaxed);
    stop::here(Point::ConnOpened);
    conn.set_names(s.slot.local(), Name { flow: 0, ..s.slot.peer() });
    if !s.slot.has(SlotFlags::NAMED) {
        kernel::bind(s.fd, &called::of_conn(s.arena, number, conn))?;
        s.slot.set(SlotFlags::NAMED);
    }
    Ok(())
}

/// What a connection is called in the notes of its listener's options (`options::inherit`).
pub fn tag(number: u32, conn: &Conn) -> u64 {
    (number as u64 + 1) << 32 | conn.generation.load(Relaxed) as u64
}

/// The word of a listener's `Slot::extra` with [`ARRIVALS`] + 1 as it was before its queue was last found empty, 0 when
/// nothing is known.
pub const EMPTY_AT: usize = 3;
/// The word of a listener's `Slot::extra` that counts connections that came into its queue, in its lower half, and those
/// that were taken from there, in its upper half.
pub const ARRIVALS: usize = 29;
/// One connection taken, in [`ARRIVALS`].
pub const TAKEN: u64 = 1 << 32;
/// The word with how many may be in the queue and are not counted yet, or still sleep before it.
pub const ON_THE_WAY: usize = 30;
/// The word with the time of the listener's last bell.
pub const RUNG_NS: usize = 31;

/// Connects the anchor to the listener's, sleeping until there is room (`sleeps`) as long as its send timeout says. EAGAIN
/// when its queue is full.
fn reach(s: &Sock, number: u32, listener: &'static Slot, sleeps: bool) -> Result<()> {
    if let Some((conn, _)) = s.slot.conn() {
        if let Some(shared) = s.arena.conn(conn) {
            options::inherit::write_down(listener, s.slot, tag(conn, shared));
        }
    }
    if !filter::lets_connect(s.arena, listener, s.slot) {
        return Err(Errno::EAGAIN);
    }
    if deferred::begins(s, number, listener) {
        established(s);
        return Ok(());
    }
    let address = called::of_slot(s.arena, number, listener);
    let begun = kernel::now_ns();
    let outcome = arriving(listener, || match sleeps {
        false => kernel::connect(s.fd, &address),
        true => connect_anchor(s, &address),
    });
    match outcome {
        Ok(()) => {
            stop::here(Point::Connected);
            if let Some(end) = s.end() {
                // The handshake is the first round trip, for both ends.
                let took = kernel::now_ns() - begun;
                [end.tx(), end.rx()].into_iter().for_each(|way| way.measured(took));
            }
            established(s);
            if listener.has(SlotFlags::WATCHED) {
                // Other processes' sets have its bell; this one's own need not wait for their next look at it.
                crate::readiness::arrived(&Sock { fd: -1, number, slot: listener, arena: s.arena });
            }
            Ok(())
        }
        Err(e @ (Errno::EAGAIN | Errno::EINTR | Errno::RESTART)) => Err(e),
        // Another thread's attempt succeeded, and it has not written so yet; it may even have been told of the end since.
        Err(Errno::EISCONN) => {
            if s.slot.state.load(Acquire) == state::SYN_SENT {
                established(s);
            }
            Ok(())
        }
        // Nobody is called so any more: its process died.
        Err(Errno::ECONNREFUSED) => {
            refused(s, Errno::ECONNREFUSED);
            Err(Errno::ECONNREFUSED)
        }
        Err(e) => {
            refused(s, e);
            Err(e)
        }
    }
}

/// Does [`ARRIVALS`] say that something is in the queue? Only a guess, as who counts comes after who acts, and may be killed.
pub fn may_be_queued(arrivals: u64) -> bool {
    (arrivals as u32).wrapping_sub((arrivals >> 32) as u32) as i32 > 0
}

/// What is known of a listener's queue.
pub enum Queue {
    /// Nothing is in it, as of this state of [`ARRIVALS`].
    Empty(u64),
    /// Somebody can be accepted.
    Waits,
    /// The kernel does not say.
    Unknown,
}

/// Looks at a listener's queue: asks the kernel where nothing is known, and notes what it says.
pub fn queue(s: &Sock) -> Queue {
    let extra = &s.slot.extra;
    // In this order: who is not on the way any more has been counted.
    let on_the_way = extra[ON_THE_WAY].load(Acquire);
    let arrivals = extra[ARRIVALS].load(Acquire);
    if on_the_way == 0 && extra[EMPTY_AT].load(Relaxed) == arrivals + 1 {
        return Queue::Empty(arrivals);
    }
    if s.fd < 0 {
        // A process that closed it and watches it still, as others have it. There is nothing to ask the kernel by, and
        // nothing may be noted for those who can.
        return if may_be_queued(arrivals) { Queue::Waits } else { Queue::Empty(arrivals) };
    }
    let mut fds = [libc::pollfd { fd: s.fd, events: libc::POLLIN, revents: 0 }];
    match kernel::ppoll(&mut fds, Some(0), None) {
        Ok(1) if fds[0].revents & libc::POLLIN != 0 => Queue::Waits,
        Ok(0) => {
            extra[EMPTY_AT].store(arrivals + 1, Relaxed);
            Queue::Empty(arrivals)
        }
        _ => Queue::Unknown,
    }
}

/// The queue of a socket that begins to listen is empty, whatever it had before.
pub fn none_queued(listener: &Slot) {
    let arrived = listener.extra[ARRIVALS].load(Relaxed) & (TAKEN - 1);
    listener.extra[ARRIVALS].store(arrived << 32 | arrived, Relaxed);
}

/// Has `go` put a connection into a listener's queue, and counts it there: only after it, because a watcher that has seen
/// the count and not the connection would take its bell for that of another.
pub fn arriving(listener: &Slot, go: impl FnOnce() -> Result<()>) -> Result<()> {
    listener.extra[ON_THE_WAY].fetch_add(1, AcqRel);
    let outcome = go();
    if outcome.is_ok() {
        listener.extra[ARRIVALS].fetch_add(1, AcqRel);
    }
    let _ = listener.extra[ON_THE_WAY].fetch_update(AcqRel, Acquire, |n| n.checked_sub(1));
    outcome
}

fn connect_anchor(s: &Sock, address: &[u8]) -> Result<()> {
    let timed = options::send_timeout(s.slot).is_some();
    loop {
        if let Some(done) = wait::interruptible(timed, Some(s), |_| sleep::connect(s.fd, address))? {
            return Ok(done);
        }
    }
}

fn established(s: &Sock) {
    if let Some(end) = s.end() {
        if end.mode & PLAIN != 0 {
            widen(s);
        }
        filter::begin(s, &end);
        super::slow::settle(s.slot, Some(&end));
        end.own().slot.store(s.number + 1, Release);
        super::data::set_capacity(s, &end);
        crate::owner::connected(s);
    }
    s.slot.state.store(state::ESTABLISHED, Release);
    tell_owner(s);
}

/// O_ASYNC tells of the outcome, whether somebody waits for it or not (tcp_finish_connect, tcp_reset).
fn tell_owner(s: &Sock) {
    if s.slot.has(SlotFlags::ASYNC) {
        crate::owner::readable(s.slot);
    }
}

/// Anchors that carry bytes themselves hold as many as a TCP connection would.
/// What the program asked for itself goes before.
pub fn widen(s: &Sock) {
    for (name, option) in [(libc::SO_SNDBUF, options::SEND_BUFFER), (libc::SO_RCVBUF, options::RECEIVE_BUFFER)] {
        // The kernel doubles what it is given, as it did for the value that is kept.
        let bytes = match options::word(s.slot, option) as i32 {
            0 => 2 << 20,
            doubled => doubled / 2,
        };
        let _ = kernel::setsockopt(s.fd, libc::SOL_SOCKET, name, &bytes.to_ne_bytes());
    }
}

/// Back to CLOSE after a refusal, with both directions shut, until connect(2) tells the program (tcp_done).
fn refused(s: &Sock, error: Errno) {
    s.slot.error.store(error.raw(), Release);
    s.slot.set(SlotFlags::SHUT_RD | SlotFlags::SHUT_WR);
    s.slot.clear(SlotFlags::PEER);
    s.slot.state.store(state::CLOSE, Release);
    close::release_port(s);
    tell_owner(s);
}

/// Tells a connection's failure: the socket is as good as new after it (tcp_disconnect).
fn collect(s: &Sock) -> Errno {
    let error = super::data::take_error(s).unwrap_or(Errno::ECONNABORTED);
    if s.slot.state.load(Acquire) != state::CLOSE {
        let _ = close::disconnect(s);
        s.slot.take_error();
    }
    s.slot.clear(SlotFlags::CONNECT_UNTOLD | SlotFlags::SHUT_RD | SlotFlags::SHUT_WR);
    close::reset_address(s);
    error
}

fn join_itself(s: &Sock) -> Result<()> {
    let number = Conn::open(s.arena, false).ok_or(Errno::ENOBUFS)?;
    let conn = s.arena.conn(number).ok_or(Errno::ENOBUFS)?;
    conn.mode.fetch_or(SELF, AcqRel);
    conn.set_names(s.slot.local(), s.slot.peer());
    s.slot.set_conn(Some((number, 0)));
    established(s);
    Ok(())
}

/// A connection that goes on in the background: tries again if its listener's queue was full.
pub fn progress(s: &Sock) {
    if s.slot.state.load(Acquire) == state::SYN_SENT {
        let _held = s.slot.lock.lock();
        attempt_pending(s);
    }
}

fn attempt_pending(s: &Sock) {
    if s.slot.state.load(Acquire) != state::SYN_SENT {
        return;
    }
    let (to, from) = (s.slot.peer(), s.slot.local());
    let Some(number) = listener(&Names::lock(s.arena), &to, &from) else {
        return refused(s, Errno::ECONNREFUSED);
    };
    let Some(slot) = s.arena.slot(number) else { return };
    let reached = at_once(s, || reach(s, number, slot, false));
    if reached == Err(Errno::EAGAIN) && s.end().is_some_and(|end| gave_up(s, &end)) {
        refused(s, Errno::ETIMEDOUT);
    }
}

/// SYNs go out ever later, the second one after a second, as often as TCP_SYNCNT says; TCP_USER_TIMEOUT is looked at when the
/// next would go (tcp_write_timeout).
fn gave_up(s: &Sock, end: &End) -> bool {
    const FIRST_NS: u64 = 1_000_000_000;
    let since = kernel::now_ns().saturating_sub(end.own().gate.load(Relaxed));
    let count = options::value(s.slot, options::SYN_COUNT).clamp(1, 32) as u32;
    let most = match options::word(s.slot, options::USER_TIMEOUT) as u64 {
        0 => u64::MAX,
        ms => (ms * 1_000_000).max(FIRST_NS),
    };
    since >= most.min(((2 << count) - 1) * FIRST_NS)
}

/// Makes a call that connects the anchor without sleeping for room in the listener's queue.
pub fn at_once(s: &Sock, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let blocking = kernel::fcntl(s.fd, libc::F_GETFL, 0).is_ok_and(|f| f & libc::O_NONBLOCK == 0);
    // The anchor sleeps as long as its send timeout: one microsecond, so as not to touch flags that others see.
    let timeout = |us: i64| {
        let mut value = [0u8; 16];
        value[..8].copy_from_slice(&(us / 1_000_000).to_ne_bytes());
        value[8..].copy_from_slice(&(us % 1_000_000).to_ne_bytes());
        let _ = kernel::setsockopt(s.fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &value);
    };
    if blocking {
        timeout(1);
    }
    let outcome = act();
    if blocking {
        options::renew_timeouts(s.slot, s.fd);
    }
    outcome
}

/// A blocking connect(2) on a connection that is under way already.
fn finish_blocking(s: &Sock) -> Result<()> {
    let deadline = crate::wait::deadline(options::send_timeout(s.slot));
    match s.ops().wait(s, crate::wait::Interest::Write, deadline) {
        Ok(()) => {}
        Err(Errno::EAGAIN) => return Err(Errno::EALREADY),
        Err(e) => return Err(e),
    }
    match s.slot.state.load(Acquire) {
        state::CLOSE => Err(collect(s)),
        _ => {
            s.slot.clear(SlotFlags::CONNECT_UNTOLD);
            Ok(())
        }
    }
}

/// An end for a connection that was found by name.
pub fn acceptor_end(conn: &'static Conn) -> End {
    End::new(conn, 1)
}
