//! SOL_SOCKET (socket(7); net/core/sock.c).

use super::places::*;
use super::row::{flag, int, own, told, Default::*, Get, Row, Set, ALL, TCP, UDP};
use super::special as sp;
use super::system::System;
use crate::abi::{Errno, Result};
use crate::family::inet::{reuseport, state};
use crate::socket::Sock;

/// Names that the `libc` crate does not have.
mod name {
    pub const SO_TIMESTAMP_NEW: i32 = 63;
    pub const SO_TIMESTAMPNS_NEW: i32 = 64;
    pub const SO_TIMESTAMPING_NEW: i32 = 65;
    pub const SO_RCVTIMEO_NEW: i32 = 66;
    pub const SO_SNDTIMEO_NEW: i32 = 67;
    pub const SO_DETACH_REUSEPORT_BPF: i32 = 68;
    pub const SO_PREFER_BUSY_POLL: i32 = 69;
    pub const SO_BUSY_POLL_BUDGET: i32 = 70;
    pub const SO_NETNS_COOKIE: i32 = 71;
    pub const SO_BUF_LOCK: i32 = 72;
    pub const SO_RESERVE_MEM: i32 = 73;
    pub const SO_TXREHASH: i32 = 74;
    pub const SO_RCVMARK: i32 = 75;
    pub const SO_PASSPIDFD: i32 = 76;
    pub const SO_PEERPIDFD: i32 = 77;
    pub const SO_DEVMEM_DONTNEED: i32 = 80;
    pub const SO_RCVPRIORITY: i32 = 82;
    pub const SO_PASSRIGHTS: i32 = 83;
    pub const SO_BSDCOMPAT: i32 = 14;
    pub const SO_PEERGROUPS: i32 = 59;
    pub const SO_CNX_ADVICE: i32 = 53;
    pub const SO_TXTIME: i32 = 61;
    pub const SO_MEMINFO: i32 = 55;
    pub const SO_INCOMING_NAPI_ID: i32 = 56;
    pub const SO_COOKIE: i32 = 57;
    pub const SO_BPF_EXTENSIONS: i32 = 48;
    pub const SO_MAX_PACING_RATE: i32 = 47;
    pub const SO_BINDTOIFINDEX: i32 = 62;
    pub const SO_NOFCS: i32 = 43;
    pub const SO_WIFI_STATUS: i32 = 41;
    pub const SO_NO_CHECK: i32 = 11;
    pub const SO_SELECT_ERR_QUEUE: i32 = 45;
}
pub use name::*;

const NO: Errno = Errno::ENOPROTOOPT;

/// What AF_UNIX alone could tell of a peer.
fn no_data(_s: &Sock) -> Result<i32> {
    Err(Errno::from_raw(libc::ENODATA))
}

/// What only AF_UNIX has.
const fn unix(name: i32) -> Row {
    own(name, ALL, Get::Refuse(Errno::EOPNOTSUPP), Set::Refuse(Errno::EOPNOTSUPP))
}

