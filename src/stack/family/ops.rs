//! What a protocol must answer. Every default refuses, as the kernel's sock_no_* do.
//!
//! Ops never block: an operation that would says EAGAIN, and the facade waits with what [`SocketOps::waiting`] names.

use super::inet::Calm;
use crate::abi::{Errno, Name, Result};
use crate::shm::views::{Buffers, UserPtr};
use crate::socket::Sock;
use crate::wait::{Deadline, Interest};

/// A message on its way out.
pub struct Outgoing<'a> {
    /// The bytes.
    pub data: Buffers<'a>,
    /// The address given with it, encoded; empty for none.
    pub to: &'a [u8],
    /// Ancillary data, copied in; empty for none.
    pub control: &'a [u8],
    /// MSG_ flags.
    pub flags: i32,
}

/// A message on its way in.
pub struct Incoming<'a> {
    /// Where the bytes go.
    pub data: Buffers<'a>,
    /// MSG_ flags asked for.
    pub flags: i32,
    /// The sender's name, if the protocol tells one.
    pub from: Option<Name>,
    /// MSG_ flags to tell.
    pub out_flags: i32,
    /// Ancillary data to tell, encoded with its headers.
    pub control: Vec<u8>,
    /// Room that the program has for ancillary data; 0 when it asked for none.
    pub control_room: usize,
}

impl Incoming<'_> {
    /// Adds a piece of ancillary data, cut to the room that the program gave (put_cmsg).
    pub fn put_control(&mut self, level: i32, kind: i32, data: &[u8]) {
        const HEADER: usize = 16;
        let room = self.control_room.saturating_sub(self.control.len());
        if room < HEADER {
            self.out_flags |= libc::MSG_CTRUNC;
            return;
        }
        let mut length = HEADER + data.len();
        if room < length {
            self.out_flags |= libc::MSG_CTRUNC;
            length = room;
        }
        self.control.extend_from_slice(&(length as u64).to_ne_bytes());
        self.control.extend_from_slice(&level.to_ne_bytes());
        self.control.extend_from_slice(&kind.to_ne_bytes());
        self.control.extend_from_slice(&data[..length - HEADER]);
        // The next header is aligned, as far as there is room for padding.
        let aligned = self.control.len().next_multiple_of(8).min(self.control_room);
        self.control.resize(aligned, 0);
    }
}