/// The rows.
pub const ROWS: &[Row] = &[
    int(libc::SO_DEBUG, ALL, DEBUG, Is(0), Set::Asked(true)),
    flag(libc::SO_REUSEADDR, ALL, REUSE_ADDRESS),
    flag(libc::SO_REUSEPORT, ALL, REUSE_PORT),
    flag(libc::SO_KEEPALIVE, ALL, KEEP_ALIVE),
    flag(libc::SO_BROADCAST, ALL, BROADCAST),
    flag(libc::SO_OOBINLINE, ALL, OOB_INLINE),
    flag(libc::SO_DONTROUTE, ALL, DONT_ROUTE),
    flag(SO_NO_CHECK, ALL, NO_CHECK),
    flag(libc::SO_RXQ_OVFL, ALL, RXQ_OVFL),
    flag(SO_WIFI_STATUS, ALL, WIFI_STATUS),
    flag(SO_NOFCS, ALL, NOFCS),
    flag(SO_SELECT_ERR_QUEUE, ALL, SELECT_ERR_QUEUE),
    flag(SO_RCVMARK, ALL, RCVMARK),
    flag(SO_RCVPRIORITY, ALL, RCVPRIORITY),
    int(libc::SO_ZEROCOPY, ALL, ZEROCOPY, Is(0), Set::Range(0, 1)),
    told(libc::SO_TYPE, ALL, |s| Ok(s.kind())),
    told(libc::SO_DOMAIN, ALL, |s| Ok(s.family())),
    told(libc::SO_PROTOCOL, ALL, sp::protocol),
    told(libc::SO_ACCEPTCONN, ALL, |s| Ok((sp::tcp_state(s) == state::LISTEN) as i32)),
    told(libc::SO_ERROR, ALL, |s| Ok(s.ops().take_error(s))),
    told(libc::SO_SNDLOWAT, ALL, |_| Ok(1)),
    told(SO_BPF_EXTENSIONS, ALL, |_| Ok(64)),
    told(SO_INCOMING_NAPI_ID, ALL, |_| Ok(0)),
    own(libc::SO_SNDBUF, ALL, Get::Find(sp::send_buffer), Set::Do(sp::set_send_buffer)),
    own(libc::SO_RCVBUF, ALL, Get::Find(sp::receive_buffer), Set::Do(sp::set_receive_buffer)),
    own(libc::SO_SNDBUFFORCE, ALL, Get::Refuse(NO), Set::Do(sp::force_send_buffer)),
    own(libc::SO_RCVBUFFORCE, ALL, Get::Refuse(NO), Set::Do(sp::force_receive_buffer)),
    int(SO_BUF_LOCK, ALL, BUFFER_LOCK, Is(0), Set::Range(0, 3)),
    int(libc::SO_RCVLOWAT, ALL, RECEIVE_LOW_WATER, Unset(1), Set::Map(sp::low_water)),
    int(libc::SO_PRIORITY, ALL, PRIORITY, Is(0), Set::Asked(false)),
    int(libc::SO_MARK, ALL, MARK, Is(0), Set::Asked(false)),
    own(libc::SO_LINGER, ALL, Get::Own(sp::linger), Set::Own(sp::set_linger)),
    own(libc::SO_RCVTIMEO, ALL, Get::Own(sp::receive_timeout), Set::Own(sp::set_receive_timeout)),
    own(libc::SO_SNDTIMEO, ALL, Get::Own(sp::send_timeout), Set::Own(sp::set_send_timeout)),
    own(SO_RCVTIMEO_NEW, ALL, Get::Own(sp::receive_timeout), Set::Own(sp::set_receive_timeout)),
    own(SO_SNDTIMEO_NEW, ALL, Get::Own(sp::send_timeout), Set::Own(sp::set_send_timeout)),
    own(SO_BSDCOMPAT, ALL, Get::Find(|_| Ok(0)), Set::Ignore),
    unix(libc::SO_PASSCRED),
    unix(libc::SO_PASSSEC),
    unix(SO_PASSPIDFD),
    unix(SO_PASSRIGHTS),
    own(libc::SO_PEERCRED, ALL, Get::Own(sp::peer_credentials), Set::Refuse(NO)),
    own(SO_PEERGROUPS, ALL, Get::Find(no_data), Set::Refuse(NO)),
    own(SO_PEERPIDFD, ALL, Get::Find(no_data), Set::Refuse(NO)),
    own(libc::SO_PEERNAME, ALL, Get::Own(sp::peer_name), Set::Refuse(NO)),
    own(libc::SO_BINDTODEVICE, ALL, Get::Own(sp::device), Set::First(sp::set_device)),
    int(SO_BINDTOIFINDEX, ALL, DEVICE, Is(0), Set::Map(sp::device_index)),
    // SO_ATTACH_FILTER and SO_DETACH_FILTER are answered by the protocols before the tables are asked.
    int(libc::SO_LOCK_FILTER, ALL, LOCK_FILTER, Is(0), Set::Map(sp::lock_filter)),
    own(libc::SO_ATTACH_BPF, ALL, Get::Refuse(NO), Set::Own(sp::no_program)),
    own(libc::SO_ATTACH_REUSEPORT_CBPF, ALL, Get::Refuse(NO), Set::Own(reuseport::attach)),
    own(libc::SO_ATTACH_REUSEPORT_EBPF, ALL, Get::Refuse(NO), Set::Own(sp::no_program)),
    own(SO_DETACH_REUSEPORT_BPF, ALL, Get::Refuse(NO), Set::Do(reuseport::detach)),
    own(libc::SO_TIMESTAMP, ALL, Get::Find(|s| sp::stamp(s, 0)), Set::Do(|s, v| sp::set_stamp(s, v, 0))),
    own(
        libc::SO_TIMESTAMPNS,
        ALL,
        Get::Find(|s| sp::stamp(s, STAMP_NS)),
        Set::Do(|s, v| sp::set_stamp(s, v, STAMP_NS)),
    ),
    own(SO_TIMESTAMP_NEW, ALL, Get::Find(|s| sp::stamp(s, STAMP_NEW)), Set::Do(|s, v| sp::set_stamp(s, v, STAMP_NEW))),
    own(
        SO_TIMESTAMPNS_NEW,
        ALL,
        Get::Find(|s| sp::stamp(s, STAMP_NS | STAMP_NEW)),
        Set::Do(|s, v| sp::set_stamp(s, v, STAMP_NS | STAMP_NEW)),
    ),
    own(libc::SO_TIMESTAMPING, ALL, Get::Own(sp::stamping), Set::Own(sp::set_stamping)),
    own(SO_TIMESTAMPING_NEW, ALL, Get::Own(sp::stamping_new), Set::Own(sp::set_stamping_new)),
    int(libc::SO_PEEK_OFF, ALL, PEEK_OFFSET, Is(-1), Set::Any),
    int(libc::SO_BUSY_POLL, ALL, BUSY_POLL, Is(0), Set::Range(0, i32::MAX)),
    int(SO_PREFER_BUSY_POLL, ALL, PREFER_BUSY_POLL, Is(0), Set::Asked(true)),
    // Nothing here polls a device, so the budget need not be remembered beyond the anchor.
    own(SO_BUSY_POLL_BUDGET, ALL, Get::Refuse(NO), Set::Asked(false)),
    own(SO_MAX_PACING_RATE, ALL, Get::Own(sp::pacing), Set::Own(sp::set_pacing)),
    Row { get: Get::Find(sp::incoming_cpu), ..int(libc::SO_INCOMING_CPU, ALL, INCOMING_CPU, Is(-1), Set::Any) },
    own(SO_CNX_ADVICE, ALL, Get::Refuse(NO), Set::Ignore),
    own(SO_MEMINFO, ALL, Get::Own(sp::memory), Set::Refuse(NO)),
    own(SO_COOKIE, ALL, Get::Own(sp::cookie), Set::Refuse(NO)),
    own(SO_NETNS_COOKIE, ALL, Get::Own(sp::network_cookie), Set::Refuse(NO)),
    own(SO_DEVMEM_DONTNEED, TCP, Get::Refuse(NO), Set::Own(sp::device_memory)),
    own(SO_DEVMEM_DONTNEED, UDP, Get::Refuse(NO), Set::Refuse(Errno::EBADF)),
    own(SO_TXTIME, ALL, Get::Own(sp::txtime), Set::Own(sp::set_txtime)),
    own(SO_RESERVE_MEM, ALL, Get::Find(|_| Ok(0)), Set::Do(sp::reserve_memory)),
    int(SO_TXREHASH, TCP, TXREHASH, Is(1), Set::Map(sp::rehash)),
    own(SO_TXREHASH, UDP, Get::Refuse(Errno::EOPNOTSUPP), Set::Refuse(Errno::EOPNOTSUPP)),
];

/// The system's size of a socket's send buffer.
pub const fn send_default(tcp: bool) -> System {
    if tcp {
        System::TcpSendBuffer
    } else {
        System::SendBuffer
    }
}

/// The system's size of a socket's receive buffer.
pub const fn receive_default(tcp: bool) -> System {
    if tcp {
        System::TcpReceiveBuffer
    } else {
        System::ReceiveBuffer
    }
}