/// Operations that a module of the protocol answers under a name of its own: `forward! { ready = poll::ready; }`.
macro_rules! forward {
    ($($name:ident = $to:path;)*) => { $($crate::family::ops::forward! { @$name $to })* };
    (@connect $to:path) => {
        fn connect(&self, s: &Sock, address: &[u8], nonblocking: bool) -> Result<()> {
            $to(s, address, nonblocking)
        }
    };
    (@listen $to:path) => { fn listen(&self, s: &Sock, backlog: i32) -> Result<()> { $to(s, backlog) } };
    (@accept $to:path) => { fn accept(&self, s: &Sock, flags: i32) -> Result<Sock> { $to(s, flags) } };
    (@shutdown $to:path) => { fn shutdown(&self, s: &Sock, how: i32) -> Result<()> { $to(s, how) } };
    (@send $to:path) => {
        #[inline]
        fn send(&self, s: &Sock, m: &mut Outgoing<'_>) -> Result<usize> { $to(s, m) }
    };
    (@receive $to:path) => {
        #[inline]
        fn receive(&self, s: &Sock, m: &mut Incoming<'_>) -> Result<usize> { $to(s, m) }
    };
    (@wait $to:path) => {
        fn wait(&self, s: &Sock, interest: Interest, deadline: Deadline) -> Result<()> { $to(s, interest, deadline) }
    };
    (@ready $to:path) => { fn ready(&self, s: &Sock) -> u32 { $to(s) } };
    (@arm $to:path) => { fn arm(&self, s: &Sock, events: u32) { $to(s, events) } };
    (@native_events $to:path) => { fn native_events(&self, s: &Sock, events: u32) -> u32 { $to(s, events) } };
    (@next_look $to:path) => { fn next_look(&self, s: &Sock) -> Option<u64> { $to(s) } };
    (@has_bell $to:path) => { fn has_bell(&self, s: &Sock) -> bool { $to(s) } };
    (@answer_bell $to:path) => { fn answer_bell(&self, s: &Sock, events: u32) { $to(s, events) } };
    (@edges $to:path) => { fn edges(&self, s: &Sock) -> (u64, u64) { $to(s) } };
    (@waits_since $to:path) => {
        fn waits_since(&self, s: &Sock, seen: u64) -> u64 { $to(s, seen) }
    };
    (@companion $to:path) => { fn companion(&self, s: &Sock) -> Option<i32> { $to(s) } };
    (@ioctl $to:path) => {
        fn ioctl(&self, s: &Sock, request: u64, argument: UserPtr) -> Result<i32> { $to(s, request, argument) }
    };
    (@option_changed $to:path) => {
        fn option_changed(&self, s: &Sock, level: i32, name: i32) -> Result<()> { $to(s, level, name) }
    };
    (@hung_up $to:path) => { fn hung_up(&self, s: &Sock) { $to(s) } };
    (@release $to:path) => { fn release(&self, s: &Sock) { $to(s) } };
}
pub(crate) use forward;

/// The operations of a socket type (struct proto_ops).
pub trait SocketOps: Sync {
    /// For logs and tests.
    fn name(&self) -> &'static str;

    /// A socket was made.
    fn open(&self, _s: &Sock) -> Result<()> {
        Ok(())
    }

    /// bind(2) of an address that was copied in.
    fn bind(&self, _s: &Sock, _address: &[u8]) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// connect(2). EINPROGRESS when it goes on.
    fn connect(&self, _s: &Sock, _address: &[u8], _nonblocking: bool) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// listen(2).
    fn listen(&self, _s: &Sock, _backlog: i32) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// accept4(2): the new descriptor, entered in the table.
    fn accept(&self, _s: &Sock, _flags: i32) -> Result<Sock> {
        Err(Errno::EOPNOTSUPP)
    }

    /// getsockname(2), getpeername(2).
    fn getname(&self, _s: &Sock, _peer: bool) -> Result<Name> {
        Err(Errno::EOPNOTSUPP)
    }

    /// shutdown(2), `how` checked.
    fn shutdown(&self, _s: &Sock, _how: i32) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// One attempt to send. Gives the bytes that went, possibly fewer than there are.
    fn send(&self, _s: &Sock, _m: &mut Outgoing<'_>) -> Result<usize> {
        Err(Errno::EOPNOTSUPP)
    }

    /// One attempt to receive.
    fn receive(&self, _s: &Sock, _m: &mut Incoming<'_>) -> Result<usize> {
        Err(Errno::EOPNOTSUPP)
    }

    /// May a receive stop with `got` of `wanted` bytes?
    fn enough(&self, _s: &Sock, _flags: i32, _got: usize, _wanted: usize) -> bool {
        true
    }

    /// Waits until an attempt is worth making again.
    fn wait(&self, _s: &Sock, _interest: Interest, _deadline: Deadline) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// What poll(2) says of the socket.
    fn ready(&self, _s: &Sock) -> u32 {
        0
    }

    /// As [`SocketOps::ready`], for somebody who wants to know of these events and of errors only: others may be left out.
    fn ready_for(&self, s: &Sock, _wanted: u32) -> u32 {
        self.ready(s)
    }

    /// What of the socket can be kept for many looks, if it is of a kind that is looked at fast.
    fn calm(&self, _s: &Sock) -> Option<Calm> {
        None
    }

    /// Does [`SocketOps::ready`] cost a system call, while the bell tells of every change?
    fn asks_kernel(&self, _s: &Sock) -> bool {
        false
    }

    /// Asks to be rung at the anchor for these poll(2) events, and forgets that with 0.
    fn arm(&self, _s: &Sock, _events: u32) {}

    /// As [`SocketOps::arm`], while somebody sleeps in the bed of this name (see [`crate::bell`]).
    fn arm_from_bed(&self, s: &Sock, events: u32, _name: u32) {
        self.arm(s, events);
    }

    /// Kernel events on the anchor that stand for these poll(2) events: 0 when only bells matter.
    fn native_events(&self, _s: &Sock, _events: u32) -> u32 {
        0
    }

    /// A program looks without sleeping: what only a hang-up tells is asked for now and then.
    fn notice(&self, _s: &Sock) {}

    /// When readiness may change by itself, without a bell: a moment of the monotonic clock in nanoseconds.
    fn next_look(&self, _s: &Sock) -> Option<u64> {
        None
    }

    /// Is the anchor connected or bound, so that sleeping on it makes sense?
    fn has_bell(&self, _s: &Sock) -> bool {
        true
    }

    /// Is the bell a byte or a message, which whoever wakes first takes from the others?
    fn bell_is_taken(&self, _s: &Sock) -> bool {
        true
    }

    /// Does the anchor's own room to write matter, since bytes go through it?
    fn bells_write(&self, _s: &Sock) -> bool {
        false
    }

    /// The kernel told these poll(2) events of the anchor: takes the bell's byte, notices a hang-up.
    fn answer_bell(&self, _s: &Sock, _events: u32) {}

    /// What edges are told by: a number that changes whenever something to read or a new state came, and one that
    /// changes whenever there was no room to write.
    fn edges(&self, _s: &Sock) -> (u64, u64) {
        (0, 0)
    }

    /// When what makes it readable came, by the processor's counter, beyond what an edge was told for already (the first
    /// of [`Self::edges`], 0 for none); 0 where that is not known.
    fn waits_since(&self, _s: &Sock, _seen: u64) -> u64 {
        0
    }

    /// A kernel socket that belongs to this one and has to be looked at as well.
    fn companion(&self, _s: &Sock) -> Option<i32> {
        None
    }

    /// SO_ERROR.
    fn take_error(&self, s: &Sock) -> i32 {
        s.slot.take_error().map_or(0, Errno::raw)
    }

    /// ioctl(2) with a request of this protocol's. ENOTTY passes it on.
    fn ioctl(&self, _s: &Sock, _request: u64, _argument: UserPtr) -> Result<i32> {
        Err(Errno::ENOTTY)
    }

    /// setsockopt(2) of an option that is this protocol's own affair. None: the tables' (`options`).
    fn set_option(&self, _s: &Sock, _level: i32, _name: i32, _value: UserPtr, _length: i32) -> Option<Result<()>> {
        None
    }

    /// getsockopt(2) of an option that is this protocol's own affair. None: the tables'.
    fn get_option(&self, _s: &Sock, _level: i32, _name: i32, _at: UserPtr, _length_at: UserPtr) -> Option<Result<()>> {
        None
    }

    /// An option's new value was stored: act on it.
    fn option_changed(&self, _s: &Sock, _level: i32, _name: i32) -> Result<()> {
        Ok(())
    }

    /// Is there a peer whose end only the kernel may have noticed so far?
    fn watches_peer(&self, _s: &Sock) -> bool {
        false
    }

    /// The kernel hung up on the anchor: the other end's last descriptor is gone.
    fn hung_up(&self, _s: &Sock) {}

    /// The last descriptor is going. `fd` is still open.
    fn release(&self, _s: &Sock) {}
}
